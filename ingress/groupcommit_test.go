package ingress

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

// think is the pause of a sender between an answer and its next delivery.
const think = time.Millisecond

// sendFor delivers from several senders for the time lasting. Each sender waits for its answer
// before it sends again. sendFor returns the times to the answers, shortest first.
func sendFor(
	t *testing.T, c *committer, lasting time.Duration, senders int, order func(sender int) string,
) []time.Duration {
	t.Helper()
	var (
		mu    sync.Mutex
		took  []time.Duration
		group sync.WaitGroup
	)
	ends := time.Now().Add(lasting)
	for sender := range senders {
		group.Go(func() {
			for time.Now().Before(ends) {
				began := time.Now()
				assert.NoError(t, c.commit(t.Context(), order(sender), numbered(sender)))
				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
				time.Sleep(think)
			}
		})
	}
	group.Wait()
	slices.Sort(took)
	return took
}

func distinctOrders(int) string { return uuid.NewString() }

func percentile(sorted []time.Duration, n int) time.Duration { return sorted[len(sorted)*n/100] }

// TestGroupCommit checks that a batch carries the deliveries of all senders, and that the next
// batch waits until all of them have sent again, although they do not do so at the same time.
func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const senders, commit = 64, 20 * time.Millisecond
		temporal := &fakeTemporal{signal: waitFor(commit)}
		c := newTestCommitter(t, temporal, nil, nil)
		took := sendFor(t, c, time.Second, senders, distinctOrders)
		cycle := commit + think
		assert.GreaterOrEqual(t, len(took), senders*int(time.Second/cycle-3), "one batch per cycle")
		for _, start := range temporal.started()[1:] {
			require.Len(t, start.batch.Orders, senders)
		}
		assert.LessOrEqual(t, percentile(took, 95), commit+think, "all but those before the first batch")
		requireIdle(t, c)
	})
}

// TestGatheringIsShort checks that a batch waits only briefly for senders that do not send again.
func TestGatheringIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const commit = 16 * time.Millisecond
		temporal := &fakeTemporal{signal: waitFor(commit)}
		c := newTestCommitter(t, temporal, nil, nil)
		for i, err := range commitEach(t, c, 20) {
			require.NoError(t, err, i)
		}
		began := time.Now()
		require.NoError(t, c.commit(t.Context(), "quiet", numbered(0)))
		assert.LessOrEqual(t, time.Since(began), commit+commit/2)

		for i, err := range commitEach(t, c, 20) {
			require.NoError(t, err, i)
		}
		began = time.Now()
		var group sync.WaitGroup
		for i := range 20 { // so fast that it is never quiet
			group.Go(func() { assert.NoError(t, c.commit(t.Context(), nthOrderID(100+i), numbered(i))) })
			if i == 0 {
				group.Go(func() {
					assert.NoError(t, c.commit(t.Context(), "steady", numbered(i)))
					assert.LessOrEqual(t, time.Since(began), 2*commit)
				})
			}
			time.Sleep(commit / 10)
		}
		group.Wait()
		requireIdle(t, c)
	})
}

// busyTemporal is a client of Temporal that hangs for signals to one order.
type busyTemporal struct {
	*fakeTemporal
	order string
}

func (b *busyTemporal) SignalWithStartWorkflow(
	ctx context.Context, workflowID, signalName string, signalArg any,
	options client.StartWorkflowOptions, workflow any, workflowArgs ...any,
) (client.WorkflowRun, error) {
	if workflowID == "sales-order-"+b.order {
		if err := waitFor(3*time.Second)(ctx, 0); err != nil {
			return nil, err
		}
	}
	return b.fakeTemporal.SignalWithStartWorkflow(ctx, workflowID, signalName, signalArg, options,
		workflow, workflowArgs...)
}

// TestBusyOrder checks that an order that is busy for 3 s does not hold up the deliveries of others.
func TestBusyOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		measure := func(busy bool) time.Duration {
			temporal := &busyTemporal{&fakeTemporal{signal: waitFor(20 * time.Millisecond)}, "busy"}
			c := newTestCommitter(t, temporal, nil, nil)
			sendFor(t, c, time.Second, 64, distinctOrders)
			time.Sleep(time.Second)
			var group sync.WaitGroup
			if busy {
				group.Go(func() { assert.NoError(t, c.commit(t.Context(), "busy", numbered(0))) })
				synctest.Wait()
			}
			took := sendFor(t, c, 3*time.Second, 64, distinctOrders)
			group.Wait()
			requireIdle(t, c)
			return percentile(took, 99)
		}
		without, with := measure(false), measure(true)
		assert.Less(t, with, 2*without)
	})
}

// TestHotOrder checks that an order with half of all deliveries and the other orders both get their
// share.
func TestHotOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const senders, commit = 64, 20 * time.Millisecond
		temporal := &fakeTemporal{signal: waitFor(commit)}
		c := newTestCommitter(t, temporal, nil, nil)
		var hot, others []time.Duration
		var group sync.WaitGroup
		group.Go(func() {
			hot = sendFor(t, c, 2*time.Second, senders/2, func(int) string { return "hot" })
		})
		group.Go(func() { others = sendFor(t, c, 2*time.Second, senders/2, distinctOrders) })
		group.Wait()
		assert.LessOrEqual(t, percentile(others, 99), 4*commit)
		assert.LessOrEqual(t, percentile(hot, 99), 4*commit)
		assert.Greater(t, len(hot), len(others)/2)
		requireIdle(t, c)
	})
}

// TestSlowness checks the time after which a call stops counting as in flight.
func TestSlowness(t *testing.T) {
	var g groupCommit
	assert.Equal(t, maxSlow, g.slow(), "no call has been measured yet")
	g.took(15 * time.Millisecond)
	assert.Equal(t, 30*time.Millisecond, g.slow())
	g.took(4 * time.Second)
	assert.Less(t, g.slow(), 40*time.Millisecond, "one call that hung hardly counts")
	for range 100 {
		g.took(time.Second)
	}
	assert.Equal(t, maxSlow, g.slow())
	for range 100 {
		g.took(time.Millisecond)
	}
	assert.Equal(t, minSlow, g.slow())
}
