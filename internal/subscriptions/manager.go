package subscriptions

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"error-check-gate/internal/inflow"
)

// API is what is asked of InFlow; [*inflow.Client] does it.
type API interface {
	Subscriptions(ctx context.Context) ([]inflow.Subscription, error)
	Subscription(ctx context.Context, id string) (*inflow.Subscription, error)
	Subscribe(ctx context.Context, request inflow.SubscriptionRequest) (*inflow.Subscription, error)
	Unsubscribe(ctx context.Context, id string) error
}

const (
	// maxTries of one step, whose answers are lost.
	maxTries = 4
	// maxWait is the longest that InFlow may ask to wait; a longer one is a person's decision.
	maxWait = 2 * time.Minute
	// allowanceWait is where InFlow does not say how long: its allowance is of a minute.
	allowanceWait = 15 * time.Second
	// tidyWithin is for putting things right after the caller's context has ended.
	tidyWithin = 30 * time.Second
)

// Manager changes subscriptions of one account.
type Manager struct {
	// API of the account. Required.
	API API
	// Say gets lines on what is going on, for the person who waits; nil is silence.
	Say func(line string)

	// pause waits as [Manager.wait] does; nil is by the clock.
	pause func(ctx context.Context, d time.Duration) error
}

func (m *Manager) say(format string, args ...any) {
	if m.Say != nil {
		m.Say(fmt.Sprintf(format, args...))
	}
}

