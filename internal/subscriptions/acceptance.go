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

// Defaults for an [Acceptance].
const (
	DefaultInARow = 20
	DefaultWait   = 5 * time.Minute
)

const (
	// probeEvent is the event of test deliveries. It is not one of InFlow's, so an ingress that
	// knows the secret accepts and ignores it. It is easy to recognize in the audit log.
	probeEvent = "gate.probe"
	// probeDelay is the delay between accepted probes.
	probeDelay = 100 * time.Millisecond
	// retryDelay is the delay after a refused probe. An ingress rereads its secrets once a second.
	retryDelay = time.Second
)

// Acceptance says what proves that an ingress knows a secret.
type Acceptance struct {
	// URLs that must all accept test deliveries. Empty means the subscription's URL. Behind a
	// load balancer, list the address of each ingress.
	URLs []string
	// InARow is the number of test deliveries that each URL must accept in a row. Each uses a new
	// connection. 0 means [DefaultInARow].
	InARow int
	// Within is the maximum time to wait. 0 means [DefaultWait].
	Within time.Duration
}

// NotAccepted is the error if an ingress does not accept a secret in time.
type NotAccepted struct {
	URL    string
	Within time.Duration
	// Reason is the reason of the last refusal.
	Reason string
}

// Error says which URL did not accept the secret, and why.
func (e *NotAccepted) Error() string {
	return fmt.Sprintf("%s did not accept a delivery signed with the new secret within %v: %s",
		e.URL, e.Within, e.Reason)
}

// Test waits until address, or each of a.URLs, accepts deliveries signed with key. The gate ignores
// the event of these deliveries. The error is [*NotAccepted] if the time is over.
func (m *Manager) Test(
	ctx context.Context, address string, key inflow.SigningKey, a Acceptance,
) error {
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
			return fmt.Errorf("stopped while waiting for %s to accept the new secret: %w", target,
				ctx.Err())
		default:
			return &NotAccepted{URL: target, Within: a.Within, Reason: reason}
		}
	}
	return nil
}

// probeUntilAccepted returns "" when enough probes in a row were accepted. If ctx ends first, it
// returns the reason of the last refusal.
func (m *Manager) probeUntilAccepted(
	ctx context.Context, target string, key inflow.SigningKey, inARow int,
) (reason string) {
	reason = "there was no time for a test delivery"
	lastShown := ""
	for accepted := 0; ; {
		refused, wait := probe(ctx, target, key), probeDelay
		switch {
		case refused != "" && ctx.Err() != nil:
			return reason // the end of ctx interrupted this probe, so its reason is meaningless
		case refused == "":
			if accepted++; accepted == inARow {
				return ""
			}
			reason = fmt.Sprintf("it accepted only %d of the required %d deliveries in a row",
				accepted, inARow)
		default:
			accepted, reason, wait = 0, refused, retryDelay
			if refused != lastShown {
				lastShown = refused
				m.say("waiting for %s to accept the secret: %s", target, refused)
			}
		}
		if m.wait(ctx, wait) != nil {
			return reason
		}
	}
}

// probe sends a test delivery. It returns why it was refused, or "" if it was accepted.
func probe(ctx context.Context, target string, key inflow.SigningKey) (refused string) {
	body, err := json.Marshal(map[string]string{"event": probeEvent,
		"timestamp": time.Now().UTC().Format(time.RFC3339)})
	if err != nil {
		return err.Error()
	}
	answer, err := inflow.PostWebhook(ctx, target, inflow.Sign(key, body), body)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there"
	case err != nil:
		return err.Error()
	}
	var response struct {
		Status string `json:"status"`
		Event  string `json:"event"`
	}
	if answer.Accepted() {
		if json.Unmarshal(answer.Body, &response) == nil && response.Status == "ignored" &&
			response.Event == probeEvent {
			return ""
		}
		return fmt.Sprintf("HTTP %d, but the response is not from a gate: perhaps it is a page "+
			"of the tunnel or proxy", answer.StatusCode)
	}
	return refusal(answer.StatusCode)
}

func refusal(status int) string {
	why := "a gate does not respond like that"
	switch {
	case status == http.StatusUnauthorized:
		why = "the ingress does not know the secret yet"
	case status == http.StatusForbidden:
		why = "the ingress or a proxy accepts webhooks only from other addresses " +
			"(ALLOWED_PEERS): run this on one of them"
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		why = "the gate accepts webhooks at " + WebhookPath +
			": check the URL's path, and whether a proxy changes it"
	case status >= 300 && status <= 399:
		why = "a redirect, which InFlow does not follow: subscribe the URL that it points to"
	case status == http.StatusTooManyRequests:
		why = "too many requests"
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable,
		status == http.StatusGatewayTimeout:
		why = "a proxy responds, but it reaches no ingress"
	case status == http.StatusUnsupportedMediaType, status == http.StatusBadRequest:
		why = "something changed the request on the way, or there is no gate"
	}
	return fmt.Sprintf("HTTP %d: %s", status, why)
}
