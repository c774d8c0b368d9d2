package ingress

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"error-check-gate/internal/edge"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/testkit"
)

const (
	firstSecret  = "first-secret-of-the-tests"
	secondSecret = "second-secret-of-the-tests"
	orderID      = "8a3c6d4e-71c2-4d0a-9f53-2d6f0c1e7b11"
)

// generous is the longest wait for something that must happen. It is long because a busy machine
// may be slow, and only a test that fails waits this long.
const generous = 5 * time.Minute

var errDown = errors.New("connection refused")

// testServer is an ingress on a real listener.
type testServer struct {
	server   *Server
	url      string
	temporal *fakeTemporal
	client   *http.Client
	auditLog string
	log      *testkit.Log
	stop     context.CancelFunc
	stopped  chan error
}

// setting changes the options of a test server, or the server itself.
type setting func(*Options, *Server)

// startServer serves until the test ends, and then checks that no goroutine leaked. Parallel tests
// use startParallelServer.
func startServer(t *testing.T, temporal *fakeTemporal, settings ...setting) *testServer {
	t.Helper()
	t.Cleanup(func() { requireNoGoroutines(t) }) // runs last
	return startParallelServer(t, temporal, settings...)
}

// startParallelServer serves until the test ends. It calls each setting twice: with the options,
// and with the server before it serves. The server's time limits are generous, so that no other
// test depends on the machine's speed; a test of a limit sets it.
func startParallelServer(
	t *testing.T, temporal *fakeTemporal, settings ...setting,
) *testServer {
	t.Helper()
	ts := &testServer{
		temporal: temporal,
		auditLog: filepath.Join(t.TempDir(), "audit.jsonl"),
		log:      &testkit.Log{},
		stopped:  make(chan error, 1),
	}
	logger := slog.New(slog.NewJSONHandler(ts.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	secrets, err := NewFixedSecrets(parseKeys(t, firstSecret, secondSecret))
	require.NoError(t, err)
	audit, err := OpenAuditLog(AuditOptions{Target: ts.auditLog, Logger: logger})
	require.NoError(t, err)
	options := Options{Temporal: temporal, Secrets: secrets, Audit: audit, Logger: logger}
	for _, set := range settings {
		set(&options, nil)
	}
	ts.server, err = New(options)
	require.NoError(t, err)
	ts.server.timeouts = timeouts{generous, generous, generous, generous}
	ts.server.drainWithin, ts.server.committer.commitWithin = generous, generous
	for _, set := range settings {
		set(nil, ts.server)
	}

	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ts.url = "http://" + listener.Addr().String()
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	ts.client = &http.Client{Transport: transport, Timeout: generous}
	ctx, stop := context.WithCancel(context.Background())
	ts.stop = stop
	go func() { ts.stopped <- ts.server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		transport.CloseIdleConnections()
		select {
		case err := <-ts.stopped:
			assert.NoError(t, err)
		case <-time.After(generous):
			t.Error("the server did not stop")
		}
		assert.NoError(t, audit.Close(context.Background()))
	})
	return ts
}

func withOptions(set func(*Options)) setting {
	return func(options *Options, _ *Server) {
		if options != nil {
			set(options)
		}
	}
}

func withServer(set func(*Server)) setting {
	return func(_ *Options, server *Server) {
		if server != nil {
			set(server)
		}
	}
}

// commitTime replaces commitWithin.
func commitTime(d time.Duration) setting {
	return withServer(func(s *Server) { s.committer.commitWithin = d })
}

// patience replaces how long a connection may keep its place without a verified request.
func patience(d time.Duration) setting {
	return withServer(func(s *Server) { s.connections.SetMinAge(d) })
}

// requireWaiting waits until n deliveries wait for Temporal.
func (ts *testServer) requireWaiting(t testing.TB, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		ts.server.committer.mu.Lock()
		defer ts.server.committer.mu.Unlock()
		return ts.server.committer.waiting == n
	}, generous, time.Millisecond, "%d deliveries", n)
}

// requireNoGoroutines fails if a goroutine of this package outlives its server.
func requireNoGoroutines(t *testing.T) {
	t.Helper()
	var leaked string
	assert.Eventually(t, func() bool {
		leaked = ""
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for stack := range strings.SplitSeq(string(stacks), "\n\n") {
			if strings.Contains(stack, "error-check-gate/ingress.(*") {
				leaked += stack + "\n\n"
			}
		}
		return leaked == ""
	}, generous, 5*time.Millisecond)
	if leaked != "" {
		t.Errorf("leaked goroutines:\n%s", leaked)
	}
}

// audited stops the server and returns the records of its audit log.
func (ts *testServer) audited(t *testing.T) []map[string]any {
	t.Helper()
	ts.stop()
	err := <-ts.stopped
	require.NoError(t, err)
	ts.stopped <- nil
	require.NoError(t, ts.server.audit.Close(t.Context()))
	content, err := os.ReadFile(ts.auditLog)
	require.NoError(t, err)
	var records []map[string]any
	for line := range strings.Lines(string(content)) {
		var record map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &record), line)
		records = append(records, record)
	}
	return records
}

type panickingSecrets struct{}

func (panickingSecrets) Verifier() *inflow.Verifier { panic("quoting a body") }

// gauge returns the sum of a gauge's values.
func gauge(t *testing.T, reader *sdkmetric.ManualReader, name string) (total int64) {
	t.Helper()
	var collected metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &collected))
	found := false
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			if data, ok := m.Data.(metricdata.Gauge[int64]); ok && m.Name == name {
				for _, point := range data.DataPoints {
					found, total = true, total+point.Value
				}
			}
		}
	}
	require.True(t, found, "no gauge %s", name)
	return total
}

// sum returns the value of a counter, or the number of values in a histogram.
func sum(t *testing.T, reader *sdkmetric.ManualReader, name string) int64 {
	t.Helper()
	var collected metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &collected))
	var total int64
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					total += point.Value
				}
			case metricdata.Histogram[float64]:
				for _, point := range data.DataPoints {
					total += int64(point.Count) //nolint:gosec // of a test's requests
				}
			default:
				require.Failf(t, "unknown kind of metric", "%s is %T", name, data)
			}
		}
	}
	return total
}

// setGlobalPropagator sets the propagator with which otelhttp reads a request's trace context.
func setGlobalPropagator(t *testing.T) {
	t.Helper()
	previous := otel.GetTextMapPropagator()
	otel.SetTextMapPropagator(propagation.TraceContext{})
	t.Cleanup(func() { otel.SetTextMapPropagator(previous) })
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

func writeCertificate(t *testing.T, certFile, keyFile, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	writeFile(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	writeFile(t, keyFile,
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
}

// networks parses addresses and CIDR ranges.
func networks(texts ...string) edge.Networks {
	var prefixes []netip.Prefix
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			address := netip.MustParseAddr(text)
			prefix = netip.PrefixFrom(address, address.BitLen())
		}
		prefixes = append(prefixes, prefix)
	}
	return edge.NewNetworks(prefixes)
}
