package activities

import (
	"context"
	"fmt"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/ordercheck"
)

const (
	// recordTimeout limits one call to Temporal. If it fails, Temporal retries the activity.
	recordTimeout = 10 * time.Second
	// maxOutcomesInSignal limits the outcomes of one signal. An outcome takes about 100 bytes, so
	// the signal takes a tenth of the 2 MiB that Temporal allows.
	maxOutcomesInSignal = 2000
)

// OutcomesRun is the part of Temporal's client that signals the run that counts outcomes.
type OutcomesRun interface {
	SignalWithStartWorkflow(ctx context.Context, workflowID, signalName string, signalArg any,
		options client.StartWorkflowOptions, workflow any, workflowArgs ...any,
	) (client.WorkflowRun, error)
}

// RecordOutcomes is the activity [ordercheck.ActivityRecordOutcomes]. A single run counts the
// outcomes of all orders, so at most one signal is in flight. Outcomes that arrive meanwhile
// share the next signal.
type RecordOutcomes struct {
	Temporal OutcomesRun

	mu      sync.Mutex
	sending bool
	waiting []*outcomesBatch // oldest first
}

// outcomesBatch holds the outcomes that one signal carries.
type outcomesBatch struct {
	orders []ordercheck.OrderOutcomes
	size   int           // number of outcomes
	sent   chan struct{} // closed when the call to Temporal has ended
	err    error         // of that call; read it only after sent is closed
}

// Register registers the activity of [ordercheck.TaskQueue].
func (r *RecordOutcomes) Register(registry Registry) {
	registry.RegisterActivityWithOptions(r.RecordOutcomes,
		activity.RegisterOptions{Name: ordercheck.ActivityRecordOutcomes})
}

// RecordOutcomes returns when Temporal has committed the order's outcomes.
func (r *RecordOutcomes) RecordOutcomes(ctx context.Context, in ordercheck.OrderOutcomes) error {
	batch := r.join(&in)
	select {
	case <-batch.sent:
		return batch.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join adds an order's outcomes to the last waiting batch, or to a new batch if that has no room.
func (r *RecordOutcomes) join(in *ordercheck.OrderOutcomes) *outcomesBatch {
	r.mu.Lock()
	defer r.mu.Unlock()
	var batch *outcomesBatch
	if n := len(r.waiting); n > 0 && r.waiting[n-1].size+len(in.Outcomes) <= maxOutcomesInSignal {
		batch = r.waiting[n-1]
	} else {
		batch = &outcomesBatch{sent: make(chan struct{})}
		r.waiting = append(r.waiting, batch)
	}
	batch.orders = append(batch.orders, *in)
	batch.size += len(in.Outcomes)
	if !r.sending {
		r.sending = true
		go r.send()
	}
	return batch
}

// send sends batches until none waits. It doesn't use a caller's context, because several callers
// share a batch.
func (r *RecordOutcomes) send() {
	for {
		r.mu.Lock()
		if len(r.waiting) == 0 {
			r.sending = false
			r.mu.Unlock()
			return
		}
		batch := r.waiting[0]
		r.waiting = r.waiting[1:]
		r.mu.Unlock()
		batch.err = r.signal(batch.orders)
		close(batch.sent)
	}
}

// signal sends outcomes to the run that counts them. It starts the run if there is none.
func (r *RecordOutcomes) signal(orders []ordercheck.OrderOutcomes) error {
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
	defer cancel()
	_, err := r.Temporal.SignalWithStartWorkflow(ctx, ordercheck.OutcomesWorkflowID,
		ordercheck.SignalOutcomes, orders, client.StartWorkflowOptions{
			ID: ordercheck.OutcomesWorkflowID, TaskQueue: ordercheck.TaskQueue,
			WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
			StaticSummary:         "What became of errors, by rule and day",
		}, ordercheck.OutcomesWorkflowType, struct{}{})
	if err != nil {
		return fmt.Errorf("signal outcomes of errors to run %s: %w",
			ordercheck.OutcomesWorkflowID, err)
	}
	return nil
}
