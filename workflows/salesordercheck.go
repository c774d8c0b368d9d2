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
	"strings"
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
	// GracePeriod is how long an error may stand before it is confirmed; zero confirms it at once.
	GracePeriod time.Duration `json:"gracePeriod,omitempty"`
	// HoldMax is how long an order is held at most, from its first confirmed error; zero is for ever.
	HoldMax time.Duration `json:"holdMax,omitempty"`
	// RemindEvery is the time between reminders of a held order; zero is none.
	RemindEvery time.Duration `json:"remindEvery,omitempty"`
	// NotifyWarnings tells people of an order that has only warnings.
	NotifyWarnings bool `json:"notifyWarnings,omitempty"`
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
//
// An operator who cancels the run ends the hold, and nothing else: see endByHand. So
// everything here runs in a context that a cancellation does not reach.
func (s *SalesOrderChecks) SalesOrderCheck(ctx workflow.Context, start ordercheck.Start) (*ordercheck.Report, error) {
	connected := ctx
	ctx, _ = workflow.NewDisconnectedContext(connected)
	o, err := s.setUp(ctx, start)
	if err != nil {
		return nil, err
	}
	o.watchForCancellation(ctx, connected.Done())
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
	// dueKept: only other rules ask for the check that is due, so that kept will do.
	dueKept bool
	kept    *keptOrder // of the latest check; nil if it was too large to keep
	// duePriority is that of the most urgent who asked for the fetch that is due; see owe.
	duePriority int
	// priority is that of the latest fetch, and of what it looks up.
	priority int
	// overheard are signals that came while a request waited for its turn, oldest first.
	overheard []converter.RawValue
	// firstDelivery and lastDelivery bound the deliveries that no fetch has followed yet.
	firstDelivery, lastDelivery time.Time
	deliveriesInRun             int
	deliveriesNoted             int // in the last entry of the timeline
	// accepted is when the ingress took the first delivery that no check has answered; zero where
	// there is none, and, as it is for metrics only, of those that a run before this one received.
	accepted time.Time

	fetches int   // begun
	checks  int   // ended: equal to fetches between two checks
	outcome error // of the latest check that ended
	// missedVersion is the version that the sweep saw and no check, notFoundVersion the one that InFlow's list
	// has while InFlow says that there is no such order. Empty is none.
	missedVersion, notFoundVersion string
	missingOnce                    bool // InFlow did not know the order, once

	// hold is what else is known of an order that is held; see also held.
	hold ordercheck.Hold
	// holdEnded: the order is still wrong, but its hold expired or was ended by hand.
	holdEnded bool
	changed   bool // an override came while the run waited
	lift      lift // for the check that is being concluded
	// overridesEnded are those whose end the check that is being concluded has seen.
	overridesEnded []ordercheck.Override

	sending       bool // a notice is on its way
	sendingPaused bool // no further notice is sent, since the next run is about to take over
	// interruptSending cancels the attempts to send the notice that is on its way.
	interruptSending workflow.CancelFunc

	// cancelRequested: an operator cancelled the run, and endByHand has not run yet.
	cancelRequested bool
	// ownSignals counts the signals that came before the cancellation and are not received yet.
	ownSignals  int
	endedByHand bool
	// restarted: see startAfresh.
	restarted bool

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
		report:     newReport(id),
		observer:   s.Observer,
	}
	o.owe(startPriority(ctx))
	if start.Carried != nil {
		o.resume(start.Carried)
	}

	settings := workflow.SideEffectWithOptions(ctx, workflow.SideEffectOptions{Summary: "settings"},
		func(workflow.Context) any { return s.Settings })
	if err := settings.Get(&o.settings); err != nil {
		return nil, fmt.Errorf("read the settings of the run: %w", err)
	}
	o.published = alreadyPublished(ctx)
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
	if err := o.setUpHold(ctx); err != nil {
		return nil, err
	}
	if err := o.publish(ctx); err != nil {
		return nil, err
	}
	return o, nil
}

