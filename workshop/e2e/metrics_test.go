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

// gates counts the series of each metric of the gate, without those of the runtime.
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
	s := newStack(t, options{noWorker: true})
	notices := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer notices.Close()
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

	// A right order, a wrong one, one that InFlow does not know, one whose first fetch fails, an
	// untrusted sender, and a sweep.
	deliverAll := func() {
		require.NoError(t, s.fake.SetFault(fakeinflow.Fault{Route: fakeinflow.RouteGetSalesOrder,
			Status: 500, Times: 1}))
		for _, sample := range []string{"plain", "balance-wrong"} {
			order := s.recent(sample)
			_, err := s.fake.AddOrder(order)
			require.NoError(t, err)
			status, _ := s.post(order["salesOrderId"].(string))
			require.Equal(t, 200, status)
		}
		status, _ := s.post("unknown-order")
		require.Equal(t, 200, status)
		for i := range 20 {
			status, _ := s.send([]byte(fmt.Sprintf(`{"forged":%d}`, i)),
				http.Header{"Content-Type": {"application/json"}})
			require.Equal(t, 401, status)
			//nolint:gosec,noctx // this test's own process
			response, err := http.Get(fmt.Sprintf("%s/nothing/here/%d", base, i))
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, response.Body)
			require.NoError(t, response.Body.Close())
		}
	}
	settled := func(rounds int) {
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			count := func(query string) int { return s.count(c, query) }
			assert.Equal(c, rounds, count("GateStatus = 'failed'"))
			assert.Equal(c, rounds, count("GateStatus = 'unchecked'"))
			assert.Zero(c, count("GateStatus = 'checking' OR GateStatus = 'pending'"))
		}, waitFor, tick)
	}
	deliverAll()
	settled(1)
	sweep := startGate(t, slices.Concat(temporal, account), "sweep")
	require.Equal(t, 0, sweep.exit(), sweep.stderr.String())
	// The worker compares clocks after its first poll, which takes up to a minute.
	for _, late := range []string{"gate_sweep_last_missed", "gate_clock_offset_seconds"} {
		require.Eventually(t, func() bool {
			return len(scrapePages(t, pages[1])[late]) > 0
		}, 3*waitFor, 10*tick, late)
	}

	found := scrapePages(t, pages...)
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
			found.check(t, "alert "+rule.Alert, rule.Expr)
		}
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	data, err = os.ReadFile("../../deploy/grafana/dashboards/gate.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &dashboard))
	require.NotEmpty(t, dashboard.Panels)
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			found.check(t, "panel "+panel.Title, target.Expr)
		}
	}
	buckets := map[string]bool{}
	for _, labels := range found["http_server_request_duration_seconds_bucket"] {
		buckets[labels["le"]] = true
	}
	for _, le := range []string{"0.001", "0.01", "0.1", "1", "5", "10"} {
		assert.True(t, buckets[le], "the time to answer has no bucket of %s s", le)
	}

	// More of the same must not add series.
	before := found.gates()
	for round := range 3 {
		deliverAll()
		settled(2 + round) // otherwise deliveries of one order would share a run
	}
	last := scrapePages(t, pages...)
	after := last.gates()
	// Each activity has at most four series: first or retry, completed or failed.
	activities := map[string]bool{}
	for _, labels := range last["gate_activity_attempts_total"] {
		activities[labels["activity"]] = true
	}
	assert.LessOrEqual(t, after["gate_activity_attempts_total"], 4*len(activities))
	delete(before, "gate_activity_attempts_total")
	delete(after, "gate_activity_attempts_total")
	assert.Equal(t, before, after)
	for name, series := range last {
		for _, labels := range series {
			for value := range maps.Values(labels) {
				assert.NotContains(t, value, "unknown-order", name)
				assert.False(t, strings.HasPrefix(name, "http_") &&
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
