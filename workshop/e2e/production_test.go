package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/temporalconn"
)

const (
	productionOrders = 200
	// productionPause is the pause between two edits; it gives 20 deliveries per second.
	productionPause = 50 * time.Millisecond
	// stepLoad is the number of deliveries that must arrive after each restart.
	stepLoad = 100
	// settled is the time limit for the checks after the last edit.
	settled = 3 * time.Minute
)

// member is one process of a fleet.
type member struct {
	t       *testing.T
	role    string
	env     []string
	admin   string // host:port of its admin server
	process *command
}

// start starts the process and waits until it is ready.
func (m *member) start() {
	m.t.Helper()
	m.process = startGate(m.t, m.env, m.role)
	go func(lines <-chan string) {
		for range lines { // so the process never blocks on its output
		}
	}(m.process.lines)
	deadline := time.After(settled)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for !answers(m.t.Context(), "http://"+m.admin+"/readyz") {
		select {
		case <-m.process.done:
			require.Failf(m.t, "the process ended", "%s: %v\n%s", m.role, m.process.ProcessState,
				m.process.stderr.String())
		case <-deadline:
			require.Failf(m.t, "the process is not ready", "%s at %s", m.role, m.admin)
		case <-ticker.C:
		}
	}
}

// stop sends SIGTERM, as a container engine does.
func (m *member) stop() {
	m.t.Helper()
	require.NoError(m.t, m.process.Process.Signal(syscall.SIGTERM))
	code := m.process.exit()
	assert.Equal(m.t, 0, code, "%s:\n%s", m.role, m.process.stderr.String())
}

func answers(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	return response.Body.Close() == nil && response.StatusCode == http.StatusOK
}

// balancer is the proxy in front of the ingresses. It uses the ready ones in turn, and tries the
// next one if a connection fails.
type balancer struct {
	backends []string // host:port
	healthy  []atomic.Bool
	turn     atomic.Uint64
	proxy    httputil.ReverseProxy
}

func newBalancer(backends []string) *balancer {
	b := &balancer{backends: backends, healthy: make([]atomic.Bool, len(backends))}
	b.proxy = httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "ingress"})
			r.SetXForwarded()
		},
		Transport: b,
		ErrorLog:  log.New(io.Discard, "", 0), // the sender reports errors
	}
	return b
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) { b.proxy.ServeHTTP(w, r) }

func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	first := b.turn.Add(1)
	err := errors.New("no ingress is ready")
	for i := range uint64(len(b.backends)) {
		n := (first + i) % uint64(len(b.backends))
		if !b.healthy[n].Load() {
			continue
		}
		r.URL.Host = b.backends[n]
		var response *http.Response
		response, err = http.DefaultTransport.RoundTrip(r)
		var refused *net.OpError
		if errors.As(err, &refused) && refused.Op == "dial" {
			continue
		}
		return response, err
	}
	return nil, err
}

