package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows/call"
)

// noticeJob sends the notices of the outbox, one at a time.
func (o *salesOrder) noticeJob(ctx workflow.Context) *job {
	return &job{
		due: func() bool { return len(o.state.Outbox) > 0 },
		do: func(sendCtx workflow.Context) {
			if o.send(sendCtx) {
				o.state.NoticeDone(workflow.Now(ctx))
				workflow.SetCurrentDetails(ctx, o.details(ctx))
			}
			o.changed = true
		},
	}
}

// maxNoticesInTask limits the targets that are notified in one workflow task. The input of each
// activity has the whole notice, and Temporal accepts 4 MiB per task.
const maxNoticesInTask = 8

// send sends the first notice to each target with an activity of its own, so a failure at one
// target doesn't repeat the notice at the others. It returns false if it was interrupted.
func (o *salesOrder) send(ctx workflow.Context) bool {
	first := func() *ordercheck.Notice { return &o.state.Outbox[0] }
	plan, err := o.notifying("").Run(ctx, ordercheck.NotifyInput{Notice: *first()})
	if err != nil {
		if ctx.Err() != nil {
			return false
		}
		o.giveUpNotice(ctx, "anybody", err)
		return true
	}
	attempts := make([]*call.Result[ordercheck.NotifyResult], len(plan.Targets))
	done, scheduled := true, 0
	for i, target := range plan.Targets {
		if first().IsDoneFor(target) {
			continue
		}
		if scheduled++; scheduled > maxNoticesInTask {
			if done = workflow.Sleep(ctx, time.Second) == nil; !done {
				break
			}
			scheduled = 1
		}
		in := ordercheck.NotifyInput{Notice: *first(), Target: target}
		attempt := o.notifying(target).Start(ctx, in)
		attempts[i] = &attempt
	}
	for i, target := range plan.Targets {
		if attempts[i] == nil {
			continue
		}
		switch answer, err := attempts[i].Get(ctx); {
		case err == nil && answer.Gathered:
			o.state.NoticeGathered(target)
		case err == nil:
			o.state.NoticeSent(target)
		case ctx.Err() != nil:
			done = false
		default:
			o.giveUpNotice(ctx, target, err)
		}
	}
	return done
}

// notifying returns the activity that sends the first notice to a target. With an empty target, the
// activity returns the targets.
func (o *salesOrder) notifying(
	target string,
) call.Activity[ordercheck.NotifyInput, ordercheck.NotifyResult] {
	kind := string(o.state.Outbox[0].Kind)
	switch target {
	case "":
		return notify.WithSummary("who is told that the order is " + kind)
	case ordercheck.TargetSalesRep: // InFlow has the address
		return notify.WithSummary("tell " + target + ": " + kind).OnQueue(ordercheck.InflowTaskQueue)
	default:
		return notify.WithSummary("tell " + target + ": " + kind)
	}
}

func (o *salesOrder) giveUpNotice(ctx workflow.Context, target string, err error) {
	kind := o.state.Outbox[0].Kind
	o.observe(ctx, func(observer Observer) { observer.NoticeGivenUp(kind) })
	workflow.GetLogger(ctx).Error("gave up a notice: it could not be sent",
		"kind", kind, "target", target, "error", err)
	o.state.NoticeGivenUp(workflow.Now(ctx), target, call.ErrorMessage(err))
	o.changed = true
}
