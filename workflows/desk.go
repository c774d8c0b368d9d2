package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows/call"
)

// describeRules reads what a worker has loaded. Several attempts may reach workers that do not have
// the set in force.
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

// UseSignInLink is the workflow [ordercheck.UseSignInLinkType]. It does nothing: that Temporal
// started it for the first time is what counts.
func UseSignInLink(workflow.Context) error { return nil }
