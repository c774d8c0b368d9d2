package sweep_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/codec"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows/sweep"
	"error-check-gate/workflows/workflowtest"
)

func versionOf(n int) string { return fmt.Sprintf("%016X", n) }

func listedOrder(n, version int) ordercheck.ListedOrder {
	return ordercheck.ListedOrder{
		SalesOrderID: fmt.Sprintf("order-%06d", n),
		OrderNumber:  fmt.Sprintf("SO-%06d", n),
		OrderVersion: versionOf(version),
	}
}

// account stands in for InFlow's list of orders and for the orders' latest checks in Temporal.
type account struct {
	t        *testing.T
	orders   []ordercheck.ListedOrder // in the order of their numbers
	checked  map[string]string        // version that the latest check saw, by order id
	pageSize int
	unsorted bool // InFlow does not sort by version

	lists    []ordercheck.ListOrdersInput
	compared int
	recalls  int
	recalled ordercheck.SweepMarks
	keyGone  bool // the result of the last sweep cannot be decrypted

	// terminated is the number of orders whose run was terminated. A sweep checks up to 500 of
	// them.
	terminated int
	// terminatedErr is the error of checkTerminated, if any, and terminatedIn has its inputs.
	terminatedErr error
	terminatedIn  []ordercheck.CheckTerminatedInput

	// list, if set, answers in place of the account, unless it returns nil and nil.
	list func(in ordercheck.ListOrdersInput) (*ordercheck.ListedOrders, error)
	// check, if set, runs before a comparison, which fails if it returns an error.
	check func(in ordercheck.CheckMissedInput) error
}

func newAccount(t *testing.T, orders int) *account {
	t.Helper()
	a := &account{t: t, checked: map[string]string{}, pageSize: 99}
	for i := range orders {
		a.orders = append(a.orders, listedOrder(i, 1000+i))
	}
	return a
}

func (a *account) listOrders(in ordercheck.ListOrdersInput) (*ordercheck.ListedOrders, error) {
	a.lists = append(a.lists, in)
	if a.list != nil {
		if page, err := a.list(in); page != nil || err != nil {
			return page, err
		}
	}
	if a.unsorted && in.NewestFirst {
		return &ordercheck.ListedOrders{Unsorted: "InFlow lists them in another order"}, nil
	}
	page := &ordercheck.ListedOrders{
		Orders: []ordercheck.ListedOrder{},
		Tail:   []ordercheck.ListedOrder{},
	}
	orders := a.orders
	if in.NewestFirst {
		orders = slices.Clone(orders)
		slices.SortStableFunc(orders, func(x, y ordercheck.ListedOrder) int {
			return cmp.Compare(y.OrderVersion, x.OrderVersion)
		})
	}
	first := 0
	if in.After.SalesOrderID != "" {
		for first < len(orders) && orders[first].SalesOrderID != in.After.SalesOrderID {
			first++
		}
		if first == len(orders) || orders[first] != in.After {
			page.Moved = true
			return page, nil
		}
		first++
	}
	entries := orders[first:min(first+a.pageSize, len(orders))]
	page.Last = len(entries) == 0
	page.Tail = append(page.Tail, entries[max(0, len(entries)-10):]...)
	for _, order := range entries {
		if in.NewestFirst && order.OrderVersion <= in.Mark {
			page.Reached = true
			break
		}
		page.Listed++
		page.Highest = max(page.Highest, order.OrderVersion)
		if order.OrderVersion > in.Mark {
			page.Orders = append(page.Orders, order)
		}
	}
	return page, nil
}

func (a *account) checkMissed(in ordercheck.CheckMissedInput) (ordercheck.CheckedMissed, error) {
	result := ordercheck.CheckedMissed{Missed: []ordercheck.ListedOrder{}}
	if a.check != nil {
		if err := a.check(in); err != nil {
			return result, err
		}
	}
	assert.LessOrEqual(a.t, len(in.Waiting), 20)
	for _, order := range in.Orders {
		a.compared++
		if a.checked[order.SalesOrderID] < order.OrderVersion {
			result.Missed = append(result.Missed, order)
			a.checked[order.SalesOrderID] = order.OrderVersion
		}
	}
	result.Waiting = result.Missed[max(0, len(result.Missed)-20):]
	return result, nil
}

