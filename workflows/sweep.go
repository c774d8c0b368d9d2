package workflows

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
)

const (
	// sweepPagesInRun is how many pages one run of a sweep reads: a page of a first sweep
	// takes about 30 KiB of history, of the 50 MiB that end a run.
	sweepPagesInRun = 50
	// maxSweepPages is more than any account has: 300,000 orders.
	maxSweepPages = 3000
	// maxSweepRestarts is how often a sweep reads the list from its beginning again.
	maxSweepRestarts = 3
	// versionsSettle is how long a version that was seen must be past before every older one is
	// visible too: InFlow's database gives a change its version before it commits it.
	versionsSettle = time.Minute
)

// Types of the errors of [SweepOrders].
const (
	errorSweepUnending = "SweepUnending"
	errorSweepUnsteady = "SweepUnsteady"
)

// SweepOrders finds the orders whose webhook never came: it reads InFlow's list of the orders
// of the last days, and starts a check of each that no check has seen as it is now.
//
// It reads on where the run before it stopped, compares only what is newer than the mark of
// the sweep before, and leaves that mark as it was unless it completes.
func SweepOrders(ctx workflow.Context, start ordercheck.SweepStart) (*ordercheck.Sweep, error) {
	s, err := setUpSweep(ctx, start)
	if err != nil {
		return nil, err
	}
	if err := workflow.SetQueryHandler(ctx, ordercheck.QueryProgress, func() (ordercheck.SweepProgress, error) {
		return ordercheck.SweepProgress{Read: s.Read, Total: s.Total, Missed: s.Sweep.Missed}, nil
	}); err != nil {
		return nil, fmt.Errorf("register query %s: %w", ordercheck.QueryProgress, err)
	}
	pagesInRun := 0
	for {
		page, err := s.next(ctx)
		if err != nil {
			return nil, s.failed(ctx, err)
		}
		if page.Last {
			return s.end(ctx), nil
		}
		if err := s.compare(ctx, page); err != nil {
			return nil, s.failed(ctx, err)
		}
		workflow.SetCurrentDetails(ctx, s.details())
		if ctx.Err() != nil {
			return nil, ctx.Err() // the next run would not be a cancelled one
		}
		if pagesInRun++; pagesInRun >= sweepPagesInRun || workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			start.Carried = &s.CarriedSweep
			return nil, workflow.NewContinueAsNewError(ctx, ordercheck.SweepWorkflowType, start)
		}
	}
}

// sweep is the state of one sweep, over all of its runs.
type sweep struct {
	ordercheck.CarriedSweep
}

func setUpSweep(ctx workflow.Context, start ordercheck.SweepStart) (*sweep, error) {
	if start.Carried != nil {
		return &sweep{*start.Carried}, nil
	}
	days := start.Days
	switch {
	case days == 0:
		days = ordercheck.DefaultSweepDays
	case days < 0:
		return nil, temporal.NewNonRetryableApplicationError(fmt.Sprintf("a sweep of %d days: give 1 or more", days), "WrongDays", nil)
	}
	now := workflow.Now(ctx).UTC()
	s := &sweep{ordercheck.CarriedSweep{Sweep: ordercheck.Sweep{
		From: now.Truncate(24*time.Hour).AddDate(0, 0, -days), BeganAt: now, Orders: []ordercheck.ListedOrder{},
	}}}
	last := &s.Sweep.Marks
	kept, err := keptMarks(ctx)
	if err != nil {
		return nil, err
	}
	if kept != nil {
		*last = *kept
	} else if *last, err = recallSweep.run(ctx, none{}); err != nil {
		return nil, err
	}
	if start.Account != last.Account || s.Sweep.From.Before(last.From) {
		// Another account has versions of its own; of more days than before, orders were never compared.
		*last = ordercheck.SweepMarks{Account: start.Account}
	}
	return s, nil
}

