package ingress

import (
	"bufio"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// TestAuditLogOnAFullDisk uses the kernel's full device. Lines are lost and counted. Once the path
// leads to a disk with room, lines are written again.
func TestAuditLogOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.log")
	require.NoError(t, os.Symlink("/dev/full", path))
	synctest.Test(t, func(t *testing.T) {
		a := newAuditFixture(t, path, 1000, 2)
		for range 30 {
			a.write("lost")
		}
		assert.EqualValues(t, 30, sum(t, a.reader, "gate.audit.lost"))
		assert.Equal(t, 1, strings.Count(a.logged.String(), "no space left on device"))
		assert.Zero(t, sum(t, a.reader, "gate.audit.rotation.failures"), "a device is not rotated")

		require.NoError(t, os.Symlink("room.log", path+".new"))
		require.NoError(t, os.Rename(path+".new", path))
		time.Sleep(auditLookInterval)
		a.write("kept")
		require.NoError(t, a.log.Close(t.Context()))
		assert.Equal(t, []string{"kept"}, reasonsIn(t, path))
		assert.EqualValues(t, 30, sum(t, a.reader, "gate.audit.lost"))
	})
}

// TestAuditLogThatIsAPipe checks that a pipe without a reader is refused at once. If the path
// becomes such a pipe later, the log doesn't block and keeps writing to the open file.
func TestAuditLogThatIsAPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	_, err := OpenAuditLog(AuditOptions{Target: pipe})
	require.ErrorContains(t, err, "a pipe without a reader")

	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.log")
		a := newAuditFixture(t, path, 0, 0)
		a.write("before")
		require.NoError(t, os.Rename(path, path+".old"))
		require.NoError(t, syscall.Mkfifo(path, 0o600))
		time.Sleep(auditLookInterval)
		a.write("after")
		require.NoError(t, a.log.Close(t.Context()))
		assert.Equal(t, []string{"before", "after"}, reasonsIn(t, path+".old"))
		assert.Zero(t, sum(t, a.reader, "gate.audit.lost"))
	})

	reader, err := os.OpenFile(pipe, os.O_RDWR, 0) // like a log shipper
	require.NoError(t, err)
	defer reader.Close() //nolint:errcheck // only read
	log, err := OpenAuditLog(AuditOptions{Target: pipe})
	require.NoError(t, err)
	log.record(&auditRecord{Reason: "read"})
	require.NoError(t, log.Close(t.Context()))
	line, err := bufio.NewReader(reader).ReadString('\n')
	require.NoError(t, err)
	assert.Contains(t, line, `"reason":"read"`)
}

// TestDeliveriesOnAFullDisk checks that a full disk costs audit lines but no deliveries.
func TestDeliveriesOnAFullDisk(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	audit, err := OpenAuditLog(AuditOptions{
		Target: "/dev/full", Logger: slog.New(slog.DiscardHandler),
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
	})
	require.NoError(t, err)
	ts := startServer(t, &fakeTemporal{}, withOptions(func(o *Options) { o.Audit = audit }))
	const deliveries = 20
	for range deliveries {
		require.Equal(t, http.StatusOK,
			ts.do(t, ts.webhookRequest(t, documentedBody(orderID))).status)
	}
	require.NoError(t, audit.Close(t.Context()))
	assert.EqualValues(t, deliveries, sum(t, reader, "gate.audit.lost"))
}

// TestAuditLogOnAFullFilesystem fills a real file system. It needs root, to mount one.
func TestAuditLogOnAFullFilesystem(t *testing.T) {
	dir := t.TempDir()
	err := syscall.Mount("none", dir, "tmpfs", 0, "size=64k")
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		t.Skip("mounting needs root; TestAuditLogOnAFullDisk covers most of this")
	}
	require.NoError(t, err)
	defer func() { assert.NoError(t, syscall.Unmount(dir, 0)) }()
	path := filepath.Join(dir, "audit.log")
	synctest.Test(t, func(t *testing.T) {
		a := newAuditFixture(t, path, 8<<10, 2)
		a.write("first")
		filler, err := os.Create(filepath.Join(dir, "filler"))
		require.NoError(t, err)
		for err == nil {
			_, err = filler.Write(make([]byte, 4096))
		}
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.NoError(t, filler.Close())

		const lines = 200 // more than fits in the last page of the file
		for range lines {
			a.write("tried")
		}
		lost := sum(t, a.reader, "gate.audit.lost")
		assert.Positive(t, lost)
		require.NoError(t, os.Remove(filler.Name()))
		a.write("last")
		require.NoError(t, a.log.Close(t.Context()))

		// Only the line during which the disk filled up is torn.
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.True(t, strings.HasSuffix(string(content), "}\n"))
		assert.Contains(t, string(content), `"reason":"last"`)
		whole := strings.Count(string(content), "}\n")
		assert.EqualValues(t, lines+2, int64(whole)+lost,
			"each line is either written or counted as lost")
		assert.Contains(t, a.logged.String(), "no space left on device")
	})
}