// newReport returns the report of an order before its first check.
func newReport(salesOrderID string) ordercheck.Report {
	return ordercheck.Report{
		SalesOrderID: salesOrderID,
		Status:       ordercheck.StatusChecking,
		Findings:     []ordercheck.Finding{},
		Skipped:      []ordercheck.Skipped{},
		RuleErrors:   []ordercheck.RuleError{},
		Timeline:     []ordercheck.TimelineEntry{},
	}
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
		case o.cancelRequested && !o.due:
			err = o.endByHand(ctx)
		case o.endedByHand && o.due:
			o.startAfresh()
		case o.shouldContinueAsNew(ctx) && o.sending:
			err = o.pauseSending(ctx)
		case o.shouldContinueAsNew(ctx):
			return nil, o.continueAsNew(ctx)
		case o.due:
			if err = o.settle(ctx); err == nil {
				err = o.check(ctx)
			}
		case o.waits():
			err = o.wait(ctx)
		case !workflow.AllHandlersFinished(ctx):
			err = workflow.Await(ctx, func() bool { return o.due || workflow.AllHandlersFinished(ctx) })
		case o.outcome != nil:
			return nil, o.failure()
		case o.endedByHand:
			return nil, temporal.NewCanceledError(o.report)
		default:
			return &o.report, nil
		}
		if err != nil {
			return nil, err
		}
		o.receive(ctx)
	}
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
		if got.missed != "" || got.rulesDigest != "" {
			o.deliveriesInRun++
			if got.missed != "" {
				o.receiveMissed(ctx, got.missed)
			}
			if got.rulesDigest != "" {
				o.receiveRules(got.rulesDigest)
			}
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
		o.noteDeliveries(ctx, got.webhooks)
		if o.firstDelivery.IsZero() {
			o.firstDelivery = now
		}
		o.lastDelivery = now
	}
}

// receiveMissed takes what the sweep found: that no check is known to have seen a version of the order.
// Only the run knows whether one has seen it since. A fetch that is owed anyway begins after the
// version was there; and nothing is to settle, since the order was saved a while ago.
func (o *salesOrder) receiveMissed(ctx workflow.Context, version string) {
	if ordercheck.CompareVersions(o.report.OrderVersion, version) < 0 {
		o.note(ctx, ordercheck.TimelineSweep, fmt.Sprintf("The sweep found version %s, which no webhook had announced.", version))
		o.missedVersion = version
		o.owe(ordercheck.PrioritySweep)
	}
}

