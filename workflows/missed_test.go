package workflows_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
)

// miss sends the sweep's signal that no check has seen a version.
func (w *world) miss(version string) {
	w.SignalWorkflow(ordercheck.SignalWebhookDelivered, []ordercheck.Delivery{
		{Event: ordercheck.EventMissedWebhook, ReceivedAt: w.Now(), OrderVersion: version},
	})
}

func (w *world) missAt(after time.Duration, version string) {
	w.RegisterDelayedCallback(func() { w.miss(version) }, after)
}

func TestFetchThatBeganBeforeTheChangeIsRepeated(t *testing.T) {
	for version, fetches := range map[string]int{order(1).OrderVersion: 1, order(2).OrderVersion: 2} {
		w := newWorldWith(t, settings)
		w.fetch = func(attempt int) (ordercheck.FetchedOrder, error) {
			if attempt == 1 {
				w.miss(version)
			}
			return order(attempt), nil
		}
		w.mustRun(t)
		assert.Len(t, w.fetchedAt, fetches, version)
	}
}

// An extra fetch does no harm.
func TestUnreadableMissedWebhookCountsAsAWebhook(t *testing.T) {
	for name, version := range map[string]string{"no version": "", "no rowversion": "yesterday"} {
		l := newLife(t, settings, "total")
		l.missAt(time.Minute, version)
		l.save(2*time.Minute, func() { l.broken = nil })
		l.mustRun(t)
		assert.Equal(t, []time.Duration{0, time.Minute + 2*time.Second, 2*time.Minute + 2*time.Second},
			l.fetchedAt, name)
	}
}

// A sweep compares the version, so it is published even if nothing else has changed.
func TestEveryVersionIsPublished(t *testing.T) {
	l := newLife(t, settings, "total")
	l.saved = 1
	var shown []string
	l.OnUpsertTypedSearchAttributes(mock.MatchedBy(func(attributes temporal.SearchAttributes) bool {
		version, ok := attributes.GetKeyword(
			temporal.NewSearchAttributeKeyKeyword(ordercheck.SearchOrderVersion),
		)
		if ok && !slices.Contains(shown, version) {
			shown = append(shown, version)
		}
		return true
	})).Return(nil)
	l.save(2*time.Minute, func() {})
	l.RegisterDelayedCallback(
		func() { assert.Equal(t, []string{order(1).OrderVersion, order(2).OrderVersion}, shown) },
		3*time.Minute,
	)
	l.save(4*time.Minute, func() { l.broken = nil })
	l.mustRun(t)
	assert.Equal(t, order(3).OrderVersion, shown[len(shown)-1])
}

// InFlow lists an order, and then answers that it does not exist. The next sweep sees that this
// version was fetched.
func TestListedOrderThatDoesNotExistIsMissedOnce(t *testing.T) {
	l := newLife(t, settings)
	l.gone = true
	var shown string
	l.OnUpsertTypedSearchAttributes(mock.MatchedBy(func(attributes temporal.SearchAttributes) bool {
		key := temporal.NewSearchAttributeKeyKeyword(ordercheck.SearchOrderVersion)
		if version, ok := attributes.GetKeyword(key); ok {
			shown = version
		}
		return true
	})).Return(nil)
	l.missAt(0, order(5).OrderVersion)
	_, err := l.run(t)
	var failed *temporal.ApplicationError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, ordercheck.ErrorOrderNotFound, failed.Type())
	assert.Equal(t, order(5).OrderVersion, shown)
}
