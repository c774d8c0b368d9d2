package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// watchForCancellation notes that an operator cancelled the run, and how many signals came
// before that.
func (o *salesOrder) watchForCancellation(ctx workflow.Context, done workflow.Channel) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		done.Receive(ctx, nil)
		o.cancelRequested, o.ownSignals = true, o.deliveries.Len()
		workflow.SetCurrentDetails(ctx, o.details())
	})
}

// unreadSignals counts the signals that wait to be received. Once the run has been cancelled,
// signals that come later are left for the order's next life.
func (o *salesOrder) unreadSignals() int {
	if o.cancelRequested {
		return o.ownSignals
	}
	return o.deliveries.Len()
}

// endByHand ends the hold, since an operator cancelled the run. By then every delivery that
// came before the cancellation has been fetched and checked. What is still to be sent is
// sent, then the run ends as cancelled.
func (o *salesOrder) endByHand(ctx workflow.Context) error {
	by := o.whoCancelled(ctx)
	o.cancelRequested, o.endedByHand = false, true
	held := o.held()
	if held || o.report.Note == "" {
		o.report.Note = byHand(by)
	}
	o.noteBy(ctx, ordercheck.TimelineCancelled, by.Identity, byHand(by))
	if held || o.overridden() {
		if !o.hold.ToldAt.IsZero() {
			o.tell(ctx, ordercheck.NoticeEnded, ordercheck.EndByHand)
		}
		o.endHold()
		o.holdEnded = true
	}
	return o.publish(ctx)
}

// whoCancelled returns who cancelled the run, and why. A workflow cannot see that; the
// history has it. Nobody is named if it cannot be had: the hold ends all the same.
func (o *salesOrder) whoCancelled(ctx workflow.Context) ordercheck.Cancellation {
	var by ordercheck.Cancellation
	if err := workflow.ExecuteActivity(cancellationOptions(ctx), ordercheck.ActivityReadCancellation).Get(ctx, &by); err != nil {
		workflow.GetLogger(ctx).Warn("who cancelled the run could not be read from its history", "error", err)
	}
	return by
}

// byHand is the note of a report whose hold was ended by hand.
func byHand(by ordercheck.Cancellation) string {
	who := by.Identity
	if who == "" {
		who = "An operator"
	}
	note := who + " ended the watch over this order by hand, by cancelling its run."
	if by.Reason != "" {
		note += fmt.Sprintf(" Reason: %s", by.Reason)
	}
	return note
}

// cancellationText says what a cancelled run still does before it ends.
func (o *salesOrder) cancellationText() string {
	switch {
	case o.cancelRequested:
		return "An operator cancelled this run. It ends when what was accepted is fetched and checked.\n\n"
	case o.endedByHand && len(o.hold.Outbox) > 0:
		return fmt.Sprintf("The run ends after %s, sent or given up.\n\n", count(len(o.hold.Outbox), "notice"))
	default:
		return ""
	}
}

// startAfresh begins a new life of an order whose hold was ended by hand: it was delivered
// again, or somebody asked for a check, while the run was still sending notices. Like a run
// of its own it remembers nothing but what people answer for, and the warnings they know. As soon as it can, the run
// hands over to a next one, which an operator can cancel again.
func (o *salesOrder) startAfresh() {
	report := newReport(o.id)
	report.Timeline = o.report.Timeline
	known := func(f ordercheck.Finding) bool { return f.State == ordercheck.FindingOverridden || f.Told }
	report.SetFindings(filter(o.report.Findings, known), filter(o.report.Omitted, known))
	o.report = report
	o.hold = ordercheck.Hold{Recalled: o.hold.Recalled, Billed: o.hold.Billed, Unlisted: o.hold.Unlisted, Outbox: o.hold.Outbox, Unsent: o.hold.Unsent}
	o.outcome, o.holdEnded, o.endedByHand, o.restarted = nil, false, false, true
}
