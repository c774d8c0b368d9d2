package ingress

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/client"

	"go.temporal.io/api/serviceerror"

	"error-check-gate/internal/ordercheck"
)

var _ Temporal = client.Client(nil)

// fakeTemporal is a client of Temporal that remembers what it committed.
type fakeTemporal struct {
	// signal returns the result of the nth attempt, from 0; nil commits at once.
	signal func(ctx context.Context, n int) error
	health func(ctx context.Context) error
	forget bool // don't remember commits

	mu       sync.Mutex
	attempts int
	calls    []signalCall // committed, including the orders of batches
	starts   []startCall  // committed
	checks   int          // of health
}

// startCall is a start of the workflow HandOverDeliveries.
type startCall struct {
	options  client.StartWorkflowOptions
	workflow any
	batch    ordercheck.DeliveryBatch
}

type signalCall struct {
	workflowID, signalName string
	deliveries             []ordercheck.Delivery
	options                client.StartWorkflowOptions
	workflow               any
	arguments              []any
	committedAt            time.Time
}

func (f *fakeTemporal) SignalWithStartWorkflow(
	ctx context.Context, workflowID, signalName string, signalArg any,
	options client.StartWorkflowOptions, workflow any, workflowArgs ...any,
) (client.WorkflowRun, error) {
	if err := f.attempt(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.forget {
		return nil, nil
	}
	f.calls = append(f.calls, signalCall{
		workflowID, signalName, slices.Clone(signalArg.([]ordercheck.Delivery)),
		options, workflow, workflowArgs, time.Now(),
	})
	return nil, nil
}

// ExecuteWorkflow starts HandOverDeliveries and hands over its deliveries at once.
func (f *fakeTemporal) ExecuteWorkflow(
	ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any,
) (client.WorkflowRun, error) {
	if err := f.attempt(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	call := startCall{options, workflow, args[0].(ordercheck.DeliveryBatch)}
	f.starts = append(f.starts, call)
	for _, order := range call.batch.Orders {
		f.calls = append(f.calls, signalCall{
			workflowID:  ordercheck.WorkflowID(order.SalesOrderID),
			deliveries:  slices.Clone(order.Deliveries),
			committedAt: time.Now(),
		})
	}
	return nil, nil
}

func (f *fakeTemporal) attempt(ctx context.Context) error {
	f.mu.Lock()
	n := f.attempts
	f.attempts++
	f.mu.Unlock()
	if f.signal == nil {
		return nil
	}
	return f.signal(ctx, n)
}

func (f *fakeTemporal) CheckHealth(
	ctx context.Context, _ *client.CheckHealthRequest,
) (*client.CheckHealthResponse, error) {
	f.mu.Lock()
	f.checks++
	f.mu.Unlock()
	if f.health != nil {
		if err := f.health(ctx); err != nil {
			return nil, err
		}
	}
	return &client.CheckHealthResponse{}, nil
}

func (f *fakeTemporal) committed() []signalCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

func (f *fakeTemporal) started() []startCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.starts)
}

func (f *fakeTemporal) attempted() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.attempts
}

// waitFor returns an attempt that takes d to commit.
func waitFor(d time.Duration) func(context.Context, int) error {
	return func(ctx context.Context, _ int) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return serviceerror.NewCanceled(ctx.Err().Error())
		}
	}
}

// hang is an attempt that ends with its context.
func hang(ctx context.Context, _ int) error {
	<-ctx.Done()
	return serviceerror.NewCanceled(ctx.Err().Error())
}
