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

// RotateOptions says how a subscription gets a new secret.
type RotateOptions struct {
	// Keeper stores the secret. Required.
	Keeper Keeper
	// Acceptance says what proves that the ingress knows the secret.
	Acceptance Acceptance
	// Overlap is the time for which both subscriptions stay active before the old one is removed.
	// InFlow may take a while to apply a change.
	Overlap time.Duration
}

// Rotated is the result of [Manager.Rotate].
type Rotated struct {
	// Old is the id of the replaced subscription.
	Old string
	// New replaces it. It has a secret unless this run only finished the work of an earlier one.
	New inflow.Subscription
	// Resumed is true if an interrupted earlier run had made the ingress accept the new secret.
	Resumed bool
	// Already is true if an earlier run had done everything.
	Already bool
}

// Rotate replaces a subscription by one with another secret. At no point is a delivery refused:
//
//  1. Create the new subscription for an event that the gate ignores. From now on InFlow may sign
//     with the new secret, which the ingress does not know yet.
//  2. Store the secret for the ingress, and send test deliveries until the ingress accepts them.
//  3. Give the new subscription the old one's events. For a moment both send. That is harmless
//     because the gate coalesces deliveries for the same order.
//  4. Remove the old subscription. Keep its secret, because InFlow may still retry deliveries that
//     are signed with it.
//  5. Remove new subscriptions that earlier runs left. This comes last because a request of a
//     killed run may still be in flight. Changing a removed subscription would create it again, with a
//     secret that nobody knows.
//
// A run that fails before step 3 leaves everything as it was. If it fails later or is killed at any
// point, the ingress still accepts every delivery. Rotate the same id again to finish.
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
		return nil, fmt.Errorf("subscription %s has no events in InFlow's list, so there is "+
			"nothing to move to a new one: run 'gate webhooks unsubscribe %s', then subscribe again",
			old.ID, old.ID)
	}
	result := &Rotated{Old: old.ID}
	next := winner(list, old.ID, old.Events)
	if next != nil {
		result.Resumed = true
		m.say("subscription %s of an earlier run already has the events, and the ingress has "+
			"accepted its secret: continuing from there", next.ID)
	} else if next, err = m.stage(ctx, old, o); err != nil {
		return nil, err
	}
	if err := m.moveEvents(ctx, old, next, o); err != nil {
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
		return nil, fmt.Errorf("the new subscription %s works, but the old one could not be "+
			"removed: InFlow sends every event twice, which does no harm; %s: %w", next.ID,
			again(old.ID), err)
	}
	if err = m.wait(ctx, lateRequest-time.Since(began)); err == nil {
		result.New, err = m.removeLeftovers(ctx, old, *next)
	}
	if err != nil {
		return nil, fmt.Errorf("the new subscription %s has replaced the old one, but an earlier "+
			"run may have left another; %s: %w", next.ID, again(old.ID), err)
	}
	return result, nil
}

// lateRequest is the maximum time that InFlow takes to apply a request of a killed run.
const lateRequest = 5 * time.Second

// winner returns the successor that already has the subscription's events, or nil. The ingress has
// accepted its secret. If there are several, every run picks the same one.
func winner(list []inflow.Subscription, old string, events []string) *inflow.Subscription {
	var first *inflow.Subscription
	for i := range list {
		if isSuccessor(list[i].ID, old) && SameEvents(list[i].Events, events) &&
			(first == nil || list[i].ID < first.ID) {
			first = &list[i]
		}
	}
	return first
}

// removeLeftovers removes all successors of old but one: the winner of several runs if there is
// one, else next. It returns the one that remains.
func (m *Manager) removeLeftovers(
	ctx context.Context, old *inflow.Subscription, next inflow.Subscription,
) (inflow.Subscription, error) {
	list, err := m.List(ctx)
	if err != nil {
		return next, err
	}
	if first := winner(list, old.ID, old.Events); first != nil && first.ID != next.ID {
		next = *first
	}
	return next, m.removeSuccessors(ctx, list, old.ID, func(s inflow.Subscription) bool {
		return s.ID != next.ID
	})
}

func (m *Manager) removeSuccessors(
	ctx context.Context, list []inflow.Subscription, old string,
	leftover func(inflow.Subscription) bool,
) error {
	for _, subscription := range list {
		if !isSuccessor(subscription.ID, old) || !leftover(subscription) {
			continue
		}
		m.say("removing subscription %s, which an earlier run left", subscription.ID)
		if err := m.remove(ctx, subscription.ID); err != nil {
			return err
		}
	}
	return nil
}

func again(id string) string {
	return fmt.Sprintf("run 'gate webhooks rotate %s' again to finish", id)
}