// run makes one run of the workflow, which starts at the given time. next is the argument of the
// next run if the run continues as new, and nil otherwise.
func (a *account) run(
	at time.Time, last *ordercheck.Sweep, start ordercheck.SweepStart,
) (done *ordercheck.Sweep, next *ordercheck.SweepStart, err error) {
	a.t.Helper()
	env := workflowtest.NewEnvironment()
	env.SetStartTime(at)
	if last != nil {
		env.SetLastCompletionResult(last)
		if a.keyGone {
			env.SetDataConverter(&keyGone{DataConverter: converter.GetDefaultDataConverter()})
		}
	}
	env.RegisterWorkflowWithOptions(sweep.Orders,
		workflow.RegisterOptions{Name: ordercheck.SweepWorkflowType})
	env.RegisterActivityWithOptions(
		func(_ context.Context, in ordercheck.ListOrdersInput) (*ordercheck.ListedOrders, error) {
			return a.listOrders(in)
		},
		activity.RegisterOptions{Name: ordercheck.ActivityListOrders},
	)
	env.RegisterActivityWithOptions(
		func(_ context.Context, in ordercheck.CheckMissedInput) (ordercheck.CheckedMissed, error) {
			return a.checkMissed(in)
		},
		activity.RegisterOptions{Name: ordercheck.ActivityCheckMissed},
	)
	env.RegisterActivityWithOptions(
		func(_ context.Context, in ordercheck.CheckTerminatedInput) (ordercheck.CheckedTerminated, error) {
			a.terminatedIn = append(a.terminatedIn, in)
			done := min(a.terminated, 500)
			a.terminated -= done
			return ordercheck.CheckedTerminated{Checked: done, More: done == 500}, a.terminatedErr
		},
		activity.RegisterOptions{Name: ordercheck.ActivityCheckTerminated},
	)
	env.RegisterActivityWithOptions(func(context.Context) (ordercheck.SweepMarks, error) {
		a.recalls++
		return a.recalled, nil
	}, activity.RegisterOptions{Name: ordercheck.ActivityRecallSweep})
	env.ExecuteWorkflow(ordercheck.SweepWorkflowType, start)
	require.True(a.t, env.IsWorkflowCompleted())
	err = env.GetWorkflowError()
	var again *workflow.ContinueAsNewError
	if errors.As(err, &again) {
		var carried ordercheck.SweepStart
		require.NoError(a.t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &carried))
		return nil, &carried, nil
	}
	if err != nil {
		return nil, nil, err
	}
	done = &ordercheck.Sweep{}
	require.NoError(a.t, env.GetWorkflowResult(done))
	return done, nil, nil
}

// sweep makes a whole sweep, and returns its number of runs.
func (a *account) sweep(
	at time.Time, last *ordercheck.Sweep, start ordercheck.SweepStart,
) (done *ordercheck.Sweep, runs int, err error) {
	a.t.Helper()
	next := &start
	for next != nil {
		runs++
		require.Less(a.t, runs, 100)
		done, next, err = a.run(at, last, *next)
	}
	return done, runs, err
}

func (a *account) mustSweep(at time.Time, last *ordercheck.Sweep) *ordercheck.Sweep {
	a.t.Helper()
	done, _, err := a.sweep(at, last, ordercheck.SweepStart{Days: 30})
	require.NoError(a.t, err)
	return done
}

var sweepStart = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

func TestFirstSweepChecks20000Orders(t *testing.T) {
	a := newAccount(t, 20_000)
	done, runs, err := a.sweep(sweepStart, nil, ordercheck.SweepStart{Days: 30})
	require.NoError(t, err)
	assert.Equal(t, 20_000, done.Listed)
	assert.Equal(t, 20_000, done.Missed)
	assert.Len(t, done.Orders, ordercheck.MaxSweepOrders)
	assert.Equal(t, versionOf(1000+19_999), done.Marks.Next)
	assert.Empty(t, done.Marks.Mark)
	assert.Equal(t, 5, runs, "a sweep of many pages has several runs")
	assert.Len(t, a.lists, 20_000/99+2,
		"a request for each page, and one that returns an empty page")
	assert.Equal(t, time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC), a.lists[0].From)
	assert.Equal(t, a.lists[0].From, a.lists[len(a.lists)-1].From)
	assert.Equal(t, 1, a.recalls, "a sweep looks for marks once")
}