// keptMarks returns the marks of the last sweep, which its schedule keeps until another one completes.
// They are nil if there are none, or if they cannot be read: their payload key may be gone by then, and
// without marks more orders are compared. What was read is recorded, so that every worker goes on from it.
func keptMarks(ctx workflow.Context) (*ordercheck.SweepMarks, error) {
	if !workflow.HasLastCompletionResult(ctx) {
		return nil, nil
	}
	var kept *ordercheck.SweepMarks
	err := workflow.SideEffect(ctx, func(ctx workflow.Context) any {
		before, err := lastSweep(ctx)
		if err != nil {
			workflow.GetLogger(ctx).Warn("the result of the last sweep cannot be read: every order is compared", "error", err)
			return nil
		}
		return &before.Marks
	}).Get(&kept)
	return kept, err
}

// lastSweep reads the result of the last sweep. The converter panics with the error if it lacks the key.
func lastSweep(ctx workflow.Context) (before ordercheck.Sweep, err error) {
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
	err = workflow.GetLastCompletionResult(ctx, &before)
	return before, err
}

// next reads the next page. Where orders at the end of the page before have changed
// their place meanwhile, it is asked for from an earlier one, as far back as is known.
func (s *sweep) next(ctx workflow.Context) (ordercheck.ListedOrders, error) {
	for {
		if s.Pages++; s.Pages > maxSweepPages {
			return ordercheck.ListedOrders{}, temporal.NewNonRetryableApplicationError(
				fmt.Sprintf("InFlow's list of sales orders does not end: %d pages were read", maxSweepPages), errorSweepUnending, nil)
		}
		in := ordercheck.ListOrdersInput{From: s.Sweep.From, Mark: s.Sweep.Marks.Mark, First: s.First, BySkip: s.BySkip}
		if n := len(s.Tail); n > 0 {
			in.After = s.Tail[n-1]
			if len(s.TailAt) == n {
				in.AfterAt = s.TailAt[n-1]
			}
		}
		page, err := listOrders.withSummary(fmt.Sprintf("list orders at InFlow, page %d", s.Pages)).run(ctx, in)
		if err != nil || !page.Moved {
			return page, err
		}
		if page.StartIgnored {
			s.BySkip = true // from now on pages are asked for by their place
			continue
		}
		if s.dropLast(); len(s.Tail) > 0 {
			continue
		}
		if s.Restarts++; s.Restarts > maxSweepRestarts {
			return page, temporal.NewNonRetryableApplicationError(
				"InFlow's list of sales orders changes faster than it can be read", errorSweepUnsteady, nil)
		}
		s.Sweep.Listed, s.Sweep.Changed, s.Sweep.Unreadable = 0, 0, 0
	}
}

// dropLast has the next page begin after the entry before the last one of the tail.
func (s *sweep) dropLast() {
	n := len(s.Tail) - 1
	s.Read = 0
	if len(s.TailAt) > n {
		s.TailAt = s.TailAt[:n]
		if n > 0 {
			s.Read = s.TailAt[n-1] + 1
		}
	}
	s.Tail = s.Tail[:n]
}

