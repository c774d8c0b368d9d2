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

	"error-check-gate/internal/ordercheck"
)

// webhookBody is what an https:// destination gets. Text makes it readable where chats
// take webhooks in the form of Slack's.
type webhookBody struct {
	Kind      ordercheck.NoticeKind `json:"kind"`
	Key       string                `json:"key"`
	Subject   string                `json:"subject"`
	Text      string                `json:"text"`
	At        time.Time             `json:"at,omitzero"`
	EndReason ordercheck.EndReason  `json:"endReason,omitempty"`
	Report    ordercheck.Report     `json:"report"`
	Resolved  []ordercheck.Finding  `json:"resolved,omitempty"`
	// ResolvedOmitted is the number of findings that Resolved does not list.
	ResolvedOmitted int `json:"resolvedOmitted,omitempty"`
	// Lifted and LiftedOmitted are the same for findings that are gone because the rules were changed.
	Lifted        []ordercheck.Finding `json:"lifted,omitempty"`
	LiftedOmitted int                  `json:"liftedOmitted,omitempty"`
	Links         links                `json:"links"`
}

type links struct {
	Order string `json:"order"`
	Desk  string `json:"desk,omitempty"`
	Run   string `json:"run,omitempty"`
}

// webhook posts the whole notice. shoutrrr's generic service could post JSON too, but flat
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
		// What a redirect leads to is not what the operator named.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// maxIgnored is how much of an answer is read so that its connection serves again.
const maxIgnored = 64 << 10

func postJSON(ctx context.Context, client *http.Client, address, id string, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode the notice: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return &Error{Permanent: true, Reason: "the request cannot be made"} // the error quotes the URL
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "error-check-gate")
	req.Header.Set("Idempotency-Key", id)
	resp, err := client.Do(req)
	if err != nil {
		var call *url.Error // has the URL
		if errors.As(err, &call) {
			err = call.Err
		}
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxIgnored)) // the status has decided
	return httpError(resp)
}

// httpError is nil for 2xx. 401, 403, 404 and the like are permanent though somebody may
// mend the URL: to write to a wrong one for a day helps nobody. What asks for patience is not.
func httpError(resp *http.Response) error {
	code := resp.StatusCode
	e := &Error{Code: code, Permanent: code < 500, Reason: fmt.Sprintf("it answered with %d %s", code, http.StatusText(code))}
	switch {
	case code >= 200 && code < 300:
		return nil
	case code >= 300 && code < 400:
		e.Reason += ", which leads elsewhere: write the URL that it leads to"
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests:
		e.Permanent = false
	}
	if !e.Permanent {
		e.RetryAfter = retryAfter(resp.Header.Get("Retry-After"))
	}
	return e
}

// maxRetryAfter bounds what a server may ask for.
const maxRetryAfter = time.Hour

// retryAfter reads seconds or a date: RFC 9110, 10.2.3.
func retryAfter(value string) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.Atoi(value); err == nil {
		wait = time.Duration(min(seconds, int(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = time.Until(at)
	}
	return min(max(wait, 0), maxRetryAfter)
}
