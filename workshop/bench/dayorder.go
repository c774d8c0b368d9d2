package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stretchr/testify/mock"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
	"error-check-gate/workflows"
	"error-check-gate/workflows/workflowtest"
)

// dayChoices has the settings for the simulation of a day.
type dayChoices struct {
	settings   orderlife.Settings
	sweepEvery time.Duration
	lookUps    bool // rules compare with the customer's other orders
}

// customerCachedFor is the time for which a worker caches the answer about a customer's other
// orders.
const customerCachedFor = 10 * time.Minute

// orderDay simulates the day of one order. It runs the gate's workflow in Temporal's test
// environment, which skips waiting times.
type orderDay struct {
	choices dayChoices
	sizes   eventSizes
	id      string
	saves   []save

	mu       sync.Mutex // activities and callbacks run at the same time
	env      *testsuite.TestWorkflowEnvironment
	done     int // saves, and findings of the sweep, that have happened
	lookedUp time.Time
	fetched  time.Time // when the latest check read the order
	cost     cost
}

// happening is a save, or a sweep that finds a save whose webhook was lost.
type happening struct {
	at    time.Time
	sweep bool
}

// happenings returns the events that the order's workflow is notified of, oldest first.
func (o *orderDay) happenings() []happening {
	var all []happening
	for _, s := range o.saves {
		if !s.lost {
			all = append(all, happening{at: s.at})
			continue
		}
		next := s.at.Truncate(o.choices.sweepEvery).Add(o.choices.sweepEvery)
		all = append(all, happening{at: next, sweep: true})
	}
	slices.SortStableFunc(all, func(a, b happening) int { return a.at.Compare(b.at) })
	return all
}

// play runs the order's workflow until the end of the day. It returns the cost.
func (o *orderDay) play() (cost, error) {
	all := o.happenings()
	for o.done < len(all) {
		if first := all[o.done]; first.sweep && o.seen(first.at) {
			o.done++
			continue
		}
		if err := o.playRun(all[o.done:]); err != nil {
			return cost{}, fmt.Errorf("order %s: %w", o.id, err)
		}
	}
	return o.cost, nil
}

// seen reports whether a check has read the order since its latest save.
func (o *orderDay) seen(now time.Time) bool {
	latest := slices.IndexFunc(o.saves, func(s save) bool { return s.at.After(now) })
	if latest < 0 {
		latest = len(o.saves)
	}
	return latest == 0 || o.fetched.After(o.saves[latest-1].at)
}

// playRun simulates one run. The first happening starts it.
func (o *orderDay) playRun(rest []happening) error {
	o.env = workflowtest.NewEnvironment()
	o.env.SetStartTime(rest[0].at)
	o.env.SetStartWorkflowOptions(client.StartWorkflowOptions{
		ID: ordercheck.WorkflowID(o.id), TaskQueue: ordercheck.TaskQueue,
	})
	checks := &workflows.SalesOrderChecks{Settings: o.choices.settings}
	o.env.RegisterWorkflowWithOptions(checks.SalesOrderCheck,
		workflow.RegisterOptions{Name: ordercheck.WorkflowType})
	o.register()
	o.count()
	for _, h := range rest {
		o.env.RegisterDelayedCallback(func() { o.happen(h) }, h.at.Sub(rest[0].at))
	}
	o.env.ExecuteWorkflow(ordercheck.WorkflowType,
		orderlife.Start{Start: ordercheck.Start{SalesOrderID: o.id}})
	if !o.env.IsWorkflowCompleted() {
		return errors.New("the run did not end")
	}
	o.cost.bytes += o.sizes.of(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED) +
		o.sizes.of(enumspb.EVENT_TYPE_MARKER_RECORDED) +
		o.sizes.of(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED)
	o.cost.sideEffects++ // the settings
	return o.env.GetWorkflowError()
}

// happen signals the run.
func (o *orderDay) happen(h happening) {
	o.mu.Lock()
	o.done++
	skip := h.sweep && o.seen(h.at)
	if !skip {
		o.cost.signals++
		o.cost.bytes += o.sizes.of(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED) +
			o.sizes[workflowTask]
	}
	o.mu.Unlock()
	if skip {
		return
	}
	delivery := ordercheck.Delivery{Event: event, ReceivedAt: h.at}
	if h.sweep {
		delivery = ordercheck.Delivery{Event: ordercheck.EventMissedWebhook, ReceivedAt: h.at,
			OrderVersion: o.version(h.at)}
	}
	o.env.SignalWorkflow(ordercheck.SignalWebhookDelivered, []ordercheck.Delivery{delivery})
}

// count counts the workflow's actions.
func (o *orderDay) count() {
	note := func(bytes int, counters ...*int) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.cost.bytes += bytes
		for _, counter := range counters {
			*counter++
		}
	}
	o.env.SetOnTimerScheduledListener(func(string, time.Duration) {
		note(o.sizes.of(enumspb.EVENT_TYPE_TIMER_STARTED), &o.cost.timers)
	})
	o.env.SetOnTimerFiredListener(func(string) {
		note(o.sizes.of(enumspb.EVENT_TYPE_TIMER_FIRED) + o.sizes[workflowTask])
	})
	o.env.SetOnTimerCanceledListener(func(string) {
		note(o.sizes.of(enumspb.EVENT_TYPE_TIMER_CANCELED))
	})
	o.env.OnUpsertTypedSearchAttributes(mock.Anything).Return(nil).Run(func(mock.Arguments) {
		note(o.sizes.of(enumspb.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES), &o.cost.upserts)
	})
}

