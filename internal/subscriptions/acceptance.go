package subscriptions

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"time"

	"error-check-gate/internal/inflow"
)

// Defaults of an [Acceptance].
const (
	DefaultInARow = 20
	DefaultWait   = 5 * time.Minute
)

const (
	// probeEvent is signed as InFlow signs, is no event of InFlow's, and so is ignored by a
	// gate whose ingress knows the secret; its audit log shows it for what it is.
	probeEvent = "gate.probe"
	// betweenProbes and afterRefusal are waits. An ingress looks at its secrets once a second.
	betweenProbes = 100 * time.Millisecond
	afterRefusal  = time.Second
)

// Acceptance says when an ingress counts as knowing a secret.
type Acceptance struct {
	// URLs to send to, each of which has to accept; empty is the subscription's own. Behind a
	// balancer, the address of each ingress makes sure of all of them.
	URLs []string
	// InARow is how many test deliveries each URL has to accept in a row, each over a
	// connection of its own; 0 is [DefaultInARow].
	InARow int
	// Within is how long to wait for that; 0 is [DefaultWait].
	Within time.Duration
}

// NotAccepted is an ingress that did not come to accept a secret in time.
type NotAccepted struct {
	URL    string
	Within time.Duration
	// Reason of the last refusal.
	Reason string
}

// Error says where, for how long and why.
func (e *NotAccepted) Error() string {
	return fmt.Sprintf("%s did not accept a delivery that is signed with the new secret, within %v: %s", e.URL, e.Within, e.Reason)
}

// Test waits until deliveries that are signed with a key are accepted at a URL, or at
// those that a names. They are of an event that the gate ignores. The error is
// [*NotAccepted] where the time is over.
func (m *Manager) Test(ctx context.Context, address string, key inflow.SigningKey, a Acceptance) error {
	if len(a.URLs) == 0 {
		a.URLs = []string{address}
	}
	a.InARow, a.Within = cmp.Or(a.InARow, DefaultInARow), cmp.Or(a.Within, DefaultWait)
	limited, cancel := context.WithTimeout(ctx, a.Within)
	defer cancel()
	for _, target := range a.URLs {
		reason := m.probeUntilAccepted(limited, target, key, a.InARow)
		switch {
		case reason == "":
		case ctx.Err() != nil:
			return fmt.Errorf("stopped while waiting for %s to accept the new secret: %w", target, ctx.Err())
		default:
			return &NotAccepted{URL: target, Within: a.Within, Reason: reason}
		}
	}
	return nil
}

// probeUntilAccepted returns when enough probes in a row were accepted, or when ctx ends,
// with the reason why they were not.
func (m *Manager) probeUntilAccepted(ctx context.Context, target string, key inflow.SigningKey, inARow int) (reason string) {
	reason = "there was no time for a test delivery"
	said := ""
	for accepted := 0; ; {
		refused, wait := probe(ctx, target, key), betweenProbes
		switch {
		case refused != "" && ctx.Err() != nil:
			return reason // not that of a probe that was broken off
		case refused == "":
			if accepted++; accepted == inARow {
				return ""
			}
			reason = fmt.Sprintf("it accepted the last %d, and %d in a row are needed", accepted, inARow)
		default:
			accepted, reason, wait = 0, refused, afterRefusal
			if refused != said {
				said = refused
				m.say("waiting for %s to accept the secret: %s", target, refused)
			}
		}
		if m.wait(ctx, wait) != nil {
			return reason
		}
	}
}

// probe says why a test delivery was not accepted; empty is accepted.
func probe(ctx context.Context, target string, key inflow.SigningKey) (refused string) {
	body, err := json.Marshal(map[string]string{"event": probeEvent, "timestamp": time.Now().UTC().Format(time.RFC3339)})
	if err != nil {
		return err.Error()
	}
	answer, err := inflow.PostWebhook(ctx, target, inflow.Sign(key, body), body)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens there"
	case err != nil:
		return err.Error()
	}
	var said struct {
		Status string `json:"status"`
		Event  string `json:"event"`
	}
	if answer.Accepted() {
		if json.Unmarshal(answer.Body, &said) == nil && said.Status == "ignored" && said.Event == probeEvent {
			return ""
		}
		return fmt.Sprintf("HTTP %d, but not as a gate answers: something else is there, such as a page of the tunnel's or proxy's own", answer.StatusCode)
	}
	return refusal(answer.StatusCode)
}

func refusal(status int) string {
	why := "not what a gate answers"
	switch {
	case status == http.StatusUnauthorized:
		why = "the ingress does not know the secret yet"
	case status == http.StatusForbidden:
		why = "the ingress, or a proxy, takes webhooks from other addresses only (ALLOWED_PEERS): run this on one of them"
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		why = "the gate takes webhooks at " + WebhookPath + ": see the URL's path, and what a proxy makes of it"
	case status >= 300 && status <= 399:
		why = "a redirect, which InFlow does not follow: subscribe the URL that it leads to"
	case status == http.StatusTooManyRequests:
		why = "too much at once"
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		why = "a proxy answers, and no ingress behind it"
	case status == http.StatusUnsupportedMediaType, status == http.StatusBadRequest:
		why = "the request was changed on its way, or something else than a gate is there"
	}
	return fmt.Sprintf("HTTP %d: %s", status, why)
}
