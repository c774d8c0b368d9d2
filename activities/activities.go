// Package activities holds the gate's Temporal activities. They call InFlow, the rules, mail
// servers and Temporal itself on behalf of workflows.
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

// Orders reads and writes sales orders at InFlow; [inflow.Client] implements it.
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
	// Rules returns the rule set that this worker's files have at the moment of the call.
	Rules func() *rules.Set
	// Record knows which rule set is in force in the namespace; if it is nil, the set of Rules
	// is.
	Record RulesRecord
	// Count is called after each evaluation, for metrics; may be nil.
	Count func(ctx context.Context, checked ordercheck.CheckedOrder)
	// Notifier sends notices; nil sends none.
	Notifier *notify.Notifier
	// HoldMarks writes and reads hold marks in InFlow; nil never writes an order.
	HoldMarks *HoldMarks
	// MarkStops is a Temporal client that finds out whether hold marks are stopped.
	MarkStops MarkStops
	// SalesRep says whether the order's sales rep gets its notices too.
	SalesRep bool
	// PastRuns is a Temporal client; without it, nothing is recalled from earlier runs.
	PastRuns PastRuns
	// Converter is the client's data converter; without it, encrypted payloads cannot be read.
	Converter converter.DataConverter
	// NoticesPerHour limits the messages that one receiver gets in NoticeWindow. Further notices
	// are gathered into one message. Zero means no limit.
	NoticesPerHour int
	// NoticeWindow is the period of NoticesPerHour. Zero means an hour. Tests shorten it.
	NoticeWindow time.Duration
	// Gatherers is the Temporal client that applies NoticesPerHour; nil means no limit.
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
