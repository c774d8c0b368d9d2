// Package workflows holds the deterministic side of the gate: the life of a
// sales order under check. It knows names and shapes of package ordercheck, and
// nothing of HTTP, of InFlow or of how a rule is evaluated.
package workflows

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// Settings are what a company decides about the life of a check. A run reads
// them once, at its start, and records them in its history, so that changing
// them never breaks the replay of an open run.
type Settings struct {
	// SettleQuiet is how long no delivery must have come before an order is
	// fetched: people save an order several times in a row. Zero fetches at once.
	SettleQuiet time.Duration `json:"settleQuiet"`
	// SettleMax bounds the settling, from the first delivery that no fetch has followed.
	SettleMax time.Duration `json:"settleMax"`
	// Hold keeps the run of an order with errors open until it is right. False
	// completes it with the first check, as runs recorded before there was a hold do.
	Hold bool `json:"hold,omitempty"`
	// GracePeriod is how long an error may stand before it is confirmed; zero confirms it at once.
	GracePeriod time.Duration `json:"gracePeriod,omitempty"`
	// HoldMax is how long an order is held at most, from its first confirmed error; zero is for ever.
	HoldMax time.Duration `json:"holdMax,omitempty"`
	// RemindEvery is the time between reminders of a held order; zero is none.
	RemindEvery time.Duration `json:"remindEvery,omitempty"`
	// Sweep says that a sweep looks at the run: it shows every version of the order that it has
	// checked, and knows a missed webhook from one that came. False in runs recorded before
	// there was a sweep: they take a missed webhook for one that came.
	Sweep bool `json:"sweep,omitempty"`
	// CancelsTimers is no setting: a run sets it for itself. It is false in runs that were recorded while
	// the timer of a wait that ended early was left to fire.
	CancelsTimers bool `json:"cancelsTimers,omitempty"`
	// KnowsShown is no setting either: false in runs that were recorded while a run showed its status
	// at its start, whoever had shown it already.
	KnowsShown bool `json:"knowsShown,omitempty"`
}

// SalesOrderChecks makes the workflow [ordercheck.WorkflowType] with the settings of its worker.
type SalesOrderChecks struct {
	Settings Settings
	// Observer may be nil.
	Observer Observer
}

// SalesOrderCheck is one order's check: it settles, fetches and checks, again after
// each delivery. An order with errors is held: the run stays open until it is
// fixed, overridden or the hold expires. The result is the report.
//
// It fails only where the check could not be done; the error's type says why.
func (s *SalesOrderChecks) SalesOrderCheck(ctx workflow.Context, start ordercheck.Start) (*ordercheck.Report, error) {
	o, err := s.setUp(ctx, start)
	if err != nil {
		return nil, err
	}
	return o.run(ctx)
}

// salesOrder is the state of one run.
type salesOrder struct {
	id         string
	settings   Settings
	deliveries workflow.ReceiveChannel

	report ordercheck.Report

	// due: a fetch is owed, since a delivery or a person asked and none has begun after it.
	due bool
	// dueNow: a person asked, so nothing is gained by settling.
	dueNow bool
	// duePriority is that of the most urgent who asked for the fetch that is due; see owe.
	duePriority int
	// priority is that of the latest fetch, and of what it looks up.
	priority int
	// overheard are signals that came while a request waited for its turn, oldest first.
	overheard []converter.RawValue
	// firstDelivery and lastDelivery bound the deliveries that no fetch has followed yet.
	firstDelivery, lastDelivery time.Time
	deliveriesInRun             int
	// accepted is when the ingress took the first delivery that no check has answered; zero where
	// there is none, and, as it is for metrics only, of those that a run before this one received.
	accepted time.Time

	fetches     int   // begun
	checks      int   // ended: equal to fetches between two checks
	outcome     error // of the latest check that ended
	missingOnce bool  // InFlow did not know the order, once

	// hold is what else is known of an order that is held; see also held.
	hold    ordercheck.Hold
	expired bool // the hold has lasted as long as it may
	changed bool // an override came while the run waited
	sending bool // a notice is on its way

	published published
	observer  Observer
}