func (m *Manager) wait(ctx context.Context, d time.Duration) error {
	if m.pause != nil {
		return m.pause(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tidying is a context for what must be put right though ctx has ended.
func tidying(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), tidyWithin)
}

// patiently repeats a call that failed for a passing reason and may be repeated.
func (m *Manager) patiently(ctx context.Context, repeatable func(error) bool, call func() error) error {
	wait := time.Second
	for try := 1; ; try++ {
		err := call()
		var failed *inflow.Error
		if err == nil || try == maxTries || ctx.Err() != nil || !errors.As(err, &failed) || !repeatable(err) || failed.RetryAfter > maxWait {
			return err
		}
		pause := max(wait, failed.RetryAfter)
		if failed.Kind == inflow.KindRateLimited && failed.RetryAfter == 0 {
			pause = allowanceWait
		}
		m.say("%v; once more in %v", err, pause)
		if m.wait(ctx, pause) != nil {
			return err
		}
		wait *= 2
	}
}

// passing is a failure that a later try may not meet.
func passing(err error) bool {
	var failed *inflow.Error
	return errors.As(err, &failed) && (failed.Kind == inflow.KindUnavailable || failed.Kind == inflow.KindRateLimited)
}

// applied says whether a request that failed may have been applied all the same.
func applied(err error) bool {
	var failed *inflow.Error
	if !errors.As(err, &failed) {
		return false // it was never made
	}
	switch failed.Kind {
	case inflow.KindUnavailable:
		var op *net.OpError
		var certificate *tls.CertificateVerificationError
		neverSent := errors.As(err, &op) && op.Op == "dial" || errors.As(err, new(*net.DNSError)) || errors.As(err, &certificate)
		return !neverSent
	case inflow.KindBadResponse, inflow.KindTooLarge: // an answer, and one that cannot be read
		return failed.StatusCode >= 200 && failed.StatusCode <= 299
	default:
		return false
	}
}

// List gets the account's subscriptions, without their secrets.
func (m *Manager) List(ctx context.Context) (list []inflow.Subscription, err error) {
	err = m.patiently(ctx, passing, func() error {
		list, err = m.API.Subscriptions(ctx)
		return err
	})
	return list, err
}

// Get gets one subscription, without its secret. An id that InFlow does not know is an
// [*inflow.Error] of [inflow.KindNotFound].
func (m *Manager) Get(ctx context.Context, id string) (subscription *inflow.Subscription, err error) {
	err = m.patiently(ctx, passing, func() error {
		subscription, err = m.API.Subscription(ctx, id)
		return err
	})
	return subscription, err
}

// put makes or changes a subscription. It repeats only what was surely not applied.
func (m *Manager) put(ctx context.Context, request inflow.SubscriptionRequest) (subscription *inflow.Subscription, err error) {
	request.RequestID = uuid.NewString()
	err = m.patiently(ctx, func(err error) bool { return passing(err) && !applied(err) }, func() error {
		subscription, err = m.API.Subscribe(ctx, request)
		return err
	})
	return subscription, err
}

// Unsubscribe removes a subscription. One that InFlow does not know is an [*inflow.Error] of [inflow.KindNotFound].
func (m *Manager) Unsubscribe(ctx context.Context, id string) error {
	tries := 0
	return m.patiently(ctx, passing, func() error {
		tries++
		err := m.API.Unsubscribe(ctx, id)
		if tries > 1 && isUnknown(err) {
			return nil // by an earlier try, whose answer was lost
		}
		return err
	})
}

// remove has a subscription gone, whoever removed it.
func (m *Manager) remove(ctx context.Context, id string) error {
	if err := m.Unsubscribe(ctx, id); !isUnknown(err) {
		return err
	}
	return nil
}

func isUnknown(err error) bool {
	var failed *inflow.Error
	return errors.As(err, &failed) && failed.Kind == inflow.KindNotFound
}

// find is the subscription of an id, or nil.
func find(list []inflow.Subscription, id string) *inflow.Subscription {
	i := slices.IndexFunc(list, func(s inflow.Subscription) bool { return strings.EqualFold(s.ID, id) })
	if i < 0 {
		return nil
	}
	return &list[i]
}

// create makes a subscription and has its secret kept. Where the answer with the secret
// is lost, what was made of it is removed, and another subscription made under another
// id. After an error nothing is left at InFlow, or the error says what may be.
func (m *Manager) create(ctx context.Context, newID func() string, address string, events []string, keeper Keeper) (*inflow.Subscription, error) {
	var lost []string // ids under which a subscription may exist whose secret nobody has
	created, err := m.createAnswered(ctx, newID, address, events, &lost)
	if err != nil {
		return nil, errors.Join(err, m.removeLost(ctx, lost))
	}
	if err := keep(keeper, created); err != nil {
		return nil, m.giveUp(ctx, created, keeper, err)
	}
	if err := m.removeLost(ctx, lost); err != nil {
		m.say("%v", err)
	}
	return created, nil
}

// keep has a secret kept that can be used.
func keep(keeper Keeper, subscription *inflow.Subscription) error {
	if err := usable(subscription.Secret); err != nil {
		return err
	}
	return keeper.Keep(*subscription)
}

// createAnswered repeats until an answer with a secret has come.
func (m *Manager) createAnswered(ctx context.Context, newID func() string, address string, events []string, lost *[]string) (*inflow.Subscription, error) {
	id := newID()
	for try := 1; ; try++ {
		created, err := m.put(ctx, inflow.SubscriptionRequest{ID: id, URL: address, Events: events})
		if err == nil && created.Secret != "" {
			*lost = slices.DeleteFunc(*lost, func(other string) bool { return other == id })
			return created, nil
		}
		if err != nil && !applied(err) {
			return nil, err
		}
		if !slices.Contains(*lost, id) {
			*lost = append(*lost, id)
		}
		if err == nil {
			err = errors.New("InFlow's answer had no secret")
		}
		if try == maxTries || ctx.Err() != nil {
			return nil, fmt.Errorf("the answer that holds the new subscription's secret was lost: %w", err)
		}
		m.say("the answer that holds the new subscription's secret was lost (%v): looking whether it was made", err)
		list, listErr := m.List(ctx)
		if listErr != nil {
			return nil, errors.Join(err, listErr)
		}
		if find(list, id) == nil {
			// Under the same id: should the lost request still come to be applied, it changes nothing.
			m.say("it was not made: asking again")
			continue
		}
		m.say("subscription %s was made, and nobody has its secret, which InFlow shows once: it is rotated, another takes its place", id)
		if err := m.remove(ctx, id); err != nil {
			return nil, err
		}
		id = newID()
	}
}

// removeLost makes sure that no subscription is left whose secret nobody has: a
// request whose answer was lost may have been applied late.
func (m *Manager) removeLost(ctx context.Context, lost []string) error {
	if len(lost) == 0 {
		return nil
	}
	ctx, cancel := tidying(ctx)
	defer cancel()
	list, err := m.List(ctx)
	for _, id := range lost {
		if err == nil && find(list, id) != nil {
			err = m.remove(ctx, id)
		}
		if err != nil {
			return fmt.Errorf("subscription %s may exist at InFlow, with a secret that nobody has: look with 'gate webhooks list' when InFlow answers again, and if it is there, 'gate webhooks unsubscribe %s': %w", id, id, err)
		}
	}
	return nil
}

// giveUp removes a new subscription, and joins what comes of that to the reason.
func (m *Manager) giveUp(ctx context.Context, created *inflow.Subscription, keeper Keeper, reason error) error {
	ctx, cancel := tidying(ctx)
	defer cancel()
	if err := m.remove(ctx, created.ID); err != nil {
		return errors.Join(reason, fmt.Errorf("the new subscription could not be removed again: run 'gate webhooks unsubscribe %s' when InFlow answers: %w", created.ID, err))
	}
	m.say("the new subscription %s was removed again, and its secret is void", created.ID)
	if err := keeper.Withdraw(*created); err != nil {
		return errors.Join(reason, err)
	}
	return reason
}
