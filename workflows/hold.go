package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// checkAgainAfter is the wait before an order that is held, and could not be
// checked again, is tried once more.
const checkAgainAfter = 15 * time.Minute

// checkTooLargeAfter is the same for an order that has become too large: it stays so until somebody
// changes it, which a delivery says.
const checkTooLargeAfter = 24 * time.Hour

func (o *salesOrder) setUpHold(ctx workflow.Context) error {
	if err := workflow.SetUpdateHandlerWithOptions(ctx, ordercheck.UpdateOverride, o.override, workflow.UpdateHandlerOptions{
		Validator:   o.validateOverride,
		Description: "Take responsibility for findings.",
	}); err != nil {
		return fmt.Errorf("register update %s: %w", ordercheck.UpdateOverride, err)
	}
	if err := workflow.SetUpdateHandlerWithOptions(ctx, ordercheck.UpdateComment, o.comment, workflow.UpdateHandlerOptions{
		Validator:   validateComment,
		Description: "Write a comment into the order's timeline.",
	}); err != nil {
		return fmt.Errorf("register update %s: %w", ordercheck.UpdateComment, err)
	}
	workflow.Go(ctx, o.sendNotices)
	return nil
}

// waits says whether the run stays open with nothing to do now.
func (o *salesOrder) waits() bool {
	return o.held() || o.overridden() || o.triesAgain() || o.sending || len(o.hold.Outbox) > 0
}

// conclude decides, after a check or an override, who is to be told what.
func (o *salesOrder) conclude(ctx workflow.Context) {
	if o.outcome != nil {
		return
	}
	confirmed := errorsIn(&o.report, ordercheck.FindingConfirmed)
	news := o.hasNews(confirmed)
	o.settleNotified(confirmed)
	o.lift = lift{}
	switch {
	case o.holdEnded:
	case news:
		if o.hold.Since.IsZero() {
			o.hold.Since = workflow.Now(ctx)
		}
		o.noteConfirmed(ctx, confirmed)
		o.hold.Notified = ordercheck.Brief(confirmed)
		o.hold.ToldAt = workflow.Now(ctx)
		o.tell(ctx, ordercheck.NoticeFailed, "")
	case !o.held():
		if !o.hold.ToldAt.IsZero() {
			kind, reason := o.ending()
			if kind == ordercheck.NoticeResolved || reason == ordercheck.EndRulesChanged {
				o.note(ctx, ordercheck.TimelineResolved, "Every confirmed error is gone.")
			}
			o.tell(ctx, kind, reason)
		} else if o.warningsAreNews() {
			o.tell(ctx, ordercheck.NoticeWarning, "")
		}
		thread := o.hold.Thread
		o.endHold()
		if o.overridden() {
			o.hold.Thread = thread // when the override ends, people go on reading there
		}
	case o.checks == o.fetches: // an override, which is no check
	case isDue(ctx, o.hold.Since, o.holdMax()):
		o.expire(ctx)
	case isDue(ctx, o.hold.ToldAt, o.remindEvery()):
		o.remind(ctx)
	}
}

// isDue says whether some time has passed since a moment. Neither happens if one of them is zero.
func isDue(ctx workflow.Context, since time.Time, after time.Duration) bool {
	return !since.IsZero() && after > 0 && !workflow.Now(ctx).Before(since.Add(after))
}

// ending is how a hold ended that people were told of.
func (o *salesOrder) ending() (kind ordercheck.NoticeKind, reason ordercheck.EndReason) {
	switch {
	case o.report.Note == noteDeleted:
		return ordercheck.NoticeEnded, ordercheck.EndDeleted
	case o.report.Note == noteCancelled:
		return ordercheck.NoticeEnded, ordercheck.EndCancelled
	case o.report.Status == ordercheck.StatusOverridden:
		return ordercheck.NoticeOverridden, ""
	case len(o.hold.Lifted)+o.hold.LiftedOmitted > 0 && len(o.hold.Resolved)+o.hold.ResolvedOmitted == 0:
		return ordercheck.NoticeEnded, ordercheck.EndRulesChanged
	default:
		return ordercheck.NoticeResolved, ""
	}
}

func (o *salesOrder) endHold() {
	o.hold.Since, o.hold.ToldAt = time.Time{}, time.Time{}
	o.hold.Notified, o.hold.Thread = nil, ""
	o.hold.Resolved, o.hold.ResolvedOmitted = nil, 0
	o.hold.Lifted, o.hold.LiftedOmitted = nil, 0
}

// missingNote is what a report notes of a check that lacked something.
func missingNote(missing []string) string {
	return fmt.Sprintf("The check lacked %s: InFlow left it out, or a look-up failed. Check the order again.", strings.Join(missing, ", "))
}

// What a report notes of an order that no longer needs watching.
const (
	noteDeleted   = "The order was deleted in InFlow."
	noteCancelled = "The order is cancelled."
)

// wake is a time at which something is to be done, and what.
type wake struct {
	at  time.Time
	why string
	do  func(ctx workflow.Context)
}

