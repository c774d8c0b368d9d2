// Package activities holds everything of a check that touches the world: the
// request to InFlow, and the evaluation of the rules in force.
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

// Orders is where sales orders come from; [inflow.Client] in production.
type Orders interface {
	SalesOrder(ctx context.Context, id string, include []string) (*inflow.SalesOrder, error)
	ListSalesOrders(ctx context.Context, from time.Time, page inflow.ListPage) (inflow.SalesOrderList, error)
	RecentSalesOrders(ctx context.Context, customerID string, include []string) ([]inflow.SalesOrder, error)
}

// Activities are the gate's activities with what they need.
type Activities struct {
	Orders Orders
	// Rules answers with the rule set of this worker's files at the moment of the call.
	Rules func() *rules.Set
	// Record knows which rule set is in force in the namespace; nil takes Rules for it.
	Record RulesRecord
	// Count is told of each evaluation, for metrics; nil counts nothing.
	Count func(ctx context.Context, checked ordercheck.CheckedOrder)
	// Notifier tells people what was found; nil tells nobody.
	Notifier *notify.Notifier
	// SalesRep tells the order's sales rep too.
	SalesRep bool
	// PastRuns is a Temporal client; nil recalls nothing.
	PastRuns PastRuns
	// Converter is the client's; nil reads nothing that is encrypted.
	Converter converter.DataConverter
	// NoticesPerHour is the most messages that one receiver gets in NoticeWindow; the notices that
	// exceed it are gathered into one. Zero has no limit.
	NoticesPerHour int
	// NoticeWindow is an hour if it is zero. Tests shorten it.
	NoticeWindow time.Duration
	// Gatherers is a Temporal client, which knows how many messages receivers had; nil counts none.
	Gatherers Gatherers
	// Held is a Temporal client, for digests; nil sends none.
	Held OrderList
	// Runs is a Temporal client, for the sweep; nil starts no check.
	Runs OrderRuns
	// WebhookPatience is how long a webhook may be on its way before the sweep takes it for
	// missed; 0 is 10 seconds.
	WebhookPatience time.Duration

	recent recentOrders
}

// Registry takes activities; a worker is one.
type Registry interface {
	RegisterActivityWithOptions(a any, options activity.RegisterOptions)
}

// RegisterInflow registers the activities of [ordercheck.InflowTaskQueue].
func (a *Activities) RegisterInflow(r Registry) {
	r.RegisterActivityWithOptions(a.FetchOrder, activity.RegisterOptions{Name: ordercheck.ActivityFetchOrder})
	r.RegisterActivityWithOptions(a.LookUpOrders, activity.RegisterOptions{Name: ordercheck.ActivityLookUpOrders})
	r.RegisterActivityWithOptions(a.ListOrders, activity.RegisterOptions{Name: ordercheck.ActivityListOrders})
	// To the sales rep, whose address InFlow has.
	r.RegisterActivityWithOptions(a.Notify, activity.RegisterOptions{Name: ordercheck.ActivityNotify})
	r.RegisterActivityWithOptions(a.SendGathered, activity.RegisterOptions{Name: ordercheck.ActivitySendGathered})
}

// RegisterLocal registers the activities of [ordercheck.TaskQueue].
func (a *Activities) RegisterLocal(r Registry) {
	r.RegisterActivityWithOptions(a.CheckOrder, activity.RegisterOptions{Name: ordercheck.ActivityCheckOrder})
	r.RegisterActivityWithOptions(a.Notify, activity.RegisterOptions{Name: ordercheck.ActivityNotify})
	r.RegisterActivityWithOptions(a.RecallRun, activity.RegisterOptions{Name: ordercheck.ActivityRecallRun})
	r.RegisterActivityWithOptions(a.ReadCancellation, activity.RegisterOptions{Name: ordercheck.ActivityReadCancellation})
	r.RegisterActivityWithOptions(a.CheckMissed, activity.RegisterOptions{Name: ordercheck.ActivityCheckMissed})
	r.RegisterActivityWithOptions(a.DescribeRules, activity.RegisterOptions{Name: ordercheck.ActivityDescribeRules})
	r.RegisterActivityWithOptions(a.RecallSweep, activity.RegisterOptions{Name: ordercheck.ActivityRecallSweep})
	r.RegisterActivityWithOptions(a.SendGathered, activity.RegisterOptions{Name: ordercheck.ActivitySendGathered})
	r.RegisterActivityWithOptions(a.SendDigest, activity.RegisterOptions{Name: ordercheck.ActivitySendDigest})
}
