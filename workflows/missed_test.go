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

// miss is the sweep's signal that no check has seen a version.
func (w *world) miss(version string) {
	w.SignalWorkflow(ordercheck.SignalWebhookDelivered, []ordercheck.Delivery{
		{Event: ordercheck.EventMissedWebhook, ReceivedAt: w.Now(), OrderVersion: version},
	})
}

func (w *world) missAt(after time.Duration, version string) {
	w.RegisterDelayedCallback(func() { w.miss(version) }, after)
}

// TestMissedWebhooksOfAHeldOrder: the run itself knows what it has seen.
func TestMissedWebhooksOfAHeldOrder(t *testing.T) {
	l := newLife(t, settings, "total")
	l.saved = 5
	l.missAt(0, order(5).OrderVersion)             // with the start: the first fetch sees it
	l.missAt(time.Minute, order(4).OrderVersion)   // seen
	l.missAt(2*time.Minute, order(5).OrderVersion) // seen
	l.RegisterDelayedCallback(func() { l.saved, l.broken = 6, nil }, 3*time.Minute)
	l.missAt(4*time.Minute, order(6).OrderVersion)
	report := l.mustRun(t)
	assert.Equal(t, []time.Duration{0, 4 * time.Minute}, l.fetchedAt, "nobody is saving the order: nothing settles")
	assert.Equal(t, ordercheck.StatusPassed, report.Status)
	assert.Equal(t, order(6).OrderVersion, report.OrderVersion)
}

func TestAMissedWebhookThatComesAfterAll(t *testing.T) {
	w := newWorldWith(t, settings)
	w.deliverAt(0, 1)
	w.missAt(time.Second, order(9).OrderVersion) // the fetch that is owed begins after that version was there
	w.mustRun(t)
	assert.Equal(t, []time.Duration{2 * time.Second}, w.fetchedAt, "it does not disturb the settling")

	w = newWorldWith(t, settings)
	w.fetch = func(attempt int) (ordercheck.FetchedOrder, error) {
		if attempt == 1 { // a webhook and the sweep, while InFlow answers with what was there before
			w.miss(order(9).OrderVersion)
			w.deliver(1)
		}
		return order(attempt), nil
	}
	w.mustRun(t)
	assert.Len(t, w.fetchedAt, 2, "one fetch follows both")
}

func TestAFetchThatBeganBeforeTheChangeIsNotEnough(t *testing.T) {
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

func TestAMissedWebhookOfACheckThatFailed(t *testing.T) {
	w := newWorldWith(t, settings)
	w.fetch = func(attempt int) (ordercheck.FetchedOrder, error) {
		if attempt == 1 {
			w.miss(order(1).OrderVersion)
			return ordercheck.FetchedOrder{}, temporal.NewNonRetryableApplicationError("no", ordercheck.ErrorInflowBadResponse, nil)
		}
		return order(attempt), nil
	}
	report := w.mustRun(t)
	assert.Equal(t, ordercheck.StatusPassed, report.Status)
	assert.Len(t, w.fetchedAt, 2)
}

// TestMissedWebhooksThatCannotBeRead are taken for webhooks that came: a fetch too many is no harm.
func TestMissedWebhooksThatCannotBeRead(t *testing.T) {
	for name, version := range map[string]string{"no version": "", "no rowversion": "yesterday"} {
		l := newLife(t, settings, "total")
		l.missAt(time.Minute, version)
		l.save(2*time.Minute, func() { l.broken = nil })
		l.mustRun(t)
		assert.Equal(t, []time.Duration{0, time.Minute + 2*time.Second, 2*time.Minute + 2*time.Second}, l.fetchedAt, name)
	}
}

// TestEveryVersionIsShown, also where nothing else is news: a sweep looks for it.
func TestEveryVersionIsShown(t *testing.T) {
	l := newLife(t, settings, "total")
	l.saved = 1
	var shown []string
	l.OnUpsertTypedSearchAttributes(mock.MatchedBy(func(attributes temporal.SearchAttributes) bool {
		version, ok := attributes.GetKeyword(temporal.NewSearchAttributeKeyKeyword(ordercheck.SearchOrderVersion))
		if ok && !slices.Contains(shown, version) {
			shown = append(shown, version)
		}
		return true
	})).Return(nil)
	l.save(2*time.Minute, func() {})
	l.RegisterDelayedCallback(func() { assert.Equal(t, []string{order(1).OrderVersion, order(2).OrderVersion}, shown) }, 3*time.Minute)
	l.save(4*time.Minute, func() { l.broken = nil })
	l.mustRun(t)
	assert.Equal(t, order(3).OrderVersion, shown[len(shown)-1])
}

// TestAnOrderThatIsListedAndNotThereIsMissedOnce: InFlow's list has an order that it does not have. The next sweep sees that
// this version was looked for.
func TestAnOrderThatIsListedAndNotThereIsMissedOnce(t *testing.T) {
	l := newLife(t, settings)
	l.gone = true
	var shown string
	l.OnUpsertTypedSearchAttributes(mock.MatchedBy(func(attributes temporal.SearchAttributes) bool {
		if version, ok := attributes.GetKeyword(temporal.NewSearchAttributeKeyKeyword(ordercheck.SearchOrderVersion)); ok {
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

// TestAnOrderThatWasDeletedAndComesBackIsEvaluated, though InFlow gives it the version that it had.
func TestAnOrderThatWasDeletedAndComesBackIsEvaluated(t *testing.T) {
	l := newLife(t, settings, "total")
	l.RegisterDelayedCallback(func() {
		l.gone = true
		l.deliver(1)
	}, time.Minute)
	notFound := 0
	fetch := l.fetch
	l.fetch = func(n int) (ordercheck.FetchedOrder, error) {
		fetched, err := fetch(n)
		if err != nil {
			if notFound++; notFound == 2 { // the gate has looked twice, and somebody brings the order back
				l.gone = false
				l.deliver(1)
			}
		}
		return fetched, err
	}
	l.RegisterDelayedCallback(func() { assert.Equal(t, ordercheck.StatusPending, l.ask().Status) }, 2*time.Minute)
	l.save(time.Hour, func() { l.broken = nil })
	assert.Equal(t, ordercheck.StatusPassed, l.mustRun(t).Status)
}