// watch probes the backends so often that it notices a stopping ingress before the ingress refuses
// connections.
func (b *balancer) watch(ctx context.Context) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		for i, backend := range b.backends {
			b.healthy[i].Store(answers(ctx, "http://"+backend+"/readyz"))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// balance serves a balancer until the test ends.
func balance(t *testing.T, front net.Listener, backends []string) {
	t.Helper()
	b := newBalancer(backends)
	serve(t, b.watch)
	proxy := &http.Server{Handler: b, ReadHeaderTimeout: 5 * time.Second}
	serve(t, func(ctx context.Context) error {
		stopped := context.AfterFunc(ctx, func() { _ = proxy.Close() })
		defer stopped()
		if err := proxy.Serve(front); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
}

// fleet is a production gate: two ingresses behind a load balancer, two workers, and an InFlow of
// its own.
type fleet struct {
	*stack
	members []*member
	orders  []string
	wrong   map[string]bool // by the order's id: the last save left an error
	edits   atomic.Int64
}

func newFleet(t *testing.T, namespace string, workerEnv ...string) *fleet {
	t.Helper()
	require.NoError(t, production.MakeNamespace(t.Context(), namespace))
	front := listen(t)
	// InFlow retries at once, and then after growing delays. These are short enough for a test.
	s, secretFile := newCompany(t, "http://"+front.Addr().String()+"/webhook/inflow",
		temporalconn.Options{Address: production.Addr, Namespace: namespace}, []time.Duration{
			0, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second,
			32 * time.Second, time.Minute,
		})
	f := &fleet{stack: s, wrong: map[string]bool{}}

	var backends []string
	for i := range 4 {
		m := &member{t: t, role: "ingress", admin: fmt.Sprintf("127.0.0.1:%d", freePort(t))}
		m.env = []string{"TEMPORAL_ADDRESS=" + production.Addr, "TEMPORAL_NAMESPACE=" + namespace,
			"ADMIN_ADDR=" + m.admin, "LOG_LEVEL=warn"}
		if i < 2 {
			backends = append(backends, fmt.Sprintf("127.0.0.1:%d", freePort(t)))
			m.env = append(m.env, "LISTEN_ADDR="+backends[i], "WEBHOOK_SECRET_FILE="+secretFile,
				"TRUSTED_PROXIES=127.0.0.1", "AUDIT_LOG=off")
		} else {
			m.role = "worker"
			m.env = append(append(m.env, "INFLOW_API_URL="+f.inflowURL,
				"INFLOW_COMPANY_ID="+f.fake.CompanyID(), "INFLOW_API_KEY="+f.fake.APIKey(),
				"INFLOW_REQUESTS_PER_MINUTE=6000", "SETTLE_QUIET=500ms", "SETTLE_MAX=5s",
				"GRACE_PERIOD=2s"), workerEnv...)
		}
		f.members = append(f.members, m)
	}
	balance(t, front, backends)
	return f
}

// newCompany returns a stack without any process of the gate: only an InFlow that delivers to url,
// and the file with its signing secret.
func newCompany(
	t *testing.T, url string, connection temporalconn.Options, retryDelays []time.Duration,
) (s *stack, secretFile string) {
	t.Helper()
	s = &stack{t: t, namespace: connection.Namespace, url: url}
	var err error
	s.temporal, err = temporalconn.Lazy(connection)
	require.NoError(t, err)
	t.Cleanup(s.temporal.Close)

	s.fake, err = fakeinflow.New(fakeinflow.Options{RetryDelays: retryDelays})
	require.NoError(t, err)
	t.Cleanup(s.fake.Close)
	page := listen(t)
	serve(t, func(ctx context.Context) error { return s.fake.Serve(ctx, page) })
	s.inflowURL = "http://" + page.Addr().String()
	s.inflow, err = inflow.NewClient(inflow.Options{BaseURL: s.inflowURL,
		CompanyID: s.fake.CompanyID(), APIKey: s.fake.APIKey()})
	require.NoError(t, err)
	subscription, err := s.inflow.Subscribe(t.Context(), inflow.SubscriptionRequest{
		ID: uuid.NewString(), RequestID: uuid.NewString(), URL: s.url,
		Events: []string{"salesOrder.created", "salesOrder.updated"},
	})
	require.NoError(t, err)
	secretFile = filepath.Join(t.TempDir(), "webhook_secret")
	require.NoError(t, os.WriteFile(secretFile, []byte(subscription.Secret), 0o600))
	return s, secretFile
}

// addOrder adds a right order of a customer who has no other order.
func (f *fleet) addOrder(number int) {
	f.t.Helper()
	order := f.sample("balance-wrong")
	customer := uuid.NewString()
	order["orderNumber"], order["balance"], order["customerId"] = fmt.Sprintf("SO-%06d", number),
		"683.94", customer
	order["customer"].(map[string]any)["customerId"] = customer
	id, err := f.fake.AddOrder(order)
	require.NoError(f.t, err)
	f.orders = append(f.orders, id)
}

// load edits orders until ctx is done. Some edits add an error, which a later edit removes.
func (f *fleet) load(ctx context.Context) error {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // repeatable
	ticker := time.NewTicker(productionPause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		id := f.orders[random.IntN(len(f.orders))]
		wrong := random.IntN(10) == 0
		if err := f.fake.SetField(id, "balance",
			map[bool]string{true: "383.94", false: "683.94"}[wrong]); err != nil {
			return err
		}
		f.wrong[id] = wrong
		f.edits.Add(1)
	}
}

// waitForLoad waits until n more edits have been made.
func (f *fleet) waitForLoad(n int64) {
	f.t.Helper()
	want := f.edits.Load() + n
	require.Eventually(f.t, func() bool { return f.edits.Load() >= want }, settled, tick)
}

// failedAttempts returns the deliveries that failed between two times.
func (f *fleet) failedAttempts(from, to time.Time) []string {
	var failed []string
	for _, delivery := range f.fake.Deliveries() {
		for _, attempt := range delivery.Attempts {
			if attempt.Error != "" && attempt.End.After(from) && attempt.Start.Before(to) {
				failed = append(failed, attempt.Error)
			}
		}
	}
	return failed
}

// TestRollingRestartUnderLoad restarts all processes of a gate, one after the other, while orders
// are edited, and then Temporal and PostgreSQL. It checks the fake InFlow's log and the reports.
func TestRollingRestartUnderLoad(t *testing.T) {
	if production == nil {
		t.Skip("needs Temporal's production server and PostgreSQL: 'make test-production' runs it")
	}
	for name, tc := range map[string]struct {
		workerEnv []string
		engine    bool // restart Temporal and PostgreSQL too
	}{
		"without worker versioning": {nil, true},
		"with worker versioning": {[]string{"WORKER_DEPLOYMENT=error-check-gate",
			"WORKER_BUILD_ID=one"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, "rolling-"+strings.ReplaceAll(name, " ", "-"), tc.workerEnv...)
			for _, m := range f.members {
				m.start()
			}
			if tc.workerEnv != nil {
				require.Eventually(t, func() bool {
					_, err := f.shell("temporal worker deployment set-current-version "+
						"--deployment-name error-check-gate --build-id one --yes", "")
					return err == nil
				}, settled, tick)
			}
			for i := range productionOrders {
				f.addOrder(i)
			}
			require.NoError(t, f.fake.WaitIdle(t.Context()))
			began := time.Now()
			stopLoad := serve(t, f.load)
			f.waitForLoad(stepLoad)

			for i, m := range f.members {
				m.stop()
				m.start()
				f.waitForLoad(stepLoad)
				t.Logf("%s %d restarted after %v", m.role, i%2+1,
					time.Since(began).Round(time.Second))
			}
			assert.Empty(t, f.failedAttempts(began, time.Now()), "the sender noticed the restart")
			if tc.engine {
				require.NoError(t, production.StopTemporal())
				require.NoError(t, production.StartTemporal(t.Context()))
				f.waitForLoad(stepLoad)
				t.Logf("Temporal restarted after %v", time.Since(began).Round(time.Second))
				require.NoError(t, production.StopPostgres())
				require.NoError(t, production.StartPostgres(t.Context()))
				f.waitForLoad(stepLoad)
				t.Logf("PostgreSQL restarted after %v", time.Since(began).Round(time.Second))
			}
			stopLoad()
			t.Logf("%d edits of %d orders, %d attempts failed", f.edits.Load(), len(f.orders),
				len(f.failedAttempts(began, time.Now())))
			f.assertNothingIsLost()
			t.Logf("everything checked after %v", time.Since(began).Round(time.Second))

			for _, m := range f.members {
				m.stop()
			}
		})
	}
}

// assertNothingIsLost waits until each order's latest version has been checked.
func (f *fleet) assertNothingIsLost() {
	t := f.t
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), settled)
	defer cancel()
	require.NoError(t, f.fake.WaitIdle(ctx))

	waiting := slices.Clone(f.orders)
	assert.Eventually(t, func() bool {
		waiting = slices.DeleteFunc(waiting, func(id string) bool { return f.checkedAsSaved(id) })
		return len(waiting) == 0
	}, settled, tick)
	for _, id := range waiting {
		report := f.report(id)
		t.Errorf("order %s: the last report says %s of version %s: %v", id, report.Status,
			report.OrderVersion, brokenRules(report))
	}

	lastFetch := map[string]time.Time{}
	for _, request := range f.fake.Requests() {
		if request.Route == fakeinflow.RouteGetSalesOrder &&
			request.Start.After(lastFetch[request.SalesOrderID]) {
			lastFetch[request.SalesOrderID] = request.Start
		}
	}
	for _, delivery := range f.fake.Deliveries() {
		if !assert.Equal(t, fakeinflow.DeliveryDelivered, delivery.State, "delivery %d",
			delivery.Number) {
			continue
		}
		answered := delivery.Attempts[len(delivery.Attempts)-1].End
		assert.True(t, lastFetch[delivery.SalesOrderID].After(answered),
			"delivery %d of order %s was answered and not followed by a fetch",
			delivery.Number, delivery.SalesOrderID)
	}

	wrong := 0
	for _, is := range f.wrong {
		if is {
			wrong++
		}
	}
	for query, want := range map[string]int{
		"GateStatus = 'failed' AND ExecutionStatus = 'Running'": wrong,
		"ExecutionStatus = 'Running' AND " +
			"WorkflowType NOT IN ('RulesInForce', 'RuleOutcomes')": wrong,
		"ExecutionStatus IN ('Failed', 'TimedOut')": 0,
	} {
		assert.Eventually(t, func() bool {
			answer, err := f.temporal.CountWorkflow(t.Context(),
				&workflowservice.CountWorkflowExecutionsRequest{Query: query})
			return err == nil && answer.GetCount() == int64(want)
		}, waitFor, tick, "%s: not %d", query, want)
	}
}

// checkedAsSaved reports whether an order's report is about its latest version and has the right
// status.
func (f *fleet) checkedAsSaved(id string) bool {
	document, err := f.fake.Order(id)
	require.NoError(f.t, err)
	want := ordercheck.StatusPassed
	if f.wrong[id] {
		want = ordercheck.StatusFailed
	}
	answer, err := f.temporal.QueryWorkflow(f.t.Context(), ordercheck.WorkflowID(id), "",
		ordercheck.QueryReport)
	if err != nil {
		return false
	}
	var report ordercheck.Report
	require.NoError(f.t, answer.Get(&report))
	return report.Status == want && report.OrderVersion == document["timestamp"]
}
