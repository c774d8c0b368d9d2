package subscriptions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"error-check-gate/internal/inflow"
)

// RotateOptions say how a subscription gets a new secret.
type RotateOptions struct {
	// Keeper gets the secret. Required.
	Keeper Keeper
	// Acceptance says when the ingress counts as knowing it.
	Acceptance Acceptance
	// Overlap is how long both subscriptions send before the old one is removed, should
	// InFlow take a while to act on a change.
	Overlap time.Duration
}

// Rotated is what came of a [Manager.Rotate].
type Rotated struct {
	// Old is the id of the subscription that was replaced, New what replaces it; New has a secret unless this run only finished another's work.
	Old string
	New inflow.Subscription
	// Resumed: an earlier run, interrupted, had come so far that the ingress knew the new secret.
	Resumed bool
	// Already: an earlier run had done it all.
	Already bool
}

// Rotate replaces a subscription by one with another secret, without a moment in which a
// delivery is refused:
//
//  1. The new subscription is made for an event that the gate ignores: InFlow may send with
//     the new secret from now on, and the ingress does not know it yet.
//  2. The secret is kept where the ingress finds it, and test deliveries are sent until it accepts them.
//  3. The new subscription gets the old one's events. For a moment both send; the gate
//     coalesces deliveries of one order.
//  4. The old subscription is removed. Its secret stays where it is: retries that are signed
//     with it may be on their way.
//  5. New subscriptions that earlier runs left are removed. Not before: a request of a run that
//     was killed may still be on its way, and to change a subscription that is gone makes it
//     again, with a secret that nobody knows.
//
// A run that fails before 3 leaves everything as it was. One that fails later, or is killed
// at any point, leaves a state in which every delivery is accepted, and is finished by
// rotating the same id again.
func (m *Manager) Rotate(ctx context.Context, id string, o RotateOptions) (*Rotated, error) {
	began := time.Now()
	if err := o.Keeper.Ready(); err != nil {
		return nil, err
	}
	list, err := m.List(ctx)
	if err != nil {
		return nil, err
	}
	old := find(list, id)
	if old == nil {
		return m.rotatedBefore(ctx, list, id)
	}
	if len(old.Events) == 0 {
		return nil, fmt.Errorf("subscription %s has no events, as InFlow lists it: there is nothing to move to a new one; remove it with 'gate webhooks unsubscribe %s', and subscribe anew", old.ID, old.ID)
	}
	result := &Rotated{Old: old.ID}
	next := winner(list, old.ID, old.Events)
	if next != nil {
		result.Resumed = true
		m.say("subscription %s, of an earlier run, has the events already, and the ingress has accepted its secret: going on from there", next.ID)
	} else if next, err = m.stage(ctx, old, o); err != nil {
		return nil, err
	}
	if err := m.moveOver(ctx, old, next, o); err != nil {
		return nil, err
	}
	if o.Overlap > 0 {
		m.say("both subscriptions send for %v", o.Overlap)
	}
	err = m.wait(ctx, o.Overlap)
	if err == nil {
		err = m.remove(ctx, old.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("the new subscription %s is at work, and the old one could not be removed: every order is announced twice, which does no harm; %s: %w", next.ID, again(old.ID), err)
	}
	if err = m.wait(ctx, lateRequest-time.Since(began)); err == nil {
		result.New, err = m.removeLeftovers(ctx, old, *next)
	}
	if err != nil {
		return nil, fmt.Errorf("the new subscription %s has taken the old one's place; whether an earlier run left another is not known; %s: %w", next.ID, again(old.ID), err)
	}
	return result, nil
}

// lateRequest is how long a request of a run that was killed may take to be applied.
const lateRequest = 5 * time.Second

// winner returns the successor of a subscription that has its events, or nil. An ingress has
// accepted its secret. If several runs have come so far, each of them picks the same one.
func winner(list []inflow.Subscription, old string, events []string) *inflow.Subscription {
	var first *inflow.Subscription
	for i := range list {
		if isSuccessor(list[i].ID, old) && SameEvents(list[i].Events, events) && (first == nil || list[i].ID < first.ID) {
			first = &list[i]
		}
	}
	return first
}

// removeLeftovers removes every successor of old but one, which it returns: next, or the winner
// of several runs.
func (m *Manager) removeLeftovers(ctx context.Context, old *inflow.Subscription, next inflow.Subscription) (inflow.Subscription, error) {
	list, err := m.List(ctx)
	if err != nil {
		return next, err
	}
	if first := winner(list, old.ID, old.Events); first != nil && first.ID != next.ID {
		next = *first
	}
	return next, m.removeSuccessors(ctx, list, old.ID, func(s inflow.Subscription) bool { return s.ID != next.ID })
}

func (m *Manager) removeSuccessors(ctx context.Context, list []inflow.Subscription, old string, leftover func(inflow.Subscription) bool) error {
	for _, subscription := range list {
		if !isSuccessor(subscription.ID, old) || !leftover(subscription) {
			continue
		}
		m.say("subscription %s was left by an earlier run: it is removed", subscription.ID)
		if err := m.remove(ctx, subscription.ID); err != nil {
			return err
		}
	}
	return nil
}

func again(id string) string {
	return fmt.Sprintf("run 'gate webhooks rotate %s' again to finish", id)
}

// rotatedBefore finds what replaces a subscription that is gone, and removes what runs left that
// were killed after that.
func (m *Manager) rotatedBefore(ctx context.Context, list []inflow.Subscription, id string) (*Rotated, error) {
	var next *inflow.Subscription
	for i := range list {
		if isSuccessor(list[i].ID, id) && !isStaging(list[i].Events) && (next == nil || list[i].ID < next.ID) {
			next = &list[i]
		}
	}
	if next != nil {
		// One with other events than the winner's is somebody's own by now.
		leftover := func(s inflow.Subscription) bool {
			return s.ID != next.ID && (isStaging(s.Events) || SameEvents(s.Events, next.Events))
		}
		if err := m.removeSuccessors(ctx, list, id, leftover); err != nil {
			return nil, fmt.Errorf("subscription %s was rotated before, and what an earlier run left could not be removed; %s: %w", id, again(id), err)
		}
		return &Rotated{Old: id, New: *next, Already: true}, nil
	}
	var ids []string
	for _, subscription := range list {
		ids = append(ids, subscription.ID)
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("InFlow has no subscription %s, and no other: make one with 'gate webhooks subscribe'", id)
	}
	return nil, fmt.Errorf("InFlow has no subscription %s; it has %s", id, strings.Join(ids, ", "))
}

// stage makes the new subscription and has the ingress accept its secret.
func (m *Manager) stage(ctx context.Context, old *inflow.Subscription, o RotateOptions) (*inflow.Subscription, error) {
	next, err := m.create(ctx, func() string { return successorID(old.ID) }, old.URL, stagingEvents(old.Events), o.Keeper)
	if err != nil {
		return nil, fmt.Errorf("nothing was rotated: %w", err)
	}
	m.say("subscription %s was made, for an event that the gate ignores; it gets its own once the ingress accepts its secret", next.ID)
	if err := m.untilAccepted(ctx, next, o); err != nil {
		return nil, m.giveUp(ctx, next, o.Keeper, fmt.Errorf("nothing was rotated, and subscription %s goes on as before: %w", old.ID, err))
	}
	m.say("the ingress accepts the new secret")
	if err := m.bothThere(ctx, old, next); err != nil {
		return nil, m.giveUp(ctx, next, o.Keeper, fmt.Errorf("nothing was rotated: %w", err))
	}
	return next, nil
}

// bothThere fails where somebody has removed one of the two meanwhile: to change the new one
// would make it again, with a secret that the ingress does not know.
func (m *Manager) bothThere(ctx context.Context, old, next *inflow.Subscription) error {
	list, err := m.List(ctx)
	if err != nil {
		return err
	}
	for _, id := range []string{old.ID, next.ID} {
		if find(list, id) == nil {
			return fmt.Errorf("subscription %s was removed meanwhile: does another rotation of it run?", id)
		}
	}
	return nil
}

func (m *Manager) untilAccepted(ctx context.Context, next *inflow.Subscription, o RotateOptions) error {
	key, err := inflow.ParseSecret(string(next.Secret))
	if err != nil {
		return err
	}
	return m.Test(ctx, next.URL, key, o.Acceptance)
}

// moveOver gives the new subscription the old one's events.
func (m *Manager) moveOver(ctx context.Context, old, next *inflow.Subscription, o RotateOptions) error {
	changed, err := m.change(ctx, *next, old.Events)
	if err != nil {
		return fmt.Errorf("the new subscription %s could not be given the events; the old one goes on, the ingress knows both secrets, and no delivery is refused; %s, or give it up with 'gate webhooks unsubscribe %s': %w", next.ID, again(old.ID), next.ID, err)
	}
	next.Events = changed.Events
	if changed.Secret == "" || changed.Secret == next.Secret {
		return nil
	}
	m.say("InFlow gave subscription %s another secret with its events", next.ID)
	next.Secret = changed.Secret
	err = keep(o.Keeper, next)
	if err == nil {
		err = m.untilAccepted(ctx, next, o)
	}
	if err != nil {
		return m.giveUp(ctx, next, o.Keeper, fmt.Errorf("nothing was rotated, and subscription %s goes on as before: %w", old.ID, err))
	}
	return nil
}

// change gives a subscription other events, and makes sure that it has them. Where an
// answer is lost it asks again: the same change twice is one.
func (m *Manager) change(ctx context.Context, subscription inflow.Subscription, events []string) (*inflow.Subscription, error) {
	request := inflow.SubscriptionRequest{ID: subscription.ID, RequestID: uuid.NewString(), URL: subscription.URL, Events: events}
	var changed *inflow.Subscription
	err := m.patiently(ctx, passing, func() (err error) {
		changed, err = m.API.Subscribe(ctx, request)
		return err
	})
	if err != nil {
		return nil, err
	}
	if SameEvents(changed.Events, events) {
		return changed, nil
	}
	list, err := m.List(ctx)
	if err != nil {
		return nil, err
	}
	if now := find(list, subscription.ID); now != nil && SameEvents(now.Events, events) {
		changed.Events = now.Events
		return changed, nil
	}
	return nil, errors.New("InFlow answered that the events were changed, and they were not")
}
