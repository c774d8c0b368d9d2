package e2e_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
)

// These tests cover invariant 12: a scrape, probe, log, trace or metric never stops a running
// process from serving, whatever else is down.

// checked posts a delivery until the response is 200, and waits for the report.
func (s *stack) checked(id string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		status, _ := s.post(id)
		return status == http.StatusOK
	}, 3*waitFor, tick, "no delivery is accepted")
	assert.Equal(s.t, ordercheck.StatusPassed, s.mustResult(id).Status)
}

// TestFirstScrapeBeforeAnyTemporalCall scrapes each process before it has called Temporal.
func TestFirstScrapeBeforeAnyTemporalCall(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{noWorker: true})
	id := s.stopIngressAndCreate("plain")
	processes := []*gateProcess{s.startProcess(t, "ingress", server.Addr),
		s.startProcess(t, "worker", server.Addr)}
	for _, p := range processes {
		p.waitFor("/metrics", http.StatusOK)
		p.waitFor("/readyz", http.StatusOK)
	}
	s.checked(id)
	for _, p := range processes {
		status, page := p.ask("/metrics")
		assert.Equal(t, http.StatusOK, status, page)
		p.stop()
	}
}

// TestScrapesWorkWithoutTemporal scrapes idle processes while Temporal is unavailable. When it is
// back, the ingress accepts deliveries and the worker polls.
func TestScrapesWorkWithoutTemporal(t *testing.T) {
	t.Parallel()
	for name, takeAway := range awayTemporal {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, options{noWorker: true})
			id := s.stopIngressAndCreate("plain")
			way := startLink(t, server.Addr)
			processes := s.startIdle(t, way)

			bringBack := takeAway(way)
			// Scrape first, before a probe notices that Temporal is unavailable.
			for _, p := range processes {
				status, page := p.ask("/metrics")
				require.Equal(t, http.StatusOK, status, page)
			}
			for _, p := range processes {
				p.waitFor("/readyz", http.StatusServiceUnavailable)
				status, page := p.ask("/metrics")
				require.Equal(t, http.StatusOK, status, page)
				assert.NotContains(t, page, "\ngate_temporal_reachable 1")
				status, answer := p.ask("/livez")
				assert.Equal(t, http.StatusOK, status, answer)
			}
			bringBack()
			s.checked(id)
			for _, p := range processes {
				p.waitFor("/readyz", http.StatusOK)
				p.stop()
			}
		})
	}
}

// TestStopsWithoutTemporal sends SIGTERM to processes without Temporal. They stop with exit status
// 0.
func TestStopsWithoutTemporal(t *testing.T) {
	t.Parallel()
	for name, takeAway := range awayTemporal {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, options{noWorker: true})
			way := startLink(t, server.Addr)
			processes := s.startIdle(t, way)
			takeAway(way)
			for _, p := range processes {
				p.waitFor("/readyz", http.StatusServiceUnavailable)
				p.stop()
			}
		})
	}
}

// awayTemporal lists the ways in which Temporal can be unavailable.
var awayTemporal = map[string]func(*link) (bringBack func()){
	"refuses": func(l *link) func() { l.cut(); return l.restore },
	"hangs":   func(l *link) func() { return l.stall() },
}

// startIdle starts both processes and waits until they are ready.
func (s *stack) startIdle(t *testing.T, way *link) []*gateProcess {
	t.Helper()
	processes := []*gateProcess{s.startProcess(t, "ingress", way.addr),
		s.startProcess(t, "worker", way.addr)}
	for _, p := range processes {
		p.waitFor("/readyz", http.StatusOK)
	}
	return processes
}

