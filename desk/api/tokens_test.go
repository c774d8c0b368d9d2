package api

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/reload"
)

func TestParseTokens(t *testing.T) {
	colons := strings.Repeat(":", 32)
	list, err := parseTokens("tokens", []byte(testTokens+"  # indented\n \t\na.b_C-9:read:"+colons))
	require.NoError(t, err)
	require.Len(t, list, 3)
	assert.Equal(t, "scanner", list.find(readToken).name)
	assert.False(t, list.find(readToken).mayAct)
	assert.True(t, list.find(actToken).mayAct)
	assert.Equal(t, "a.b_C-9", list.find(colons).name, "a token may have colons")
	tooLong := strings.Repeat("x", maxToken+1)
	for _, unknown := range []string{"", readToken[:35], readToken + " ", tooLong} {
		assert.Nil(t, list.find(unknown))
	}
}

// TestParseTokensFaults checks that an error names the file and the line, and quotes nothing,
// because any part of a line may be the token.
func TestParseTokensFaults(t *testing.T) {
	secret := "hunter2-" + strings.Repeat("x", 32)
	for content, says := range map[string]string{
		"":                        "no token",
		"# nothing\n":             "no token",
		"hunter2":                 "tokens:1: expected name:read:token",
		"a:read":                  "tokens:1: expected",
		"\n" + secret + ":read:a": "tokens:2: the token has 1 bytes",
		"a:write:" + secret:       "must be read or act",
		"a:Read:" + secret:        "must be read or act",
		"a :read:" + secret:       "the name must have",
		":read:" + secret:         "the name must have",
		strings.Repeat("a", 65) + ":read:" + secret:    "the name must have",
		"ä:read:" + secret:                             "the name must have",
		"a:read:hunter2 " + secret:                     "printable",
		"a:read:hunter2é" + secret:                     "printable",
		"a:read:hunter2\x00" + secret:                  "printable",
		"a:read:hunter2":                               "the token has 7 bytes and needs 32",
		"a:read:" + strings.Repeat("x", 1025):          "the maximum is 1024",
		"a:read:" + secret + "\na:act:" + secret + "2": "tokens:2: the name is already used in line 1",
		"a:read:" + secret + "\nb:act:" + secret:       "tokens:2: the token is already used in line 1",
		"\ufeffa:read:" + secret:                       "the name must have",
		strings.Repeat("#\n", 1001):                    "more than 1000 lines",
	} {
		_, err := parseTokens("tokens", []byte(content))
		require.ErrorContains(t, err, says, content)
		assert.NotContains(t, err.Error(), "hunter2")
	}
	_, err := parseTokens("tokens", []byte(strings.Repeat("x\n", 1000)))
	assert.Equal(t, maxTokenFaults, strings.Count(err.Error(), "tokens:"))
	_, err = parseTokens("tokens", []byte("x\na:read:"+secret+"\ny"))
	require.ErrorContains(t, err, "tokens:1:")
	require.ErrorContains(t, err, "tokens:3:", "all faults at once")
}

func TestBrokenTokenFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	_, err := New(Options{TokensFile: path, Logger: slog.New(slog.DiscardHandler)})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(path, []byte("a:read:short"), 0o600))
	_, err = New(Options{TokensFile: path, Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, path+":1: ")
}

func writeTokens(t *testing.T, path, content string) {
	t.Helper()
	next := path + ".new"
	require.NoError(t, os.WriteFile(next, []byte(content), 0o600))
	require.NoError(t, os.Rename(next, path))
}

// TestTokenFileIsFollowed checks that a removed token stops working within a second, and that a
// broken file changes nothing.
func TestTokenFileIsFollowed(t *testing.T) {
	a := startAPI(t)
	next := func() { a.advance(reload.Interval) }
	writeTokens(t, a.tokensPath, "clerk:read:"+actToken)
	next()
	assert.Equal(t, 401, a.get(ordersPath).status)
	assert.Equal(t, 200, a.do("GET", ordersPath, actToken, "").status)
	assert.Equal(t, 403, a.post("check", "").status, "the token may only read now")

	for name, breakFile := range map[string]func(){
		"empty":    func() { writeTokens(t, a.tokensPath, "") },
		"comments": func() { writeTokens(t, a.tokensPath, "# none\n") },
		"a fault":  func() { writeTokens(t, a.tokensPath, "clerk:read:"+readToken+"\nx") },
		"in place": func() { require.NoError(t, os.Truncate(a.tokensPath, 20)) },
		"huge":     func() { writeTokens(t, a.tokensPath, strings.Repeat("#", reload.MaxFile+1)) },
		"deleted":  func() { require.NoError(t, os.Remove(a.tokensPath)) },
		"a directory": func() {
			require.NoError(t, os.Remove(a.tokensPath))
			require.NoError(t, os.Mkdir(a.tokensPath, 0o700))
		},
	} {
		logged := strings.Count(a.log.String(), "level=ERROR")
		breakFile()
		for range 2 {
			next()
			assert.Equal(t, 200, a.do("GET", ordersPath, actToken, "").status, name)
			assert.Equal(t, 401, a.get(ordersPath).status, name)
		}
		assert.Equal(t, logged+1, strings.Count(a.log.String(), "level=ERROR"), "%s is logged once", name)
		require.NoError(t, os.RemoveAll(a.tokensPath))
		writeTokens(t, a.tokensPath, "clerk:read:"+actToken)
		next()
		a.do("GET", ordersPath, actToken, "")
	}
	writeTokens(t, a.tokensPath, testTokens)
	next()
	assert.Equal(t, 200, a.get(ordersPath).status)
	for _, token := range []string{readToken, actToken} {
		assert.NotContains(t, a.log.String(), token)
	}
}

// TestTokenFileRewrittenDuringRequests checks that a token that stays in the file always works.
func TestTokenFileRewrittenDuringRequests(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	writeTokens(t, path, testTokens)
	var mu sync.Mutex
	now := time.Now()
	file, err := openTokenFile(path, slog.New(slog.DiscardHandler), func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(reload.Interval / 4)
		return now
	})
	require.NoError(t, err)
	file.tokens.SetPollTimeout(time.Minute)
	done := make(chan struct{})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if got := file.tokens.Get().find(readToken); assert.NotNil(t, got) {
					assert.Equal(t, "scanner", got.name)
				}
			}
		})
	}
	for i := range 200 {
		writeTokens(t, path, fmt.Sprintf("%sother%d:act:%032d\n", testTokens, i, i))
	}
	close(done)
	group.Wait()
}

// BenchmarkFindToken measures the look-up of a token in a full file.
func BenchmarkFindToken(b *testing.B) {
	var content strings.Builder
	for i := range maxTokenLines {
		fmt.Fprintf(&content, "n%d:read:%032d\n", i, i)
	}
	list, err := parseTokens("tokens", []byte(content.String()))
	require.NoError(b, err)
	for b.Loop() {
		list.find(readToken)
	}
}

func FuzzParseTokens(f *testing.F) {
	f.Add([]byte(testTokens))
	f.Add([]byte("a:read:\n#"))
	f.Fuzz(func(t *testing.T, content []byte) {
		list, err := parseTokens("tokens", content)
		if err == nil {
			assert.NotEmpty(t, list)
		}
		names := map[string]bool{}
		for _, entry := range list {
			assert.Regexp(t, tokenName, entry.name)
			assert.False(t, names[entry.name])
			names[entry.name] = true
		}
	})
}