// nextWake is the earliest of all; at is zero where nothing but a delivery or a person can move the run.
func (o *salesOrder) nextWake() wake {
	var next wake
	consider := func(at time.Time, why string, do func(workflow.Context)) {
		if !at.IsZero() && (next.at.IsZero() || at.Before(next.at)) {
			next = wake{at: at, why: why, do: do}
		}
	}
	if !o.held() && !o.overridden() && !o.triesAgain() {
		return next
	}
	checkAgain := func(workflow.Context) {
		o.dueNow = true
		o.owe(ordercheck.PriorityWebhook)
	}
	if at := o.hold.CheckAgainAt; !at.IsZero() {
		consider(at, "try the check again that could not be done", checkAgain)
	} else {
		again := o.report.CheckedAt.Add(checkAgainAfter)
		if len(o.report.Missing) > 0 {
			consider(again, "the check lacked something: check again", checkAgain)
		}
		for _, f := range errorsIn(&o.report, ordercheck.FindingPending) {
			at := f.ConfirmAt
			if o.couldNotLook(f.RuleID) && at.Before(again) {
				at = again // a rule that fails at once would be tried at once, again and again
			}
			consider(at, "grace ends: check again before the error is confirmed", checkAgain)
		}
		for _, f := range errorsIn(&o.report, ordercheck.FindingOverridden) {
			consider(f.Override.Until, "an override ends: check again", checkAgain)
		}
	}
	if longest := o.longestOverridden(); longest > 0 && !o.held() && !o.hold.OverriddenAt.IsZero() {
		consider(o.hold.OverriddenAt.Add(longest), "the last override is as old as it may be: stop waiting for its end", o.forgetOverrides)
	}
	if o.hold.Since.IsZero() {
		return next
	}
	notChecked := !o.hold.CheckAgainAt.IsZero()
	if longest := o.holdMax(); longest > 0 && notChecked {
		consider(o.hold.Since.Add(longest), "the order has been held as long as it may, and cannot be checked", o.expire)
	} else if longest > 0 {
		consider(o.hold.Since.Add(longest), "the order has been held as long as it may: check once more", checkAgain)
	}
	// People are not reminded of what nobody has checked.
	if every := o.remindEvery(); every > 0 && !o.hold.ToldAt.IsZero() && !notChecked {
		consider(o.hold.ToldAt.Add(every), "check again, and remind of the order if it is still held", checkAgain)
	}
	return next
}

// holdMax is the longest time that one of the confirmed errors may hold the order; zero is for ever.
func (o *salesOrder) holdMax() time.Duration { return o.longest(ordercheck.FindingConfirmed) }

// longestOverridden is the longest time from the last override that the run waits for the end of one;
// zero is for ever.
func (o *salesOrder) longestOverridden() time.Duration {
	return o.longest(ordercheck.FindingOverridden)
}

func (o *salesOrder) longest(state ordercheck.FindingState) time.Duration {
	var longest time.Duration
	for _, f := range errorsIn(&o.report, state) {
		own := o.settings.HoldMax
		if terms := o.termsOf(f.RuleID); terms.HoldMax != nil {
			own = *terms.HoldMax
		}
		if own <= 0 {
			return 0
		}
		longest = max(longest, own)
	}
	return longest
}

// remindEvery is the shortest time between reminders of one of the confirmed errors; zero is none.
func (o *salesOrder) remindEvery() time.Duration {
	var shortest time.Duration
	for _, f := range errorsIn(&o.report, ordercheck.FindingConfirmed) {
		own := o.settings.RemindEvery
		if terms := o.termsOf(f.RuleID); terms.RemindEvery != nil {
			own = *terms.RemindEvery
		}
		if own > 0 && (shortest == 0 || own < shortest) {
			shortest = own
		}
	}
	return shortest
}

// wait blocks until there is something to do: a delivery, a person, a time.
func (o *salesOrder) wait(ctx workflow.Context) error {
	if err := o.publish(ctx); err != nil {
		return err
	}
	o.sendingPaused = false
	moved := func() bool {
		return o.due || o.changed || o.cancelRequested || o.unreadSignals() > 0 || !o.waits() ||
			o.restarted && o.shouldContinueAsNew(ctx)
	}
	next := o.nextWake()
	var timedOut bool
	if next.at.IsZero() {
		if err := workflow.Await(ctx, moved); err != nil {
			return err
		}
	} else {
		met, err := o.awaitUntil(ctx, next, moved)
		if err != nil {
			return err
		}
		timedOut = !met
	}
	o.changed = false
	if timedOut {
		next.do(ctx)
	}
	return nil
}

// awaitUntil reports whether the run moved before it was time to wake. The SDK's own wait with
// a time limit leaves its timer behind where the run moves: an order that is held for weeks
// would gather one with each delivery.
func (o *salesOrder) awaitUntil(ctx workflow.Context, next wake, moved func() bool) (bool, error) {
	wait, options := max(next.at.Sub(workflow.Now(ctx)), 0), workflow.TimerOptions{Summary: next.why}
	timerCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	timer := workflow.NewTimerWithOptions(timerCtx, wait, options)
	err := workflow.Await(ctx, func() bool { return timer.IsReady() || moved() })
	return moved(), err
}

func (o *salesOrder) expire(ctx workflow.Context) {
	o.report.Note = fmt.Sprintf("The order was held for %v and is still wrong; the gate has stopped waiting for it.", o.holdMax())
	if o.outcome != nil {
		o.report.Note = fmt.Sprintf("The order was held for %v; it could not be checked again, and the gate has stopped waiting for it.", o.holdMax())
	}
	o.note(ctx, ordercheck.TimelineExpired, o.report.Note)
	o.tell(ctx, ordercheck.NoticeEnded, ordercheck.EndExpired)
	o.endHold()
	o.holdEnded = true
}

// forgetOverrides ends the run of an order whose errors are all overridden.
func (o *salesOrder) forgetOverrides(ctx workflow.Context) {
	o.report.Note = fmt.Sprintf("Nobody has overridden anything for %v; the gate has stopped waiting for the end of the overrides.", o.longestOverridden())
	o.note(ctx, ordercheck.TimelineExpired, o.report.Note)
	o.holdEnded = true
}

func (o *salesOrder) remind(ctx workflow.Context) {
	o.tell(ctx, ordercheck.NoticeReminder, "")
	o.hold.ToldAt = workflow.Now(ctx)
}