// signalContent is what a signal brings. With neither webhooks, a missed version nor other rules it is a plain "check again".
type signalContent struct {
	webhooks    int
	missed      string    // the newest version that the sweep found missed; empty where it found none
	rulesDigest string    // of the set in force, if another took over
	accepted    time.Time // when the ingress took the first of the webhooks; zero where none says
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
		if readable && d.Event == ordercheck.EventMissedWebhook {
			if version, ok := ordercheck.ParseVersion(d.OrderVersion); ok {
				s.missed = max(s.missed, version)
				continue
			}
		}
		if readable && d.Event == ordercheck.EventRulesChanged && d.RulesDigest != "" {
			s.rulesDigest = d.RulesDigest
			continue
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
				return timer.IsReady() || o.dueNow || o.unreadSignals() > 0
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
	fetch := !o.dueKept || o.kept == nil
	o.due, o.dueNow, o.dueKept = false, false, false
	o.firstDelivery, o.lastDelivery = time.Time{}, time.Time{}
	accepted := o.accepted
	o.accepted = time.Time{}
	o.fetches++
	o.outcome = nil

	overrides := o.overridesInForce()
	err := o.fetchAndCheck(ctx, fetch)
	if errors.Is(err, errOvertaken) {
		o.owe(o.priority)
		o.accepted = earlier(accepted, o.accepted)
		return nil
	}
	if err != nil {
		o.notChecked(ctx, err)
	}
	o.deliveriesNoted = 0
	o.noteCheck(ctx)
	o.noteEndedOverrides(ctx, overrides)
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
	o.report.Status = ordercheck.StatusUnchecked
	if applicationErrorType(err) == ordercheck.ErrorOrderNotFound {
		o.notFoundVersion = o.missedVersion
	}
	if applicationErrorType(err) == ordercheck.ErrorOrderNotFound && !o.report.CheckedAt.IsZero() {
		o.report.SetFindings([]ordercheck.Finding{}, nil)
		o.report.Note = noteDeleted
		o.report.CheckedAt = workflow.Now(ctx)
		o.hold.CheckAgainAt = time.Time{}
		return
	}
	o.outcome = o.explain(err)
	after := checkAgainAfter
	if applicationErrorType(err) == ordercheck.ErrorOrderTooLarge {
		after = checkTooLargeAfter
		o.tellTooLarge(ctx)
	}
	if o.triesAgain() {
		o.hold.CheckAgainAt = workflow.Now(ctx).Add(after)
	}
}

// checkResult is everything that one check brings. Nothing of the order's state changes
// before all of it is there, so a check that fails half-way leaves the state of the check before.
type checkResult struct {
	began   time.Time // when the fetch began
	fetched ordercheck.FetchedOrder
	lookups ordercheck.Lookups
	// checked is nil if neither the order nor the rules have changed since the check before.
	checked *ordercheck.CheckedOrder
	// billed is what Hold.Billed becomes; for a checked order only.
	billed *ordercheck.Billed
	// recalled is the answer about the run before; nil if it was not asked for.
	recalled *ordercheck.RecalledRun
}

// fetchAndCheck checks the order as InFlow has it now or, without a fetch, as it was kept.
func (o *salesOrder) fetchAndCheck(ctx workflow.Context, fetch bool) error {
	result := checkResult{began: workflow.Now(ctx)}
	var also []string
	for refetches := 0; ; refetches++ {
		var err error
		if !fetch {
			fetch = true // if the rules need more than was kept
			result.began, result.fetched, result.lookups = o.kept.began, o.kept.fetched, o.kept.lookups
			if result.checked, err = o.evaluate(ctx, &result.fetched, result.lookups, false); err != nil {
				return err
			}
			if len(result.checked.NotAsked) == 0 {
				result.billed = result.lookups.Billed
				break
			}
			result.began, result.checked = workflow.Now(ctx), nil
			continue
		}
		if result.fetched, err = o.fetch(ctx, also); err != nil {
			return err
		}
		if o.report.CheckedAt.IsZero() {
			// Show which order it is, even if the check goes no further.
			o.report.OrderNumber, o.report.Customer = result.fetched.OrderNumber, result.fetched.Customer
		}
		if o.knows(&result.fetched) {
			return o.apply(ctx, &result)
		}
		if result.lookups, err = o.lookUp(ctx, &result.fetched); err != nil {
			return err
		}
		result.billed = result.lookups.Billed
		if result.checked, err = o.evaluate(ctx, &result.fetched, result.lookups, refetches == maxRefetches); err != nil {
			return err
		}
		if len(result.checked.NotAsked) == 0 {
			break
		}
		// The worker that checks has other rules than the one that fetched.
		also = append(also, result.checked.NotAsked...)
	}
	var err error
	if result.recalled, err = o.recall(ctx, result.checked); err != nil {
		return err
	}
	return o.apply(ctx, &result)
}

// knows says whether the report is complete and of this version of the order and these rules.
func (o *salesOrder) knows(fetched *ordercheck.FetchedOrder) bool {
	return !o.report.CheckedAt.IsZero() && o.report.Note != noteDeleted && len(o.report.RuleErrors) == 0 && len(o.report.Missing) == 0 &&
		fetched.OrderVersion != "" && fetched.OrderVersion == o.report.OrderVersion &&
		fetched.RuleSet.Digest == o.report.RuleSet.Digest
}

// apply changes the order's state to what a check came to. It does not block.
func (o *salesOrder) apply(ctx workflow.Context, result *checkResult) error {
	if result.checked != nil {
		if err := o.rememberBilled(ctx, result.billed); err != nil {
			return err
		}
		o.keep(result)
	}
	fetched := &result.fetched
	o.report.OrderNumber = fetched.OrderNumber
	if !slices.Contains(fetched.Missing, ordercheck.IncludeCustomer) {
		o.report.Customer = fetched.Customer
	}
	if !slices.Contains(fetched.Missing, ordercheck.IncludeSalesRep) {
		o.hold.HasSalesRep = fetched.HasSalesRep
	}
	if result.recalled != nil {
		o.hold.Recalled = true
		if len(o.report.Findings) == 0 {
			known := slices.Concat(result.recalled.Overridden, result.recalled.Told)
			o.report.SetFindings(filter(known, func(f ordercheck.Finding) bool { return f.Count == 0 }),
				filter(known, func(f ordercheck.Finding) bool { return f.Count > 0 }))
		}
	}
	found, omitted := o.report.Findings, o.report.Omitted
	if checked := result.checked; checked != nil {
		o.lift = lift{
			all:   fetched.OrderVersion != "" && fetched.OrderVersion == o.report.OrderVersion && checked.RuleSet.Digest != o.report.RuleSet.Digest,
			rules: checked.NotInForce,
		}
		found, omitted = checked.Findings, checked.Omitted
		o.report.OrderVersion, o.report.RuleSet = fetched.OrderVersion, checked.RuleSet
		o.report.Skipped, o.report.RuleErrors = notNil(checked.Skipped), notNil(checked.RuleErrors)
		o.report.Missing = union(fetched.Missing, checked.Missing)
		o.hold.Terms, o.hold.RulesSince = checked.Terms, checked.RulesSince
	}
	now := workflow.Now(ctx)
	o.judge(found, omitted, result.began, now)
	o.report.CheckedAt = now
	o.report.Status = statusOf(&o.report)
	o.report.Note = ""
	switch {
	case fetched.IsCancelled:
		o.report.Note = noteCancelled
	case len(o.report.Missing) > 0:
		o.report.Note = missingNote(o.report.Missing)
	}
	o.hold.CheckAgainAt, o.hold.TooLarge = time.Time{}, false
	o.holdEnded = false
	return nil
}

// fetch gets the order from InFlow, with what also names. It looks a second time before it believes
// that there is no such order, and several times before it takes one from which something was left
// out: an order just created may be missing or incomplete for a second or two.
func (o *salesOrder) fetch(ctx workflow.Context, also []string) (ordercheck.FetchedOrder, error) {
	incomplete := 0
	for {
		in := ordercheck.FetchOrderInput{
			SalesOrderID: o.id, KnowsBilled: o.hold.Billed != nil, Also: also, AcceptMissing: incomplete == len(incompletePatience),
		}
		var fetched ordercheck.FetchedOrder
		err := o.request(fetchOptions(ctx, o.id, o.priority), ordercheck.ActivityFetchOrder, in, &fetched)
		var wait time.Duration
		var why string
		switch {
		case applicationErrorType(err) == ordercheck.ErrorOrderNotFound && !o.missingOnce:
			o.missingOnce = true
			wait, why = notFoundPatience, "InFlow does not know the order: it may be too new, look once more"
		case err != nil, len(fetched.Missing) == 0, in.AcceptMissing, o.knows(&fetched):
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

func (o *salesOrder) evaluate(ctx workflow.Context, fetched *ordercheck.FetchedOrder, lookups ordercheck.Lookups, final bool) (*ordercheck.CheckedOrder, error) {
	var checked ordercheck.CheckedOrder
	err := workflow.ExecuteActivity(checkOptions(ctx, fetched.OrderNumber), ordercheck.ActivityCheckOrder, ordercheck.CheckOrderInput{
		SalesOrderID: o.id, Order: fetched.Order, At: workflow.Now(ctx), Lookups: lookups, Asked: fetched.Asked, Final: final,
		Told: o.toldRules(), RulesSince: o.hold.RulesSince,
	}).Get(ctx, &checked)
	return &checked, err
}

// checkNow is the update [ordercheck.UpdateCheck]: a fetch that begins after the
// update was accepted, its check, and the report.
func (o *salesOrder) checkNow(ctx workflow.Context) (*ordercheck.Report, error) {
	o.dueNow = true
	o.owe(ordercheck.PriorityPerson)
	asked := o.fetches
	ctx, _ = workflow.NewDisconnectedContext(ctx) // a cancelled run still answers
	if err := workflow.Await(ctx, func() bool { return o.checks > asked }); err != nil {
		return nil, err
	}
	if o.outcome != nil {
		return nil, o.outcome
	}
	report := o.report
	return &report, nil
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
		// The activity knows whether the address, the version or one field of the order is wrong.
		advice = "InFlow's answer could not be used (" + ordercheck.Cut(applicationErrorMessage(err), maxErrorText) + "); mend what it names, then rerun"
	case ordercheck.ErrorOrderTooLarge:
		advice = "it is too large for a check; check it by hand, or split it into several orders (" + applicationErrorMessage(err) + ")"
	case ordercheck.ErrorRulesNotInForce:
		advice = "no worker had the rule set in force for an hour; run one with these rules, or go back with 'gate rules use', then rerun"
	case ordercheck.ErrorInflowUnavailable, ordercheck.ErrorInflowRateLimited:
		advice = fmt.Sprintf("InFlow gave no answer within %v of retries; rerun when it is back", fetchScheduleToClose)
	default:
		var timeout *temporal.TimeoutError
		if errors.As(err, &timeout) {
			kind = "CheckTimedOut"
			advice = "an activity did not end in time; is a worker of both task queues running?"
			break
		}
		kind = cmp.Or(kind, "CheckFailed")
		advice = ordercheck.Cut(applicationErrorMessage(err), maxErrorText)
	}
	if temporal.IsCanceledError(err) {
		err = nil // else Temporal takes the run for a cancelled one
	}
	message := fmt.Sprintf("sales order %s was not checked: %s", o.id, advice)
	return temporal.NewNonRetryableApplicationError(message, kind, err)
}

// failure is the error that the run ends with if its check could not be done. It has the
// report with it, so that the next run finds what somebody answers for.
func (o *salesOrder) failure() error {
	return temporal.NewApplicationErrorWithOptions(applicationErrorMessage(o.outcome), applicationErrorType(o.outcome),
		temporal.ApplicationErrorOptions{NonRetryable: true, Cause: errors.Unwrap(o.outcome), Details: []any{o.report}})
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

// union returns the names of both lists, sorted, each once.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