// rotatedBefore finds the subscription that replaced a removed one. It also removes what later,
// killed runs left.
func (m *Manager) rotatedBefore(
	ctx context.Context, list []inflow.Subscription, id string,
) (*Rotated, error) {
	var next *inflow.Subscription
	for i := range list {
		if isSuccessor(list[i].ID, id) && !isStaging(list[i].Events) &&
			(next == nil || list[i].ID < next.ID) {
			next = &list[i]
		}
	}
	if next != nil {
		// If a successor has other events than the winner, somebody uses it for something else.
		leftover := func(s inflow.Subscription) bool {
			return s.ID != next.ID && (isStaging(s.Events) || SameEvents(s.Events, next.Events))
		}
		if err := m.removeSuccessors(ctx, list, id, leftover); err != nil {
			return nil, fmt.Errorf("subscription %s was rotated before, but the leftovers of an "+
				"earlier run could not be removed; %s: %w", id, again(id), err)
		}
		return &Rotated{Old: id, New: *next, Already: true}, nil
	}
	var ids []string
	for _, subscription := range list {
		ids = append(ids, subscription.ID)
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("InFlow has no subscription %s and no other: create one with "+
			"'gate webhooks subscribe'", id)
	}
	return nil, fmt.Errorf("InFlow has no subscription %s; it has %s", id, strings.Join(ids, ", "))
}

// stage creates the new subscription and waits until the ingress accepts its secret.
func (m *Manager) stage(
	ctx context.Context, old *inflow.Subscription, o RotateOptions,
) (*inflow.Subscription, error) {
	next, err := m.create(ctx, func() string {
		return successorID(old.ID)
	}, old.URL, stagingEvents(old.Events), o.Keeper)
	if err != nil {
		return nil, fmt.Errorf("nothing was rotated: %w", err)
	}
	m.say("subscription %s was created with an event that the gate ignores; it gets the real "+
		"events when the ingress accepts its secret", next.ID)
	if err := m.untilAccepted(ctx, next, o); err != nil {
		return nil, m.giveUp(ctx, next, o.Keeper, fmt.Errorf("nothing was rotated, and "+
			"subscription %s still works: %w", old.ID, err))
	}
	m.say("the ingress accepts the new secret")
	if err := m.requireBoth(ctx, old, next); err != nil {
		return nil, m.giveUp(ctx, next, o.Keeper, fmt.Errorf("nothing was rotated: %w", err))
	}
	return next, nil
}

// requireBoth fails if somebody has removed one of the two subscriptions. Changing a removed
// subscription would create it again, with a secret that the ingress does not know.
func (m *Manager) requireBoth(ctx context.Context, old, next *inflow.Subscription) error {
	list, err := m.List(ctx)
	if err != nil {
		return err
	}
	for _, id := range []string{old.ID, next.ID} {
		if find(list, id) == nil {
			return fmt.Errorf("somebody removed subscription %s during the rotation: check that "+
				"no other rotation of it is running", id)
		}
	}
	return nil
}

func (m *Manager) untilAccepted(
	ctx context.Context, next *inflow.Subscription, o RotateOptions,
) error {
	key, err := inflow.ParseSecret(string(next.Secret))
	if err != nil {
		return err
	}
	return m.Test(ctx, next.URL, key, o.Acceptance)
}

// moveEvents gives the new subscription the old one's events.
func (m *Manager) moveEvents(
	ctx context.Context, old, next *inflow.Subscription, o RotateOptions,
) error {
	changed, err := m.change(ctx, *next, old.Events)
	if err != nil {
		return fmt.Errorf("the new subscription %s did not get the events; the old one still "+
			"works, and the ingress knows both secrets, so no delivery is refused; %s, or run "+
			"'gate webhooks unsubscribe %s' to keep the old one: %w", next.ID, again(old.ID),
			next.ID, err)
	}
	next.Events = changed.Events
	if changed.Secret == "" || changed.Secret == next.Secret {
		return nil
	}
	m.say("InFlow changed the secret of subscription %s together with its events", next.ID)
	next.Secret = changed.Secret
	err = keep(o.Keeper, next)
	if err == nil {
		err = m.untilAccepted(ctx, next, o)
	}
	if err != nil {
		return m.giveUp(ctx, next, o.Keeper, fmt.Errorf("nothing was rotated, and subscription "+
			"%s still works: %w", old.ID, err))
	}
	return nil
}

// change gives a subscription other events and verifies that it has them. It retries if a response
// is lost, because making the same change twice does no harm.
func (m *Manager) change(
	ctx context.Context, subscription inflow.Subscription, events []string,
) (*inflow.Subscription, error) {
	request := inflow.SubscriptionRequest{ID: subscription.ID, RequestID: uuid.NewString(),
		URL: subscription.URL, Events: events}
	var changed *inflow.Subscription
	err := m.retry(ctx, retryable, func() (err error) {
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
	return nil, errors.New("InFlow confirmed the change of the events, but did not change them")
}
