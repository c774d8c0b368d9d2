package workflows_test

import (
	"compress/gzip"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows"
	"error-check-gate/workflows/ruleoutcomes"
	"error-check-gate/workflows/sweep"
)

// TestRecordedHistoriesReplay fails if a change of a workflow would break runs that are open during
// a rollout. 'make record-histories' records new branches. Keep a recorded history until no run
// like it can be open.
func TestRecordedHistoriesReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/histories/v*/*.json.gz")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimPrefix(file, "testdata/histories/"), func(t *testing.T) {
			replayer, err := worker.NewWorkflowReplayerWithOptions(
				worker.WorkflowReplayerOptions{DisableDeadlockDetection: true},
			) // see workflowtest.NewEnvironment
			require.NoError(t, err)
			// A run reads its settings from its history, so the settings here don't matter.
			checks := &workflows.SalesOrderChecks{}
			replayer.RegisterWorkflowWithOptions(checks.SalesOrderCheck,
				workflow.RegisterOptions{Name: ordercheck.WorkflowType})
			replayer.RegisterWorkflowWithOptions(workflows.HandOverDeliveries,
				workflow.RegisterOptions{Name: ordercheck.HandOverWorkflowType})
			replayer.RegisterWorkflowWithOptions(sweep.Orders,
				workflow.RegisterOptions{Name: ordercheck.SweepWorkflowType})
			gathering := &workflows.NoticeGathering{}
			replayer.RegisterWorkflowWithOptions(gathering.GatherNotices,
				workflow.RegisterOptions{Name: ordercheck.GatherWorkflowType})
			replayer.RegisterWorkflowWithOptions(workflows.SendDigest,
				workflow.RegisterOptions{Name: ordercheck.DigestWorkflowType})
			replayer.RegisterWorkflowWithOptions(ruleoutcomes.Keep,
				workflow.RegisterOptions{Name: ordercheck.OutcomesWorkflowType})
			logger := log.NewStructuredLogger(slog.New(slog.DiscardHandler))
			compressed, err := os.Open(file)
			require.NoError(t, err)
			defer compressed.Close()
			data, err := gzip.NewReader(compressed)
			require.NoError(t, err)
			history, err := client.HistoryFromJSON(data, client.HistoryJSONOptions{})
			require.NoError(t, err)
			started := history.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes()
			require.NoError(
				t,
				replayer.ReplayWorkflowHistoryWithOptions(logger, history, worker.ReplayWorkflowHistoryOptions{
					OriginalExecution: workflow.Execution{
						ID:    started.GetWorkflowId(),
						RunID: started.GetOriginalExecutionRunId(),
					},
				}),
			)
		})
	}
}
