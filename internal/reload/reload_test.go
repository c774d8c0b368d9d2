package reload_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/reload"
)

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

// TestFilesThatHang checks that a poll that hangs, as on a network disk that is down, delays
// callers only once, by PollTimeout, and that the previous content stays in force.
func TestFilesThatHang(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	writeFile(t, path, "first")
	log := &bytes.Buffer{}
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		r, err := reload.Open(reload.Files{
			What: "secrets", Paths: []string{path}, Logger: slog.New(slog.NewTextHandler(log, nil)),
		}, func(contents [][]byte) (string, error) {
			if content := string(contents[0]); content != "second" {
				return content, nil
			}
			<-hang
			return "second", nil
		})
		require.NoError(t, err)

		writeFile(t, path, "second")
		time.Sleep(reload.Interval)
		began := time.Now()
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() { assert.Equal(t, "first", r.Get()) })
		}
		group.Wait()
		assert.Equal(t, reload.PollTimeout, time.Since(began))
		for range 10 {
			time.Sleep(reload.Interval)
			began := time.Now()
			assert.Equal(t, "first", r.Get())
			assert.Zero(t, time.Since(began))
		}
		assert.Equal(t, 1, strings.Count(log.String(), "cannot be read in time"), log.String())

		close(hang)
		synctest.Wait()
		assert.Equal(t, "second", r.Get())
		writeFile(t, path, "third")
		time.Sleep(reload.Interval)
		assert.Equal(t, "third", r.Get())
	})
}
