package ingress

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"error-check-gate/internal/inflow"
)

// TestAuditLog checks the fields of audit lines, and that neither audit log nor log contain a body,
// a secret or a signature.
func TestAuditLog(t *testing.T) {
	const marker = "Marker-Of-The-Body"
	fixed := time.Date(2025, 10, 28, 12, 0, 0, 0, time.UTC)
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(tracetest.NewSpanRecorder()))
	ts := startServer(t, &fakeTemporal{}, withOptions(func(o *Options) {
		o.TracerProvider = tracers
		o.Now = func() time.Time { return fixed }
	}))
	body := `{"event":"salesOrder.updated","data":{"salesOrderId":"` + orderID + `","remarks":"` +
		marker + `"}}`
	r := ts.webhookRequest(t, body)
	r.Header.Set(inflow.SignatureHeader, sign(t, secondSecret, body))
	require.Equal(t, 200, ts.do(t, r).status)

	forged := ts.webhookRequest(t, body)
	forged.Header.Set(inflow.SignatureHeader, sign(t, foreignSecret, body))
	require.Equal(t, 401, ts.do(t, forged).status)
	require.Equal(t, 400, ts.do(t, ts.webhookRequest(t, marker)).status)
	madeUp, err := http.NewRequestWithContext(t.Context(), "A-Method-Made-Up-To-Fill-The-Disk",
		ts.url+webhookPath, strings.NewReader(body))
	require.NoError(t, err)
	require.Equal(t, 405, ts.do(t, madeUp).status)

	records := ts.audited(t)
	require.Len(t, records, 4)
	first := records[0]
	assert.ElementsMatch(t, []string{
		"time", "peer", "route", "method", "status", "reason", "event", "salesOrderId",
		"bodySize", "bodySha256", "secretIndex", "durationMs", "traceId",
	}, slices.Collect(maps.Keys(first)))
	assert.Equal(t, "2025-10-28T12:00:00Z", first["time"])
	assert.Equal(t, "127.0.0.1", first["peer"])
	assert.Equal(t, "/webhook/inflow", first["route"])
	assert.Equal(t, "POST", first["method"])
	assert.EqualValues(t, 200, first["status"])
	assert.Equal(t, "received", first["reason"])
	assert.Equal(t, "salesOrder.updated", first["event"])
	assert.Equal(t, orderID, first["salesOrderId"])
	assert.EqualValues(t, len(body), first["bodySize"])
	assert.Len(t, first["bodySha256"], 64)
	assert.EqualValues(t, 1, first["secretIndex"])
	assert.Positive(t, first["durationMs"])
	assert.Len(t, first["traceId"], 32)

	assert.Equal(t, "signature-mismatch", records[1]["reason"])
	assert.NotContains(t, records[1], "secretIndex")
	assert.NotContains(t, records[1], "event", "an unverified body is not parsed")
	assert.Equal(t, first["bodySha256"], records[1]["bodySha256"])
	assert.EqualValues(t, 0, records[2]["secretIndex"])
	assert.Equal(t, "method-not-allowed", records[3]["reason"])
	assert.Equal(t, "A-Metho…", records[3]["method"])

	info, err := os.Stat(ts.auditLog)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	content, err := os.ReadFile(ts.auditLog)
	require.NoError(t, err)
	for _, shown := range []string{string(content), ts.log.String()} {
		assert.NotContains(t, shown, marker)
		assert.NotContains(t, shown, firstSecret)
		assert.NotContains(t, shown, secondSecret)
		assert.NotContains(t, shown, sign(t, firstSecret, body))
		assert.NotContains(t, shown, sign(t, secondSecret, body))
	}
}

func TestAuditLogTargets(t *testing.T) {
	off, err := OpenAuditLog(AuditOptions{Target: AuditOff})
	require.NoError(t, err)
	off.record(&auditRecord{})
	require.NoError(t, off.Close(t.Context()))

	var out bytes.Buffer
	stdout, err := OpenAuditLog(AuditOptions{Target: AuditStdout, Stdout: &out})
	require.NoError(t, err)
	for range 1000 {
		stdout.record(&auditRecord{Reason: reasonReceived})
	}
	require.NoError(t, stdout.Close(t.Context()))
	assert.Equal(t, 1000, strings.Count(out.String(), `"reason":"received"`))
	assert.Equal(t, 1000, strings.Count(out.String(), "\n"))

	path := filepath.Join(t.TempDir(), "audit.jsonl")
	for range 2 { // the second log appends
		file, err := OpenAuditLog(AuditOptions{Target: path})
		require.NoError(t, err)
		file.record(&auditRecord{Reason: reasonReceived})
		require.NoError(t, file.Close(t.Context()))
	}
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, 2, bytes.Count(content, []byte("\n")))

	_, err = OpenAuditLog(AuditOptions{Target: filepath.Join(path, "below-a-file")})
	require.ErrorContains(t, err, "open the audit log")
}

// faultyDisk accepts up to room bytes of each write.
type faultyDisk struct {
	room    int
	written bytes.Buffer
}

func (d *faultyDisk) Write(p []byte) (int, error) {
	if len(p) <= d.room {
		return d.written.Write(p)
	}
	n, _ := d.written.Write(p[:d.room])
	return n, errors.New("no space left on device")
}

// TestAuditLogOnAFaultyDisk checks that lost lines are counted and logged once a minute, and that
// the lines after them are complete.
func TestAuditLogOnAFaultyDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := sdkmetric.NewManualReader()
		var log bytes.Buffer
		disk := &faultyDisk{room: 1 << 20}
		audit, err := OpenAuditLog(AuditOptions{
			Target: AuditStdout, Stdout: disk, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
		})
		require.NoError(t, err)
		record := func(room int, reason string) {
			disk.room = room
			audit.record(&auditRecord{Reason: reason})
			synctest.Wait()
		}
		record(1<<20, "first")
		record(0, "lost")
		record(10, "torn")
		record(1<<20, "last")
		assert.Equal(t, 1, strings.Count(log.String(), "no space left"))
		time.Sleep(time.Minute)
		record(0, "lost")
		assert.Equal(t, 2, strings.Count(log.String(), "no space left"))
		require.NoError(t, audit.Close(t.Context()))
		audit.record(&auditRecord{Reason: "after Close"})

		lines := strings.Split(strings.TrimSpace(disk.written.String()), "\n")
		require.Len(t, lines, 3)
		assert.Contains(t, lines[0], "first")
		assert.Contains(t, lines[2], "last")
		assert.EqualValues(t, 4, sum(t, reader, "gate.audit.lost"))
	})
}

// TestAuditLogOnAHangingDisk checks that record never blocks and that the queue is bounded.
func TestAuditLogOnAHangingDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := sdkmetric.NewManualReader()
		r, w := io.Pipe()
		audit, err := OpenAuditLog(AuditOptions{
			Target: AuditStdout, Stdout: w, Logger: slog.New(slog.DiscardHandler),
			MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
		})
		require.NoError(t, err)
		began := time.Now()
		audit.record(&auditRecord{})
		synctest.Wait() // the write hangs
		for range auditQueue + 100 {
			audit.record(&auditRecord{})
		}
		assert.Zero(t, time.Since(began))
		assert.EqualValues(t, 100, sum(t, reader, "gate.audit.lost"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorContains(t, audit.Close(ctx), "last lines of the audit log")
		require.NoError(t, r.Close())
		synctest.Wait()
	})
}
