// Package orderstest provides orders for tests, without Temporal.
package orderstest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/temporal"

	"error-check-gate/desk/orders"
	"error-check-gate/internal/ordercheck"
)

// The order of [New].
const (
	ID     = "0f1c3a52-7c7f-4d0e-9d2e-7b8a1c2d3e4f"
	Number = "SO-000123"
)

// Now is the fake's clock. Overrides must end after it.
var Now = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

// Fake is an [orders.Service] with one order in memory. It also implements the other methods
// that the pages need. Hold its lock to use its fields while requests may be in flight.
type Fake struct {
	sync.Mutex
	Order orders.Order
	// Rows holds the rows that List selects from. List sorts them.
	Rows []orders.Row
	// ListedAt and Stale are At and Stale of each page.
	ListedAt time.Time
	Stale    bool
	// Rules and InForce are the rule set.
	Rules   ordercheck.DescribedRules
	InForce ordercheck.InForce
	// Outcomes is the result of RuleOutcomes for every day.
	Outcomes ordercheck.RuleOutcomes

	// Err is the error of all methods, CheckErr only of Check, ActErr of Override and Comment,
	// RulesErr of DescribeRules, OutcomesErr of RuleOutcomes.
	Err, CheckErr, ActErr, RulesErr, OutcomesErr error
	// NotOpen makes Override and Comment return orders.ErrNotOpen.
	NotOpen bool
	// Checking makes Check wait until it is closed, unless it is nil.
	Checking chan struct{}
	// PanicInTimeline makes Timeline panic.
	PanicInTimeline bool

	Filters []orders.Filter // of calls to List
	Names   []string        // of calls to Get
	Checks  int             // number of finished checks
}

// New returns a fake with one held order.
func New() *Fake {
	return &Fake{
		Order: orders.Order{
			Release: orders.ReleaseNo, Open: true,
			Report: ordercheck.Report{
				SalesOrderID: ID, OrderNumber: Number, OrderVersion: "0000000000310AB6",
				Customer: "Küchen <&> Söhne", Status: ordercheck.StatusFailed, CheckedAt: Now,
				RuleSet: ordercheck.RuleSet{Name: "cabinetry", Digest: "sha256:0"},
				Findings: []ordercheck.Finding{{
					ID: "price/1", RuleID: "price", Severity: ordercheck.SeverityError,
					Scope: ordercheck.ScopeLine, LineID: "1", LineNumber: 1,
					Message: "too cheap", Expected: "15.00", Actual: "10.00",
					State: ordercheck.FindingConfirmed, FirstSeen: Now, ConfirmAt: Now,
				}},
				Skipped: []ordercheck.Skipped{}, RuleErrors: []ordercheck.RuleError{},
				Timeline: []ordercheck.TimelineEntry{
					{At: Now, Kind: ordercheck.TimelineChecked, Text: "1 error"},
				},
			},
		},
		Rows: []orders.Row{
			{
				SalesOrderID: ID, OrderNumber: Number, Customer: "Küchen <&> Söhne",
				Status: ordercheck.StatusFailed, Errors: 1, FailedRules: []string{"price"},
				HeldSince: Now.In(time.FixedZone("", 3600)), Since: Now,
			},
		},
		ListedAt: Now,
	}
}

// List implements [orders.Service].
func (f *Fake) List(_ context.Context, filter orders.Filter) (orders.Page, error) {
	f.Lock()
	defer f.Unlock()
	f.Filters = append(f.Filters, filter)
	if f.Err != nil {
		return orders.Page{}, f.Err
	}
	rows := slices.SortedFunc(slices.Values(f.Rows), orders.CompareRows)
	page, err := orders.Select(rows, filter, Now)
	page.At, page.Stale = f.ListedAt, f.Stale
	return page, err
}

// Get implements [orders.Service].
func (f *Fake) Get(_ context.Context, name string) (*orders.Order, error) {
	f.Lock()
	defer f.Unlock()
	f.Names = append(f.Names, name)
	if f.Err != nil {
		return nil, f.Err
	}
	if name != ID && name != Number {
		return nil, fmt.Errorf("look for %q: %w", name, orders.ErrUnknownOrder)
	}
	order := f.Order
	return &order, nil
}

// Check implements [orders.Service].
func (f *Fake) Check(ctx context.Context, id string) (*orders.Order, error) {
	if f.Checking != nil {
		select {
		case <-f.Checking:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", orders.ErrUnavailable, ctx.Err())
		}
	}
	f.Lock()
	f.Checks++
	f.Unlock()
	if f.CheckErr != nil {
		return nil, f.CheckErr
	}
	return f.Get(ctx, id)
}

// Override implements [orders.Service].
func (f *Fake) Override(
	_ context.Context, _ string, request ordercheck.OverrideRequest,
) (*orders.Order, error) {
	return f.update(request.Faults(Now), func(o *orders.Order) {
		o.Findings[0].State = ordercheck.FindingOverridden
		o.Findings[0].Override = request.Override(o.CheckedAt)
		o.Status, o.Release = ordercheck.StatusOverridden, orders.ReleaseYes
	})
}

// Comment implements [orders.Service].
func (f *Fake) Comment(
	_ context.Context, _ string, comment ordercheck.Comment,
) (*orders.Order, error) {
	var faults []error
	if err := comment.Validate(); err != nil {
		faults = append(faults, err)
	}
	return f.update(faults, func(o *orders.Order) {
		o.AddToTimeline(ordercheck.TimelineEntry{
			At: o.CheckedAt, Kind: ordercheck.TimelineCommented, Text: comment.Text, By: comment.By,
		})
	})
}

func (f *Fake) update(faults []error, do func(*orders.Order)) (*orders.Order, error) {
	f.Lock()
	defer f.Unlock()
	switch {
	case f.Err != nil:
		return nil, f.Err
	case f.ActErr != nil:
		return nil, f.ActErr
	case f.NotOpen:
		return nil, fmt.Errorf("%w: workflow execution already completed", orders.ErrNotOpen)
	case len(faults) > 0:
		refused := temporal.NewApplicationError(lines(faults), "joinError")
		return nil, fmt.Errorf("override findings: %w", refused)
	}
	f.Order.Report = f.Order.Clone()
	do(&f.Order)
	order := f.Order
	return &order, nil
}

// lines joins faults as a run does, one per line.
func lines(faults []error) string {
	texts := make([]string, len(faults))
	for i, fault := range faults {
		texts[i] = fault.Error()
	}
	return strings.Join(texts, "\n")
}

// Timeline returns the order's timeline.
func (f *Fake) Timeline(
	_ context.Context, order *orders.Order,
) ([]ordercheck.TimelineEntry, error) {
	if f.PanicInTimeline {
		panic("a mistake in the code")
	}
	return slices.Clone(order.Timeline), nil
}

// RulesInForce returns InForce.
func (f *Fake) RulesInForce(context.Context) (ordercheck.InForce, error) {
	f.Lock()
	defer f.Unlock()
	return f.InForce, f.Err
}

// DescribeRules returns Rules.
func (f *Fake) DescribeRules(context.Context, string) (ordercheck.DescribedRules, error) {
	f.Lock()
	defer f.Unlock()
	return f.Rules, f.RulesErr
}

// RuleOutcomes returns Outcomes.
func (f *Fake) RuleOutcomes(context.Context, time.Time) (ordercheck.RuleOutcomes, error) {
	f.Lock()
	defer f.Unlock()
	return f.Outcomes, f.OutcomesErr
}