// compare has the changed orders of a page compared with their latest checks.
func (s *sweep) compare(ctx workflow.Context, page ordercheck.ListedOrders) error {
	if len(page.Tail) > 0 { // else nothing of the page could be read, and the next one begins with it again
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
	s.Sweep.Unreadable += page.Unreadable
	s.Highest = max(s.Highest, page.Highest)
	s.Sweep.Listed += page.Listed
	s.Sweep.Changed += len(page.Orders)
	workflow.GetMetricsHandler(ctx).Counter(metricSweepOrders).Inc(int64(page.Listed))
	if len(page.Orders) == 0 {
		return nil
	}
	summary := fmt.Sprintf("compare %s with their latest checks", ordercheck.Plural(len(page.Orders), "changed order"))
	checked, err := checkMissed.withSummary(summary).run(ctx, ordercheck.CheckMissedInput{Orders: page.Orders, Waiting: s.Waiting})
	if err != nil {
		return err
	}
	s.Waiting = checked.Waiting
	s.Sweep.UnderWay += checked.UnderWay
	s.Sweep.Missed += len(checked.Missed)
	if room := ordercheck.MaxSweepOrders - len(s.Sweep.Orders); room > 0 {
		s.Sweep.Orders = append(s.Sweep.Orders, checked.Missed[:min(room, len(checked.Missed))]...)
	}
	workflow.GetMetricsHandler(ctx).Counter(metricSweepMissed).Inc(int64(len(checked.Missed)))
	return nil
}

// end completes a sweep with the marks for the next one.
//
// The newest version that this sweep saw is not yet a mark: an order that changed while the
// list was read may have been passed by, with a version below that of another order that
// was read later. But whatever has a version that the sweep before saw had it before this
// one began, and was read by this one, unless it changed and so has a newer version. So the
// mark is what the sweep before saw last, and what this one saw is the mark of the one after.
func (s *sweep) end(ctx workflow.Context) *ordercheck.Sweep {
	marks := s.Sweep.Marks
	s.Sweep.EndedAt = workflow.Now(ctx).UTC()
	if marks.Next == "" || !s.Sweep.BeganAt.Before(marks.SeenAt.Add(versionsSettle)) {
		marks.Mark, marks.Next, marks.SeenAt = marks.Next, max(marks.Next, s.Highest), s.Sweep.EndedAt
	}
	marks.From = s.Sweep.From
	s.Sweep.Marks = marks
	workflow.SetCurrentDetails(ctx, s.details())
	workflow.GetMetricsHandler(ctx).Timer(metricSweepDuration).Record(s.Sweep.EndedAt.Sub(s.Sweep.BeganAt))
	return &s.Sweep
}

// Metrics of sweeps. What is known of the last good one is observed by package worker.
const (
	metricSweepOrders   = "gate.sweep.orders"
	metricSweepMissed   = "gate.sweep.missed"
	metricSweepFailed   = "gate.sweep.failed"
	metricSweepDuration = "gate.sweep.duration"
)

// failed makes of an activity's failure the failure of the sweep. A sweep that was cancelled has not failed.
func (s *sweep) failed(ctx workflow.Context, err error) error {
	if temporal.IsCanceledError(err) {
		return err
	}
	workflow.GetMetricsHandler(ctx).Counter(metricSweepFailed).Inc(1)
	kind := applicationErrorType(err)
	var advice string
	switch kind {
	case ordercheck.ErrorInflowUnauthorized:
		advice = "InFlow refused the API key; put INFLOW_API_KEY and INFLOW_COMPANY_ID right at the worker"
	case ordercheck.ErrorInflowBadResponse:
		advice = "InFlow's answer could not be used; check INFLOW_API_URL and INFLOW_API_VERSION at the worker"
	case ordercheck.ErrorInflowUnavailable, ordercheck.ErrorInflowRateLimited:
		advice = fmt.Sprintf("InFlow gave no list within %v of retries", listScheduleToClose)
	default:
		var timeout *temporal.TimeoutError
		if !errors.As(err, &timeout) {
			return err
		}
		kind = "SweepTimedOut"
		advice = "an activity did not end in time; is a worker of both task queues running?"
	}
	return temporal.NewNonRetryableApplicationError("the sweep was not done: "+advice+"; the next one looks for the same orders", kind, err)
}

// maxSweepRows keeps the details of a sweep readable.
const maxSweepRows = 50

// details is how far the sweep has come, as Markdown.
func (s *sweep) details() string {
	w := &s.Sweep
	var b strings.Builder
	fmt.Fprintf(&b, "**%s since %s, %d changed, %d missed**\n\n", ordercheck.Plural(w.Listed, "order"), w.From.Format(time.DateOnly), w.Changed, w.Missed)
	if w.EndedAt.IsZero() {
		fmt.Fprintf(&b, "Page %d of InFlow's list has been read.\n", s.Pages)
	}
	if w.Unreadable > 0 {
		fmt.Fprintf(&b, "%d entries of the list could not be read, and their orders were not compared.\n", w.Unreadable)
	}
	if len(w.Orders) == 0 {
		return b.String()
	}
	b.WriteString("No webhook came for these, and each has been sent a check:\n\n")
	for i, order := range w.Orders {
		if i == maxSweepRows {
			fmt.Fprintf(&b, "\nand %d more.\n", w.Missed-maxSweepRows)
			break
		}
		fmt.Fprintf(&b, "- %s `%s`\n", markdownText(order.OrderNumber), ordercheck.WorkflowID(order.SalesOrderID))
	}
	return b.String()
}
