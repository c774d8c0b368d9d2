package subscriptions

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"error-check-gate/internal/inflow"
)

// SubscribeOptions says what to subscribe to.
type SubscribeOptions struct {
	// URL is a URL from [CheckURL]. Required.
	URL string
	// Events lists events from [CheckEvents]. Required.
	Events []string
	// ChangeEvents allows changing the events of an existing subscription. Its secret stays.
	ChangeEvents bool
	// Keeper stores the secret of a new subscription. Required.
	Keeper Keeper
}

// Subscribed is the result of [Manager.Subscribe].
type Subscribed struct {
	// Subscription has its secret only if Created is true.
	inflow.Subscription
	// Created and Changed are both false if the subscription existed and was not changed.
	Created, Changed bool
	// OtherEvents is true if the subscription existed and has other events than requested.
	OtherEvents bool
	// Also lists further subscriptions with the same URL. Each sends every delivery once more.
	Also []inflow.Subscription
}

// Subscribe creates a subscription unless one with the same URL exists. In that case it changes
// nothing, or only the events if o.ChangeEvents is set. If it fails, nothing is left at InFlow, or
// the error names what may be left.
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
	for i, subscription := range same { // prefer one with the requested events
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
		// According to InFlow's documentation, this does not happen.
		if err := keep(o.Keeper, changed); err != nil {
			return nil, fmt.Errorf("InFlow changed the secret of subscription %s together with "+
				"its events, and the new secret is lost: run 'gate webhooks rotate %s': %w",
				changed.ID, changed.ID, err)
		}
	}
	result.Subscription, result.Changed, result.OtherEvents = *changed, true, false
	return result, nil
}
