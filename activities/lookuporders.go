package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/codec"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/checks"
)

const (
	// recentFor is how long a customer's orders are cached. A check within that time may not see
	// the customer's newest order; the next check after it does.
	recentFor = 10 * time.Minute
	// recentCustomers limits the customers in the cache.
	recentCustomers = 64
	maxID           = checks.MaxLookupID
)

// LookUpOrders lists the latest orders of the order's customer with one request to InFlow. Later
// checks of the customer's orders use the same answer.
func (a *Activities) LookUpOrders(
	ctx context.Context, in ordercheck.LookUpOrdersInput,
) (*ordercheck.RecentOrders, error) {
	if recent := a.recent.get(in.CustomerID, time.Now()); recent != nil {
		return recent.Of(&in), nil
	}
	listed, err := a.Orders.RecentSalesOrders(ctx, in.CustomerID, []string{inflow.IncludeLines})
	if err != nil {
		return nil, applicationError(err)
	}
	for i := range listed {
		if listed[i].Lacks(inflow.IncludeLines) {
			return nil, temporal.NewApplicationError(
				fmt.Sprintf("list the customer's sales orders: InFlow left out the lines of %s",
					listed[i].SalesOrderID),
				ordercheck.ErrorInflowUnavailable,
			)
		}
	}
	recent := checks.RecentOrders(listed)
	a.recent.put(in.CustomerID, recent, time.Now())
	return recent.Of(&in), nil
}

// addLookups adds the data that rules need beyond the order, or the look-ups that are still needed.
func (a *Activities) addLookups(
	ctx context.Context, order *inflow.SalesOrder, in ordercheck.FetchOrderInput,
	fetched *ordercheck.FetchedOrder,
) error {
	lookUp := checks.LookUpRecentOrders(order)
	wanted := lookUp != nil && slices.Contains(fetched.Asked, ordercheck.LookupRecentOrders)
	switch {
	case wanted && len(order.CustomerID) > maxID:
		fetched.Lookups.Failed = append(fetched.Lookups.Failed, ordercheck.LookupRecentOrders)
	case wanted:
		if recent := a.recent.get(order.CustomerID, time.Now()); recent != nil {
			fetched.Lookups.RecentOrders = recent.Of(lookUp)
		} else {
			fetched.LookUp = lookUp
		}
	}
	// An order without its lines does not show its billed content.
	if !slices.Contains(fetched.Asked, ordercheck.LookupBilled) ||
		slices.Contains(fetched.Missing, inflow.IncludeLines) {
		return nil
	}
	fetched.Billed = checks.BilledOf(order)
	if fetched.Billed == nil || in.KnowsBilled {
		return nil
	}
	billed, err := a.recallBilled(ctx, in.SalesOrderID)
	if errors.Is(err, errNotRecalled) {
		activity.GetLogger(ctx).
			Warn("cannot recall what the order was billed for; skipping a rule", "error", err)
		fetched.Lookups.Failed = append(fetched.Lookups.Failed, ordercheck.LookupBilled)
		return nil
	}
	fetched.Lookups.Billed = billed
	return err
}

// errNotRecalled means that the previous run could not be read. The rules that need it are
// skipped.
var errNotRecalled = errors.New("cannot read the previous run")

// recallBilled returns the order as the previous run first saw it invoiced, or nil. If it cannot
// read the run, the error is [errNotRecalled]. If only the payload key is missing, it returns
// another error, so that a worker with the key retries and the memo is not overwritten.
func (a *Activities) recallBilled(
	ctx context.Context, salesOrderID string,
) (*ordercheck.Billed, error) {
	if a.PastRuns == nil {
		return nil, nil
	}
	const thisRunAndTheOneBefore = 2
	runs, err := a.PastRuns.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: thisRunAndTheOneBefore,
		Query:    "WorkflowId = '" + ordercheck.WorkflowID(salesOrderID) + "'",
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotRecalled, err)
	}
	this := activity.GetInfo(ctx).WorkflowExecution.RunID
	for _, run := range runs.GetExecutions() {
		if run.GetExecution().GetRunId() == this {
			continue
		}
		payload := run.GetMemo().GetFields()[ordercheck.MemoBilled]
		if payload == nil {
			return nil, nil // the order was not invoiced during that run
		}
		var billed ordercheck.Billed
		var undecryptable *codec.DecryptError
		switch err := a.converter().FromPayload(payload, &billed); {
		case errors.As(err, &undecryptable):
			return nil, fmt.Errorf("recall what the order was billed for: %w", err)
		case err != nil:
			return nil, fmt.Errorf("%w: its memo cannot be read: %w", errNotRecalled, err)
		case billed.Fingerprint == "":
			return nil, nil // the invoice was withdrawn
		}
		return &billed, nil
	}
	return nil, nil
}

func (a *Activities) converter() converter.DataConverter {
	if a.Converter == nil {
		return codec.NewDataConverter(nil)
	}
	return a.Converter
}

// recentOrders caches customers' latest orders. The zero value is ready for use.
type recentOrders struct {
	mu     sync.Mutex
	listed map[string]listedOrders
}

type listedOrders struct {
	at     time.Time
	orders *ordercheck.RecentOrders
}

func (r *recentOrders) get(customerID string, now time.Time) *ordercheck.RecentOrders {
	r.mu.Lock()
	defer r.mu.Unlock()
	if kept, ok := r.listed[customerID]; ok && now.Sub(kept.at) < recentFor {
		return kept.orders
	}
	return nil
}

func (r *recentOrders) put(customerID string, orders *ordercheck.RecentOrders, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listed == nil {
		r.listed = map[string]listedOrders{}
	}
	for len(r.listed) >= recentCustomers {
		oldest := ""
		for id, kept := range r.listed {
			older := kept.at.Compare(r.listed[oldest].at)
			if oldest == "" || older < 0 || older == 0 && id < oldest {
				oldest = id
			}
		}
		delete(r.listed, oldest)
	}
	r.listed[customerID] = listedOrders{now, orders}
}
