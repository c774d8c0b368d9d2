package temporalconn

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"error-check-gate/internal/codec"
	"error-check-gate/internal/dev/temporalserver"
	"error-check-gate/internal/ordercheck"
)

// newKey returns an entry of PAYLOAD_KEYS with a random key.
func newKey(id string) string {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return id + ":" + base64.StdEncoding.EncodeToString(secret)
}

// keysOf parses entries of PAYLOAD_KEYS. Without entries it returns no keys.
func keysOf(t *testing.T, entries ...string) *codec.Keys {
	t.Helper()
	if len(entries) == 0 {
		return &codec.Keys{}
	}
	keys, err := codec.ParseKeys(strings.Join(entries, ","))
	require.NoError(t, err)
	return keys
}

// keyServer is a Temporal server that belongs to one test.
type keyServer struct {
	*temporalserver.Server
	t *testing.T
}

func startKeyServer(t *testing.T, namespaces ...string) keyServer {
	t.Helper()
	server, err := temporalserver.Start(t.Context(), temporalserver.Options{Namespaces: namespaces})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Stop()) })
	return keyServer{server, t}
}

func (s keyServer) dial(namespace string, worker bool, entries ...string) (client.Client, error) {
	c, err := Dial(
		s.t.Context(),
		Options{
			Address:     s.Addr,
			Namespace:   namespace,
			PayloadKeys: keysOf(s.t, entries...),
			RecordKeys:  worker,
		},
	)
	if err == nil {
		s.t.Cleanup(c.Close)
	}
	return c, err
}

// plainClient returns the SDK's own client, without a key guard.
func (s keyServer) plainClient(namespace string) client.Client {
	s.t.Helper()
	c, err := client.NewLazyClient(client.Options{HostPort: s.Addr, Namespace: namespace})
	require.NoError(s.t, err)
	s.t.Cleanup(c.Close)
	return c
}

func start(ctx context.Context, c client.Client, id string) error {
	_, err := c.ExecuteWorkflow(ctx,
		client.StartWorkflowOptions{ID: ordercheck.WorkflowID(id), TaskQueue: ordercheck.TaskQueue},
		ordercheck.WorkflowType, ordercheck.Start{SalesOrderID: id})
	return err
}

func TestKeysAreComparedWithTheWorkers(t *testing.T) {
	s := startKeyServer(t)
	k1, k2, other := newKey("k1"), newKey("k2"), newKey("k1")
	missing := `no key "k1": add it to PAYLOAD_KEYS or PAYLOAD_KEYS_FILE`
	lacking := `its workers have no key "k2": add it to their PAYLOAD_KEYS or PAYLOAD_KEYS_FILE`
	// Workers turn encryption on, rotate their key, and turn encryption off, one step at a time.
	for _, step := range []struct {
		worker  []string
		clients map[string][]string // keys of a client by the error that it must get; "" is none
	}{
		{nil, map[string][]string{"": nil, lacking: {k2}}},
		{[]string{"plain", k1}, map[string][]string{"": {k1}, lacking: {k2, k1}}},
		{[]string{"plain", k1}, map[string][]string{"": nil}},
		{[]string{k1}, map[string][]string{"": {"plain", k1}, missing: nil, "does not match": {other}}},
		{[]string{k1, k2}, map[string][]string{"": {k1}, missing: {k2}}},
		{[]string{k1, k2}, map[string][]string{"": {k2, k1}, missing: {"plain", k2}}},
		{[]string{k2, k1}, map[string][]string{"": {k1, k2}, `no key "k2"`: {k1}}},
		{[]string{k2}, map[string][]string{"": {k2, k1}, `workers have no key "k1"`: {k1, k2}}},
		{[]string{"plain", k2}, map[string][]string{"": {k2}}},
		{nil, map[string][]string{"": {"plain", k2}, lacking: {k2}}},
	} {
		_, err := s.dial("default", true, step.worker...)
		require.NoError(t, err, "%.10v", step.worker)
		for want, entries := range step.clients {
			c, err := s.dial("default", false, entries...)
			lazy, lazyErr := Lazy(Options{Address: s.Addr, PayloadKeys: keysOf(t, entries...)})
			require.NoError(t, lazyErr)
			if want == "" {
				require.NoError(t, err)
				require.NoError(t, c.SignalWorkflow(t.Context(), keyRecordID, "", "ignored", "x"))
				require.NoError(t, lazy.SignalWorkflow(t.Context(), keyRecordID, "", "ignored", "x"))
			} else {
				require.ErrorContains(t, err, want)
				require.ErrorContains(t, err, "nothing was sent to namespace default")
				err := lazy.SignalWorkflow(t.Context(), keyRecordID, "", "refused", "x")
				require.ErrorContains(t, err, want)
				_, err = lazy.CheckHealth(t.Context(), &client.CheckHealthRequest{})
				require.ErrorContains(t, err, want, "the process is not ready")
			}
			lazy.Close()
		}
	}
	// The record's run never shows up in lists of runs.
	plain := s.plainClient("default")
	require.Never(t, func() bool {
		runs, err := plain.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{})
		return err != nil || len(runs.GetExecutions()) > 0
	}, time.Second, 100*time.Millisecond)
	iterator := plain.GetWorkflowHistory(t.Context(), keyRecordID, "", false,
		enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for iterator.HasNext() {
		event, err := iterator.Next()
		require.NoError(t, err)
		assert.NotEqual(t, "refused", event.GetWorkflowExecutionSignaledEventAttributes().GetSignalName())
		assert.Nil(t, event.GetWorkflowTaskScheduledEventAttributes(), "the run never has a task")
	}
}

