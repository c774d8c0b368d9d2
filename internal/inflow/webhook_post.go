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
	// webhookTimeout is how long InFlow waits for a response to a delivery.
	webhookTimeout = 30 * time.Second
	// maxWebhookAnswer limits how much of a response body is kept, in bytes.
	maxWebhookAnswer = 4 << 10
)

// WebhookAnswer is a receiver's response to a delivery.
type WebhookAnswer struct {
	StatusCode int
	Header     http.Header
	// Body holds the first 4 KiB of the response body.
	Body []byte
	Took time.Duration
}

// Accepted reports whether InFlow would count the delivery as done.
func (a *WebhookAnswer) Accepted() bool { return a.StatusCode >= 200 && a.StatusCode <= 299 }

// PostWebhook sends one signed delivery as InFlow does: as JSON, without following redirects, and
// with a timeout of 30 s. Each call opens its own connection, so a load balancer picks a backend
// for each delivery. A response outside 2xx is not an error.
func PostWebhook(
	ctx context.Context, target, signature string, body []byte,
) (answer *WebhookAnswer, err error) {
	address, err := url.Parse(target)
	if err != nil || (address.Scheme != "http" && address.Scheme != "https") || address.Host == "" {
		return nil, errors.New("the webhook's URL is not complete: write one such as " +
			"http://127.0.0.1:5000/webhook/inflow")
	}
	ctx, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("prepare the webhook: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(SignatureHeader, signature)
	request.Close = true

	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	began := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("send the webhook: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxWebhookAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the response to the webhook: %w", err)
	}
	return &WebhookAnswer{StatusCode: response.StatusCode, Header: response.Header, Body: content,
		Took: time.Since(began)}, nil
}
