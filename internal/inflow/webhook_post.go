package inflow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	// webhookTimeout is when InFlow gives a delivery up.
	webhookTimeout = 30 * time.Second
	// maxWebhookAnswer bounds what is kept of an answer, in bytes.
	maxWebhookAnswer = 4 << 10
)

// WebhookAnswer is what a receiver answered to a delivery.
type WebhookAnswer struct {
	StatusCode int
	Header     http.Header
	// Body is at most 4 KiB of the answer's.
	Body []byte
	Took time.Duration
}

// Accepted says that InFlow would take the delivery as done.
func (a *WebhookAnswer) Accepted() bool { return a.StatusCode >= 200 && a.StatusCode <= 299 }

// PostWebhook sends one delivery as InFlow does: signed, as JSON, without
// following redirects, and given up after 30 s. It has a connection of its own, so that
// a balancer chooses anew for each. An answer that is not 2xx is no error.
func PostWebhook(ctx context.Context, target, signature string, body []byte) (answer *WebhookAnswer, err error) {
	address, err := url.Parse(target)
	if err != nil || (address.Scheme != "http" && address.Scheme != "https") || address.Host == "" {
		return nil, errors.New("the address of a webhook is a whole http:// or https:// URL, such as http://127.0.0.1:5000/webhook/inflow")
	}
	ctx, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("prepare a webhook: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(SignatureHeader, signature)
	request.Close = true

	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	began := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("send the webhook: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxWebhookAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer to the webhook: %w", err)
	}
	return &WebhookAnswer{StatusCode: response.StatusCode, Header: response.Header, Body: content, Took: time.Since(began)}, nil
}
