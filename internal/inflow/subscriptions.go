package inflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Sales order events, as InFlow's API description names them.
const (
	EventSalesOrderCreated = "salesOrder.created"
	EventSalesOrderUpdated = "salesOrder.updated"
)

// Subscription is a URL that InFlow calls when an event happens; schema WebHookSubscription.
type Subscription struct {
	ID     string   `json:"webHookSubscriptionId"`
	URL    string   `json:"url"`
	Events []string `json:"events"`
	// Secret signs the deliveries. InFlow sends it only once, when the subscription is created.
	Secret Secret `json:"secret,omitempty"`
}

// SubscriptionRequest creates a subscription, or changes the one with its ID; schema
// WebHookSubscriptionRequest. The caller generates both ids, which are GUIDs.
type SubscriptionRequest struct {
	ID        string   `json:"webHookSubscriptionId"`
	RequestID string   `json:"webHookSubscriptionRequestId"`
	URL       string   `json:"url"`
	Events    []string `json:"events"`
}

const (
	subscriptionsPath  = "webhooks"
	subscriptionsRoute = "webhooks"
	subscriptionRoute  = "webhook"
)

// Subscriptions lists the account's subscriptions, without their secrets.
func (c *Client) Subscriptions(ctx context.Context) ([]Subscription, error) {
	var list []Subscription
	err := c.do(ctx, call{op: "list webhook subscriptions", route: subscriptionsRoute,
		path: subscriptionsPath, into: &list})
	return list, err
}

// Subscription gets one subscription, without its secret.
func (c *Client) Subscription(ctx context.Context, id string) (*Subscription, error) {
	const op = "get webhook subscription"
	var subscription Subscription
	if err := c.getByID(ctx, call{op: op, route: subscriptionRoute, path: subscriptionsPath,
		into: &subscription}, id); err != nil {
		return nil, err
	}
	if err := sameID("webHookSubscriptionId", subscription.ID, id); err != nil {
		return nil, badResponse(op, http.StatusOK, err)
	}
	return &subscription, nil
}

// Subscribe creates a subscription, or changes the one with the request's ID. Only the response
// that creates a subscription has the secret, so the caller must keep it.
func (c *Client) Subscribe(
	ctx context.Context, request SubscriptionRequest,
) (*Subscription, error) {
	const op = "subscribe to webhooks"
	if err := request.validate(); err != nil {
		return nil, fmt.Errorf("inflow: %s: %w", op, err)
	}
	body, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("inflow: %s: %w", op, err)
	}
	var subscription Subscription
	err = c.do(ctx, call{op: op, route: subscriptionsRoute, method: http.MethodPut,
		path: subscriptionsPath, body: body, into: &subscription})
	if err != nil {
		return nil, err
	}
	if err := sameID("webHookSubscriptionId", subscription.ID, request.ID); err != nil {
		return nil, badResponse(op, http.StatusOK, err)
	}
	return &subscription, nil
}

// Unsubscribe deletes a subscription. InFlow then stops calling its URL.
func (c *Client) Unsubscribe(ctx context.Context, id string) error {
	request := call{op: "unsubscribe from webhooks", route: subscriptionRoute,
		method: http.MethodDelete, path: subscriptionsPath}
	path, err := pathWithID(request, id)
	if err != nil {
		return err
	}
	request.path = path
	return c.do(ctx, request)
}

func (r SubscriptionRequest) validate() error {
	var faults []error
	if strings.TrimSpace(r.ID) == "" {
		faults = append(faults, errors.New("the subscription's id is missing: generate a GUID"))
	}
	if strings.TrimSpace(r.RequestID) == "" {
		faults = append(faults, errors.New("the request's id is missing: generate a GUID"))
	}
	if u, err := url.Parse(r.URL); err != nil || u.Host == "" || u.Scheme != "https" &&
		u.Scheme != "http" {
		faults = append(faults, errors.New("the URL to call must be an https:// or http:// URL "+
			"with a host"))
	}
	if len(r.Events) == 0 {
		faults = append(faults, fmt.Errorf("there is no event: the usual ones are %s and %s",
			EventSalesOrderCreated, EventSalesOrderUpdated))
	}
	return errors.Join(faults...)
}
