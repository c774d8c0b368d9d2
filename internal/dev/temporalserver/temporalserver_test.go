package temporalserver_test

import (
	"context"
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/dev/temporalserver"
)

func start(t *testing.T, o temporalserver.Options) *temporalserver.Server {
	t.Helper()
	s, err := temporalserver.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Stop()) })
	return s
}

func dial(t *testing.T, s *temporalserver.Server, namespace string) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: s.Addr, Namespace: namespace})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestServesEveryNamespaceAndKeepsItsHistory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state", "temporal.db")
	s := start(t, temporalserver.Options{DBFile: file, Namespaces: []string{"other"}})
	run, err := dial(t, s, "other").ExecuteWorkflow(t.Context(),
		client.StartWorkflowOptions{ID: "kept", TaskQueue: "nobody"}, "NobodysWorkflow")
	require.NoError(t, err)
	require.NoError(t, s.Stop())
	<-s.Done()
	require.NoError(t, s.Err())
	require.NoError(t, s.Stop(), "stopping twice is fine")

	s = start(t, temporalserver.Options{DBFile: file, Namespaces: []string{"other"}})
	kept, err := dial(t, s, "other").DescribeWorkflowExecution(t.Context(), "kept", run.GetRunID())
	require.NoError(t, err)
	assert.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
		kept.GetWorkflowExecutionInfo().GetStatus())
}

func TestKnowsTheSearchAttributesOfTheGate(t *testing.T) {
	s := start(t, temporalserver.Options{})
	_, err := dial(t, s, "default").CountWorkflow(t.Context(),
		&workflowservice.CountWorkflowExecutionsRequest{
			Query: "GateStatus = 'failed' AND OrderNumber = 'SO-1' AND ErrorCount > 0 AND " +
				"FailedRules = 'order-total'",
		})
	require.NoError(t, err)
}

func TestDeadChildIsReported(t *testing.T) {
	s := start(t, temporalserver.Options{})
	require.NoError(t, s.Err())
	require.NoError(t, syscall.Kill(s.PID(), syscall.SIGKILL))
	<-s.Done()
	assert.ErrorContains(t, s.Err(), "ended by itself (signal: killed)")
}

func TestPortInUseIsNamed(t *testing.T) {
	var lc net.ListenConfig
	taken, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	_, err = temporalserver.Start(t.Context(), temporalserver.Options{Port: port})
	require.ErrorContains(t, err, taken.Addr().String())
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	_, err = temporalserver.Start(t.Context(), temporalserver.Options{UI: true, UIPort: port})
	require.ErrorIs(t, err, syscall.EADDRINUSE)
}

func TestUnusableCommandIsAnError(t *testing.T) {
	_, err := temporalserver.Start(t.Context(),
		temporalserver.Options{CLI: filepath.Join(t.TempDir(), "temporal")})
	require.ErrorContains(t, err, "start the Temporal development server")
	_, err = temporalserver.Start(t.Context(), temporalserver.Options{CLI: "/bin/false"})
	require.ErrorContains(t, err, "exit status 1")
}

func TestStartGivesUpWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := temporalserver.Start(ctx, temporalserver.Options{})
	require.ErrorContains(t, err, "did not become ready")
}