func (s *SalesOrderChecks) setUp(ctx workflow.Context, start ordercheck.Start) (*salesOrder, error) {
	workflowID := workflow.GetInfo(ctx).WorkflowExecution.ID
	named, _ := ordercheck.SalesOrderID(workflowID)
	id := ordercheck.CanonicalID(cmp.Or(start.SalesOrderID, named))
	if workflowID != ordercheck.WorkflowID(id) {
		// One order, one workflow: under another id it could be checked twice at once.
		return nil, temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("a check of sales order %q must run under the workflow id %q", id, ordercheck.WorkflowID(id)),
			"WrongWorkflowID", nil)
	}
	if err := ordercheck.ValidateSalesOrderID(id); err != nil {
		return nil, temporal.NewNonRetryableApplicationError(err.Error(), "WrongWorkflowID", err)
	}

	o := &salesOrder{
		id:         id,
		deliveries: workflow.GetSignalChannel(ctx, ordercheck.SignalWebhookDelivered),
		report: ordercheck.Report{
			SalesOrderID: id,
			Status:       ordercheck.StatusChecking,
			Findings:     []ordercheck.Finding{},
			Skipped:      []ordercheck.Skipped{},
			RuleErrors:   []ordercheck.RuleError{},
		},
		observer: s.Observer,
	}
	o.owe(startPriority(ctx))
	if c := start.Carried; c != nil {
		o.report, o.hold = c.Report, c.Hold
		o.firstDelivery, o.lastDelivery = c.FirstDelivery, c.LastDelivery
		o.due, o.duePriority = c.Due, cmp.Or(c.Priority, ordercheck.PriorityWebhook)
	}

	settings := workflow.SideEffectWithOptions(ctx, workflow.SideEffectOptions{Summary: "settings"},
		func(workflow.Context) any {
			settings := s.Settings
			settings.CancelsTimers, settings.KnowsShown = true, true
			return settings
		})
	if err := settings.Get(&o.settings); err != nil {
		return nil, fmt.Errorf("read the settings of the run: %w", err)
	}
	if o.settings.KnowsShown {
		o.published = alreadyPublished(ctx)
	}
	if err := workflow.SetQueryHandler(ctx, ordercheck.QueryReport, func() (ordercheck.Report, error) {
		return o.report, nil
	}); err != nil {
		return nil, fmt.Errorf("register query %s: %w", ordercheck.QueryReport, err)
	}
	if err := workflow.SetUpdateHandlerWithOptions(ctx, ordercheck.UpdateCheck, o.checkNow, workflow.UpdateHandlerOptions{
		Description: "Check the order now and answer with the report.",
	}); err != nil {
		return nil, fmt.Errorf("register update %s: %w", ordercheck.UpdateCheck, err)
	}
	if o.settings.Hold {
		if err := o.setUpHold(ctx); err != nil {
			return nil, err
		}
	} else if !o.due {
		o.owe(ordercheck.PriorityWebhook)
	}
	if err := o.publish(ctx); err != nil {
		return nil, err
	}
	return o, nil
}

// run returns only when nothing is owed: every delivery that was received has
// been followed by a fetch, and nothing blocks between the last look at the
// signals and the return. A signal that comes later still makes the server
// refuse the completion and run this code again.
func (o *salesOrder) run(ctx workflow.Context) (*ordercheck.Report, error) {
	o.receive(ctx)
	for {
		var err error
		switch {
		case o.shouldContinueAsNew(ctx):
			return nil, o.continueAsNew(ctx)
		case o.due:
			if err = o.settle(ctx); err == nil {
				err = o.check(ctx)
			}
		case o.waits():
			err = o.wait(ctx)
		case !workflow.AllHandlersFinished(ctx):
			err = workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
		case o.outcome != nil:
			return nil, o.outcome
		default:
			return &o.report, nil
		}
		if err != nil {
			return nil, o.abandoned(ctx, err)
		}
		o.receive(ctx)
	}
}

// abandoned: an operator cancelled the run, which ends a hold too.
func (o *salesOrder) abandoned(ctx workflow.Context, err error) error {
	if temporal.IsCanceledError(err) && o.settings.Hold {
		o.report.Note = noteAbandoned
		if publishErr := o.publish(ctx); publishErr != nil {
			return publishErr
		}
	}
	return err
}

