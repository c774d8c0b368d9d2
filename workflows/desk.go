package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows/call"
)

// describeRules reads the rules that a worker has loaded. It needs several attempts if workers
// without the set in force get it first.
var describeRules = call.Activity[call.None, ordercheck.DescribedRules]{
	Name: ordercheck.ActivityDescribeRules,
	Options: workflow.ActivityOptions{
		TaskQueue:              ordercheck.TaskQueue,
		ScheduleToCloseTimeout: time.Minute,
		StartToCloseTimeout:    5 * time.Second,
		RetryPolicy:            call.Backoff(250*time.Millisecond, 5*time.Second),
	},
}

// DescribeRules is the workflow [ordercheck.DescribeRulesType].
func DescribeRules(ctx workflow.Context) (ordercheck.DescribedRules, error) {
	return describeRules.Run(ctx, call.None{})
}

// UseSignInLink is the workflow [ordercheck.UseSignInLinkType]. It does nothing: Temporal starts it
// only once per link.
func UseSignInLink(workflow.Context) error { return nil }
