// Package activities holds the gate's Temporal activities: all that workflows need from InFlow, the
// rules, mail servers and Temporal itself.
package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
)

// Orders gets sales orders; [inflow.Client] implements it.
type Orders interface {
	SalesOrder(ctx context.Context, id string, include []string) (*inflow.SalesOrder, error)
	ListSalesOrders(ctx context.Context, query inflow.ListQuery) (inflow.SalesOrderList, error)
	RecentSalesOrders(ctx context.Context, customerID string,
		include []string) ([]inflow.SalesOrder, error)
	OrderWriter
}

// Activities holds the gate's activities and what they need.
type Activities struct {
	Orders Orders
	// Rules returns the rule set of this worker's files at the moment of the call.
	Rules func() *rules.Set
	// Record knows which rule set is in force in the namespace; nil means the set of Rules is.
	Record RulesRecord
	// Count is called after each evaluation, for metrics; may be nil.
	Count func(ctx context.Context, checked ordercheck.CheckedOrder)
	// Notifier sends notices; nil sends none.
	Notifier *notify.Notifier
	// HoldMarks shows the hold of orders in InFlow; nil never writes an order.
	HoldMarks *HoldMarks
	// MarkStops is a Temporal client, which knows whether hold marks are stopped.
	MarkStops MarkStops
	// SalesRep sends notices to the order's sales rep too.
	SalesRep bool
	// PastRuns is a Temporal client; without it, nothing is recalled from earlier runs.
	PastRuns PastRuns
	// Converter is the client's data converter; without it, encrypted payloads cannot be read.
	Converter converter.DataConverter
	// NoticesPerHour limits the messages that one receiver gets in NoticeWindow. Further notices are
	// gathered into one message. Zero has no limit.
	NoticesPerHour int
	// NoticeWindow is an hour if it is zero. Tests shorten it.
	NoticeWindow time.Duration
	// Gatherers is a Temporal client for NoticesPerHour; nil has no limit.
	Gatherers Gatherers
	// Held is a Temporal client for digests; nil sends none.
	Held OrderList
	// Runs is a Temporal client for the sweep; nil starts no checks.
	Runs OrderRuns
	// WebhookWait is how long the sweep waits for a webhook before it counts as missed; 0 is 10
	// seconds.
	WebhookWait time.Duration

	recent  recentOrders
	fetched fetchedOrders
}

// Registry registers activities; a worker implements it.
type Registry interface {
	RegisterActivityWithOptions(a any, options activity.RegisterOptions)
}

// register registers activities by name.
func register(r Registry, functions map[string]any) {
	for name, function := range functions {
		r.RegisterActivityWithOptions(function, activity.RegisterOptions{Name: name})
	}
}

// RegisterInflow registers the activities of [ordercheck.InflowTaskQueue]. Notices to the sales rep
// are among them, because InFlow has the address.
func (a *Activities) RegisterInflow(r Registry) {
	register(r, map[string]any{
		ordercheck.ActivityFetchOrder:     a.FetchOrder,
		ordercheck.ActivityLookUpOrders:   a.LookUpOrders,
		ordercheck.ActivityListOrders:     a.ListOrders,
		ordercheck.ActivityNotify:         a.Notify,
		ordercheck.ActivityReadHoldField:  a.ReadHoldField,
		ordercheck.ActivitySendGathered:   a.SendGathered,
		ordercheck.ActivityWriteHoldField: a.WriteHoldField,
	})
}

// RegisterLocal registers the activities of [ordercheck.TaskQueue].
func (a *Activities) RegisterLocal(r Registry) {
	register(r, map[string]any{
		ordercheck.ActivityCheckOrder:             a.CheckOrder,
		ordercheck.ActivityNotify:                 a.Notify,
		ordercheck.ActivityRecallRun:              a.RecallRun,
		ordercheck.ActivityReadCancellation:       a.ReadCancellation,
		ordercheck.ActivityCheckMissed:            a.CheckMissed,
		ordercheck.ActivityCheckTerminated:        a.CheckTerminated,
		ordercheck.ActivityDescribeRules:          a.DescribeRules,
		ordercheck.ActivityRecallSweep:            a.RecallSweep,
		ordercheck.ActivityStopHoldMarks:          a.StopHoldMarks,
		ordercheck.ActivityNotifyHoldMarksStopped: a.NotifyHoldMarksStopped,
		ordercheck.ActivitySendGathered:           a.SendGathered,
		ordercheck.ActivitySendDigest:             a.SendDigest,
	})
}
