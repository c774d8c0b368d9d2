package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"google.golang.org/grpc"

	"error-check-gate/activities"
	"error-check-gate/internal/dev/temporalserver"
	"error-check-gate/internal/gate"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/rulefile"
	"error-check-gate/worker"
)

// The test binary itself runs as a worker that is killed during a check or a hand-over.
const (
	roleVariable       = "E2E_ROLE"
	roleStuckWorker    = "stuck-worker"
	roleStuckHandOver  = "stuck-hand-over"
	roleStuckMark      = "stuck-mark"
	temporalVariable   = "E2E_TEMPORAL"
	namespaceVariable  = "E2E_NAMESPACE"
	inflowURLVariable  = "E2E_INFLOW_URL"
	inflowCoVariable   = "E2E_INFLOW_COMPANY"
	inflowKeyVariable  = "E2E_INFLOW_KEY"
	checkingLine       = "checking"
	handingOverLine    = "handing over"
	writtenLine        = "written"
	stuckWorkerTimeout = 2 * waitFor
)

// runRole runs a worker that hangs at a certain point and prints a line there: before it checks an
// order that it has fetched, after it has handed over the deliveries of a few orders, or after
// InFlow has written a hold mark.
func runRole(role string) int {
	ctx, cancel := context.WithTimeout(context.Background(), stuckWorkerTimeout)
	defer cancel()
	var dialOptions []grpc.DialOption
	calls := 0
	answerRules := rulefile.Default
	var transport http.RoundTripper
	switch role {
	case roleStuckMark:
		transport = hangAfterWrite{ctx}
	case roleStuckWorker:
		answerRules = func() *rules.Set {
			if calls++; calls > 1 { // the first call belongs to the fetch
				fmt.Println(checkingLine)
				<-ctx.Done()
			}
			return rulefile.Default()
		}
	case roleStuckHandOver:
		var signals atomic.Int32
		dialOptions = append(dialOptions,
			grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any,
				cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
			) error {
				if strings.HasSuffix(method, "/SignalWithStartWorkflowExecution") &&
					signals.Add(1) > 5 {
					fmt.Println(handingOverLine)
					<-ctx.Done()
					return ctx.Err()
				}
				return invoke(ctx, method, req, reply, cc, opts...)
			}))
	default:
		fmt.Fprintln(os.Stderr, "unknown role", role)
		return 2
	}
	c, err := client.DialContext(ctx, client.Options{
		HostPort: os.Getenv(temporalVariable), Namespace: os.Getenv(namespaceVariable),
		ConnectionOptions: client.ConnectionOptions{DialOptions: dialOptions},
		Logger:            log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	orders, err := inflow.NewClient(inflow.Options{
		BaseURL: os.Getenv(inflowURLVariable), CompanyID: os.Getenv(inflowCoVariable),
		APIKey: os.Getenv(inflowKeyVariable), Transport: transport,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	marks, err := activities.NewHoldMarks(holdField, "", time.UTC, false)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if role != roleStuckMark {
		marks = nil
	}
	g := gate.Gate{Temporal: c}
	err = g.RunWorker(ctx, worker.Options{InflowRequestsPerMinute: plenty},
		&activities.Activities{Orders: orders, Rules: answerRules, HoldMarks: marks})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return 1
}

// hangAfterWrite is a transport that does not return InFlow's answers to writes.
type hangAfterWrite struct{ ctx context.Context }

func (h hangAfterWrite) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err == nil && req.Method == http.MethodPut {
		_ = resp.Body.Close()
		fmt.Println(writtenLine)
		<-h.ctx.Done()
		return nil, h.ctx.Err()
	}
	return resp, err
}

func TestWorkerKilledBetweenFetchAndCheck(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{noWorker: true})

	stuck := s.startRole(roleStuckWorker)
	id := s.create("order-subtotal-wrong")
	stuck.waitForLine(checkingLine)
	require.NoError(t, stuck.Process.Kill())
	_ = stuck.Wait() // returns the kill as an error

	s.startWorker()
	interrupted := s.waitForReport(id, ordercheck.StatusFailed)
	assert.Len(t, s.fetches(id), 1, "the fetched order is in the history")

	again := s.checkNow(id)
	assert.Equal(t, interrupted.OrderVersion, again.OrderVersion)
	assert.Equal(t, withoutTimes(interrupted), withoutTimes(again),
		"the report is the same as without the kill")
}

// roleProcess is the test binary in a role; see runRole.
type roleProcess struct {
	*exec.Cmd
	t      testing.TB
	output *bufio.Reader
}

func (s *stack) startRole(role string) *roleProcess {
	s.t.Helper()
	//nolint:gosec // this test's own binary
	p := &roleProcess{Cmd: exec.CommandContext(s.t.Context(), os.Args[0]), t: s.t}
	p.Env = append(os.Environ(),
		roleVariable+"="+role, temporalVariable+"="+server.Addr, namespaceVariable+"="+s.namespace,
		inflowURLVariable+"="+s.inflowURL, inflowCoVariable+"="+s.fake.CompanyID(),
		inflowKeyVariable+"="+s.fake.APIKey())
	p.Stderr = os.Stderr
	output, err := p.StdoutPipe()
	require.NoError(s.t, err)
	p.output = bufio.NewReader(output)
	require.NoError(s.t, p.Start())
	return p
}

func (p *roleProcess) waitForLine(want string) {
	p.t.Helper()
	line, err := p.output.ReadString('\n')
	require.NoError(p.t, err)
	require.Equal(p.t, want, strings.TrimSpace(line))
}

// startOwnTemporal starts a server that the test may stop, and returns the options with which the
// test starts it again, with the same port and data.
func startOwnTemporal(t *testing.T) (*temporalserver.Server, temporalserver.Options) {
	t.Helper()
	o := temporalserver.Options{DBFile: filepath.Join(t.TempDir(), "temporal.db")}
	own, err := temporalserver.Start(t.Context(), o)
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(own.Addr)
	require.NoError(t, err)
	o.Port, err = strconv.Atoi(port)
	require.NoError(t, err)
	return own, o
}

func TestTemporalDownAndBack(t *testing.T) {
	t.Parallel()
	var err error
	own, o := startOwnTemporal(t)
	defer func() { assert.NoError(t, own.Stop()) }()

	s := newStack(t, options{temporalAddr: own.Addr})
	id := s.create("plain")
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
	s.becomes("/readyz", http.StatusOK)

	require.NoError(t, own.Kill())
	// TestCommitGivesUpInTime tests, without a real clock, that this takes at most 4 s.
	status, _ := s.post(id)
	assert.Equal(t, http.StatusServiceUnavailable, status)
	s.becomes("/readyz", http.StatusServiceUnavailable)
	assert.Equal(t, http.StatusOK, s.get("/livez"))

	own, err = temporalserver.Start(t.Context(), o)
	require.NoError(t, err)
	var answered time.Time
	require.Eventually(t, func() bool {
		status, answered = s.post(id)
		return status == http.StatusOK
	}, waitFor, tick)
	require.Eventually(t, func() bool {
		fetches := s.fetches(id)
		return fetches[len(fetches)-1].Start.After(answered)
	}, waitFor, tick)
	s.becomes("/readyz", http.StatusOK)
}
