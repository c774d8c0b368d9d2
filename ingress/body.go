package ingress

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
)

// Limits on request bodies. Bodies are in memory before we know who sends them.
const (
	// maxBodySize is far above any webhook of InFlow, in bytes.
	maxBodySize = 256 << 10
	// smallBody is larger than the bodies that InFlow sends, in bytes. Every request may have a
	// body of this size.
	smallBody = 16 << 10
	// maxLargeBodies is the maximum number of larger bodies that are read at the same time.
	// Together they take at most 64 MiB, half of it slack in buffers that grow.
	maxLargeBodies = 128
)

// readBody reads the whole body, or returns the answer if it cannot. Call release when the body is
// no longer needed, in either case.
func (q *webhookRequest) readBody() (body []byte, release func(), refusal *answer) {
	release = func() {}
	if q.ContentLength > maxBodySize {
		return nil, release, bodyTooLarge()
	}
	var content bytes.Buffer
	limited := http.MaxBytesReader(nil, q.Body, maxBodySize)
	_, err := io.CopyN(&content, limited, smallBody)
	if err == nil {
		select {
		case q.server.largeBodies <- struct{}{}:
			release = func() { <-q.server.largeBodies }
		default:
			a := failed(http.StatusServiceUnavailable, reasonTooManyLarge,
				"too many large bodies at once; please send it again")
			a.retryAfter, a.close = retryUnavailable, true
			return nil, release, &a
		}
		_, err = content.ReadFrom(limited)
	} else if errors.Is(err, io.EOF) {
		err = nil
	}
	if err != nil {
		return nil, release, bodyUnreadable(err)
	}
	size, digest := content.Len(), sha256.Sum256(content.Bytes())
	q.bodySize, q.bodySHA256 = &size, hex.EncodeToString(digest[:])
	return content.Bytes(), release, nil
}

func bodyTooLarge() *answer {
	a := refused(http.StatusRequestEntityTooLarge, reasonBodyTooLarge,
		fmt.Sprintf("the body is over %d bytes", maxBodySize))
	a.close = true
	return &a
}

func bodyUnreadable(err error) *answer {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return bodyTooLarge()
	}
	a := refused(http.StatusBadRequest, reasonBodyIncomplete,
		"the body could not be read to its end")
	if errors.Is(err, os.ErrDeadlineExceeded) {
		a = refused(http.StatusRequestTimeout, reasonBodyTooSlow, "the body did not come in time")
	}
	a.close, a.err = true, err
	return &a
}
