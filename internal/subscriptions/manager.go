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

// API is the part of InFlow's API that the package needs. [*inflow.Client] implements it.
type API interface {
	Subscriptions(ctx context.Context) ([]inflow.Subscription, error)
	Subscription(ctx context.Context, id string) (*inflow.Subscription, error)
	Subscribe(ctx context.Context, request inflow.SubscriptionRequest) (*inflow.Subscription, error)
	Unsubscribe(ctx context.Context, id string) error
}

const (
	// maxTries is the maximum number of attempts for one step.
	maxTries = 4
	// maxWait is the longest Retry-After that we follow. For a longer one, the command fails and
	// leaves the decision to a person.
	maxWait = 2 * time.Minute
	// quotaWait is used after a 429 without Retry-After. InFlow's quota is per minute.
	quotaWait = 15 * time.Second
	// cleanupTimeout limits the cleanup after the caller's context has ended.
	cleanupTimeout = 30 * time.Second
)

// Manager changes the subscriptions of one account.
type Manager struct {
	// API is the account's API. Required.
	API API
	// Say gets progress messages for the person who waits. May be nil.
	Say func(line string)

	// pause replaces the real wait in tests. Nil means to wait.
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

// cleanupContext returns a context for cleanup that must happen even if ctx has ended.
func cleanupContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
}

// retry calls call again while its error is retryable, with an increasing delay.
func (m *Manager) retry(ctx context.Context, retryable func(error) bool, call func() error) error {
	wait := time.Second
	for try := 1; ; try++ {
		err := call()
		var failed *inflow.Error
		if err == nil || try == maxTries || ctx.Err() != nil || !errors.As(err, &failed) ||
			!retryable(err) || failed.RetryAfter > maxWait {
			return err
		}
		pause := max(wait, failed.RetryAfter)
		if failed.Kind == inflow.KindRateLimited && failed.RetryAfter == 0 {
			pause = quotaWait
		}
		m.say("%v; retrying in %v", err, pause)
		if m.wait(ctx, pause) != nil {
			return err
		}
		wait *= 2
	}
}

// retryable reports whether a later try may succeed.
func retryable(err error) bool {
	var failed *inflow.Error
	return errors.As(err, &failed) &&
		(failed.Kind == inflow.KindUnavailable || failed.Kind == inflow.KindRateLimited)
}

// mayBeApplied reports whether InFlow may have applied a request although it failed.
func mayBeApplied(err error) bool {
	var failed *inflow.Error
	if !errors.As(err, &failed) {
		return false // the request was never sent
	}
	switch failed.Kind {
	case inflow.KindUnavailable:
		var op *net.OpError
		var certificate *tls.CertificateVerificationError
		neverSent := errors.As(err, &op) && op.Op == "dial" || errors.As(err, new(*net.DNSError)) ||
			errors.As(err, &certificate)
		return !neverSent
	case inflow.KindBadResponse, inflow.KindTooLarge: // there was a response, but it is unreadable
		return failed.StatusCode >= 200 && failed.StatusCode <= 299
	default:
		return false
	}
}

// List gets the account's subscriptions, without their secrets.
func (m *Manager) List(ctx context.Context) (list []inflow.Subscription, err error) {
	err = m.retry(ctx, retryable, func() error {
		list, err = m.API.Subscriptions(ctx)
		return err
	})
	return list, err
}

// Get gets one subscription, without its secret. If InFlow does not know the id, the error is an
// [*inflow.Error] of [inflow.KindNotFound].
func (m *Manager) Get(
	ctx context.Context, id string,
) (subscription *inflow.Subscription, err error) {
	err = m.retry(ctx, retryable, func() error {
		subscription, err = m.API.Subscription(ctx, id)
		return err
	})
	return subscription, err
}

// put creates or changes a subscription. It only retries requests that were certainly not applied.
func (m *Manager) put(
	ctx context.Context, request inflow.SubscriptionRequest,
) (subscription *inflow.Subscription, err error) {
	request.RequestID = uuid.NewString()
	err = m.retry(ctx, func(err error) bool {
		return retryable(err) && !mayBeApplied(err)
	}, func() error {
		subscription, err = m.API.Subscribe(ctx, request)
		return err
	})
	return subscription, err
}

