package e2e_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/activities"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
	"error-check-gate/worker"
)

// TestOpenRunsStayWithTheirBuild rolls out a new build with new rules while an order is held.
func TestOpenRunsStayWithTheirBuild(t *testing.T) {
	t.Parallel()
	const deployment = "error-check-gate"
	s := newStack(t, options{noWorker: true})
	startBuild := func(build string, rules func() *rules.Set) {
		serve(t, func(ctx context.Context) error {
			return s.gate().RunWorker(ctx, worker.Options{
				Settings:                holding(0),
				InflowRequestsPerMinute: plenty,
				Deployment:              deployment, BuildID: build,
			}, &activities.Activities{Orders: s.inflow, Rules: rules})
		})
		require.Eventually(t, func() bool {
			_, err := s.shell(
				"temporal worker deployment set-current-version --deployment-name "+deployment+
					" --build-id "+build+" --yes", "")
			return err == nil
			// in a new namespace, this takes a while
		}, settled, tick, "the server does not know build %s", build)
	}
	buildOf := func(id string) string {
		answer, err := s.temporal.DescribeWorkflowExecution(t.Context(), ordercheck.WorkflowID(id),
			"")
		require.NoError(t, err)
		return answer.GetWorkflowExecutionInfo().GetVersioningInfo().GetDeploymentVersion().GetBuildId()
	}

	startBuild("one", s.rules)
	held := s.create("balance-wrong")
	s.waitForStatus(held, ordercheck.StatusFailed)
	newer := loadRules(t, "newer", `- {id: negative, scope: order, severity: error,`+
		` when: "order.total < dec(0)", message: "'no'"}`)
	startBuild("two", func() *rules.Set { return newer })
	s.waitForRules(newer)
	next := s.create("percent-discount")
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(next).Status)
	assert.Equal(t, "two", buildOf(next))
	assert.Equal(t, newer.Digest(), s.report(next).RuleSet.Digest)

	s.fix(held) // the first build must check it, with its own rules
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(held).Status)
	assert.Equal(t, "one", buildOf(held))
}
