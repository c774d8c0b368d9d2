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

// notFoundPatience is the wait before the gate looks once more for an order that InFlow has just
// announced and doesn't know yet.
const notFoundPatience = 3 * time.Second

// incompletePatience are the waits before an order is fetched again from which InFlow left something
// out: one just created may be incomplete for a second or two. After the last one the order is
// checked as it is.
var incompletePatience = []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second}

// maxRefetches limits the fetches of one check that are made because the worker that checks has other
// rules than the one that fetched.
const maxRefetches = 3

// maxKept limits, in bytes, the order and the look-ups that a run keeps. Most orders take a few KB; a
// cache of 10,000 runs takes 160 MB at worst.
const maxKept = 16 << 10

// keptOrder is what the latest check was made of. While nobody says that the order has changed, it
// can be checked with other rules without a request to InFlow.
type keptOrder struct {
	began   time.Time
	fetched ordercheck.FetchedOrder
	lookups ordercheck.Lookups
}

// check makes the check that is due, and reports its outcome to the state.
func (o *salesOrder) check(ctx workflow.Context) error {
	request := o.state.Begin()
	o.begun++
	result, err := o.fetchAndCheck(ctx, request.RulesOnly && o.kept != nil)
	switch {
	case errors.Is(err, errOvertaken):
		o.state.Overtaken()
		return nil
	case err != nil:
		failure := o.explain(err)
		recalled := o.recallFailure(ctx, failure)
		o.cause = err
		o.state.NotChecked(workflow.Now(ctx), failure, recalled)
	default:
		if err := o.rememberBilled(ctx, result); err != nil {
			return err
		}
		o.cause = nil
		o.keep(result)
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

// fetchAndCheck checks the order as InFlow has it now, or as it was kept.
func (o *salesOrder) fetchAndCheck(ctx workflow.Context, asKept bool) (*orderlife.Result, error) {
	var also []string // includes and look-ups that other rules need
	if asKept {
		result := &orderlife.Result{Began: o.kept.began, Fetched: o.kept.fetched, Lookups: o.kept.lookups}
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
		if o.state.Knows(&result.Fetched) {
			return result, nil
		}
		if result.Lookups, err = o.lookUp(ctx, &result.Fetched); err != nil {
			return nil, err
		}
		if err := o.evaluate(ctx, result, refetches == maxRefetches); err != nil {
			return nil, err
		}
		if len(result.Checked.NotAsked) == 0 {
			return result, o.recall(ctx, result)
		}
		// The worker that checks has other rules than the one that fetched.
		also = append(also, result.Checked.NotAsked...)
	}
}

// fetch gets the order from InFlow, with what also names. It looks a second time before it believes
// that there is no such order, and several times before it takes one from which something was left
// out: an order just created may be missing or incomplete for a second or two.
func (o *salesOrder) fetch(ctx workflow.Context, also []string) (ordercheck.FetchedOrder, error) {
	incomplete, missing := 0, false
	for {
		in := ordercheck.FetchOrderInput{
			SalesOrderID: o.id, KnowsBilled: o.state.Billed != nil, Also: also, AcceptMissing: incomplete == len(incompletePatience),
		}
		fetched, err := request(ctx, o, fetchOrder.WithSummary("fetch sales order "+o.id+" from InFlow"), in)
		var wait time.Duration
		var why string
		switch {
		case call.ErrorType(err) == ordercheck.ErrorOrderNotFound && !missing:
			missing = true
			wait, why = notFoundPatience, "InFlow does not know the order: it may be too new, look once more"
		case err != nil, len(fetched.Missing) == 0, in.AcceptMissing, o.state.Knows(&fetched):
			return fetched, err
		default:
			wait, why = incompletePatience[incomplete], "InFlow left out "+strings.Join(fetched.Missing, ", ")+": the order may be too new, look again"
			incomplete++
		}
		if err := workflow.NewTimerWithOptions(ctx, wait, workflow.TimerOptions{Summary: why}).Get(ctx, nil); err != nil {
			return fetched, err
		}
	}
}

// lookUp gets what the rules need beyond the order. A look-up that fails within a short time is left
// out: the rules that need it are skipped, and the report is incomplete.
func (o *salesOrder) lookUp(ctx workflow.Context, fetched *ordercheck.FetchedOrder) (ordercheck.Lookups, error) {
	lookups := fetched.Lookups
	if fetched.LookUp != nil {
		recent, err := request(ctx, o, lookUpOrders, *fetched.LookUp)
		switch {
		case errors.Is(err, errOvertaken):
			return lookups, err
		case err != nil:
			workflow.GetLogger(ctx).Warn("the customer's recent orders could not be looked up: rules that need them are skipped", "error", err)
			lookups.Failed = append(lookups.Failed, ordercheck.LookupRecentOrders)
		default:
			lookups.RecentOrders = &recent
		}
	}
	lookups.Billed = o.state.BilledWith(fetched, lookups)
	return lookups, nil
}

// evaluate has the rules look at what was fetched.
func (o *salesOrder) evaluate(ctx workflow.Context, result *orderlife.Result, final bool) (err error) {
	fetched := &result.Fetched
	summary := "check " + ordercheck.SummaryName(fetched.OrderNumber) + " against the rules"
	result.Checked, err = checkOrder.WithSummary(summary).Run(ctx, ordercheck.CheckOrderInput{
		SalesOrderID: o.id, Order: fetched.Order, At: workflow.Now(ctx), Lookups: result.Lookups, Asked: fetched.Asked, Final: final,
		Told: o.state.NotifiedRules(), RulesSince: o.state.RulesSince,
	})
	return err
}

// recall asks for the order's last run if the state needs it.
func (o *salesOrder) recall(ctx workflow.Context, result *orderlife.Result) (err error) {
	if o.state.WantsRecall(result.Checked) {
		result.Recalled, err = recallRun.Run(ctx, ordercheck.RecallRunInput{SalesOrderID: o.id})
	}
	return err
}

// recallFailure is the same for a check that failed. If it cannot be had, people may be told twice.
func (o *salesOrder) recallFailure(ctx workflow.Context, failure orderlife.Failure) *ordercheck.RecalledRun {
	if !o.state.RecallsFailure(failure) {
		return nil
	}
	recalled, err := recallRun.Run(ctx, ordercheck.RecallRunInput{SalesOrderID: o.id})
	if err != nil {
		return nil
	}
	return recalled
}

// rememberBilled keeps the order as it was first seen invoiced, as a memo for the runs after this one.
func (o *salesOrder) rememberBilled(ctx workflow.Context, result *orderlife.Result) error {
	billed := result.Lookups.Billed
	if result.Checked == nil || (billed == nil) == (o.state.Billed == nil) {
		return nil
	}
	if err := workflow.UpsertMemo(ctx, map[string]any{ordercheck.MemoBilled: billed}); err != nil {
		return fmt.Errorf("keep what the order was billed for: %w", err)
	}
	return nil
}

// keep remembers what a check was made of, if it is small.
func (o *salesOrder) keep(result *orderlife.Result) {
	if result.Checked == nil {
		return
	}
	o.kept = nil
	if len(result.Fetched.Order) > maxKept {
		return
	}
	lookups, err := json.Marshal(result.Lookups)
	if err != nil || len(result.Fetched.Order)+len(lookups) > maxKept {
		return
	}
	o.kept = &keptOrder{began: result.Began, fetched: result.Fetched, lookups: result.Lookups}
}

// failure is the error of a check that could not be done.
func (o *salesOrder) failure(details ...any) error {
	cause := o.cause
	if temporal.IsCanceledError(cause) {
		cause = nil // else Temporal takes the run for a cancelled one
	}
	return temporal.NewApplicationErrorWithOptions(o.state.Failure.Message, o.state.Failure.Type,
		temporal.ApplicationErrorOptions{NonRetryable: true, Cause: cause, Details: details})
}
