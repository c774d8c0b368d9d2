package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.yaml.in/yaml/v3"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// scraped holds the labels of each series, by metric.
type scraped map[string][]map[string]string

var (
	seriesForm = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? \S+$`)
	labelForm  = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"`)
)

func scrapePages(t *testing.T, pages ...string) scraped {
	t.Helper()
	found := scraped{}
	for _, page := range pages {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page, http.NoBody)
		require.NoError(t, err)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		lines := bufio.NewScanner(response.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if series := seriesForm.FindStringSubmatch(lines.Text()); series != nil {
				labels := map[string]string{}
				for _, label := range labelForm.FindAllStringSubmatch(series[2], -1) {
					labels[label[1]] = label[2]
				}
				found[series[1]] = append(found[series[1]], labels)
			}
		}
		require.NoError(t, lines.Err())
		require.NoError(t, response.Body.Close())
	}
	return found
}

// gates counts the series of each metric of the gate. It ignores the runtime's metrics.
func (s scraped) gates() map[string]int {
	counts := map[string]int{}
	for name, series := range s {
		if strings.HasPrefix(name, "gate_") || strings.HasPrefix(name, "http_") {
			counts[name] = len(series)
		}
	}
	return counts
}

var (
	usedMetric = regexp.MustCompile(`\b((?:gate|http|temporal|go|process)_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	usedLabel  = regexp.MustCompile(`([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
)

// check checks that the metrics, labels and label values of a PromQL expression exist.
func (s scraped) check(t *testing.T, where, expr string) {
	t.Helper()
	used := usedMetric.FindAllStringSubmatch(expr, -1)
	if !strings.Contains(expr, "up{") {
		assert.NotEmpty(t, used, "%s: %s", where, expr)
	}
	for _, metric := range used {
		series := s[metric[1]]
		if !assert.NotEmpty(t, series, "%s: nothing has the metric %s", where, metric[1]) {
			continue
		}
		for _, label := range usedLabel.FindAllStringSubmatch(metric[2], -1) {
			name, operator, value := label[1], label[2], label[3]
			if name == "job" || name == "instance" {
				continue // added by Prometheus
			}
			assert.True(t, slices.ContainsFunc(series, func(labels map[string]string) bool {
				has, ok := labels[name]
				return ok && (operator != "=" || has == value)
			}), "%s: no series of %s has %s%s%q", where, metric[1], name, operator, value)
		}
	}
}

// TestMetricsThatAlertsAndDashboardsUse makes the two production processes produce all metrics,
// then checks every alert and every panel against their metrics pages.
func TestMetricsThatAlertsAndDashboardsUse(t *testing.T) {
	t.Parallel()
	g := startMeasuredGate(t)
	g.deliverAll()
	g.settled(1)
	g.fixOrder()
	g.sweep()
	found := scrapePages(t, g.pages...)
	found.checkAlerts(t)
	found.checkDashboard(t)
	found.checkBuckets(t)
	g.requireNoNewSeries(found)
}

// measuredGate is a gate whose ingress and worker are processes with metrics pages.
type measuredGate struct {
	t     *testing.T
	s     *stack
	base  string   // URL of the ingress
	pages []string // metrics of ingress and worker
	env   []string // environment of gate commands
}

func startMeasuredGate(t *testing.T) *measuredGate {
	t.Helper()
	s := newStack(t, options{noWorker: true})
	notices := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(notices.Close)
	ports := [3]int{freePort(t), freePort(t), freePort(t)}
	const secret = "a-secret-of-the-test-that-is-long"
	temporal := []string{"TEMPORAL_ADDRESS=" + server.Addr, "TEMPORAL_NAMESPACE=" + s.namespace}
	account := []string{"INFLOW_API_URL=" + s.inflowURL, "INFLOW_COMPANY_ID=" + s.fake.CompanyID(),
		"INFLOW_API_KEY=" + s.fake.APIKey()}
	startGate(t, slices.Concat(temporal, []string{
		fmt.Sprintf("ADMIN_ADDR=127.0.0.1:%d", ports[0]),
		fmt.Sprintf("LISTEN_ADDR=127.0.0.1:%d", ports[1]), "WEBHOOK_SECRET=" + secret,
	}), "ingress")
	startGate(t, slices.Concat(temporal, account, []string{
		fmt.Sprintf("ADMIN_ADDR=127.0.0.1:%d", ports[2]), "INFLOW_REQUESTS_PER_MINUTE=6000",
		"SETTLE_QUIET=50ms", "GRACE_PERIOD=0",
		"NOTIFY_URLS=" + notices.URL,
	}), "worker")
	var err error
	s.keys, err = inflow.ParseSecrets(secret)
	require.NoError(t, err)
	base := fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	s.url = base + "/webhook/inflow"
	pages := []string{fmt.Sprintf("http://127.0.0.1:%d/metrics", ports[0]),
		fmt.Sprintf("http://127.0.0.1:%d/metrics", ports[2])}
	for _, probe := range []string{base + "/readyz", pages[1]} {
		require.Eventually(t, func() bool {
			response, err := http.Get(probe) //nolint:gosec,noctx // this test's own process
			return err == nil && response.Body.Close() == nil &&
				response.StatusCode == http.StatusOK
		}, 3*waitFor, tick, "%s does not answer", probe)
	}
	return &measuredGate{t: t, s: s, base: base, pages: pages,
		env: slices.Concat(temporal, account)}
}

// deliverAll sends deliveries for a right order, a wrong one, one that InFlow does not know and one
// whose first fetch fails, and requests of an untrusted sender.
func (g *measuredGate) deliverAll() {
	g.t.Helper()
	require.NoError(g.t, g.s.fake.SetFault(fakeinflow.Fault{Route: fakeinflow.RouteGetSalesOrder,
		Status: 500, Times: 1}))
	for _, sample := range []string{"plain", "balance-wrong"} {
		order := g.s.recent(sample)
		_, err := g.s.fake.AddOrder(order)
		require.NoError(g.t, err)
		status, _ := g.s.post(order["salesOrderId"].(string))
		require.Equal(g.t, 200, status)
	}
	status, _ := g.s.post("unknown-order")
	require.Equal(g.t, 200, status)
	for i := range 20 {
		status, _ := g.s.send([]byte(fmt.Sprintf(`{"forged":%d}`, i)),
			http.Header{"Content-Type": {"application/json"}})
		require.Equal(g.t, 401, status)
		//nolint:gosec,noctx // this test's own process
		response, err := http.Get(fmt.Sprintf("%s/nothing/here/%d", g.base, i))
		require.NoError(g.t, err)
		_, _ = io.Copy(io.Discard, response.Body)
		require.NoError(g.t, response.Body.Close())
	}
}

// settled waits until the orders of all rounds of deliverAll have been checked.
func (g *measuredGate) settled(rounds int) {
	g.t.Helper()
	require.EventuallyWithT(g.t, func(c *assert.CollectT) {
		count := func(query string) int { return g.s.count(c, query) }
		assert.Equal(c, rounds, count("GateStatus = 'failed'"))
		assert.Equal(c, rounds, count("GateStatus = 'unchecked'"))
		assert.Zero(c, count("GateStatus = 'checking' OR GateStatus = 'pending'"))
	}, waitFor, tick)
}

// fixOrder adds a wrong order and corrects it.
func (g *measuredGate) fixOrder() {
	g.t.Helper()
	id, err := g.s.fake.AddOrder(g.s.recent("balance-wrong"))
	require.NoError(g.t, err)
	g.s.postAccepted(id)
	g.s.waitForStatus(id, ordercheck.StatusFailed)
	g.s.fix(id)
	g.s.postAccepted(id)
	g.s.mustResult(id)
}

// sweep runs a sweep and waits for metrics that appear late.
func (g *measuredGate) sweep() {
	g.t.Helper()
	swept := startGate(g.t, g.env, "sweep")
	require.Equal(g.t, 0, swept.exit(), swept.stderr.String())
	order := g.s.recent("plain")
	id, err := g.s.fake.AddOrder(order)
	require.NoError(g.t, err)
	// The worker compares clocks when it polls. Without work, it polls only once a minute.
	for _, late := range []string{"gate_sweep_last_missed", "gate_clock_offset_seconds"} {
		require.Eventually(g.t, func() bool {
			g.s.postAccepted(id)
			return len(scrapePages(g.t, g.pages[1])[late]) > 0
		}, 3*waitFor, 10*tick, late)
	}
}

// checkAlerts checks every alert of Prometheus.
func (s scraped) checkAlerts(t *testing.T) {
	t.Helper()
	var alerts struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	data, err := os.ReadFile("../../deploy/prometheus/rules.yml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(data, &alerts))
	for _, group := range alerts.Groups {
		for _, rule := range group.Rules {
			s.check(t, "alert "+rule.Alert, rule.Expr)
		}
	}
}

// checkDashboard checks every panel of the Grafana dashboard.
func (s scraped) checkDashboard(t *testing.T) {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	data, err := os.ReadFile("../../deploy/grafana/dashboards/gate.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &dashboard))
	require.NotEmpty(t, dashboard.Panels)
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			s.check(t, "panel "+panel.Title, target.Expr)
		}
	}
}

// checkBuckets checks the buckets of the response time, which alerts use.
func (s scraped) checkBuckets(t *testing.T) {
	t.Helper()
	buckets := map[string]bool{}
	for _, labels := range s["http_server_request_duration_seconds_bucket"] {
		buckets[labels["le"]] = true
	}
	for _, le := range []string{"0.001", "0.01", "0.1", "1", "5", "10"} {
		assert.True(t, buckets[le], "the time to answer has no bucket of %s s", le)
	}
}

// requireNoNewSeries delivers more of the same, which must not add series.
func (g *measuredGate) requireNoNewSeries(found scraped) {
	g.t.Helper()
	before := found.gates()
	for round := range 3 {
		g.deliverAll()
		g.settled(2 + round) // otherwise deliveries of one order would share a run
	}
	last := scrapePages(g.t, g.pages...)
	after := last.gates()
	// Each activity has at most four series: first or retry, completed or failed.
	activities := map[string]bool{}
	for _, labels := range last["gate_activity_attempts_total"] {
		activities[labels["activity"]] = true
	}
	assert.LessOrEqual(g.t, after["gate_activity_attempts_total"], 4*len(activities))
	delete(before, "gate_activity_attempts_total")
	delete(after, "gate_activity_attempts_total")
	assert.Equal(g.t, before, after)
	for name, series := range last {
		for _, labels := range series {
			for value := range maps.Values(labels) {
				assert.NotContains(g.t, value, "unknown-order", name)
				assert.False(g.t, strings.HasPrefix(name, "http_") &&
					strings.Contains(value, "nothing/here"), name)
			}
		}
	}
}

// gaugeValues returns the gauges that a worker has recorded so far, by name.
func gaugeValues(t *testing.T, reader sdkmetric.Reader) map[string]float64 {
	t.Helper()
	gauges := map[string]float64{}
	var all metricdata.ResourceMetrics
	_ = reader.Collect(t.Context(), &all) // fails while some gauges have no value yet
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Gauge[float64]:
				gauges[m.Name] = data.DataPoints[0].Value
			case metricdata.Gauge[int64]:
				gauges[m.Name] = float64(data.DataPoints[0].Value)
			}
		}
	}
	return gauges
}
