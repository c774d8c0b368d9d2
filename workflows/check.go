package workflows

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
	"error-check-gate/workflows/call"
)

// notFoundDelay is the delay before the gate looks again for an order that InFlow announced and
// doesn't know yet.
const notFoundDelay = 3 * time.Second

// incompleteDelays holds the delays before an incomplete order is fetched again. After the last
// one the order is checked as it is.
var incompleteDelays = []time.Duration{
	2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second,
}

// maxRefetches limits the extra fetches of one check. An extra fetch is needed if the worker that
// checks has other rules than the worker that fetched.
const maxRefetches = 3

// maxCachedOrder limits the order and the look-ups that a run keeps in memory, in bytes. Most
// orders take a few KB. A worker that caches 10,000 runs needs at most 160 MB for them.
const maxCachedOrder = 16 << 10

// cachedOrder is the input of the latest check. Until an event says that the order has changed,
// it can be checked with other rules without a request to InFlow.
type cachedOrder struct {
	began   time.Time
	fetched ordercheck.FetchedOrder
	lookups ordercheck.Lookups
}

// check makes the check that is due, and reports its outcome to the state.
func (o *salesOrder) check(ctx workflow.Context) error {
	request := o.state.Begin()
	o.begun++
	result, err := o.fetchAndCheck(ctx, request.RulesOnly && o.cached != nil)
	switch {
	case errors.Is(err, errPreempted):
		o.state.Preempted()
		return nil
	case err != nil:
		failure := o.explain(err)
		// Without the last run, people may be notified twice.
		recalled, _ := o.recall(ctx, o.state.RecallsFailure(failure))
		o.cause = err
		o.state.NotChecked(workflow.Now(ctx), failure, recalled)
	default:
		if err := o.rememberBilled(ctx, result); err != nil {
			return err
		}
		o.cause = nil
		o.cacheOrder(result)
		o.state.Checked(workflow.Now(ctx), result)
	}
	o.ended = o.begun
	o.observe(ctx, func(observer Observer) {
		var since time.Duration
		if !request.Accepted.IsZero() {
			since = workflow.Now(ctx).Sub(request.Accepted)
		}
		observer.Checked(o.state.Report.Status, since)
	})
	return o.publish(ctx)
}

// fetchAndCheck checks the order as InFlow has it now, or the cached order of the latest check.
func (o *salesOrder) fetchAndCheck(
	ctx workflow.Context, fromCache bool,
) (*orderlife.Result, error) {
	var also []string // includes and look-ups that another worker's rules need
	if fromCache {
		result := &orderlife.Result{
			Began: o.cached.began, Fetched: o.cached.fetched, Lookups: o.cached.lookups,
		}
		if err := o.evaluate(ctx, result, false); err != nil || len(result.Checked.NotAsked) == 0 {
			return result, err
		}
	}
	for refetches := 0; ; refetches++ {
		result := &orderlife.Result{Began: workflow.Now(ctx)}
		var err error
		if result.Fetched, err = o.fetch(ctx, also); err != nil {
			return nil, err
		}
		o.state.Fetched(&result.Fetched)
		if o.state.UpToDate(&result.Fetched) {
			return result, nil
		}
		if result.Lookups, err = o.lookUp(ctx, &result.Fetched); err != nil {
			return nil, err
		}
		if err := o.evaluate(ctx, result, refetches == maxRefetches); err != nil {
			return nil, err
		}
		if len(result.Checked.NotAsked) == 0 {
			result.Recalled, err = o.recall(ctx, o.state.NeedsRecall(result.Checked))
			return result, err
		}
		also = append(also, result.Checked.NotAsked...)
	}
}