// register registers activities that answer as the gate's would. Only FetchOrder, LookUpOrders and
// a mail to the sales rep make requests to InFlow.
func (o *orderDay) register() {
	o.activity(ordercheck.ActivityFetchOrder, o.fetch)
	o.activity(ordercheck.ActivityLookUpOrders, o.lookUp)
	o.activity(ordercheck.ActivityCheckOrder, o.check)
	o.activity(ordercheck.ActivityNotify, o.notify)
	o.activity(ordercheck.ActivityRecallRun,
		func(context.Context, ordercheck.RecallRunInput) (*ordercheck.RecalledRun, error) {
			o.attempt(ordercheck.ActivityRecallRun)
			return &ordercheck.RecalledRun{}, nil
		})
	o.activity(ordercheck.ActivityRecordOutcomes,
		func(context.Context, *ordercheck.OrderOutcomes) error {
			o.attempt(ordercheck.ActivityRecordOutcomes)
			o.mu.Lock()
			defer o.mu.Unlock()
			o.cost.signals++ // to the run that counts outcomes
			return nil
		})
}

func (o *orderDay) activity(name string, function any) {
	o.env.RegisterActivityWithOptions(function, activity.RegisterOptions{Name: name})
}

// attempt counts an attempt that succeeds.
func (o *orderDay) attempt(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cost.attempts++
	o.cost.bytes += o.sizes[activityEvents+name] + o.sizes[workflowTask]
}

func (o *orderDay) fetch(
	context.Context, ordercheck.FetchOrderInput,
) (ordercheck.FetchedOrder, error) {
	now := o.env.Now()
	if inOutage(now) {
		o.mu.Lock()
		defer o.mu.Unlock()
		return ordercheck.FetchedOrder{}, o.cost.outage(now)
	}
	o.attempt(ordercheck.ActivityFetchOrder)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cost.fetches++
	o.fetched = now
	fetched := ordercheck.FetchedOrder{
		OrderNumber: "SO-000123", OrderVersion: o.version(now), Customer: "Acme",
		HasSalesRep: true, SalesRep: "Dana", RuleSet: dayRules,
		Asked: []string{ordercheck.LookupRecentOrders},
		Order: ordercheck.Digest(fmt.Sprintf(`{"wrong":%t}`, o.wrong(now))),
	}
	switch {
	case !o.choices.lookUps:
	case now.Sub(o.lookedUp) < customerCachedFor:
		fetched.Lookups.RecentOrders = &ordercheck.RecentOrders{}
	default:
		fetched.LookUp = &ordercheck.LookUpOrdersInput{SalesOrderID: o.id, CustomerID: o.id}
	}
	return fetched, nil
}

var dayRules = ordercheck.RuleSet{Name: "default", Digest: "sha256:00"}

func (o *orderDay) lookUp(
	context.Context, ordercheck.LookUpOrdersInput,
) (*ordercheck.RecentOrders, error) {
	now := o.env.Now()
	if inOutage(now) {
		o.mu.Lock()
		defer o.mu.Unlock()
		return nil, o.cost.outage(now)
	}
	o.attempt(ordercheck.ActivityLookUpOrders)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cost.lookUps++
	o.lookedUp = now
	return &ordercheck.RecentOrders{}, nil
}

func (o *orderDay) check(
	_ context.Context, in ordercheck.CheckOrderInput,
) (ordercheck.CheckedOrder, error) {
	o.attempt(ordercheck.ActivityCheckOrder)
	checked := ordercheck.CheckedOrder{RuleSet: dayRules}
	if string(in.Order) == `{"wrong":true}` {
		checked.Findings = []ordercheck.Finding{{
			ID: "order-total", RuleID: "order-total", Severity: ordercheck.SeverityError,
			Scope: ordercheck.ScopeOrder, Message: "The order's total is wrong",
		}}
	}
	return checked, nil
}

func (o *orderDay) notify(
	_ context.Context, in ordercheck.NotifyInput,
) (ordercheck.NotifyResult, error) {
	o.attempt(ordercheck.ActivityNotify)
	if in.Target == "" {
		return ordercheck.NotifyResult{
			Targets: []string{"mail:office", ordercheck.TargetSalesRep},
		}, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cost.updates++ // asks the run that counts the receiver's messages
	if in.Target == ordercheck.TargetSalesRep {
		o.cost.addresses++
	}
	return ordercheck.NotifyResult{}, nil
}

// version returns the order's version at a time. wrong reports whether the order breaks a rule
// then.
func (o *orderDay) version(now time.Time) string {
	return fmt.Sprintf("%016X", o.saved(now))
}

func (o *orderDay) wrong(now time.Time) bool {
	n := o.saved(now)
	return n > 0 && o.saves[n-1].wrong
}

// saved counts the saves up to a time.
func (o *orderDay) saved(now time.Time) (n int) {
	for n < len(o.saves) && !o.saves[n].at.After(now) {
		n++
	}
	return n
}
