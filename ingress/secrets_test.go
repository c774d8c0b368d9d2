package ingress

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/reload"
	"error-check-gate/internal/testkit"
)

// accepts reports whether a signature with the secret is valid.
func accepts(t *testing.T, secrets Secrets, secret string) bool {
	t.Helper()
	_, err := secrets.Verifier().Verify([]string{sign(t, secret, "body")}, []byte("body"))
	if err != nil {
		require.ErrorIs(t, err, inflow.SignatureMismatch)
	}
	return err == nil
}

// openTestSecrets opens a secret file that waits for its polls even on a slow machine.
func openTestSecrets(t *testing.T, path string, log io.Writer, clock *testkit.Clock) *SecretFile {
	t.Helper()
	secrets, err := openSecretFile(path, slog.New(slog.NewTextHandler(log, nil)), clock.Now)
	require.NoError(t, err)
	secrets.verifier.SetPollTimeout(generous)
	return secrets
}

func TestSecretFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	writeFile(t, path, firstSecret+"\n")
	clock := testkit.NewClock()
	log := &testkit.Log{}
	secrets := openTestSecrets(t, path, log, clock)
	require.True(t, accepts(t, secrets, firstSecret))
	require.False(t, accepts(t, secrets, secondSecret))

	writeFile(t, path, firstSecret+"\r\n\r\n"+secondSecret+"\r\n")
	require.False(t, accepts(t, secrets, secondSecret), "a poll is due after a second")
	clock.Advance(reload.Interval)
	require.True(t, accepts(t, secrets, firstSecret))
	require.True(t, accepts(t, secrets, secondSecret))
	assert.Equal(t, 1, strings.Count(log.String(), "are in force"))

	// Invalid content changes nothing and is logged once.
	for name, spoil := range map[string]func(){
		"empty":      func() { writeFile(t, path, "") },
		"blank":      func() { writeFile(t, path, "\n \n") },
		"short":      func() { writeFile(t, path, "hunter2\n") },
		"one of two": func() { writeFile(t, path, secondSecret+"\nhunter2\n") },
		"not base64": func() { writeFile(t, path, "base64:%%%%%%%%%%%%hunter2\n") },
		"gone":       func() { require.NoError(t, os.Remove(path)) },
		"a directory": func() {
			require.NoError(t, os.Remove(path))
			require.NoError(t,
				os.Mkdir(path, 0o700))
		},
		"huge": func() { writeFile(t, path, strings.Repeat("x", reload.MaxFile+1)) },
	} {
		t.Run(name, func(t *testing.T) {
			logged := strings.Count(log.String(), "files are invalid")
			spoil()
			for range 3 {
				clock.Advance(reload.Interval)
				assert.True(t, accepts(t, secrets, firstSecret))
				assert.True(t, accepts(t, secrets, secondSecret))
			}
			assert.Equal(t, logged+1, strings.Count(log.String(), "files are invalid"))
			assert.NotContains(t, log.String(), "hunter2")

			require.NoError(t, os.RemoveAll(path))
			writeFile(t, path, firstSecret+"\r\n\r\n"+secondSecret+"\r\n")
			clock.Advance(reload.Interval)
			assert.True(t, accepts(t, secrets, secondSecret))
		})
	}

	writeFile(t, path, secondSecret)
	clock.Advance(reload.Interval)
	assert.False(t, accepts(t, secrets, firstSecret), "a removed secret")
	assert.True(t, accepts(t, secrets, secondSecret))
	assert.NotContains(t, log.String(), firstSecret)
	assert.NotContains(t, log.String(), secondSecret)
}

// TestSecretFileOfTheSameSize checks that a change is seen even if the clock's granularity leaves
// the file's time and size as they were.
func TestSecretFileOfTheSameSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	const a, b = "secret-of-one-size-a", "secret-of-one-size-b"
	writeFile(t, path, a)
	info, err := os.Stat(path)
	require.NoError(t, err)
	clock := testkit.NewClock()
	secrets := openTestSecrets(t, path, io.Discard, clock)
	writeFile(t, path, b)
	require.NoError(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
	clock.Advance(reload.Interval)
	assert.True(t, accepts(t, secrets, b))
}

// TestSecretFileOfKubernetes checks a mounted secret: a link to a link to a directory. An update
// swaps the second link.
func TestSecretFileOfKubernetes(t *testing.T) {
	mount := t.TempDir()
	publish := func(version, secret string) {
		require.NoError(t, os.Mkdir(filepath.Join(mount, version), 0o700))
		writeFile(t, filepath.Join(mount, version, "webhook-secret"), secret)
		// All versions have the same time and size, so only the file's identity differs.
		age := time.Now().Add(-time.Hour).Truncate(time.Second)
		require.NoError(
			t,
			os.Chtimes(filepath.Join(mount, version, "webhook-secret"), age,
				time.Unix(1761652800, 0)),
		)
		require.NoError(t, os.Symlink(version, filepath.Join(mount, "..data_tmp")))
		require.NoError(t,
			os.Rename(filepath.Join(mount, "..data_tmp"), filepath.Join(mount, "..data")))
	}
	publish("..1", "kubernetes-secret-a")
	path := filepath.Join(mount, "webhook-secret")
	require.NoError(t, os.Symlink(filepath.Join("..data", "webhook-secret"), path))

	clock := testkit.NewClock()
	secrets := openTestSecrets(t, path, io.Discard, clock)
	require.True(t, accepts(t, secrets, "kubernetes-secret-a"))
	publish("..2", "kubernetes-secret-b")
	clock.Advance(reload.Interval)
	assert.True(t, accepts(t, secrets, "kubernetes-secret-b"))
	assert.False(t, accepts(t, secrets, "kubernetes-secret-a"))
}

func TestSecretFileUnderConcurrentUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	writeFile(t, path, firstSecret)
	clock := testkit.NewClock()
	secrets := openTestSecrets(t, path, io.Discard, clock)
	for i := range 20 {
		now, previous := firstSecret, secondSecret
		if i%2 == 0 {
			now, previous = secondSecret, firstSecret
		}
		next := path + ".new"
		writeFile(t, next, now)
		require.NoError(t, os.Rename(next, path))
		clock.Advance(reload.Interval)
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				assert.True(t, accepts(t, secrets, now), "Get waits for the look in progress")
				assert.False(t, accepts(t, secrets, previous))
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

// TestSecretFileReloadOverHTTP rotates as an operator does: first both secrets, then only the new
// one.
func TestSecretFileReloadOverHTTP(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	writeFile(t, path, firstSecret)
	clock := testkit.NewClock()
	secrets := openTestSecrets(t, path, io.Discard, clock)
	ts := startServer(t, &fakeTemporal{}, withOptions(func(o *Options) { o.Secrets = secrets }))
	post := func(secret string) int {
		r := ts.webhookRequest(t, documentedBody(orderID))
		r.Header.Set(inflow.SignatureHeader, sign(t, secret, documentedBody(orderID)))
		return ts.do(t, r).status
	}
	assert.Equal(t, 200, post(firstSecret))
	assert.Equal(t, 401, post(secondSecret))
	writeFile(t, path, firstSecret+"\n"+secondSecret)
	clock.Advance(reload.Interval)
	assert.Equal(t, 200, post(firstSecret))
	assert.Equal(t, 200, post(secondSecret))
	writeFile(t, path, secondSecret)
	clock.Advance(reload.Interval)
	assert.Equal(t, 401, post(firstSecret))
	assert.Equal(t, 200, post(secondSecret))
}
