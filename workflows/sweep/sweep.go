// Package sweep holds the workflow that finds orders whose webhook never came.
package sweep

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows/call"
)

const (
	// maxPagesInRun is the number of pages after which a sweep continues as new. A page of a first
	// sweep takes about 30 KiB of history, and Temporal ends a run at 50 MiB.
	maxPagesInRun = 50
	// maxPages ends a sweep of a list that never ends. Its 300,000 orders are more than any
	// account has.
	maxPages = 3000
	// maxRestarts is the number of times that a sweep may start again at the beginning of the
	// list.
	maxRestarts = 3
	// versionsSettle is the time after which every version older than one that we have seen is
	// visible too. InFlow's database numbers a change before it commits the change, so an older
	// version may appear after a newer one.
	versionsSettle = time.Minute
	// visibilityLag is longer than a run takes to appear in Temporal's list of runs.
	visibilityLag = 10 * time.Minute
	// unsortedFor is how long sweeps read the whole list after InFlow returned an unsorted list.
	unsortedFor = 24 * time.Hour
	// maxListed limits the missed orders on the run's page in the Web UI.
	maxListed = 50
)

// Types of the errors of [Orders].
const (
	errorUnending = "SweepUnending"
	errorUnsteady = "SweepUnsteady"
)

// Metrics of sweeps. Package worker has the metrics of the last successful sweep.
const (
	metricOrders   = "gate.sweep.orders"
	metricMissed   = "gate.sweep.missed"
	metricFailed   = "gate.sweep.failed"
	metricUnsorted = "gate.sweep.unsorted"
	metricDuration = "gate.sweep.duration"
)

// Orders is the workflow [ordercheck.SweepWorkflowType]. It reads InFlow's list of orders, and
// starts a check of each order whose latest version no check has seen.
//
// The first sweep reads the orders of the last days. Sweeps leave a mark: the version up to which
// every order was compared. Later sweeps read the list newest first, down to the mark. That takes
// one request if little has changed, and finds an old order that somebody edited today. If InFlow
// doesn't sort by version, they read the orders of the last days again, and compare the ones that
// are newer than the mark. The mark moves only when a sweep completes.
func Orders(ctx workflow.Context, start ordercheck.SweepStart) (*ordercheck.Sweep, error) {
	s, err := setUp(ctx, start)
	if err != nil {
		return nil, err
	}
	progress := func() (ordercheck.SweepProgress, error) {
		return ordercheck.SweepProgress{Read: s.Read, Total: s.Total, Missed: s.Sweep.Missed}, nil
	}
	if err := workflow.SetQueryHandler(ctx, ordercheck.QueryProgress, progress); err != nil {
		return nil, fmt.Errorf("register query %s: %w", ordercheck.QueryProgress, err)
	}
	for pages := 1; ; pages++ {
		page, err := s.nextPage(ctx)
		if err != nil {
			return nil, s.failed(ctx, err)
		}
		if page.Last {
			return s.end(ctx, start.HoldMarks)
		}
		s.take(ctx, &page)
		if err := s.checkMissed(ctx, page.Orders); err != nil {
			return nil, s.failed(ctx, err)
		}
		if page.Reached {
			return s.end(ctx, start.HoldMarks)
		}
		workflow.SetCurrentDetails(ctx, s.details())
		if ctx.Err() != nil {
			return nil, ctx.Err() // the next run would not know of the cancellation
		}
		if pages == maxPagesInRun || workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			start.Carried = &s.CarriedSweep
			return nil, workflow.NewContinueAsNewError(ctx, ordercheck.SweepWorkflowType, start)
		}
	}
}

// sweep is the state of one sweep over all of its runs.
type sweep struct {
	ordercheck.CarriedSweep
}

