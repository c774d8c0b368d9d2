package ingress

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBurst checks that every delivery of a burst is in exactly one call and succeeds only after
// the commit, and that there are few calls even if Temporal is fast and the burst slow.
func TestBurst(t *testing.T) {
	const deliveries = 200
	for _, tc := range []struct {
		commit, gap time.Duration // between two deliveries
		atMost      int
	}{
		{5 * time.Millisecond, 0, 2},
		{time.Millisecond, 500 * time.Microsecond, 5},
		{time.Millisecond, 5 * time.Millisecond, 8},
		{0, 10 * time.Millisecond, 10},
		{300 * time.Millisecond, 5 * time.Millisecond, 5},
	} {
		t.Run(fmt.Sprintf("commit %v, gap %v", tc.commit, tc.gap), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				temporal := &fakeTemporal{signal: waitFor(tc.commit)}
				c := newTestCommitter(t, temporal, nil, nil)
				succeeded := make([]time.Time, deliveries)
				var group sync.WaitGroup
				for i := range deliveries {
					group.Go(func() {
						time.Sleep(time.Duration(i) * tc.gap)
						if assert.NoError(t, c.commit(t.Context(), "order-1", numbered(i))) {
							succeeded[i] = time.Now()
						}
					})
				}
				group.Wait()

				calls := temporal.committed()
				assert.LessOrEqual(t, len(calls), tc.atMost)
				carried := map[string]time.Time{}
				for _, call := range calls {
					for _, delivery := range call.deliveries {
						require.NotContains(t, carried, delivery.Event, "in two calls")
						carried[delivery.Event] = call.committedAt
					}
				}
				require.Len(t, carried, deliveries)
				for i, at := range succeeded {
					require.False(t, at.Before(carried[numbered(i).Event]),
						"%d succeeded before its commit", i)
				}
				requireIdle(t, c)
			})
		})
	}
}

func TestQueueKeepsTheOrderOfArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: waitFor(100 * time.Millisecond)}
		c := newTestCommitter(t, temporal, nil, nil)
		var group sync.WaitGroup
		for i := range 20 {
			group.Go(func() { assert.NoError(t, c.commit(t.Context(), "order-1", numbered(i))) })
			synctest.Wait()
		}
		group.Wait()
		var got []string
		for _, call := range temporal.committed() {
			for _, delivery := range call.deliveries {
				got = append(got, delivery.Event)
			}
		}
		want := make([]string, 20)
		for i := range want {
			want[i] = numbered(i).Event
		}
		assert.Equal(t, want, got)
	})
}

func TestMaxBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: waitFor(10 * time.Millisecond)}
		c := newTestCommitter(t, temporal, nil, nil)
		var group sync.WaitGroup
		for i := range 2500 {
			group.Go(func() { assert.NoError(t, c.commit(t.Context(), "order-1", numbered(i))) })
		}
		group.Wait()
		total := 0
		for _, call := range temporal.committed() {
			assert.LessOrEqual(t, len(call.deliveries), maxBatch)
			total += len(call.deliveries)
		}
		assert.Equal(t, 2500, total)
		requireIdle(t, c)
	})
}

// TestSlowCallForAnOrder checks that the deliveries that arrive while a call for their order takes
// long have enough time left for their own call.
func TestSlowCallForAnOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: waitFor(commitWithin * 3 / 4)}
		c := newTestCommitter(t, temporal, nil, nil)
		var group sync.WaitGroup
		for i := range 200 {
			group.Go(func() { assert.NoError(t, c.commit(t.Context(), "order-1", numbered(i))) })
			time.Sleep(10 * time.Millisecond)
		}
		group.Wait()
		assert.LessOrEqual(t, len(temporal.committed()), 6)
		requireIdle(t, c)
	})
}

func TestOrdersDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{signal: func(ctx context.Context, n int) error {
			if n == 0 {
				return hang(ctx, n)
			}
			return nil
		}}
		c := newTestCommitter(t, temporal, nil, nil)
		var group sync.WaitGroup
		group.Go(
			func() { assert.ErrorIs(t, c.commit(t.Context(), "stuck", numbered(0)), errNotCommitted) },
		)
		synctest.Wait()
		began := time.Now()
		require.NoError(t, c.commit(t.Context(), "free", numbered(1)))
		assert.Zero(t, time.Since(began))
		group.Wait()
		requireIdle(t, c)
	})
}
