package subscriptions

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
)

const (
	oldSecret = "b2xkLXNlY3JldC1vZi10aGUtdGVzdA=="
	newSecret = "bmV3LXNlY3JldC1vZi10aGUtdGVzdA=="
)

func fresh() inflow.Subscription { return inflow.Subscription{ID: "id", Secret: newSecret} }

func readText(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

func modeOf(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Mode().Perm()
}

func namesIn(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestSecretFileKeepsExistingSecrets(t *testing.T) {
	for name, tc := range map[string]struct{ before, after string }{
		"one secret":          {oldSecret + "\n", newSecret + "\n" + oldSecret + "\n"},
		"no line break":       {oldSecret, newSecret + "\n" + oldSecret},
		"Windows line breaks": {oldSecret + "\r\n\r\n", newSecret + "\n" + oldSecret + "\r\n\r\n"},
		"byte order mark":     {byteOrderMark + oldSecret + "\n", newSecret + "\n" + oldSecret + "\n"},
		"empty":               {"", newSecret + "\n"},
		"already in the file": {oldSecret + "\n" + newSecret + "\n",
			oldSecret + "\n" + newSecret + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secrets")
			require.NoError(t, os.WriteFile(path, []byte(tc.before), 0o600))
			file := &SecretFile{Path: path}
			require.NoError(t, file.Ready())
			assert.Equal(t, tc.before, readText(t, path), "Ready changes nothing")
			require.NoError(t, file.Keep(fresh()))
			assert.Equal(t, tc.after, readText(t, path))
			_, err := inflow.ParseSecretLines([]byte(readText(t, path)))
			require.NoError(t, err)
			assert.Equal(t, []string{"secrets"}, namesIn(t, filepath.Dir(path)),
				"no temporary file is left")
		})
	}
}

func TestSecretFileWithdraw(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	file := &SecretFile{Path: path}
	require.NoError(t, file.Withdraw(fresh()), "nothing was kept")
	require.NoError(t, file.Keep(fresh()))
	require.NoError(t, file.Withdraw(fresh()))
	assert.NoFileExists(t, path, "the file did not exist before")
	require.NoError(t, file.Withdraw(fresh()))

	for _, before := range []string{"", oldSecret + "\n"} {
		require.NoError(t, os.WriteFile(path, []byte(before), 0o600))
		require.NoError(t, os.Chmod(path, 0o640))
		file = &SecretFile{Path: path}
		require.NoError(t, file.Keep(fresh()))
		assert.Equal(t, fs.FileMode(0o600), modeOf(t, path))
		require.NoError(t, file.Withdraw(fresh()))
		assert.Equal(t, before, readText(t, path))
		assert.Equal(t, fs.FileMode(0o640), modeOf(t, path), "the mode is restored")
	}
}

// TestSecretFileIsNeverReadableByOthers reads the file while a [SecretFile] writes it many times,
// with umask 0.
func TestSecretFileIsNeverReadableByOthers(t *testing.T) {
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	folder := t.TempDir()
	path := filepath.Join(folder, "secrets")
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			entries, err := os.ReadDir(folder)
			assert.NoError(t, err)
			for _, entry := range entries {
				if info, err := entry.Info(); err == nil {
					assert.Zero(t, info.Mode().Perm()&0o077, "%s", entry.Name())
				}
			}
			if content, err := os.ReadFile(path); err == nil {
				_, err := inflow.ParseSecretLines(content)
				assert.NoError(t, err, "the file is always complete")
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	file := &SecretFile{Path: path}
	for i := range 100 {
		require.NoError(t, file.Ready())
		secret := newSecret + strings.Repeat("x", i)
		require.NoError(t, file.Keep(inflow.Subscription{Secret: inflow.Secret(secret)}))
	}
	close(stop)
	<-done
	assert.Equal(t, fs.FileMode(0o600), modeOf(t, path))
	assert.Len(t, strings.Fields(readText(t, path)), 100)
}

func TestSecretFileReducesTooWideMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	require.NoError(t, os.WriteFile(path, []byte(oldSecret), 0o600))
	require.NoError(t, os.Chmod(path, 0o644))
	var lines messages
	require.NoError(t, (&SecretFile{Path: path, Say: lines.add}).Keep(fresh()))
	assert.Equal(t, fs.FileMode(0o600), modeOf(t, path))
	assert.Contains(t, lines.text(), "0644")
	assert.NotContains(t, lines.text(), newSecret)
}

func TestSecretFileHasTheRequestedMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	mode, err := ParseSecretMode("440")
	require.NoError(t, err)
	require.NoError(t, (&SecretFile{Path: path, Mode: mode}).Keep(fresh()))
	assert.Equal(t, fs.FileMode(0o440), modeOf(t, path))
	for _, text := range []string{"", "rw", "800", "0", "4600", "700", "602", "77777"} {
		_, err := ParseSecretMode(text)
		require.ErrorContains(t, err, "is not a mode", text)
	}
}

func TestSecretFileKeepsItsOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can change owners")
	}
	path := filepath.Join(t.TempDir(), "secrets")
	require.NoError(t, os.WriteFile(path, []byte(oldSecret), 0o600))
	require.NoError(t, os.Chown(path, 4321, 1234))
	require.NoError(t, (&SecretFile{Path: path}).Keep(fresh()))
	info, err := os.Stat(path)
	require.NoError(t, err)
	stat := info.Sys().(*syscall.Stat_t)
	assert.Equal(t, []uint32{4321, 1234}, []uint32{stat.Uid, stat.Gid})
}

func TestSecretFileFollowsALink(t *testing.T) {
	folder := t.TempDir()
	path, link := filepath.Join(folder, "data", "secrets"), filepath.Join(folder, "secrets")
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(oldSecret), 0o600))
	require.NoError(t, os.Symlink(path, link))
	require.NoError(t, (&SecretFile{Path: link}).Keep(fresh()))
	assert.Equal(t, newSecret+"\n"+oldSecret, readText(t, path))
	info, err := os.Lstat(link)
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&fs.ModeSymlink, "it is still a link")
}

func TestSecretFileFaults(t *testing.T) {
	folder := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	dangling := filepath.Join(folder, "dangling")
	require.NoError(t, os.Symlink(filepath.Join(folder, "nowhere"), dangling))
	for name, tc := range map[string]struct{ path, want string }{
		"no name":           {"", "no name"},
		"a folder":          {folder, "not a regular file"},
		"no such folder":    {filepath.Join(folder, "no", "secrets"), "mkdir -m 700"},
		"below a file":      {filepath.Join(write("file", oldSecret), "secrets"), "file"},
		"no secrets":        {write("notes", "remember\n"), "line 1"},
		"far too long":      {write("long", strings.Repeat("x", maxSecretFile+1)), "right file"},
		"a link to nothing": {dangling, "link to a file that does not exist"},
		"a device":          {os.DevNull, "not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			file := &SecretFile{Path: tc.path}
			require.ErrorContains(t, file.Ready(), tc.want)
			require.ErrorContains(t, file.Keep(fresh()), tc.want[:4])
		})
	}
}

// TestSecretFileDetectsConcurrentChange checks that a line that somebody adds between read and
// write is not lost.
func TestSecretFileDetectsConcurrentChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	require.NoError(t, os.WriteFile(path, []byte(oldSecret), 0o600))
	file := &SecretFile{Path: path}
	var once sync.Once
	err := file.replace(func(content []byte, _ os.FileInfo) replacement {
		once.Do(func() {
			require.NoError(t, os.WriteFile(path, []byte(oldSecret+"\n"+oldSecret+"3\n"), 0o600))
		})
		return replacement{content: withSecret(content, newSecret), mode: DefaultSecretMode}
	})
	require.ErrorContains(t, err, "somebody else")
	assert.Equal(t, oldSecret+"\n"+oldSecret+"3\n", readText(t, path))
	assert.Len(t, namesIn(t, filepath.Dir(path)), 1)
}

func TestUnusableSecrets(t *testing.T) {
	for _, secret := range []inflow.Secret{"", "short",
		"two-lines-of-a-secret\nsecond-line-of-secret", " blank-before-the-secret",
		"base64:not base64 at all!"} {
		err := checkSecret(secret)
		require.Error(t, err, "%q", string(secret))
	}
	require.NoError(t, checkSecret(newSecret))
}