func setUp(ctx workflow.Context, start ordercheck.SweepStart) (*sweep, error) {
	if start.Carried != nil {
		return &sweep{*start.Carried}, nil
	}
	if start.Days < 0 {
		return nil, temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("a sweep of %d days: give 1 or more", start.Days), "WrongDays", nil)
	}
	now := workflow.Now(ctx).UTC()
	days := cmp.Or(start.Days, ordercheck.DefaultSweepDays)
	s := &sweep{ordercheck.CarriedSweep{Sweep: ordercheck.Sweep{
		From: now.Truncate(24*time.Hour).AddDate(0, 0, -days), BeganAt: now,
		Orders: []ordercheck.ListedOrder{},
	}}}
	marks, err := lastMarks(ctx)
	if err != nil {
		return nil, err
	}
	if start.Account != marks.Account || s.Sweep.From.Before(marks.From) {
		// Versions of different accounts cannot be compared. And if this sweep begins at an
		// earlier day than the last one, nobody has compared the orders of the days between.
		marks = ordercheck.SweepMarks{Account: start.Account}
	}
	s.Sweep.Marks = marks
	s.NewestFirst = marks.Mark != "" &&
		(marks.UnsortedAt.IsZero() || !now.Before(marks.UnsortedAt.Add(unsortedFor)))
	s.Sweep.NewestFirst = s.NewestFirst
	return s, nil
}

// lastMarks returns the marks of the last sweep. It reads them from the sweep's result, which the
// schedule keeps, or else calls an activity.
//
// If it cannot read the result, for example because the payload key is gone, it goes on as if
// there were none: without marks the sweep only compares more orders. A side effect records the
// marks in the history, so that a worker that does have the key replays the same answer.
func lastMarks(ctx workflow.Context) (ordercheck.SweepMarks, error) {
	var kept *ordercheck.SweepMarks
	if workflow.HasLastCompletionResult(ctx) {
		if err := workflow.SideEffect(ctx, func(ctx workflow.Context) any {
			last, err := lastResult(ctx)
			if err != nil {
				workflow.GetLogger(ctx).Warn(
					"cannot read the result of the last sweep; comparing every order", "error", err)
				return nil
			}
			return &last.Marks
		}).Get(&kept); err != nil {
			return ordercheck.SweepMarks{}, err
		}
	}
	if kept != nil {
		return *kept, nil
	}
	return recallMarks.Run(ctx, call.None{})
}

// lastResult reads the result of the last sweep. If the payload converter lacks the key, it
// panics with an error, which lastResult returns.
func lastResult(ctx workflow.Context) (last ordercheck.Sweep, err error) {
	defer func() {
		switch failed := recover().(type) {
		case nil:
		case runtime.Error:
			panic(failed)
		case error:
			err = failed
		default:
			panic(failed)
		}
	}()
	err = workflow.GetLastCompletionResult(ctx, &last)
	return last, err
}

// nextPage reads the next page, which begins after the last entry of the previous one. If that
// entry has moved in the list, nextPage goes back to the entry before it, and so on. When it runs
// out of known entries, it starts again at the beginning of the list.
func (s *sweep) nextPage(ctx workflow.Context) (ordercheck.ListedOrders, error) {
	for {
		if s.Pages++; s.Pages > maxPages {
			return ordercheck.ListedOrders{}, temporal.NewNonRetryableApplicationError(fmt.Sprintf(
				"InFlow's list of sales orders does not end: %d pages were read", maxPages),
				errorUnending, nil)
		}
		in := ordercheck.ListOrdersInput{
			From: s.Sweep.From, Mark: s.Sweep.Marks.Mark, First: s.First, BySkip: s.BySkip,
			NewestFirst: s.NewestFirst,
		}
		if n := len(s.Tail); n > 0 {
			in.After = s.Tail[n-1]
			if len(s.TailAt) == n {
				in.AfterAt = s.TailAt[n-1]
			}
		}
		summary := fmt.Sprintf("list orders at InFlow, page %d", s.Pages)
		page, err := listOrders.WithSummary(summary).Run(ctx, in)
		if err == nil && page.Unsorted != "" {
			s.readAll(ctx, page.Unsorted)
			continue
		}
		if err != nil || !page.Moved {
			return page, err
		}
		if page.StartIgnored {
			s.BySkip = true // from now on, ask for pages by their position in the list
			continue
		}
		if s.dropLast(); len(s.Tail) > 0 {
			continue
		}
		if s.Restarts++; s.Restarts > maxRestarts && s.NewestFirst {
			s.readAll(ctx, "the list changes faster than it can be read")
			s.Restarts = 0
			continue
		}
		if s.Restarts > maxRestarts {
			return page, temporal.NewNonRetryableApplicationError(
				"InFlow's list of sales orders changes faster than it can be read", errorUnsteady, nil)
		}
		s.Sweep.Listed, s.Sweep.Changed, s.Sweep.Unreadable = 0, 0, 0
	}
}