// Unsubscribe removes a subscription. If InFlow does not know it, the error is an [*inflow.Error]
// of [inflow.KindNotFound].
func (m *Manager) Unsubscribe(ctx context.Context, id string) error {
	tries := 0
	return m.retry(ctx, retryable, func() error {
		tries++
		err := m.API.Unsubscribe(ctx, id)
		if tries > 1 && isUnknown(err) {
			return nil // an earlier try removed it, but the response was lost
		}
		return err
	})
}

// remove removes a subscription. It is not an error if the subscription is already gone.
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

// find returns the subscription with an id, or nil.
func find(list []inflow.Subscription, id string) *inflow.Subscription {
	i := slices.IndexFunc(list, func(s inflow.Subscription) bool {
		return strings.EqualFold(s.ID, id)
	})
	if i < 0 {
		return nil
	}
	return &list[i]
}

// create creates a subscription and stores its secret. If the response with the secret is lost, it
// removes that subscription and creates another one with a new id. If it fails, nothing is left at
// InFlow, or the error says what may be.
func (m *Manager) create(
	ctx context.Context, newID func() string, address string, events []string, keeper Keeper,
) (*inflow.Subscription, error) {
	var lost []string // ids of subscriptions that may exist, but whose secret is lost
	created, err := m.createWithSecret(ctx, newID, address, events, &lost)
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

// keep checks a subscription's secret and stores it.
func keep(keeper Keeper, subscription *inflow.Subscription) error {
	if err := checkSecret(subscription.Secret); err != nil {
		return err
	}
	return keeper.Keep(*subscription)
}

// createWithSecret creates a subscription. It tries again until a response with a secret arrives.
func (m *Manager) createWithSecret(
	ctx context.Context, newID func() string, address string, events []string, lost *[]string,
) (*inflow.Subscription, error) {
	id := newID()
	for try := 1; ; try++ {
		created, err := m.put(ctx, inflow.SubscriptionRequest{ID: id, URL: address, Events: events})
		if err == nil && created.Secret != "" {
			*lost = slices.DeleteFunc(*lost, func(other string) bool { return other == id })
			return created, nil
		}
		if err != nil && !mayBeApplied(err) {
			return nil, err
		}
		if !slices.Contains(*lost, id) {
			*lost = append(*lost, id)
		}
		if err == nil {
			err = errors.New("InFlow's response has no secret")
		}
		if try == maxTries || ctx.Err() != nil {
			return nil, fmt.Errorf("the response with the new subscription's secret was lost: %w",
				err)
		}
		m.say("the response with the new subscription's secret was lost (%v): checking whether "+
			"it was created", err)
		list, listErr := m.List(ctx)
		if listErr != nil {
			return nil, errors.Join(err, listErr)
		}
		if find(list, id) == nil {
			// Keep the id: if the lost request is applied late, it changes nothing.
			m.say("it was not created: trying again")
			continue
		}
		m.say("subscription %s was created, but its secret, which InFlow shows only once, is "+
			"lost: replacing it by another subscription", id)
		if err := m.remove(ctx, id); err != nil {
			return nil, err
		}
		id = newID()
	}
}

// removeLost removes subscriptions whose secret is lost. They may exist even if they were not there
// before, because a request without a response may be applied late.
func (m *Manager) removeLost(ctx context.Context, lost []string) error {
	if len(lost) == 0 {
		return nil
	}
	ctx, cancel := cleanupContext(ctx)
	defer cancel()
	list, err := m.List(ctx)
	for _, id := range lost {
		if err == nil && find(list, id) != nil {
			err = m.remove(ctx, id)
		}
		if err != nil {
			return fmt.Errorf("subscription %s may exist at InFlow, but its secret is lost: when "+
				"InFlow responds again, run 'gate webhooks list', and if it is listed, 'gate "+
				"webhooks unsubscribe %s': %w", id, id, err)
		}
	}
	return nil
}

// giveUp removes a new subscription and its secret. It returns the reason, joined with any error of
// the removal.
func (m *Manager) giveUp(
	ctx context.Context, created *inflow.Subscription, keeper Keeper, reason error,
) error {
	ctx, cancel := cleanupContext(ctx)
	defer cancel()
	if err := m.remove(ctx, created.ID); err != nil {
		return errors.Join(reason, fmt.Errorf("cannot remove the new subscription: run 'gate "+
			"webhooks unsubscribe %s' when InFlow responds again: %w", created.ID, err))
	}
	m.say("the new subscription %s was removed again; its secret is no longer valid", created.ID)
	if err := keeper.Withdraw(*created); err != nil {
		return errors.Join(reason, err)
	}
	return reason
}