func TestMarkIsOneSweepBehind(t *testing.T) {
	a := newAccount(t, 300)
	a.unsorted = true
	first := a.mustSweep(sweepStart, nil)
	second := a.mustSweep(sweepStart.Add(15*time.Minute), first)
	assert.Equal(t, first.Marks.Next, second.Marks.Mark)
	assert.Zero(t, second.Missed)

	// While the third sweep reads the second page, an order of the first page changes, and then one
	// of the last page.
	a.compared = 0
	a.list = func(in ordercheck.ListOrdersInput) (*ordercheck.ListedOrders, error) {
		if in.After.SalesOrderID != "" {
			a.list = nil
			a.orders[5].OrderVersion, a.orders[299].OrderVersion = versionOf(5001), versionOf(5002)
		}
		return nil, nil //nolint:nilnil // the account answers
	}
	third := a.mustSweep(sweepStart.Add(30*time.Minute), second)
	assert.Equal(t, []ordercheck.ListedOrder{a.orders[299]}, third.Orders)
	assert.Equal(t, versionOf(5002), third.Marks.Next)
	assert.Equal(t, 1, a.compared, "only orders newer than the mark are compared")
	fourth := a.mustSweep(sweepStart.Add(45*time.Minute), third)
	assert.Equal(t, []ordercheck.ListedOrder{a.orders[5]}, fourth.Orders,
		"the fourth sweep finds the order that the third one skipped")
	fifth := a.mustSweep(sweepStart.Add(time.Hour), fourth)
	assert.Equal(t, versionOf(5002), fifth.Marks.Mark)
	assert.Zero(t, fifth.Missed)
	a.compared = 0
	assert.Zero(t, a.mustSweep(sweepStart.Add(75*time.Minute), fifth).Changed)
	assert.Zero(t, a.compared)
}

func TestLaterSweepsReadDownToTheMark(t *testing.T) {
	a := newAccount(t, 20_000)
	first := a.mustSweep(sweepStart, nil)
	second := a.mustSweep(sweepStart.Add(15*time.Minute), first)
	assert.False(t, second.NewestFirst, "the first sweep leaves no mark")

	a.orders[7].OrderVersion, a.orders[12_000].OrderVersion = versionOf(30_001), versionOf(30_002)
	a.lists = nil
	third := a.mustSweep(sweepStart.Add(30*time.Minute), second)
	assert.True(t, third.NewestFirst)
	assert.Equal(t, []ordercheck.ListedOrder{a.orders[12_000], a.orders[7]}, third.Orders)
	assert.Equal(t, 2, third.Listed)
	assert.Len(t, a.lists, 1, "one request, however many orders the account has")

	for i := range 250 { // three pages
		a.orders[i].OrderVersion = versionOf(40_000 + i)
	}
	a.lists = nil
	fourth := a.mustSweep(sweepStart.Add(45*time.Minute), third)
	assert.Equal(t, 250, fourth.Missed)
	assert.Len(t, a.lists, 3)
}

func TestSweepReadsTheWholeListIfItIsNotSorted(t *testing.T) {
	a := newAccount(t, 300)
	last := a.mustSweep(sweepStart.Add(15*time.Minute), a.mustSweep(sweepStart, nil))
	a.unsorted = true
	tried := func() (n int) {
		for _, in := range a.lists {
			if in.NewestFirst {
				n++
			}
		}
		return n
	}
	a.orders[250].OrderVersion = versionOf(5000)
	at := sweepStart.Add(30 * time.Minute)
	last = a.mustSweep(at, last)
	assert.False(t, last.NewestFirst)
	assert.Equal(t, 300, last.Listed)
	assert.Equal(t, 1, last.Missed)
	assert.Equal(t, at, last.Marks.UnsortedAt)
	assert.Equal(t, 1, tried())

	last = a.mustSweep(at.Add(23*time.Hour), last)
	assert.Equal(t, 1, tried(), "no sweep asks for a sorted list again within a day")
	a.unsorted = false
	last = a.mustSweep(at.Add(24*time.Hour), last)
	assert.True(t, last.NewestFirst)
	assert.Zero(t, last.Marks.UnsortedAt)
	assert.Equal(t, 2, tried())
}

