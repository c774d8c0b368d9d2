// Package workflowtest makes Temporal's test environments for tests of workflows.
package workflowtest

import (
	"log/slog"
	"time"

	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
)

// NewEnvironment returns an environment that logs nothing and has long timeouts, so that tests
// pass on a busy machine. By default an environment fails a test that is idle for 3 seconds of
// real time, or whose workflow doesn't yield for 1 second.
func NewEnvironment() *testsuite.TestWorkflowEnvironment {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(10 * time.Minute)
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
	return env
}