// readAll makes the sweep start again and read all orders of the last days, because it cannot
// read the list newest first. Only the first such sweep writes to the log.
func (s *sweep) readAll(ctx workflow.Context, why string) {
	workflow.GetMetricsHandler(ctx).Counter(metricUnsorted).Inc(1)
	if s.Sweep.Marks.UnsortedAt.IsZero() {
		workflow.GetLogger(ctx).Warn("cannot read only the orders that have changed; "+
			"sweeps read all orders of the last days", "reason", why)
	}
	s.Sweep.Marks.UnsortedAt = workflow.Now(ctx).UTC()
	s.NewestFirst, s.Sweep.NewestFirst = false, false
	s.Tail, s.TailAt, s.Read, s.First = nil, nil, 0, ""
	s.Sweep.Listed, s.Sweep.Changed, s.Sweep.Unreadable = 0, 0, 0
}

// dropLast forgets the last known entry, so that the next page begins after the one before it.
func (s *sweep) dropLast() {
	n := len(s.Tail) - 1
	s.Tail, s.TailAt, s.Read = s.Tail[:n], s.TailAt[:min(n, len(s.TailAt))], 0
	if last := len(s.TailAt); last > 0 {
		s.Read = s.TailAt[last-1] + 1
	}
}

// take adds a page to the counts, and remembers its last entries.
func (s *sweep) take(ctx workflow.Context, page *ordercheck.ListedOrders) {
	// Without a tail, no entry of the page was readable, and the next page begins at the same
	// entry.
	if len(page.Tail) > 0 {
		s.Tail, s.TailAt = page.Tail, nil
		for _, at := range page.TailAt {
			s.TailAt = append(s.TailAt, s.Read+at)
		}
		s.Read += page.Entries
		if n := len(s.TailAt); n > 0 {
			s.Read = s.TailAt[n-1] + 1
		}
	}
	s.First, s.Total = cmp.Or(s.First, page.First), cmp.Or(s.Total, page.Total)
	s.Highest = max(s.Highest, page.Highest)
	s.Sweep.Unreadable += page.Unreadable
	s.Sweep.Listed += page.Listed
	s.Sweep.Changed += len(page.Orders)
	workflow.GetMetricsHandler(ctx).Counter(metricOrders).Inc(int64(page.Listed))
}

// checkMissed compares orders with their latest checks, and starts a check of each missed one.
func (s *sweep) checkMissed(ctx workflow.Context, orders []ordercheck.ListedOrder) error {
	if len(orders) == 0 {
		return nil
	}
	activity := checkMissed.WithSummary(fmt.Sprintf("compare %s with their latest checks",
		ordercheck.Plural(len(orders), "changed order")))
	checked, err := activity.Run(ctx, ordercheck.CheckMissedInput{Orders: orders, Waiting: s.Waiting})
	if err != nil {
		return err
	}
	s.Waiting = checked.Waiting
	s.Sweep.AlreadyRunning += checked.AlreadyRunning
	s.Sweep.Missed += len(checked.Missed)
	room := max(ordercheck.MaxSweepOrders-len(s.Sweep.Orders), 0)
	s.Sweep.Orders = append(s.Sweep.Orders, checked.Missed[:min(room, len(checked.Missed))]...)
	workflow.GetMetricsHandler(ctx).Counter(metricMissed).Inc(int64(len(checked.Missed)))
	return nil
}

// checkTerminated checks the orders whose run was terminated since the last sweep. They may still
// have a hold mark in InFlow, and if nobody saves them again, no delivery comes that would remove
// it.
func (s *sweep) checkTerminated(ctx workflow.Context) error {
	in := ordercheck.CheckTerminatedInput{Waiting: s.Waiting}
	if before := s.Sweep.Marks.TerminatedBefore; !before.IsZero() {
		in.Since = before.Add(-visibilityLag)
	}
	checked, err := checkTerminated.Run(ctx, in)
	if err != nil {
		return err
	}
	s.Sweep.Terminated = checked.Checked
	if !checked.More {
		s.Sweep.Marks.TerminatedBefore = s.Sweep.BeganAt
	}
	return nil
}