func TestSweepReadsTheWholeListIfTheNewestOrdersKeepMoving(t *testing.T) {
	a := newAccount(t, 300)
	last := a.mustSweep(sweepStart.Add(15*time.Minute), a.mustSweep(sweepStart, nil))
	for i := range a.orders {
		a.orders[i].OrderVersion = versionOf(5000 + i)
	}
	a.list = func(in ordercheck.ListOrdersInput) (*ordercheck.ListedOrders, error) {
		if in.NewestFirst && in.After.SalesOrderID != "" {
			return &ordercheck.ListedOrders{Moved: true}, nil
		}
		return nil, nil //nolint:nilnil // the account answers
	}
	last = a.mustSweep(sweepStart.Add(30*time.Minute), last)
	assert.False(t, last.NewestFirst)
	assert.Equal(t, 300, last.Missed)
	assert.Equal(t, 300, last.Listed)
}

// A version may become visible after a newer one, so a sweep soon after another keeps its mark.
func TestSweepsCloseTogetherKeepTheMark(t *testing.T) {
	a := newAccount(t, 3)
	first := a.mustSweep(sweepStart, nil)
	a.orders[1].OrderVersion = versionOf(2000)
	second := a.mustSweep(first.EndedAt.Add(30*time.Second), first)
	assert.Equal(t, first.Marks.Next, second.Marks.Next)
	assert.Equal(t, first.Marks.SeenAt, second.Marks.SeenAt)
	assert.Empty(t, second.Marks.Mark)
	third := a.mustSweep(first.EndedAt.Add(time.Minute), second)
	assert.Equal(t, first.Marks.Next, third.Marks.Mark)
	assert.Equal(t, versionOf(2000), third.Marks.Next)
}

func TestSweepUsesMarksOnlyIfTheyAreValid(t *testing.T) {
	a := newAccount(t, 10)
	a.recalled = ordercheck.SweepMarks{
		Mark:   versionOf(1003),
		Next:   versionOf(1009),
		From:   sweepStart.AddDate(0, 0, -40),
		SeenAt: sweepStart.Add(-time.Hour),
	}
	done := a.mustSweep(sweepStart, nil)
	assert.Equal(t, 6, done.Changed, "recalls the marks if the schedule has none")
	assert.Equal(t, versionOf(1009), done.Marks.Mark)

	wider, _, err := a.sweep(sweepStart.Add(time.Hour), done, ordercheck.SweepStart{Days: 60})
	require.NoError(t, err)
	assert.Equal(t, 10, wider.Changed, "orders of earlier days were never compared")
	another, _, err := a.sweep(sweepStart.Add(time.Hour), done,
		ordercheck.SweepStart{Days: 30, Account: "another"})
	require.NoError(t, err)
	assert.Equal(t, 10, another.Changed, "marks of another account don't count")
	assert.Equal(t, "another", another.Marks.Account)

	a.orders = nil
	empty := a.mustSweep(sweepStart.Add(time.Hour), done)
	assert.Equal(t, versionOf(1009), empty.Marks.Next, "an empty list forgets nothing")

	_, _, err = a.sweep(sweepStart, nil, ordercheck.SweepStart{Days: -1})
	require.ErrorContains(t, err, "give 1 or more")
	_, _, err = a.sweep(sweepStart, nil, ordercheck.SweepStart{})
	require.NoError(t, err)
	assert.Equal(t, time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC), a.lists[len(a.lists)-1].From,
		"30 days by default")
}

// keyGone is a converter that lacks the key when it first reads the result of a sweep.
type keyGone struct {
	converter.DataConverter
	found bool
}

func (k *keyGone) FromPayloads(payloads *commonpb.Payloads, into ...any) error {
	for _, value := range into {
		if _, ok := value.(*ordercheck.Sweep); ok && !k.found {
			k.found = true
			// The gate's own converter panics too, in workflow code.
			panic(&codec.DecryptError{KeyID: "k1", Problem: "no key"})
		}
	}
	return k.DataConverter.FromPayloads(payloads, into...)
}

