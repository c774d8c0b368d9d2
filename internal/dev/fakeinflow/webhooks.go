package fakeinflow

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// subscription is a receiver of webhooks: WebHookSubscription in InFlow's API description.
type subscription struct {
	id     string
	url    string
	events []string
	secret string
	// off is true after too many deliveries in a row were given up. Then the subscription gets no
	// more deliveries.
	off bool
}

// shown returns the subscription for an answer. Only the first answer has the secret.
func (s *subscription) shown(withSecret bool) map[string]any {
	out := map[string]any{"webHookSubscriptionId": s.id, "url": s.url, "events": s.events}
	if withSecret {
		out["secret"] = s.secret
	}
	return out
}

// happening is an event of an entity.
type happening int

const (
	created happening = iota
	updated
)

// eventNames are the names of events in subscriptions: the documented name first, then the ones
// that integrators use. For customers and products, the latter are guesses.
var eventNames = map[string][2][]string{
	kindSalesOrder: {
		created: {"salesOrder.created", "SalesOrderCreatedV1"},
		updated: {"salesOrder.updated", "SalesOrderUpdatedV1", "SalesOrderUpdatedV2"},
	},
	kindCustomer: {
		created: {"customer.created", "CustomerCreatedV1"},
		updated: {"customer.updated", "CustomerUpdatedV1"},
	},
	kindProduct: {
		created: {"product.created", "ProductCreatedV1"},
		updated: {"product.updated", "ProductUpdatedV1"},
	},
}

// otherEvents can be subscribed to, but never happen, because the account has no such entities.
var otherEvents = []string{
	"vendor.created", "vendor.updated", "purchaseOrder.created", "purchaseOrder.updated",
}

func isEvent(name string) bool {
	for _, names := range eventNames {
		if slices.Contains(names[created], name) || slices.Contains(names[updated], name) {
			return true
		}
	}
	return slices.Contains(otherEvents, name)
}

// match returns the subscription's name of an event, or "" if it does not have the event.
func (s *subscription) match(kind string, what happening) string {
	for _, name := range s.events {
		if slices.Contains(eventNames[kind][what], name) {
			return name
		}
	}
	return ""
}

func (s *Server) findSubscription(id string) int {
	return slices.IndexFunc(s.subscriptions, func(sub *subscription) bool {
		return strings.EqualFold(sub.id, id)
	})
}

func (s *Server) listWebhooks(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]map[string]any, len(s.subscriptions))
	for i, sub := range s.subscriptions {
		list[i] = sub.shown(false)
	}
	writeJSON(w, http.StatusOK, list)
}

func (s *Server) getWebhook(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.findSubscription(r.PathValue("webHookId"))
	if i < 0 {
		writeError(w, http.StatusNotFound, "The webhook subscription was not found.")
		return
	}
	writeJSON(w, http.StatusOK, s.subscriptions[i].shown(false))
}

func (s *Server) deleteWebhook(w http.ResponseWriter, r *http.Request) {
	if !s.unsubscribe(r.PathValue("webHookId")) {
		writeError(w, http.StatusNotFound, "The webhook subscription was not found.")
		return
	}
	if s.saved(w, r) {
		w.WriteHeader(http.StatusOK)
	}
}

// Subscribe adds a receiver for the events of sales orders, with a secret that both sides know.
// InFlow would make the secret. A second call with the same URL changes the secret.
func (s *Server) Subscribe(target, secret string) error {
	body := map[string]any{
		"url": target, "events": []any{"salesOrder.created", "salesOrder.updated"},
		"webHookSubscriptionId": uuid.NewString(), "webHookSubscriptionRequestId": uuid.NewString(),
	}
	asked, err := parseSubscription(body)
	if err != nil {
		return fmt.Errorf("fake InFlow: subscribe: %w", err)
	}
	asked.secret = secret
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.subscriptions, func(sub *subscription) bool { return sub.url == target })
	if i >= 0 {
		changed := *s.subscriptions[i]
		changed.secret = secret
		s.subscriptions[i] = &changed
	} else {
		s.subscriptions = append(s.subscriptions, asked)
	}
	s.changed()
	return nil
}

// unsubscribe removes a subscription. It returns false if there is no subscription with the id.
func (s *Server) unsubscribe(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.findSubscription(id)
	if i < 0 {
		return false
	}
	s.unsubscribed(s.subscriptions[i])
	s.subscriptions = slices.Delete(s.subscriptions, i, i+1)
	s.changed()
	return true
}

func (s *Server) putWebhook(w http.ResponseWriter, r *http.Request) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		writeError(w, http.StatusUnsupportedMediaType, "The Content-Type must be application/json.")
		return
	}
	body, err := decodeObject(r.Body)
	if err != nil {
		writeError(w, http.StatusBadRequest, "The body is not a JSON object.")
		return
	}
	asked, err := parseSubscription(body)
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	if asked.secret, err = newSecret(); err != nil {
		writeError(w, http.StatusInternalServerError, "No secret could be made.")
		return
	}
	shown := s.subscribe(asked)
	if s.saved(w, r) {
		writeJSON(w, http.StatusOK, shown)
	}
}

// subscribe adds or changes a subscription, and returns the answer. Only the answer for a new
// subscription has the secret.
func (s *Server) subscribe(asked *subscription) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed()
	if i := s.findSubscription(asked.id); i >= 0 {
		changed := *s.subscriptions[i]
		changed.url, changed.events, changed.off = asked.url, asked.events, false
		s.subscriptions[i] = &changed
		return changed.shown(false)
	}
	s.subscriptions = append(s.subscriptions, asked)
	return asked.shown(true)
}

// saved saves the state, if there is a file for it. A subscription is saved before it is answered,
// because its secret is never shown again.
func (s *Server) saved(w http.ResponseWriter, r *http.Request) bool {
	if err := s.save(); err != nil {
		s.logger.ErrorContext(r.Context(), "a subscription was not saved", "error", err)
		writeError(w, http.StatusInternalServerError, "The state could not be saved: see the log.")
		return false
	}
	return true
}

func parseSubscription(body map[string]any) (*subscription, error) {
	for _, field := range []string{"webHookSubscriptionId", "webHookSubscriptionRequestId"} {
		if err := uuid.Validate(fieldText(body, field)); err != nil {
			return nil, fmt.Errorf("%s must be a GUID", field)
		}
	}
	asked := &subscription{id: fieldText(body, "webHookSubscriptionId"), url: fieldText(body, "url")}
	target, err := url.Parse(asked.url)
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return nil, errors.New("url must be an http:// or https:// URL")
	}
	events, _ := body["events"].([]any)
	for _, entry := range events {
		name, _ := entry.(string)
		if !isEvent(name) {
			return nil, fmt.Errorf("events: %q is not an event", name)
		}
		asked.events = append(asked.events, name)
	}
	if len(asked.events) == 0 {
		return nil, errors.New("events must name an event")
	}
	return asked, nil
}

// newSecret returns a secret like InFlow's: base64 of 32 random bytes. Its text is the key.
func newSecret() (string, error) {
	var random [32]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", fmt.Errorf("make a secret: %w", err)
	}
	return base64.StdEncoding.EncodeToString(random[:]), nil
}