// receive takes every signal that has been delivered. A signal that cannot be
// read is a plain "check again": it is an operator's typing error at worst, and
// never dropped.
func (o *salesOrder) receive(ctx workflow.Context) {
	var raw converter.RawValue
	for o.nextSignal(&raw) {
		now := workflow.Now(ctx)
		got, err := o.readDeliveries(raw)
		raw = converter.RawValue{}
		if got.missed != "" {
			o.deliveriesInRun++
			o.receiveMissed(got.missed)
			if got.webhooks == 0 {
				continue
			}
		}
		if err != nil {
			workflow.GetLogger(ctx).Warn("a webhook-delivered signal is not a list of deliveries: taken as a plain check", "error", err)
		}
		if got.webhooks == 0 {
			o.dueNow = true
			o.owe(ordercheck.PriorityPerson)
			continue
		}
		o.owe(ordercheck.PriorityWebhook)
		o.accepted = earlier(o.accepted, got.accepted)
		o.deliveriesInRun += got.webhooks
		if o.firstDelivery.IsZero() {
			o.firstDelivery = now
		}
		o.lastDelivery = now
	}
}

// receiveMissed takes what the sweep found: that no check is known to have seen a version of the order.
// Only the run knows whether one has seen it since. A fetch that is owed anyway begins after the
// version was there; and nothing is to settle, since the order was saved a while ago.
func (o *salesOrder) receiveMissed(version string) {
	if ordercheck.CompareVersions(o.report.OrderVersion, version) < 0 {
		o.owe(ordercheck.PrioritySweep)
	}
}

// signalContent is what a signal brings. With neither webhooks nor a missed version it is a plain "check again".
type signalContent struct {
	webhooks int
	missed   string    // the newest version that the sweep found missed; empty where it found none
	accepted time.Time // when the ingress took the first of the webhooks; zero where none says
}

// readDeliveries looks into a signal, and changes nothing: see overtaken, which looks before its turn.
func (o *salesOrder) readDeliveries(raw converter.RawValue) (s signalContent, err error) {
	if raw.Payload() == nil {
		return s, nil
	}
	var deliveries []json.RawMessage
	if err := converter.GetDefaultDataConverter().FromPayload(raw.Payload(), &deliveries); err != nil {
		return s, fmt.Errorf("decode the signal: %w", err)
	}
	for _, entry := range deliveries {
		var d ordercheck.Delivery
		readable := json.Unmarshal(entry, &d) == nil
		if o.settings.Sweep && readable && d.Event == ordercheck.EventMissedWebhook {
			if version, ok := ordercheck.ParseVersion(d.OrderVersion); ok {
				s.missed = max(s.missed, version)
				continue
			}
		}
		s.webhooks++ // also what cannot be read
		if readable {
			s.accepted = earlier(s.accepted, d.ReceivedAt)
		}
	}
	return s, nil
}

// earlier is the earlier of two times, of which a zero one is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// settle waits until no delivery has come for the quiet time, at most SettleMax
// from the first one, and not at all where a person asked.
func (o *salesOrder) settle(ctx workflow.Context) error {
	if o.firstDelivery.IsZero() {
		return nil // nobody is typing: a person or an operator started this check
	}
	for !o.dueNow {
		until := o.lastDelivery.Add(o.settings.SettleQuiet)
		if latest := o.firstDelivery.Add(o.settings.SettleMax); latest.Before(until) {
			until = latest
		}
		wait := until.Sub(workflow.Now(ctx))
		if wait <= 0 {
			return nil
		}
		// One timer to the time known now, and a look at the clock when it fires: a
		// timer cancelled and made anew for each delivery would cost three events each.
		timerCtx, cancel := workflow.WithCancel(ctx)
		timer := workflow.NewTimerWithOptions(timerCtx, wait, workflow.TimerOptions{Summary: "settle: wait until nobody is saving the order"})
		for !timer.IsReady() && !o.dueNow {
			if err := workflow.Await(ctx, func() bool {
				return timer.IsReady() || o.dueNow || o.deliveries.Len() > 0
			}); err != nil {
				cancel()
				return err
			}
			o.receive(ctx)
		}
		cancel()
	}
	return nil
}

