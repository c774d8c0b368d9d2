package e2e_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/fakeinflow"
	"error-check-gate/workflows"
)

// starts are the starts of all requests that InFlow saw, in order.
func (s *stack) starts() []time.Time {
	var starts []time.Time
	for _, request := range s.fake.Requests() {
		starts = append(starts, request.Start)
	}
	slices.SortFunc(starts, time.Time.Compare)
	return starts
}

// rateLimited counts the requests that InFlow refused for the allowance.
func (s *stack) rateLimited() (n int) {
	for _, request := range s.fake.Requests() {
		if request.Status == http.StatusTooManyRequests {
			n++
		}
	}
	return n
}

// mostWithin is the most of the times, which ascend, that fall into any span of the length.
func mostWithin(length time.Duration, times []time.Time) (most int) {
	first := 0
	for last := range times {
		for times[last].Sub(times[first]) >= length {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

// postAccepted posts until the delivery is accepted, as InFlow does: a machine that is busy
// with other tests may be told to come again.
func (s *stack) postAccepted(id string) (answered time.Time) {
	s.t.Helper()
	assert.Eventually(s.t, func() bool {
		status, at := s.post(id)
		answered = at
		return status == http.StatusOK
	}, waitFor, tick)
	return answered
}

// deliver posts one delivery for each order, several at a time, and wants each accepted.
func (s *stack) deliver(ids []string) {
	s.t.Helper()
	var senders sync.WaitGroup
	next := make(chan string)
	for range 8 {
		senders.Go(func() {
			for id := range next {
				s.postAccepted(id)
			}
		})
	}
	for _, id := range ids {
		next <- id
	}
	close(next)
	senders.Wait()
}

// quietOrders are copies of a sample order that InFlow announces to nobody.
func (s *stack) quietOrders(n int) []string {
	s.t.Helper()
	require.NoError(s.t, s.fake.SetDeliveryFault(fakeinflow.DeliveryFault{Lost: true}))
	ids := make([]string, n)
	for i := range ids {
		ids[i] = s.create("plain")
	}
	return ids
}

// TestTwoWorkersShareTheAllowance takes a minute: only then a minute is over. With a
// limit for each worker, or with 60 requests a minute and a burst on top, InFlow would have refused one.
func TestTwoWorkersShareTheAllowance(t *testing.T) {
	t.Parallel()
	const perMinute, orders = 60, 62
	s := newStack(t, options{allowance: perMinute})
	s.startWorker()
	ids := s.quietOrders(orders)
	// Attempts after a failure are requests too.
	require.NoError(t, s.fake.SetFault(fakeinflow.Fault{Route: fakeinflow.RouteGetSalesOrder, Status: http.StatusInternalServerError, Times: 3}))
	s.deliver(ids)

	require.Eventually(t, func() bool {
		return !slices.ContainsFunc(ids, func(id string) bool { return len(s.fetches(id)) == 0 }) || s.rateLimited() > 0
	}, 3*time.Minute, tick)
	starts := s.starts()
	assert.Zero(t, s.rateLimited(), "InFlow refused none for its allowance")
	assert.LessOrEqual(t, mostWithin(time.Minute, starts), perMinute)
	assert.GreaterOrEqual(t, mostWithin(time.Minute, starts), perMinute*3/4, "most of the allowance is of use")
	assert.Greater(t, len(starts), perMinute, "more was asked for than a minute has")
}

func TestAStormOfEditsCostsFewFetches(t *testing.T) {
	t.Parallel()
	// The settings of production: a storm lasts some seconds, as people save.
	s := newStack(t, options{settings: workflows.Settings{SettleQuiet: 2 * time.Second, SettleMax: 30 * time.Second}})
	ids := s.quietOrders(20)
	var mu sync.Mutex
	answered := map[string]time.Time{}
	var senders sync.WaitGroup
	for _, id := range ids {
		senders.Go(func() {
			for range 25 {
				at := s.postAccepted(id)
				mu.Lock()
				answered[id] = at
				mu.Unlock()
			}
		})
	}
	senders.Wait()

	fetches := 0
	for _, id := range ids {
		require.Eventually(t, func() bool {
			seen := s.fetches(id)
			return len(seen) > 0 && seen[len(seen)-1].Start.After(answered[id])
		}, waitFor, tick, "a fetch of order %s begins after its last delivery was answered", id)
		s.mustResult(id)
		fetches += len(s.fetches(id))
	}
	assert.LessOrEqual(t, fetches, 40)
}
