package ingress

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// auditFixture is an audit log with a file, in a synctest bubble.
type auditFixture struct {
	log    *AuditLog
	path   string
	logged bytes.Buffer
	reader *sdkmetric.ManualReader
}

func newAuditFixture(t *testing.T, path string, maxSize int64, keep int) *auditFixture {
	t.Helper()
	a := &auditFixture{path: path, reader: sdkmetric.NewManualReader()}
	var err error
	a.log, err = OpenAuditLog(AuditOptions{
		Target: path, MaxSize: maxSize, Keep: keep, Logger: slog.New(slog.NewTextHandler(&a.logged, nil)),
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(a.reader)),
	})
	require.NoError(t, err)
	return a
}

// write writes a line and waits until it is written or lost.
func (a *auditFixture) write(reason string) {
	a.log.record(&auditRecord{Reason: reason})
	synctest.Wait()
}

// reasonsIn returns the reasons of the lines in a file. It fails if a line is incomplete.
func reasonsIn(t *testing.T, path string) []string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	var reasons []string
	for line := range strings.Lines(string(content)) {
		require.True(t, strings.HasPrefix(line, `{"time"`) && strings.HasSuffix(line, "}\n"), line)
		_, rest, _ := strings.Cut(line, `"reason":"`)
		reason, _, _ := strings.Cut(rest, `"`)
		reasons = append(reasons, reason)
	}
	return reasons
}

// TestAuditLogRotates checks the sizes and the number of the files, and that no line is lost or
// torn.
func TestAuditLogRotates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const maxSize, keep, lines = 2000, 3, 100
		dir := t.TempDir()
		path := filepath.Join(dir, "audit.log")
		for _, suffix := range []string{".4", ".5"} { // from when five were kept
			writeFile(t, path+suffix, "old\n")
		}
		writeFile(t, path+".7", "not ours\n")
		a := newAuditFixture(t, path, maxSize, keep)
		for i := range lines {
			a.write(fmt.Sprintf("r%d", i))
		}
		require.NoError(t, a.log.Close(t.Context()))

		var reasons []string
		for _, name := range []string{path + ".3", path + ".2", path + ".1", path} {
			info, err := os.Stat(name)
			require.NoError(t, err)
			assert.LessOrEqual(t, info.Size(), int64(maxSize))
			assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
			reasons = append(reasons, reasonsIn(t, name)...)
		}
		require.Greater(t, len(reasons), 30)
		for i, reason := range reasons {
			assert.Equal(t, fmt.Sprintf("r%d", lines-len(reasons)+i), reason,
				"the latest lines in order")
		}
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Len(t, entries, 1+keep+1, "the file, the rotated files, and the foreign file")
		assert.Zero(t, sum(t, a.reader, "gate.audit.lost"))
		assert.Zero(t, sum(t, a.reader, "gate.audit.rotation.failures"))
		assert.Empty(t, a.logged.String())
	})
}

// TestAuditLogContinuesAFile checks that the size of an existing file counts.
func TestAuditLogContinuesAFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.log")
		for _, reason := range []string{"a", "b", "c"} {
			a := newAuditFixture(t, path, 200, 5)
			a.write(reason)
			require.NoError(t, a.log.Close(t.Context()))
		}
		assert.Equal(t, []string{"a", "b"}, reasonsIn(t, path+".1"))
		assert.Equal(t, []string{"c"}, reasonsIn(t, path))
	})
}

// TestAuditLogThatCannotRotate checks that the file grows, that this is logged once a minute, and
// that the log rotates once it can.
func TestAuditLogThatCannotRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.log")
		require.NoError(t, os.MkdirAll(filepath.Join(path+".1", "in the way"), 0o700))
		a := newAuditFixture(t, path, 300, 1)
		for i := range 20 {
			a.write(fmt.Sprintf("r%d", i))
		}
		assert.Len(t, reasonsIn(t, path), 20)
		assert.Equal(t, 1, strings.Count(a.logged.String(), "file grows"))
		assert.EqualValues(t, 1, sum(t, a.reader, "gate.audit.rotation.failures"))
		time.Sleep(rotationRetry)
		a.write("r20")
		assert.Equal(t, 2, strings.Count(a.logged.String(), "file grows"))

		require.NoError(t, os.RemoveAll(path+".1"))
		time.Sleep(rotationRetry)
		a.write("r21")
		assert.Len(t, reasonsIn(t, path+".1"), 21)
		assert.Equal(t, []string{"r21"}, reasonsIn(t, path))
		require.NoError(t, a.log.Close(t.Context()))
		assert.Zero(t, sum(t, a.reader, "gate.audit.lost"))
	})
}

// TestAuditLogRotatedByOthers checks that the log notices when logrotate renames the file, with or
// without creating a new one.
func TestAuditLogRotatedByOthers(t *testing.T) {
	for name, recreate := range map[string]func(t *testing.T, path string){
		"renamed":             func(*testing.T, string) {},
		"renamed and created": func(t *testing.T, path string) { writeFile(t, path, "") },
		"replaced by a link": func(t *testing.T, path string) {
			writeFile(t, path+".real", "")
			require.NoError(t, os.Symlink(path+".real", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "audit.log")
				a := newAuditFixture(t, path, 0, 0)
				a.write("before")
				require.NoError(t, os.Rename(path, path+"-20251028"))
				recreate(t, path)
				time.Sleep(auditLookInterval)
				a.write("after")
				require.NoError(t, a.log.Close(t.Context()))
				assert.Equal(t, []string{"before"}, reasonsIn(t, path+"-20251028"))
				assert.Equal(t, []string{"after"}, reasonsIn(t, path))
			})
		})
	}
}

// TestAuditLogThroughALink checks that the file is renamed, not the link to it.
func TestAuditLogThroughALink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path, link := filepath.Join(dir, "real.log"), filepath.Join(dir, "link.log")
		require.NoError(t, os.Symlink(path, link))
		a := newAuditFixture(t, link, 100, 2)
		a.write("a")
		a.write("b")
		require.NoError(t, a.log.Close(t.Context()))
		assert.Equal(t, []string{"a"}, reasonsIn(t, path+".1"))
		assert.Equal(t, []string{"b"}, reasonsIn(t, link))
	})
}
