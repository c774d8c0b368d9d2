package ingress

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/reload"
)

// setGlobalPropagator: otelhttp reads a request's trace context with the global propagator.
func setGlobalPropagator(t *testing.T) {
	t.Helper()
	before := otel.GetTextMapPropagator()
	otel.SetTextMapPropagator(propagation.TraceContext{})
	t.Cleanup(func() { otel.SetTextMapPropagator(before) })
}

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Now()} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
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
	writeFile(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
}

func accepts(t *testing.T, secrets Secrets, secret string) bool {
	t.Helper()
	_, err := secrets.Verifier().Verify([]string{sign(t, secret, "body")}, []byte("body"))
	if err != nil {
		require.ErrorIs(t, err, inflow.SignatureMismatch)
	}
	return err == nil
}

// openTestSecrets waits for looks at the file, however busy this machine is.
func openTestSecrets(t *testing.T, path string, log io.Writer, clock *clock) *SecretFile {
	t.Helper()
	secrets, err := openSecretFile(path, slog.New(slog.NewTextHandler(log, nil)), clock.now)
	require.NoError(t, err)
	secrets.verifier.WaitAtMost(time.Minute)
	return secrets
}

func TestSecretFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	writeFile(t, path, firstSecret+"\n")
	clock := newClock()
	log := &lockedBuffer{}
	secrets := openTestSecrets(t, path, log, clock)
	require.True(t, accepts(t, secrets, firstSecret))
	require.False(t, accepts(t, secrets, secondSecret))

	writeFile(t, path, firstSecret+"\r\n\r\n"+secondSecret+"\r\n")
	require.False(t, accepts(t, secrets, secondSecret), "looked at once a second at most")
	clock.step(reload.Interval)
	require.True(t, accepts(t, secrets, firstSecret))
	require.True(t, accepts(t, secrets, secondSecret))
	assert.Equal(t, 1, strings.Count(log.String(), "were read anew"))

	// What cannot be used leaves things as they are, and is said once.
	for name, spoil := range map[string]func(){
		"empty":       func() { writeFile(t, path, "") },
		"blank":       func() { writeFile(t, path, "\n \n") },
		"short":       func() { writeFile(t, path, "hunter2\n") },
		"one of two":  func() { writeFile(t, path, secondSecret+"\nhunter2\n") },
		"not base64":  func() { writeFile(t, path, "base64:%%%%%%%%%%%%hunter2\n") },
		"gone":        func() { require.NoError(t, os.Remove(path)) },
		"a directory": func() { require.NoError(t, os.Remove(path)); require.NoError(t, os.Mkdir(path, 0o700)) },
		"huge":        func() { writeFile(t, path, strings.Repeat("x", reload.MaxFile+1)) },
	} {
		t.Run(name, func(t *testing.T) {
			said := strings.Count(log.String(), "cannot be used")
			spoil()
			for range 3 {
				clock.step(reload.Interval)
				assert.True(t, accepts(t, secrets, firstSecret))
				assert.True(t, accepts(t, secrets, secondSecret))
			}
			assert.Equal(t, said+1, strings.Count(log.String(), "cannot be used"))
			assert.NotContains(t, log.String(), "hunter2")

			require.NoError(t, os.RemoveAll(path))
			writeFile(t, path, firstSecret+"\r\n\r\n"+secondSecret+"\r\n")
			clock.step(reload.Interval)
			assert.True(t, accepts(t, secrets, secondSecret))
		})
	}

	writeFile(t, path, secondSecret)
	clock.step(reload.Interval)
	assert.False(t, accepts(t, secrets, firstSecret), "a secret that was taken out")
	assert.True(t, accepts(t, secrets, secondSecret))
	assert.NotContains(t, log.String(), firstSecret)
	assert.NotContains(t, log.String(), secondSecret)
}

// TestSecretFileOfTheSameSize: neither time nor size tell of a change within the clock's grain.
func TestSecretFileOfTheSameSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	const a, b = "secret-of-one-size-a", "secret-of-one-size-b"
	writeFile(t, path, a)
	info, err := os.Stat(path)
	require.NoError(t, err)
	clock := newClock()
	secrets := openTestSecrets(t, path, io.Discard, clock)
	writeFile(t, path, b)
	require.NoError(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
	clock.step(reload.Interval)
	assert.True(t, accepts(t, secrets, b))
}

