package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows/call"
)

// recordOutcomes is retried for a day. A repeated attempt has the same key, so it counts once.
var recordOutcomes = call.Activity[*ordercheck.OrderOutcomes, call.None]{
	Name: ordercheck.ActivityRecordOutcomes,
	Options: workflow.ActivityOptions{
		TaskQueue:              ordercheck.TaskQueue,
		ScheduleToCloseTimeout: 24 * time.Hour,
		StartToCloseTimeout:    30 * time.Second,
		Summary:                "record the outcomes of the order's errors",
		RetryPolicy:            call.Backoff(time.Second, time.Minute),
	},
}

// outcomeJob records the outcomes of errors.
func (o *salesOrder) outcomeJob() *job {
	return &job{due: o.state.OutcomesWaiting, do: o.recordOutcomes}
}

func (o *salesOrder) recordOutcomes(ctx workflow.Context) {
	batch, fresh := o.state.BeginOutcomes(workflow.Now(ctx))
	if fresh {
		o.observeOutcomes(ctx, batch)
	}
	_, err := recordOutcomes.Run(ctx, batch)
	if err != nil && ctx.Err() != nil {
		return // the next run records the same batch
	}
	if err != nil {
		workflow.GetLogger(ctx).Error("gave up recording the outcomes of errors",
			"outcomes", len(batch.Outcomes), "error", err)
	}
	o.state.EndOutcomes()
	o.changed = true
}

// observeOutcomes counts outcomes for metrics. recordOutcomes calls it before it records the batch:
// a later workflow task may be the last one, and Temporal repeats the last task if a signal
// arrives during it, so the outcomes would count twice.
func (o *salesOrder) observeOutcomes(ctx workflow.Context, batch *ordercheck.OrderOutcomes) {
	o.observe(ctx, func(observer Observer) {
		for _, outcome := range batch.Outcomes {
			if outcome.Outcome != ordercheck.OutcomeNotEvaluated {
				observer.ErrorsEnded(outcome)
			}
		}
	})
}