// The schedule keeps the last result until another sweep completes. The payload key may be gone
// before that.
func TestSweepComparesEveryOrderIfItsKeyIsGone(t *testing.T) {
	a := newAccount(t, 10)
	last := a.mustSweep(sweepStart, nil)
	a.keyGone = true
	done := a.mustSweep(sweepStart.Add(time.Hour), last)
	assert.Equal(t, 10, done.Changed, "every order is compared")
	assert.Equal(t, 2, a.recalls)
	a.keyGone = false
	assert.Zero(t,
		a.mustSweep(sweepStart.Add(4*time.Hour), a.mustSweep(sweepStart.Add(2*time.Hour), done)).Changed)
}

func TestSweepReadsOnFromTheLastEntryThatHasNotMoved(t *testing.T) {
	a := newAccount(t, 250)
	a.list = func(in ordercheck.ListOrdersInput) (*ordercheck.ListedOrders, error) {
		if in.After.SalesOrderID == a.orders[98].SalesOrderID { // the last two of page 1 change
			a.orders[98].OrderVersion, a.orders[97].OrderVersion = versionOf(9001), versionOf(9000)
			a.list = nil
		}
		return nil, nil //nolint:nilnil // the account answers
	}
	done := a.mustSweep(sweepStart, nil)
	assert.Equal(t, a.orders[96], a.lists[3].After)
	for _, order := range a.orders {
		assert.Equal(t, order.OrderVersion, a.checked[order.SalesOrderID])
	}
	assert.Equal(t, 252, done.Missed)
}

func TestSweepFailsIfTheListKeepsMoving(t *testing.T) {
	a := newAccount(t, 250)
	a.list = func(in ordercheck.ListOrdersInput) (*ordercheck.ListedOrders, error) {
		if in.After.SalesOrderID == "" {
			return nil, nil //nolint:nilnil // the account answers
		}
		return &ordercheck.ListedOrders{Moved: true}, nil
	}
	_, _, err := a.sweep(sweepStart, nil, ordercheck.SweepStart{})
	require.ErrorContains(t, err, "faster than it can be read")
	assert.Len(t, a.lists, 4*11)
}

func TestSweepFailsIfTheListDoesNotEnd(t *testing.T) {
	a := newAccount(t, 1)
	a.list = func(ordercheck.ListOrdersInput) (*ordercheck.ListedOrders, error) {
		return &ordercheck.ListedOrders{Listed: 1, Tail: a.orders}, nil
	}
	_, _, err := a.sweep(sweepStart, nil, ordercheck.SweepStart{})
	require.ErrorContains(t, err, "does not end")
	assert.Len(t, a.lists, 3000)
}

// A failed sweep has no result, so the mark stays.
func TestFailedSweepSaysWhyAndLeavesItsOrdersToTheNext(t *testing.T) {
	for errorType, advice := range map[string]string{
		ordercheck.ErrorInflowUnauthorized: "INFLOW_API_KEY",
		ordercheck.ErrorInflowBadResponse:  "INFLOW_API_VERSION",
		ordercheck.ErrorInflowUnavailable:  "no list within 1h",
	} {
		a := newAccount(t, 150)
		first := a.mustSweep(sweepStart, nil)
		a.orders[0].OrderVersion = versionOf(5000)
		a.list = func(in ordercheck.ListOrdersInput) (*ordercheck.ListedOrders, error) {
			if in.After.SalesOrderID == "" {
				return nil, nil //nolint:nilnil // the account answers
			}
			return nil, temporal.NewApplicationErrorWithOptions("no", errorType,
				temporal.ApplicationErrorOptions{NonRetryable: errorType != ordercheck.ErrorInflowUnavailable})
		}
		_, _, err := a.sweep(sweepStart.Add(15*time.Minute), first, ordercheck.SweepStart{Days: 30})
		var application *temporal.ApplicationError
		require.ErrorAs(t, err, &application)
		assert.Equal(t, errorType, application.Type())
		assert.Contains(t, application.Message(), advice)
		assert.Equal(t, versionOf(5000), a.checked[a.orders[0].SalesOrderID],
			"orders found before the failure are checked")
		a.list = nil
		assert.Zero(t, a.mustSweep(sweepStart.Add(30*time.Minute), first).Missed)
	}
}

