package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// describeRules reads what a worker has loaded. Several attempts may reach workers that do not have
// the set in force.
var describeRules = activityStub[none, ordercheck.DescribedRules]{
	name: ordercheck.ActivityDescribeRules,
	options: workflow.ActivityOptions{
		TaskQueue:              ordercheck.TaskQueue,
		ScheduleToCloseTimeout: time.Minute,
		StartToCloseTimeout:    5 * time.Second,
		RetryPolicy:            backoff(250*time.Millisecond, 5*time.Second),
	},
}

// DescribeRules is the workflow [ordercheck.DescribeRulesType].
func DescribeRules(ctx workflow.Context) (ordercheck.DescribedRules, error) {
	return describeRules.run(ctx, none{})
}

// UseSignInLink is the workflow [ordercheck.UseSignInLinkType]. It does nothing: that Temporal
// started it for the first time is what counts.
func UseSignInLink(workflow.Context) error { return nil }
