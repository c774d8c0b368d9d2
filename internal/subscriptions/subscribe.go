package subscriptions

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"error-check-gate/internal/inflow"
)

// SubscribeOptions say what to subscribe to.
type SubscribeOptions struct {
	// URL as [CheckURL] gives it. Required.
	URL string
	// Events as [CheckEvents] gives them. Required.
	Events []string
	// ChangeEvents changes those of a subscription that exists; its secret stays.
	ChangeEvents bool
	// Keeper gets the secret of a new subscription. Required.
	Keeper Keeper
}

// Subscribed is what came of a [Manager.Subscribe].
type Subscribed struct {
	// Subscription has a secret only where it was created.
	inflow.Subscription
	// Created and Changed are both false where the subscription existed and was left as it is.
	Created, Changed bool
	// OtherEvents: the subscription existed, and its events are others than asked for.
	OtherEvents bool
	// Also are further subscriptions of the same URL: each sends every delivery once more.
	Also []inflow.Subscription
}

// Subscribe makes a subscription unless one has the same URL: then it changes nothing,
// or the events where it is told to. An error leaves nothing behind at InFlow, or says what.
func (m *Manager) Subscribe(ctx context.Context, o SubscribeOptions) (*Subscribed, error) {
	if err := o.Keeper.Ready(); err != nil {
		return nil, err
	}
	list, err := m.List(ctx)
	if err != nil {
		return nil, err
	}
	var same []inflow.Subscription
	for _, subscription := range list {
		if sameURL(subscription.URL, o.URL) {
			same = append(same, subscription)
		}
	}
	if len(same) == 0 {
		created, err := m.create(ctx, uuid.NewString, o.URL, o.Events, o.Keeper)
		if err != nil {
			return nil, err
		}
		return &Subscribed{Subscription: *created, Created: true}, nil
	}
	result := &Subscribed{Subscription: same[0], Also: same[1:]}
	for i, subscription := range same { // of several, the one that is as asked
		if SameEvents(subscription.Events, o.Events) {
			same[0], same[i] = same[i], same[0]
			result.Subscription = same[0]
			break
		}
	}
	result.OtherEvents = !SameEvents(result.Events, o.Events)
	if !result.OtherEvents || !o.ChangeEvents {
		return result, nil
	}
	changed, err := m.change(ctx, result.Subscription, o.Events)
	if err != nil {
		return nil, err
	}
	if changed.Secret != "" {
		// InFlow gives one at creation only, says its description.
		if err := keep(o.Keeper, changed); err != nil {
			return nil, fmt.Errorf("InFlow gave subscription %s another secret with its events, and it is lost: run 'gate webhooks rotate %s': %w", changed.ID, changed.ID, err)
		}
	}
	result.Subscription, result.Changed, result.OtherEvents = *changed, true, false
	return result, nil
}