func TestAWorkerWithoutTheKeyDoesNotStart(t *testing.T) {
	s := startKeyServer(t, "older", "lost")
	k1, k2 := newKey("k1"), newKey("k2")
	_, err := s.dial("default", true, k1)
	require.NoError(t, err)
	for _, entries := range [][]string{nil, {k2}, {"plain", k2}} {
		_, err := s.dial("default", true, entries...)
		require.ErrorContains(t, err,
			`namespace default is encrypted: there is no key "k1": add it to PAYLOAD_KEYS`)
	}
	_, err = s.dial("default", false, k1)
	require.NoError(t, err, "the refused workers did not change the record")

	// A namespace of an older gate has no record, so the latest run of an order shows the key.
	_, err = s.dial("older", false)
	require.NoError(t, err, "an empty namespace shows no key")
	c, err := s.dial("older", false, k1)
	require.NoError(t, err)
	require.NoError(t, start(t.Context(), c, "1"))
	require.Eventually(t, func() bool {
		_, err := s.dial("older", false)
		return err != nil && strings.Contains(err.Error(), `no key "k1"`)
	}, 30*time.Second, 50*time.Millisecond)
	_, err = s.dial("older", true, k2)
	require.ErrorContains(t, err, `no key "k1"`)
	_, err = s.dial("older", true, k1)
	require.NoError(t, err)

	// If a key is lost, an operator terminates the record's run.
	_, err = s.dial("lost", true, k1)
	require.NoError(t, err)
	require.NoError(t, s.plainClient("lost").TerminateWorkflow(t.Context(), keyRecordID, "",
		"the key is lost"))
	_, err = s.dial("lost", true, k2)
	require.NoError(t, err)
	_, err = s.dial("lost", false)
	require.ErrorContains(t, err, `no key "k2"`)
}

// TestAKeyThatIsMissingLaterIsNoticed checks that a running process notices when the workers
// begin to use a key that it lacks.
func TestAKeyThatIsMissingLaterIsNoticed(t *testing.T) {
	s := startKeyServer(t)
	c, err := s.dial("default", false)
	require.NoError(t, err)
	require.NoError(t, start(t.Context(), c, "1"))
	_, err = s.dial("default", true, newKey("k1"))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := c.CheckHealth(t.Context(), &client.CheckHealthRequest{})
		return err != nil && strings.Contains(err.Error(), `no key "k1"`)
	}, 4*keyRecordMaxAge, 100*time.Millisecond)
	err = start(t.Context(), c, "2")
	require.ErrorContains(t, err, `no key "k1"`)
	var denied *serviceerror.PermissionDenied
	require.ErrorAs(t, err, &denied, "the SDK does not retry")
}

// TestTheGuardCostsNoCall checks that 1,000 signals and 1,000 health checks read the record once.
func TestTheGuardCostsNoCall(t *testing.T) {
	var reads, calls int
	answer := errors.New("temporal is down")
	g := newKeyGuard("default", &codec.Keys{})
	g.read = func(context.Context, workflowservice.WorkflowServiceClient, string) (keyRecord, error) {
		reads++
		return keyRecord{}, answer
	}
	call := func(method string) error {
		return g.intercept(
			t.Context(),
			method,
			nil,
			nil,
			nil,
			func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
				calls++
				return nil
			},
		)
	}
	const signal = "/temporal.api.workflowservice.v1.WorkflowService/SignalWithStartWorkflowExecution"
	require.Error(t, call(signal), "nothing is sent before the record is known")
	require.Zero(t, calls)
	answer = nil
	for range 1000 {
		require.NoError(t, call(signal))
		require.NoError(t, call(healthpb.Health_Check_FullMethodName))
	}
	assert.Equal(t, 2000, calls)
	assert.Equal(t, 2, reads)

	g.latest.Store(&keyVerdict{at: time.Now().Add(-keyRecordMaxAge)})
	answer = serviceerror.NewUnavailable("temporal is down")
	require.NoError(t, call(healthpb.Health_Check_FullMethodName), "the last known keys count")
	assert.Equal(t, 3, reads)
	assert.Equal(t, grpccodes.Unavailable, serviceerror.ToStatus(asStatus(answer)).Code())
}

// TestEveryCallIsSorted fails if Temporal's API has a new call, until somebody guards it or
// lists it here as harmless.
func TestEveryCallIsSorted(t *testing.T) {
	// Reads, workers' answers, and calls that carry no payload.
	unguarded := regexp.MustCompile(
		`^(Count|Delete|Deprecate|Describe|Fetch|Get|List|Pause|Poll|Query|Record|Register|RequestCancel|` +
			`Reset|Respond|Scan|Set|Shutdown|Stop|Terminate|Trigger|Unpause|Validate|CreateWork|UpdateActivity|UpdateNamespace|` +
			`UpdateTaskQueue|UpdateWorker|UpdateWorkflowExecutionOptions)`,
	)
	for _, method := range workflowservice.WorkflowService_ServiceDesc.Methods {
		assert.NotEqual(t, unguarded.MatchString(method.MethodName), writingMethods[method.MethodName],
			method.MethodName)
	}
}
