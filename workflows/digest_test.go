package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows"
	"error-check-gate/workflows/workflowtest"
)

func TestDigestKnowsWhenTheLastOneWasMade(t *testing.T) {
	t.Parallel()
	due := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	listed := due.Add(-24 * time.Hour)
	for name, test := range map[string]struct {
		prepare func(env *testsuite.TestWorkflowEnvironment)
		want    ordercheck.SendDigestInput
	}{
		"the first one, started by hand": {
			func(*testsuite.TestWorkflowEnvironment) {},
			ordercheck.SendDigestInput{Key: "digest-2026-11-23T08:00:00Z", At: due.Add(time.Hour)},
		},
		"by a schedule that makes up for an outage": {
			func(env *testsuite.TestWorkflowEnvironment) {
				env.SetLastCompletionResult(ordercheck.SentDigest{ListedAt: listed, Held: 3})
				attributes := temporal.NewSearchAttributes(
					temporal.NewSearchAttributeKeyTime("TemporalScheduledStartTime").ValueSet(due))
				require.NoError(t, env.SetTypedSearchAttributesOnStart(attributes))
			},
			ordercheck.SendDigestInput{Key: "digest-2026-11-23T08:00:00Z", At: due, Since: listed},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := workflowtest.NewEnvironment()
			env.SetStartTime(due.Add(time.Hour)) // the server was down
			env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: "digest-2026-11-23T08:00:00Z"})
			test.prepare(env)
			var asked []ordercheck.SendDigestInput
			env.RegisterActivityWithOptions(
				func(_ context.Context, in ordercheck.SendDigestInput) (ordercheck.SentDigest, error) {
					asked = append(asked, in)
					if len(asked) == 1 {
						return ordercheck.SentDigest{}, temporal.NewApplicationError("the mail server is down",
							"NoticeNotSent")
					}
					return ordercheck.SentDigest{Held: 2, New: 1, Sent: []string{"mail:8c87b4"}}, nil
				},
				activity.RegisterOptions{Name: ordercheck.ActivitySendDigest},
			)
			env.ExecuteWorkflow(workflows.SendDigest, ordercheck.DigestStart{})
			require.NoError(t, env.GetWorkflowError())
			var sent ordercheck.SentDigest
			require.NoError(t, env.GetWorkflowResult(&sent))
			assert.Equal(t, 2, sent.Held)
			assert.Equal(t, []ordercheck.SendDigestInput{test.want, test.want}, asked)
		})
	}
}
