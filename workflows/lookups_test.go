package workflows_test

import (
	"context"
	"testing"

	"github.com/govalues/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
)

// lookupWorld is a world that records the look-ups that the rules were given.
type lookupWorld struct {
	*world
	given    []ordercheck.Lookups
	lookedUp []ordercheck.LookUpOrdersInput
	lookUp   func() (*ordercheck.RecentOrders, error)
	fetches  []ordercheck.FetchOrderInput
	again    int // checks during which a delivery comes
}

func newLookupWorld(t *testing.T, fetch func(attempt int) ordercheck.FetchedOrder) *lookupWorld {
	t.Helper()
	w := &lookupWorld{world: newWorld(t)}
	w.lookUp = func() (*ordercheck.RecentOrders, error) {
		return &ordercheck.RecentOrders{Orders: []ordercheck.RecentOrder{{SalesOrderID: "other"}}}, nil
	}
	w.RegisterActivityWithOptions(
		func(_ context.Context, in ordercheck.LookUpOrdersInput) (*ordercheck.RecentOrders, error) {
			w.lookedUp = append(w.lookedUp, in)
			return w.lookUp()
		},
		activity.RegisterOptions{Name: ordercheck.ActivityLookUpOrders},
	)
	w.OnActivity(ordercheck.ActivityFetchOrder, mock.Anything, mock.Anything).Return(
		func(_ context.Context, in ordercheck.FetchOrderInput) (ordercheck.FetchedOrder, error) {
			w.fetches = append(w.fetches, in)
			return fetch(len(w.fetches)), nil
		})
	w.OnActivity(ordercheck.ActivityCheckOrder, mock.Anything, mock.Anything).Return(
		func(_ context.Context, in ordercheck.CheckOrderInput) (ordercheck.CheckedOrder, error) {
			if w.given = append(w.given, in.Lookups); len(w.given) <= w.again {
				w.deliver(1)
			}
			return found(), nil
		})
	return w
}

func needing(
	lookUp *ordercheck.LookUpOrdersInput, lookups ordercheck.Lookups,
) func(int) ordercheck.FetchedOrder {
	return func(attempt int) ordercheck.FetchedOrder {
		f := order(attempt)
		f.LookUp, f.Lookups = lookUp, lookups
		return f
	}
}

func TestDataThatRulesNeedIsLookedUp(t *testing.T) {
	in := &ordercheck.LookUpOrdersInput{
		SalesOrderID: orderID,
		CustomerID:   "c",
		ProductIDs:   []string{"p"},
	}

	t.Run("at InFlow", func(t *testing.T) {
		w := newLookupWorld(t, needing(in, ordercheck.Lookups{}))
		assert.Equal(t, ordercheck.StatusPassed, w.mustRun(t).Status)
		assert.Equal(t, []ordercheck.LookUpOrdersInput{*in}, w.lookedUp)
		require.Len(t, w.given, 1)
		assert.Equal(t, "other", w.given[0].RecentOrders.Orders[0].SalesOrderID)
	})
	t.Run("not if it is known already", func(t *testing.T) {
		known := ordercheck.Lookups{
			RecentOrders: &ordercheck.RecentOrders{
				Orders: []ordercheck.RecentOrder{{SalesOrderID: "known"}},
			},
		}
		w := newLookupWorld(t, needing(nil, known))
		assert.Equal(t, ordercheck.StatusPassed, w.mustRun(t).Status)
		assert.Empty(t, w.lookedUp)
		assert.Equal(t, "known", w.given[0].RecentOrders.Orders[0].SalesOrderID)
	})
	t.Run("and the check goes on if the look-up fails", func(t *testing.T) {
		w := newLookupWorld(t, needing(in, ordercheck.Lookups{}))
		w.lookUp = func() (*ordercheck.RecentOrders, error) {
			return nil, temporal.NewApplicationError("429", ordercheck.ErrorInflowRateLimited)
		}
		assert.Equal(t, ordercheck.StatusPassed, w.mustRun(t).Status)
		assert.Len(t, w.lookedUp, 3, "three attempts")
		assert.Nil(t, w.given[0].RecentOrders)
		assert.Equal(t, []string{ordercheck.LookupRecentOrders}, w.given[0].Failed,
			"the rules must know that the look-up failed")
	})
}

func TestOrderIsRememberedAsFirstInvoiced(t *testing.T) {
	first, later := &ordercheck.Billed{
		OrderVersion: "1",
		Total:        decimal.One,
		Fingerprint:  "a",
	}, &ordercheck.Billed{
		OrderVersion: "2",
		Total:        decimal.Ten,
		Fingerprint:  "b",
	}
	states := []*ordercheck.Billed{nil, first, later}
	w := newLookupWorld(t, func(attempt int) ordercheck.FetchedOrder {
		f := order(attempt)
		f.Billed = states[min(attempt, len(states))-1]
		return f
	})
	w.OnUpsertMemo(map[string]any{ordercheck.MemoBilled: first}).Return(nil).Once()
	w.again = len(states) - 1
	w.mustRun(t)
	require.Len(t, w.given, 3)
	assert.Nil(t, w.given[0].Billed)
	assert.Equal(t, first, w.given[1].Billed)
	assert.Equal(t, first, w.given[2].Billed, "not as it is now")
	w.AssertExpectations(t)
	assert.Equal(t, []bool{false, false, true},
		[]bool{w.fetches[0].KnowsBilled, w.fetches[1].KnowsBilled, w.fetches[2].KnowsBilled})
}