// TestStopsWhateverTheCollectorDoes stops processes that send traces and metrics to a collector.
// The collector is healthy, is unavailable, or accepts connections and never responds.
func TestStopsWhateverTheCollectorDoes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		start    func(*testing.T) (url string, used func() bool)
		interval string // of metrics, in ms
	}{
		"healthy": {healthyCollector, "60000"}, "away": {absentCollector, "60000"},
		"hanging at the end":   {hangingCollector, "60000"},
		"hanging all the time": {hangingCollector, "200"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			collector, used := tc.start(t)
			s := newStack(t, options{noWorker: true})
			id := s.stopIngressAndCreate("plain")
			telemetry := []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector,
				"OTEL_BSP_SCHEDULE_DELAY=200", "OTEL_METRIC_EXPORT_INTERVAL=" + tc.interval}
			processes := []*gateProcess{s.startProcess(t, "ingress", server.Addr, telemetry...),
				s.startProcess(t, "worker", server.Addr, telemetry...)}
			for _, p := range processes {
				p.waitFor("/readyz", http.StatusOK)
			}
			s.checked(id)
			require.Eventually(t, used, waitFor, tick, "the collector gets nothing")
			for _, p := range processes {
				status, page := p.ask("/metrics")
				assert.Equal(t, http.StatusOK, status, page)
				p.stop()
			}
		})
	}
}

// TestUnreadOutputDoesNotStopTheGate runs processes while the reader of standard output and error
// hangs, as a log driver may, or has ended. The processes still work, and stop on SIGTERM.
func TestUnreadOutputDoesNotStopTheGate(t *testing.T) {
	t.Parallel()
	for name, ended := range map[string]bool{"the reader hangs": false,
		"the reader has ended": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, options{noWorker: true})
			id := s.stopIngressAndCreate("plain")
			var processes []*gateProcess
			for _, role := range []string{"ingress", "worker"} {
				reader, output := fullPipe(t)
				c, admin := s.newProcess(t, role, server.Addr, "LOG_LEVEL=debug")
				c.Stdout, c.Stderr = output, output
				if ended {
					require.NoError(t, reader.Close())
				}
				c.start()
				processes = append(processes, &gateProcess{command: c, admin: admin})
			}
			for _, p := range processes {
				p.waitFor("/readyz", http.StatusOK)
			}
			for range 3 {
				s.checked(id)
			}
			for _, p := range processes {
				status, page := p.ask("/metrics")
				assert.Equal(t, http.StatusOK, status, page)
				require.NoError(t, p.Process.Signal(syscall.SIGTERM))
				code := p.exit()
				// Lost lines of the audit log give exit status 1, but no delivery fails.
				assert.True(t, code == 0 || code == 1 && p.Args[1] == "ingress" && !ended,
					"%s: status %d", p.Args[1], code)
			}
		})
	}
}

// fullPipe returns a pipe whose buffer is full.
func fullPipe(t *testing.T) (reader, writer *os.File) {
	t.Helper()
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = reader.Close()
		_ = writer.Close()
	})
	require.NoError(t, writer.SetWriteDeadline(time.Now().Add(100*time.Millisecond)))
	for _, size := range []int{4096, 1} {
		for err = nil; err == nil; {
			_, err = writer.Write(make([]byte, size))
		}
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, writer.SetWriteDeadline(time.Now().Add(100*time.Millisecond)))
	}
	return reader, writer
}

func healthyCollector(t *testing.T) (url string, used func() bool) {
	t.Helper()
	var traces atomic.Bool
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/traces" {
			traces.Store(true)
		}
	}))
	t.Cleanup(collector.Close)
	return collector.URL, traces.Load
}

func absentCollector(t *testing.T) (url string, used func() bool) {
	t.Helper()
	return "http://" + localAddress(freePort(t)), func() bool { return true }
}

func hangingCollector(t *testing.T) (url string, used func() bool) {
	t.Helper()
	collector := listen(t)
	var connections atomic.Int32
	go func() {
		var open []net.Conn
		for {
			conn, err := collector.Accept()
			if err != nil {
				break
			}
			open = append(open, conn) // and never respond
			connections.Add(1)
		}
		for _, conn := range open {
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = collector.Close() })
	return "http://" + collector.Addr().String(), func() bool { return connections.Load() >= 2 }
}
