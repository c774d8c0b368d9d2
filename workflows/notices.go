package workflows

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// tell puts a notice of the report as it stands into the outbox.
func (o *salesOrder) tell(ctx workflow.Context, kind ordercheck.NoticeKind, endReason ordercheck.EndReason) {
	if kind == ordercheck.NoticeReminder && len(o.hold.Outbox) > 0 {
		return // what waits to be sent reminds as well
	}
	now := workflow.Now(ctx)
	notice := ordercheck.Notice{
		Kind:        kind,
		Key:         o.noticeKey(kind, endReason, now),
		Thread:      o.hold.Thread,
		At:          now,
		Report:      o.report.Clone(),
		EndReason:   endReason,
		HasSalesRep: o.hold.HasSalesRep,
	}
	if kind == ordercheck.NoticeFailed {
		notice.OverridesEnded = o.overridesEnded
	}
	if kind == ordercheck.NoticeResolved {
		notice.Resolved, notice.ResolvedOmitted = slices.Clone(o.hold.Resolved), o.hold.ResolvedOmitted
	}
	if kind == ordercheck.NoticeResolved || endReason == ordercheck.EndRulesChanged {
		notice.Lifted, notice.LiftedOmitted = slices.Clone(o.hold.Lifted), o.hold.LiftedOmitted
	}
	notice.Report.Timeline = nil // for the order's page
	notice.Bound()
	if o.hold.Thread == "" {
		o.hold.Thread = notice.Key
	}
	if len(o.hold.Outbox) == maxOutbox {
		superseded := o.hold.Outbox[maxOutbox-1]
		o.hold.Outbox = o.hold.Outbox[:maxOutbox-1]
		workflow.GetLogger(ctx).Warn("a notice that could not be sent yet is superseded by a later one", "kind", superseded.Kind, "at", superseded.At)
	}
	o.hold.Outbox = append(o.hold.Outbox, notice)
	o.noteWarningsTold()
}

// maxOutbox is how many notices wait for their receivers at most. One more takes the place of
// the last one: it tells what has become of the order since.
const maxOutbox = 4

// noticeKey is the same however often a notice is tried, and another for every notice.
func (o *salesOrder) noticeKey(kind ordercheck.NoticeKind, endReason ordercheck.EndReason, at time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s%s\n%s\n", o.id, kind, endReason, at.UTC().Format(time.RFC3339Nano))
	for _, f := range errorsIn(&o.report, ordercheck.FindingConfirmed) {
		b.WriteString(f.ID + "\n")
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:16])
}

// sendNotices sends what is in the outbox, one notice after the other, beside the
// life of the order: a mail server that is down holds nothing up.
func (o *salesOrder) sendNotices(ctx workflow.Context) {
	for {
		if err := workflow.Await(ctx, func() bool { return len(o.hold.Outbox) > 0 && !o.sendingPaused }); err != nil {
			return
		}
		var sendCtx workflow.Context
		sendCtx, o.interruptSending = workflow.WithCancel(ctx)
		o.sending = true
		if o.send(sendCtx) {
			o.noteTold(ctx, &o.hold.Outbox[0])
			workflow.SetCurrentDetails(ctx, o.details())
			o.hold.Outbox = slices.Delete(o.hold.Outbox, 0, 1)
		}
		o.sending = false
		o.interruptSending()
	}
}

// pauseSending leaves the notice that is on its way, and those after it, to the next run. An
// attempt that has begun is waited for, a minute at most: its target is not told twice.
func (o *salesOrder) pauseSending(ctx workflow.Context) error {
	o.sendingPaused = true
	o.interruptSending()
	return workflow.Await(ctx, func() bool { return !o.sending })
}

// send tells each target by an activity of its own, so that a retry repeats only
// what failed. What could not be sent for a day is given up, and shown. It returns false if
// it was interrupted: then Sent has the targets that need not be told again.
func (o *salesOrder) send(ctx workflow.Context) bool {
	var plan ordercheck.NotifyResult
	ask := ordercheck.NotifyInput{Notice: o.hold.Outbox[0]}
	if err := workflow.ExecuteActivity(notifyOptions(ctx, ask), ordercheck.ActivityNotify, ask).Get(ctx, &plan); err != nil {
		if ctx.Err() != nil {
			return false
		}
		o.unsent(ctx, "anybody", err)
		return true
	}
	futures := make([]workflow.Future, len(plan.Targets))
	done, scheduled := true, 0
	for i, target := range plan.Targets {
		if slices.Contains(o.hold.Outbox[0].Sent, target) {
			continue
		}
		if scheduled++; scheduled > maxNoticesInTask {
			if done = workflow.Sleep(ctx, time.Second) == nil; !done {
				break
			}
			scheduled = 1
		}
		in := ordercheck.NotifyInput{Notice: o.hold.Outbox[0], Target: target}
		futures[i] = workflow.ExecuteActivity(notifyOptions(ctx, in), ordercheck.ActivityNotify, in)
	}
	for i, target := range plan.Targets {
		if futures[i] == nil {
			continue
		}
		switch err := futures[i].Get(ctx, nil); {
		case err == nil:
			o.hold.Outbox[0].Sent = append(o.hold.Outbox[0].Sent, target)
		case ctx.Err() != nil:
			done = false
		default:
			o.unsent(ctx, target, err)
		}
	}
	return done
}

const (
	// maxNoticesInTask is how many receivers are told in one workflow task. Each has the whole notice, and
	// Temporal takes 4 MiB together.
	maxNoticesInTask = 8
	// maxUnsent bounds what is remembered of notices that were given up.
	maxUnsent = 10
	// maxErrorText bounds an error's message that is kept, in characters.
	maxErrorText = 500
)

func (o *salesOrder) unsent(ctx workflow.Context, target string, err error) {
	notice := &o.hold.Outbox[0]
	o.observe(ctx, func(observer Observer) { observer.NoticeGivenUp(notice.Kind) })
	workflow.GetLogger(ctx).Error("a notice could not be sent and was given up", "kind", notice.Kind, "target", target, "error", err)
	o.note(ctx, ordercheck.TimelineNotified, fmt.Sprintf("Not told: %s (%s notice), given up after a day.", target, notice.Kind))
	o.hold.Unsent = append(o.hold.Unsent, fmt.Sprintf("%s notice of %s to %s: %s", notice.Kind,
		workflow.Now(ctx).UTC().Format(time.RFC3339), target, ordercheck.Cut(applicationErrorMessage(err), maxErrorText)))
	if n := len(o.hold.Unsent); n > maxUnsent {
		o.hold.Unsent = slices.Delete(o.hold.Unsent, 0, n-maxUnsent)
	}
	o.changed = true
}