// TestSecretFileOfKubernetes: a mounted secret is a link to a link to a directory,
// of which the last is swapped.
func TestSecretFileOfKubernetes(t *testing.T) {
	mount := t.TempDir()
	publish := func(version, secret string) {
		require.NoError(t, os.Mkdir(filepath.Join(mount, version), 0o700))
		writeFile(t, filepath.Join(mount, version, "webhook-secret"), secret)
		// Of one age and size, so that only the file's identity tells the two apart.
		age := time.Now().Add(-time.Hour).Truncate(time.Second)
		require.NoError(t, os.Chtimes(filepath.Join(mount, version, "webhook-secret"), age, time.Unix(1761652800, 0)))
		require.NoError(t, os.Symlink(version, filepath.Join(mount, "..data_tmp")))
		require.NoError(t, os.Rename(filepath.Join(mount, "..data_tmp"), filepath.Join(mount, "..data")))
	}
	publish("..1", "kubernetes-secret-a")
	path := filepath.Join(mount, "webhook-secret")
	require.NoError(t, os.Symlink(filepath.Join("..data", "webhook-secret"), path))

	clock := newClock()
	secrets := openTestSecrets(t, path, io.Discard, clock)
	require.True(t, accepts(t, secrets, "kubernetes-secret-a"))
	publish("..2", "kubernetes-secret-b")
	clock.step(reload.Interval)
	assert.True(t, accepts(t, secrets, "kubernetes-secret-b"))
	assert.False(t, accepts(t, secrets, "kubernetes-secret-a"))
}

func TestSecretFileUnderConcurrentUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	writeFile(t, path, firstSecret)
	clock := newClock()
	secrets := openTestSecrets(t, path, io.Discard, clock)
	for i := range 20 {
		now, before := firstSecret, secondSecret
		if i%2 == 0 {
			now, before = secondSecret, firstSecret
		}
		next := path + ".new"
		writeFile(t, next, now)
		require.NoError(t, os.Rename(next, path))
		clock.step(reload.Interval)
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				assert.True(t, accepts(t, secrets, now), "read before the look that was due had ended")
				assert.False(t, accepts(t, secrets, before))
			})
		}
		group.Wait()
	}
}

func TestOpenSecretFileRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secrets")
	_, err := OpenSecretFile(path, nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = OpenSecretFile(dir, nil)
	require.ErrorContains(t, err, "not a regular file")
	writeFile(t, path, firstSecret+"\nhunter2\n")
	_, err = OpenSecretFile(path, nil)
	require.ErrorContains(t, err, path)
	require.ErrorContains(t, err, "line 2: the key has 7 bytes")
	assert.NotContains(t, err.Error(), "hunter2")
}

// TestSecretFileReloadOverHTTP rotates as an operator does: both, then the new one alone.
func TestSecretFileReloadOverHTTP(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	writeFile(t, path, firstSecret)
	clock := newClock()
	secrets := openTestSecrets(t, path, io.Discard, clock)
	e := startEdge(t, &fakeTemporal{}, withOptions(func(o *Options) { o.Secrets = secrets }))
	post := func(secret string) int {
		r := e.webhookRequest(t, documentedBody(orderID))
		r.Header.Set(inflow.SignatureHeader, sign(t, secret, documentedBody(orderID)))
		return e.do(t, r).status
	}
	assert.Equal(t, 200, post(firstSecret))
	assert.Equal(t, 401, post(secondSecret))
	writeFile(t, path, firstSecret+"\n"+secondSecret)
	clock.step(reload.Interval)
	assert.Equal(t, 200, post(firstSecret))
	assert.Equal(t, 200, post(secondSecret))
	writeFile(t, path, secondSecret)
	clock.step(reload.Interval)
	assert.Equal(t, 401, post(firstSecret))
	assert.Equal(t, 200, post(secondSecret))
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
	for range 2 { // appended to
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

// faultyDisk takes up to room bytes of each write.
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

// TestAuditLogOnAFaultyDisk: lines are lost and counted, what comes after them is whole, and the
// log says so once a minute.
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
		audit.record(&auditRecord{Reason: "after its end"})

		lines := strings.Split(strings.TrimSpace(disk.written.String()), "\n")
		require.Len(t, lines, 3)
		assert.Contains(t, lines[0], "first")
		assert.Contains(t, lines[2], "last")
		assert.EqualValues(t, 4, sum(t, reader, "gate.audit.lost"))
	})
}

// TestAuditLogOnAHangingDisk: nobody waits for it, and its memory is bounded.
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
		synctest.Wait() // it is being written now, for ever
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

// sum is what a counter has counted, or how many values a histogram holds.
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
				require.Failf(t, "cannot be summed", "%s is %T", name, data)
			}
		}
	}
	return total
}
