package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// webhook posts the whole notice. shoutrrr's generic service also posts JSON, but only flat JSON,
// and without a deadline.
type webhook struct {
	address string
	client  *http.Client
}

func newWebhook(address string, transport http.RoundTripper) *webhook {
	return &webhook{address: address, client: newClient(transport)}
}

func (h *webhook) post(ctx context.Context, m message) error {
	return postJSON(ctx, h.client, h.address, m.id, m.body)
}

func newClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: transport,
		// Don't follow redirects: the operator did not choose their target.
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// maxIgnored limits how much of a response body is read so the connection can be reused, in bytes.
const maxIgnored = 64 << 10

func postJSON(ctx context.Context, client *http.Client, address, id string, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode the notice: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return &Error{Permanent: true, Reason: "cannot build the request"} // err quotes the URL
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "error-check-gate")
	req.Header.Set("Idempotency-Key", id)
	resp, err := client.Do(req)
	if err != nil {
		var call *url.Error // contains the URL, so unwrap it
		if errors.As(err, &call) {
			err = call.Err
		}
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxIgnored)) // only the status matters
	return httpError(resp)
}

// httpError returns nil for 2xx. 3xx and most 4xx statuses are permanent: somebody may fix the URL,
// but retrying a wrong URL for a day does not help. Statuses that ask the client to wait are
// retryable.
func httpError(resp *http.Response) error {
	code := resp.StatusCode
	e := &Error{Code: code, Permanent: code < 500,
		Reason: fmt.Sprintf("it responded with %d %s", code, http.StatusText(code))}
	switch {
	case code >= 200 && code < 300:
		return nil
	case code >= 300 && code < 400:
		e.Reason += ", a redirect: use the URL that it points to"
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly,
		code == http.StatusTooManyRequests:
		e.Permanent = false
	}
	if !e.Permanent {
		e.RetryAfter = retryAfter(resp.Header.Get("Retry-After"))
	}
	return e
}

// maxRetryAfter limits the wait that a server can ask for.
const maxRetryAfter = time.Hour

// retryAfter parses a Retry-After header: seconds or a date (RFC 9110, 10.2.3).
func retryAfter(value string) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.Atoi(value); err == nil {
		wait = time.Duration(min(seconds, int(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = time.Until(at)
	}
	return min(max(wait, 0), maxRetryAfter)
}