// fetch gets the order from InFlow, including the parts named by also.
//
// A new order may be missing or incomplete for a second or two. So fetch tries twice before it
// concludes that there is no such order, and several times before it accepts an incomplete one.
func (o *salesOrder) fetch(ctx workflow.Context, also []string) (ordercheck.FetchedOrder, error) {
	activity := fetchOrder.WithSummary("fetch sales order " + o.id + " from InFlow")
	incomplete, missing := 0, false
	for {
		in := ordercheck.FetchOrderInput{
			SalesOrderID: o.id, KnowsBilled: o.state.Billed != nil, Also: also,
			AcceptMissing: incomplete == len(incompleteDelays), HoldMarks: o.state.KnownMarks(),
		}
		fetched, err := request(ctx, o, activity, in)
		var wait time.Duration
		var why string
		switch {
		case call.ErrorType(err) == ordercheck.ErrorOrderNotFound && !missing:
			missing = true
			wait, why = notFoundDelay, "InFlow does not know the order: it may be too new, look once more"
		case err != nil, len(fetched.Missing) == 0, in.AcceptMissing, o.state.UpToDate(&fetched):
			return fetched, err
		default:
			wait = incompleteDelays[incomplete]
			why = "InFlow left out " + strings.Join(fetched.Missing, ", ") +
				": the order may be too new, look again"
			incomplete++
		}
		timer := workflow.NewTimerWithOptions(ctx, wait, workflow.TimerOptions{Summary: why})
		if err := timer.Get(ctx, nil); err != nil {
			return fetched, err
		}
	}
}

// lookUp gets the data that rules need beyond the order. If a look-up fails, the rules that need it
// are skipped and the report is incomplete.
func (o *salesOrder) lookUp(
	ctx workflow.Context, fetched *ordercheck.FetchedOrder,
) (ordercheck.Lookups, error) {
	lookups := fetched.Lookups
	if fetched.LookUp != nil {
		recent, err := request(ctx, o, lookUpOrders, *fetched.LookUp)
		switch {
		case errors.Is(err, errPreempted):
			return lookups, err
		case err != nil:
			workflow.GetLogger(ctx).Warn(
				"cannot look up the customer's recent orders; skipping the rules that need them",
				"error", err)
			lookups.Failed = append(lookups.Failed, ordercheck.LookupRecentOrders)
		default:
			lookups.RecentOrders = &recent
		}
	}
	lookups.Billed = o.state.BilledWith(fetched, lookups)
	return lookups, nil
}

// evaluate evaluates the rules on the fetched order.
func (o *salesOrder) evaluate(
	ctx workflow.Context, result *orderlife.Result, final bool,
) (err error) {
	fetched := &result.Fetched
	summary := "check " + ordercheck.SummaryName(fetched.OrderNumber) + " against the rules"
	in := ordercheck.CheckOrderInput{
		SalesOrderID: o.id,
		At:           workflow.Now(ctx),
		Lookups:      result.Lookups,
		Final:        final,
		Notified:     o.state.NotifiedRules(),
		RulesSince:   o.state.RulesSince,
	}
	in.Refer(fetched)
	result.Checked, err = checkOrder.WithSummary(summary).Run(ctx, in)
	return err
}

// recall looks up the order's last run, if wanted.
func (o *salesOrder) recall(ctx workflow.Context, wanted bool) (*ordercheck.RecalledRun, error) {
	if !wanted {
		return nil, nil
	}
	return recallRun.Run(ctx, ordercheck.RecallRunInput{SalesOrderID: o.id})
}

// rememberBilled keeps the order as it was first seen invoiced in a memo, for later runs.
func (o *salesOrder) rememberBilled(ctx workflow.Context, result *orderlife.Result) error {
	billed := result.Lookups.Billed
	if result.Checked == nil || (billed == nil) == (o.state.Billed == nil) {
		return nil
	}
	if err := workflow.UpsertMemo(ctx, map[string]any{ordercheck.MemoBilled: billed}); err != nil {
		return fmt.Errorf("keep the invoiced order in the memo: %w", err)
	}
	return nil
}

// cacheOrder keeps the input of a check in memory, if it is small.
func (o *salesOrder) cacheOrder(result *orderlife.Result) {
	if result.Checked == nil {
		return
	}
	o.cached = nil
	lookups, err := json.Marshal(result.Lookups)
	if err == nil && len(result.Fetched.Order)+len(lookups) <= maxCachedOrder {
		o.cached = &cachedOrder{result.Began, result.Fetched, result.Lookups}
	}
}

// failure returns the error of a check that could not be done.
func (o *salesOrder) failure(details ...any) error {
	cause := o.cause
	if temporal.IsCanceledError(cause) {
		cause = nil // otherwise Temporal would end the run as cancelled
	}
	return temporal.NewApplicationErrorWithOptions(o.state.Failure.Message, o.state.Failure.Type,
		temporal.ApplicationErrorOptions{NonRetryable: true, Cause: cause, Details: details})
}