// end completes a sweep, and sets the marks for the next one.
//
// The newest version that this sweep saw cannot be the mark. If an order changed while we read
// the list, we may have skipped it, although its version is older than others that we read later.
// So the mark is one sweep behind: it is the newest version that the previous sweep saw. This
// sweep has read every order up to that version, except orders that changed since, and those have
// newer versions now. The newest version of this sweep becomes the mark when the next sweep ends.
func (s *sweep) end(ctx workflow.Context, holdMarks bool) (*ordercheck.Sweep, error) {
	if holdMarks {
		if err := s.checkTerminated(ctx); err != nil {
			return nil, s.failed(ctx, err)
		}
	}
	s.Sweep.EndedAt = workflow.Now(ctx).UTC()
	marks := &s.Sweep.Marks
	if marks.Next == "" || !s.Sweep.BeganAt.Before(marks.SeenAt.Add(versionsSettle)) {
		marks.Mark = marks.Next
		marks.Next, marks.SeenAt = max(marks.Next, s.Highest), s.Sweep.EndedAt
	}
	marks.From = s.Sweep.From
	if s.Sweep.NewestFirst {
		marks.UnsortedAt = time.Time{}
	}
	workflow.SetCurrentDetails(ctx, s.details())
	workflow.GetMetricsHandler(ctx).Timer(metricDuration).Record(s.Sweep.EndedAt.Sub(s.Sweep.BeganAt))
	return &s.Sweep, nil
}

// failed turns an activity's error into the failure of the sweep, with advice for the operator.
// It returns the error of a cancelled sweep as it is.
func (s *sweep) failed(ctx workflow.Context, err error) error {
	if temporal.IsCanceledError(err) {
		return err
	}
	workflow.GetMetricsHandler(ctx).Counter(metricFailed).Inc(1)
	kind := call.ErrorType(err)
	var advice string
	var timeout *temporal.TimeoutError
	switch {
	case kind == ordercheck.ErrorInflowUnauthorized:
		advice = "InFlow refused the API key; correct INFLOW_API_KEY and INFLOW_COMPANY_ID at the worker"
	case kind == ordercheck.ErrorInflowBadResponse:
		advice = "InFlow's answer could not be used; " +
			"check INFLOW_API_URL and INFLOW_API_VERSION at the worker"
	case kind == ordercheck.ErrorInflowUnavailable, kind == ordercheck.ErrorInflowRateLimited:
		advice = fmt.Sprintf("InFlow returned no list within %v of retries", listScheduleToClose)
	case errors.As(err, &timeout):
		kind = "SweepTimedOut"
		advice = "an activity did not end in time; is a worker of both task queues running?"
	default:
		return err
	}
	return temporal.NewNonRetryableApplicationError(
		"the sweep was not done: "+advice+"; the next sweep looks for the same orders", kind, err)
}

// details describes the progress of the sweep as Markdown, for the Web UI.
func (s *sweep) details() string {
	w := &s.Sweep
	var b strings.Builder
	which := "since " + w.From.Format(time.DateOnly)
	if w.NewestFirst {
		which = "saved since the mark of earlier sweeps"
	}
	fmt.Fprintf(&b, "**%s %s, %d changed, %d missed**\n\n",
		ordercheck.Plural(w.Listed, "order"), which, w.Changed, w.Missed)
	if w.EndedAt.IsZero() {
		fmt.Fprintf(&b, "Page %d of InFlow's list has been read.\n", s.Pages)
	}
	if w.Terminated > 0 {
		fmt.Fprintf(&b, "%s checked again, because somebody terminated the run.\n",
			ordercheck.Plural(w.Terminated, "order"))
	}
	if w.Unreadable > 0 {
		fmt.Fprintf(&b, "%d entries of the list could not be read; their orders were not compared.\n",
			w.Unreadable)
	}
	if len(w.Orders) == 0 {
		return b.String()
	}
	b.WriteString("No webhook came for these orders. Each is being checked:\n\n")
	for _, order := range w.Orders[:min(len(w.Orders), maxListed)] {
		fmt.Fprintf(&b, "- %s `%s`\n",
			ordercheck.Markdown(order.OrderNumber), ordercheck.WorkflowID(order.SalesOrderID))
	}
	if more := w.Missed - maxListed; more > 0 {
		fmt.Fprintf(&b, "\nand %d more.\n", more)
	}
	return b.String()
}