func TestStalledSweepFails(t *testing.T) {
	a := newAccount(t, 3)
	a.check = func(ordercheck.CheckMissedInput) error {
		return temporal.NewNonRetryableApplicationError("20 checks have waited", "SweepStalled", nil)
	}
	_, _, err := a.sweep(sweepStart, nil, ordercheck.SweepStart{})
	require.ErrorContains(t, err, "20 checks have waited")
}

func TestCancelledSweepEndsAsCancelled(t *testing.T) {
	env := workflowtest.NewEnvironment()
	env.RegisterActivityWithOptions(
		func(context.Context) (ordercheck.SweepMarks, error) { return ordercheck.SweepMarks{}, nil },
		activity.RegisterOptions{Name: ordercheck.ActivityRecallSweep},
	)
	env.RegisterActivityWithOptions(
		func(context.Context, ordercheck.ListOrdersInput) (*ordercheck.ListedOrders, error) {
			return nil, temporal.NewApplicationError("away", ordercheck.ErrorInflowUnavailable)
		},
		activity.RegisterOptions{Name: ordercheck.ActivityListOrders},
	)
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Minute)
	env.ExecuteWorkflow(sweep.Orders, ordercheck.SweepStart{})
	assert.True(t, temporal.IsCanceledError(env.GetWorkflowError()), "%v", env.GetWorkflowError())
}

// This InFlow ignores the parameter for the start of a page: it returns the beginning of its
// list, unless the request says how many entries to skip.
func TestListThatIgnoresStartIsReadBySkip(t *testing.T) {
	a := newAccount(t, 250)
	a.list = func(in ordercheck.ListOrdersInput) (*ordercheck.ListedOrders, error) {
		if in.After.SalesOrderID != "" && !in.BySkip {
			return &ordercheck.ListedOrders{Moved: true, StartIgnored: true}, nil
		}
		first := 0
		if in.After.SalesOrderID != "" {
			require.Equal(t, a.orders[in.AfterAt], in.After, "AfterAt is the place of After")
			first = in.AfterAt + 1
		}
		entries := a.orders[first:min(first+99, len(a.orders))]
		page := &ordercheck.ListedOrders{
			Orders: entries, Listed: len(entries), Entries: len(entries), Last: len(entries) == 0,
			Tail: []ordercheck.ListedOrder{}, First: a.orders[0].SalesOrderID,
		}
		for i := max(0, len(entries)-10); i < len(entries); i++ {
			page.Tail, page.TailAt = append(page.Tail, entries[i]), append(page.TailAt, i)
		}
		return page, nil
	}
	done, _, err := a.run(time.Now(), nil, ordercheck.SweepStart{})
	require.NoError(t, err)
	assert.Equal(t, 250, done.Listed)
	assert.Equal(t, 250, done.Missed)
}

func TestSweepChecksTheOrdersWhoseRunWasTerminated(t *testing.T) {
	a := newAccount(t, 10)
	sweepAt := func(minutes int, last *ordercheck.Sweep) *ordercheck.Sweep {
		t.Helper()
		at := sweepStart.Add(time.Duration(minutes) * time.Minute)
		done, _, err := a.sweep(at, last, ordercheck.SweepStart{Days: 30, HoldMarks: true})
		require.NoError(t, err)
		return done
	}
	a.terminated = 700
	first := sweepAt(0, nil)
	assert.Equal(t, 500, first.Terminated)
	second := sweepAt(15, first)
	assert.Equal(t, 200, second.Terminated)
	third := sweepAt(30, second)
	assert.Zero(t, third.Terminated)
	require.Len(t, a.terminatedIn, 3)
	assert.Zero(t, a.terminatedIn[0].Since)
	assert.Zero(t, a.terminatedIn[1].Since, "the first sweep left some orders")
	assert.Len(t, a.terminatedIn[1].Waiting, 0)
	assert.Equal(t, second.BeganAt.Add(-10*time.Minute), a.terminatedIn[2].Since)

	a.terminatedErr = temporal.NewNonRetryableApplicationError("Temporal has no list", "Unlisted", nil)
	_, _, err := a.sweep(sweepStart.Add(time.Hour), third,
		ordercheck.SweepStart{Days: 30, HoldMarks: true})
	require.ErrorContains(t, err, "Temporal has no list")
	a.mustSweep(sweepStart.Add(time.Hour), third)
	assert.Len(t, a.terminatedIn, 4, "no activity runs without hold marks")
}
