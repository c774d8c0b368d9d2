package subscriptions

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"github.com/google/uuid"
)

// successorID returns an id for the subscription that replaces another one. The first half is
// random. The second half is derived from the first half and the other id. That way, a run
// recognizes the subscription of an interrupted earlier run, although InFlow stores no note with a
// subscription.
func successorID(of string) string {
	id := uuid.New()
	id[6] = 0x80 | id[6]&0x0f // version 8 of RFC 9562: custom format
	copy(id[8:], successorMark(id, of))
	return id.String()
}

// isSuccessor reports whether id is a [successorID] of the subscription of.
func isSuccessor(id, of string) bool {
	parsed, err := uuid.Parse(id)
	return err == nil && parsed[6]>>4 == 8 &&
		subtle.ConstantTimeCompare(parsed[8:], successorMark(parsed, of)) == 1
}

func successorMark(id uuid.UUID, of string) []byte {
	digest := sha256.Sum256(append(id[:8:8], strings.ToLower(of)...))
	mark := digest[:8]
	mark[0] = 0x80 | mark[0]&0x3f // the variant of RFC 9562
	return mark
}
