package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/activities"
	"error-check-gate/internal/devserver"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/temporalconn"
	"error-check-gate/worker"
	"error-check-gate/workflows"
)

// The test binary plays a worker that is killed in the middle of a check.
const (
	roleVariable       = "E2E_ROLE"
	roleStuckWorker    = "stuck-worker"
	temporalVariable   = "E2E_TEMPORAL"
	namespaceVariable  = "E2E_NAMESPACE"
	inflowURLVariable  = "E2E_INFLOW_URL"
	inflowCoVariable   = "E2E_INFLOW_COMPANY"
	inflowKeyVariable  = "E2E_INFLOW_KEY"
	checkingLine       = "checking"
	stuckWorkerTimeout = time.Minute
)

// playRole is a real process that can be killed: a worker which fetches orders,
// says so when it comes to check one, and gets stuck there.
func playRole(role string) int {
	if role != roleStuckWorker {
		fmt.Fprintln(os.Stderr, "unknown role", role)
		return 2
	}
	ctx, cancel := context.WithTimeout(context.Background(), stuckWorkerTimeout)
	defer cancel()
	c, err := temporalconn.Dial(ctx, temporalconn.Options{Address: os.Getenv(temporalVariable), Namespace: os.Getenv(namespaceVariable)})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	orders, err := inflow.NewClient(inflow.Options{
		BaseURL: os.Getenv(inflowURLVariable), CompanyID: os.Getenv(inflowCoVariable), APIKey: os.Getenv(inflowKeyVariable),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	calls := 0
	err = worker.Run(ctx, c, worker.Options{
		Settings: workflows.Settings{},
		Activities: &activities.Activities{Orders: orders, Rules: func() *rules.Set {
			if calls++; calls > 1 { // the first is the fetch's
				fmt.Println(checkingLine)
				<-ctx.Done()
			}
			return rules.Default()
		}},
		InflowRequestsPerMinute: plenty,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return 1
}

func TestWorkerKilledBetweenFetchAndCheck(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{noWorker: true})

	stuck := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // this test's own binary
	stuck.Env = append(os.Environ(),
		roleVariable+"="+roleStuckWorker, temporalVariable+"="+server.Addr, namespaceVariable+"="+s.namespace,
		inflowURLVariable+"="+s.inflowURL, inflowCoVariable+"="+s.fake.CompanyID(), inflowKeyVariable+"="+s.fake.APIKey())
	stuck.Stderr = os.Stderr
	output, err := stuck.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, stuck.Start())

	id := s.create("order-subtotal-wrong")
	line, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, checkingLine, strings.TrimSpace(line))
	require.NoError(t, stuck.Process.Kill())
	_ = stuck.Wait() // killed, as it says

	s.startWorker()
	interrupted := s.mustResult(id)
	assert.Equal(t, ordercheck.StatusFailed, interrupted.Status)
	assert.Len(t, s.fetches(id), 1, "what was fetched is in the history")

	again := s.checkNow(id)
	assert.Equal(t, interrupted.OrderVersion, again.OrderVersion)
	assert.Equal(t, withoutTimes(interrupted), withoutTimes(again), "the same report as an undisturbed check's")
}

func withoutTimes(report *ordercheck.Report) ordercheck.Report {
	r := *report
	r.CheckedAt = time.Time{}
	r.Findings = append([]ordercheck.Finding(nil), r.Findings...)
	for i := range r.Findings {
		r.Findings[i].FirstSeen, r.Findings[i].ConfirmAt = time.Time{}, time.Time{}
	}
	return r
}

func TestTemporalDownAndBack(t *testing.T) {
	t.Parallel()
	o := devserver.Options{DBFile: filepath.Join(t.TempDir(), "temporal.db")}
	own, err := devserver.Start(t.Context(), o)
	require.NoError(t, err)
	defer func() { assert.NoError(t, own.Stop()) }()
	_, port, err := net.SplitHostPort(own.Addr)
	require.NoError(t, err)
	o.Port, err = strconv.Atoi(port)
	require.NoError(t, err)

	s := newStack(t, options{temporalAddr: own.Addr})
	id := s.create("plain")
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
	assert.Equal(t, http.StatusOK, s.get("/readyz"))

	require.NoError(t, own.Kill())
	began := time.Now()
	status, _ := s.post(id)
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Less(t, time.Since(began), 5*time.Second)
	require.Eventually(t, func() bool { return s.get("/readyz") == http.StatusServiceUnavailable }, waitFor, tick)
	assert.Equal(t, http.StatusOK, s.get("/livez"))

	own, err = devserver.Start(t.Context(), o)
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
	require.Eventually(t, func() bool { return s.get("/readyz") == http.StatusOK }, waitFor, tick)
}