// check fetches and checks the order once, and keeps the report, unless it is overtaken. A check that could
// not be done is the run's outcome, unless a later delivery asks for another or the
// order is held already; the error is only for a run that cannot go on.
func (o *salesOrder) check(ctx workflow.Context) error {
	o.priority = o.duePriority
	o.due, o.dueNow = false, false
	o.firstDelivery, o.lastDelivery = time.Time{}, time.Time{}
	accepted := o.accepted
	o.accepted = time.Time{}
	o.fetches++
	o.outcome = nil

	err := o.fetchAndCheck(ctx)
	if errors.Is(err, errOvertaken) {
		o.owe(o.priority)
		return nil
	}
	if temporal.IsCanceledError(err) {
		return err
	}
	if err != nil {
		o.notChecked(ctx, err)
	}
	o.conclude(ctx)
	o.checks = o.fetches
	o.observe(ctx, func(observer Observer) {
		var since time.Duration
		if !accepted.IsZero() {
			since = workflow.Now(ctx).Sub(accepted)
		}
		observer.Checked(o.report.Status, since)
	})
	return o.publish(ctx)
}

// notChecked keeps why a check could not be done.
func (o *salesOrder) notChecked(ctx workflow.Context, err error) {
	gone := applicationErrorType(err) == ordercheck.ErrorOrderNotFound
	switch {
	case o.settings.Hold && gone && !o.report.CheckedAt.IsZero():
		o.report.Findings = []ordercheck.Finding{}
		o.report.Note = noteDeleted
		o.report.CheckedAt = workflow.Now(ctx)
	case o.held():
		// What is known of it stands: the hold goes on, and the check is tried again.
		o.hold.CheckAgainAt = workflow.Now(ctx).Add(checkAgainAfter)
		o.outcome = o.explain(err)
	default:
		o.outcome = o.explain(err)
	}
	o.report.Status = ordercheck.StatusUnchecked
}

func (o *salesOrder) fetchAndCheck(ctx workflow.Context) error {
	began := workflow.Now(ctx)
	fetched, err := o.fetch(ctx)
	if err != nil {
		return err
	}
	sameOrder := fetched.OrderVersion != "" && fetched.OrderVersion == o.report.OrderVersion
	sameRules := fetched.RuleSet == o.report.RuleSet
	complete := len(o.report.RuleErrors) == 0

	o.report.OrderNumber = fetched.OrderNumber
	o.report.Customer = fetched.Customer
	o.hold.HasSalesRep, o.hold.SalesRepEmail = fetched.HasSalesRep, fetched.SalesRepEmail
	found, ruleErrors := o.report.Findings, o.report.RuleErrors
	if o.report.CheckedAt.IsZero() || !sameOrder || !sameRules || !complete {
		lookups, err := o.lookUp(ctx, &fetched)
		if err != nil {
			return err
		}
		checked, err := o.evaluate(ctx, fetched.Order, lookups)
		if err != nil {
			return err
		}
		found, ruleErrors = checked.Findings, notNil(checked.RuleErrors)
		o.report.OrderVersion = fetched.OrderVersion
		o.report.RuleSet = checked.RuleSet
		o.report.Skipped = notNil(checked.Skipped)
		o.hold.Terms = checked.Terms
		if slices.ContainsFunc(found, func(f ordercheck.Finding) bool { return f.Severity == ordercheck.SeverityError }) {
			if err := o.recall(ctx); err != nil {
				return err
			}
		}
	}
	now := workflow.Now(ctx)
	o.report.Findings = o.judge(found, ruleErrors, began, now)
	o.report.RuleErrors = ruleErrors
	o.report.CheckedAt = now
	o.report.Status = statusOf(&o.report)
	o.report.Note = ""
	if fetched.IsCancelled {
		o.report.Note = noteCancelled
	}
	o.hold.CheckAgainAt = time.Time{}
	o.expired = false
	return nil
}

// fetch gets the order from InFlow, and looks a second time before it believes
// that there is no such order: one just created may be missing for a second or two.
func (o *salesOrder) fetch(ctx workflow.Context) (ordercheck.FetchedOrder, error) {
	for {
		var fetched ordercheck.FetchedOrder
		err := o.request(fetchOptions(ctx, o.id, o.priority), ordercheck.ActivityFetchOrder,
			ordercheck.FetchOrderInput{SalesOrderID: o.id, KnowsBilled: o.hold.Billed != nil}, &fetched)
		if applicationErrorType(err) != ordercheck.ErrorOrderNotFound || o.missingOnce {
			return fetched, err
		}
		o.missingOnce = true
		timer := workflow.NewTimerWithOptions(ctx, notFoundPatience, workflow.TimerOptions{
			Summary: "InFlow does not know the order: it may be too new, look once more",
		})
		if err := timer.Get(ctx, nil); err != nil {
			return fetched, err
		}
	}
}

func (o *salesOrder) evaluate(ctx workflow.Context, order ordercheck.Digest, lookups ordercheck.Lookups) (ordercheck.CheckedOrder, error) {
	var checked ordercheck.CheckedOrder
	err := workflow.ExecuteActivity(checkOptions(ctx, o.report.OrderNumber), ordercheck.ActivityCheckOrder,
		ordercheck.CheckOrderInput{SalesOrderID: o.id, Order: order, At: workflow.Now(ctx), Lookups: lookups}).Get(ctx, &checked)
	return checked, err
}

// checkNow is the update [ordercheck.UpdateCheck]: a fetch that begins after the
// update was accepted, its check, and the report.
func (o *salesOrder) checkNow(ctx workflow.Context) (*ordercheck.Report, error) {
	o.dueNow = true
	o.owe(ordercheck.PriorityPerson)
	asked := o.fetches
	if err := workflow.Await(ctx, func() bool { return o.checks > asked }); err != nil {
		return nil, err
	}
	if o.outcome != nil {
		return nil, o.outcome
	}
	report := o.report
	return &report, nil
}

// maxDeliveriesInRun keeps a run well under the 10,000 signals that Temporal allows one.
const maxDeliveriesInRun = 2000

func (o *salesOrder) shouldContinueAsNew(ctx workflow.Context) bool {
	// An update that waits would be lost with the run; the next check answers it. A
	// notice on its way would be sent twice.
	if !workflow.AllHandlersFinished(ctx) || o.sending || o.fetches == 0 || !o.due && !o.waits() {
		return false
	}
	return workflow.GetInfo(ctx).GetContinueAsNewSuggested() || o.deliveriesInRun > maxDeliveriesInRun
}

// continueAsNew hands everything to the next run; times are absolute, so that no clock starts again.
func (o *salesOrder) continueAsNew(ctx workflow.Context) error {
	return workflow.NewContinueAsNewError(ctx, ordercheck.WorkflowType, ordercheck.Start{
		SalesOrderID: o.id,
		Carried: &ordercheck.Carried{
			Report: o.report, FirstDelivery: o.firstDelivery, LastDelivery: o.lastDelivery, Due: o.due, Priority: o.duePriority, Hold: o.hold,
		},
	})
}

// explain makes of an activity's failure the failure of the run: its type on
// the outside, and what to do in the message, since that is what the Web UI shows.
func (o *salesOrder) explain(err error) error {
	kind := applicationErrorType(err)
	var advice string
	switch kind {
	case ordercheck.ErrorOrderNotFound:
		advice = "InFlow does not know this sales order; was it deleted?"
	case ordercheck.ErrorInflowUnauthorized:
		advice = "InFlow refused the API key; put INFLOW_API_KEY and INFLOW_COMPANY_ID right at the worker, then rerun"
	case ordercheck.ErrorInflowBadResponse:
		advice = "InFlow's answer could not be used; check INFLOW_API_URL and INFLOW_API_VERSION at the worker, then rerun"
	case ordercheck.ErrorInflowUnavailable, ordercheck.ErrorInflowRateLimited:
		advice = fmt.Sprintf("InFlow gave no answer within %v of retries; rerun when it is back", fetchScheduleToClose)
	default:
		var timeout *temporal.TimeoutError
		if !errors.As(err, &timeout) {
			return err
		}
		kind = "CheckTimedOut"
		advice = "an activity did not end in time; is a worker of both task queues running?"
	}
	message := fmt.Sprintf("sales order %s was not checked: %s", o.id, advice)
	return temporal.NewNonRetryableApplicationError(message, kind, err)
}

func applicationErrorType(err error) string {
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		return application.Type()
	}
	return ""
}

// applicationErrorMessage is what an activity said, without where it ran.
func applicationErrorMessage(err error) string {
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		return application.Message()
	}
	return err.Error()
}

func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
