package e2e_test

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/desk/api"
	"error-check-gate/internal/config"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
	"error-check-gate/internal/signin"
)

// deskBlock returns the indented lines of docs/desk.md after a marker.
func deskBlock(t *testing.T, marker string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/desk.md")
	require.NoError(t, err)
	found := regexp.MustCompile(`(?m)^<!-- ` + marker +
		` -->\n\n((?:    .*\n|\n    )+)`).FindSubmatch(page)
	require.NotNil(t, found, "docs/desk.md has no block %s", marker)
	return regexp.MustCompile(`(?m)^    `).ReplaceAllString(string(found[1]), "")
}

// runIn runs a script in a folder and returns its output and exit status.
func runIn(t *testing.T, folder, script string, env ...string) (output string, status int) {
	t.Helper()
	shell := exec.CommandContext(t.Context(), "sh", "-c", script)
	shell.Dir, shell.Env = folder, append(os.Environ(), env...)
	data, err := shell.CombinedOutput()
	var failed *exec.ExitError
	if !errors.As(err, &failed) {
		require.NoError(t, err, "%s", data)
	}
	return string(data), shell.ProcessState.ExitCode()
}

// TestDeskPageSettings checks that the desk accepts the settings of docs/desk.md.
func TestDeskPageSettings(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	_, status := runIn(t, folder, "openssl rand -hex 32 > desk_secret; echo a-client-secret > "+
		"desk_oidc_client_secret")
	require.Zero(t, status)
	file := func(name string) string { return filepath.Join(folder, name) }
	for name, signIn := range map[string]signin.Mode{
		"mail": signin.ModeMail, "google": signin.ModeOIDC, "microsoft": signin.ModeOIDC,
	} {
		text := strings.ReplaceAll(deskBlock(t, "desk-settings: "+name), "=desk_oidc",
			"="+file("desk_oidc"))
		settings, err := config.LoadDesk(config.Environ(append(strings.Fields(text),
			"DESK_SECRET_FILE="+file("desk_secret"), "DESK_ADDR=0.0.0.0:5030")))
		require.NoError(t, err, name)
		assert.Equal(t, signIn, settings.SignIn(), name)
	}

	// A rotation puts the new secret first.
	secrets := func() []string {
		settings, err := config.LoadDesk(config.Environ([]string{"DESK_SECRET_FILE=" +
			file("desk_secret")}))
		require.NoError(t, err)
		return settings.Secrets()
	}
	before := secrets()
	_, status = runIn(t, folder, deskBlock(t, "desk: rotate"))
	require.Zero(t, status)
	after := secrets()
	require.Len(t, after, 2)
	assert.Equal(t, before[0], after[1])
}

// TestDeskPageStartsADesk starts a desk as docs/desk.md says for a first look.
func TestDeskPageStartsADesk(t *testing.T) {
	t.Parallel()
	makeSecret, start, ok := strings.Cut(strings.TrimSpace(deskBlock(t, "desk: try")), "\n")
	require.True(t, ok)
	folder := t.TempDir()
	_, status := runIn(t, folder, makeSecret)
	require.Zero(t, status)
	setting, args, ok := strings.Cut(start, " gate ")
	require.True(t, ok)
	s := newStack(t, options{noWorker: true})
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	process := newGate(t, []string{setting, "DESK_ADDR=" + address, "ADMIN_ADDR=127.0.0.1:0",
		"TEMPORAL_ADDRESS=" + server.Addr, "TEMPORAL_NAMESPACE=" + s.namespace},
		strings.Fields(args)...)
	process.Dir = folder
	process.start()
	require.Eventually(t, func() bool {
		return answers(t.Context(), "http://"+address+"/readyz")
	}, waitFor, tick)
}

// scanner is a warehouse's software: a folder with the files that docs/desk.md creates.
type scanner struct {
	t      *testing.T
	folder string
	script string
	env    []string
}

func newScanner(t *testing.T) *scanner {
	t.Helper()
	for _, command := range []string{"curl", "jq", "openssl"} {
		if _, err := exec.LookPath(command); err != nil {
			t.Skip(command + " is not installed")
		}
	}
	s := &scanner{t: t, folder: t.TempDir(), script: deskBlock(t, "desk: may-leave")}
	_, status := runIn(t, s.folder, deskBlock(t, "desk: token"))
	require.Zero(t, status)
	require.NoError(t, api.CheckTokenFile(filepath.Join(s.folder, "desk_api_tokens")))
	return s
}

// mayLeave reports whether the page's script lets an order leave.
func (s *scanner) mayLeave(order string) bool {
	s.t.Helper()
	output, status := runIn(s.t, s.folder, "set -- '"+order+"'\n"+s.script, s.env...)
	require.Contains(s.t, []int{0, 1}, status, output)
	return status == 0
}

// TestWarehouseLetsOnlyRightOrdersLeave runs the script of docs/desk.md against a real desk.
func TestWarehouseLetsOnlyRightOrdersLeave(t *testing.T) {
	t.Parallel()
	s := newScanner(t)
	d := newDeskStack(t, options{settings: orderlife.Settings{SettleQuiet: settleQuiet,
		HoldMax: time.Hour}})
	certificate := filepath.Join(s.folder, "certificate.pem")
	require.NoError(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{
		Type: "CERTIFICATE", Bytes: d.server.Certificate().Raw,
	}), 0o600))
	s.env = []string{"CURL_CA_BUNDLE=" + certificate, "DESK_URL=" + d.server.URL}
	token := func(text string) {
		require.NoError(t, os.WriteFile(filepath.Join(s.folder, "warehouse_token"),
			[]byte("Authorization: Bearer "+text+"\n"), 0o600))
	}

	id := d.create("balance-wrong")
	d.waitForStatus(id, ordercheck.StatusFailed)
	number := d.report(id).OrderNumber
	assert.False(t, s.mayLeave(number), "the desk does not know this token yet")
	token(deskToken)
	for _, name := range []string{number, id, "SO-999999", "", ".", "..", "a/b?c#d", "x y"} {
		assert.False(t, s.mayLeave(name), name)
	}
	ask := strings.ReplaceAll(deskBlock(t, "desk: ask"), "SO-001051", number)
	require.Eventually(t, func() bool { // a busy desk responds with 503
		output, status := runIn(t, s.folder, ask, s.env...)
		return status == 0 && containsAll(output, `"release":"no"`, `"orders":[`)
	}, waitFor, tick)

	d.fix(id)
	assert.Equal(t, ordercheck.StatusPassed, d.mustResult(id).Status)
	for _, name := range []string{number, id} {
		require.Eventually(t, func() bool { return s.mayLeave(name) }, waitFor, tick, name)
	}
	token("not-the-token-0123456789-0123456789")
	assert.False(t, s.mayLeave(number))
}

// TestWarehouseKeepsOrdersWithoutAClearAnswer runs the script of docs/desk.md against desks that
// fail in every way that a network can.
func TestWarehouseKeepsOrdersWithoutAClearAnswer(t *testing.T) {
	t.Parallel()
	const yes = `{"salesOrderId":"1","release":"yes"}`
	s := newScanner(t)
	var handler atomic.Pointer[http.HandlerFunc]
	answer := func(next http.HandlerFunc) { handler.Store(&next) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*handler.Load())(w, r)
	}))
	t.Cleanup(server.Close)
	s.env = []string{"DESK_URL=" + server.URL}
	says := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	answer(says(http.StatusOK, yes))
	require.True(t, s.mayLeave("SO-1"), "otherwise the other cases prove nothing")

	for name, next := range map[string]http.HandlerFunc{
		"unknown":      says(http.StatusOK, `{"release":"unknown"}`),
		"no":           says(http.StatusOK, `{"release":"no"}`),
		"another word": says(http.StatusOK, `{"release":"Yes"}`),
		"true":         says(http.StatusOK, `{"release":true}`),
		"nothing":      says(http.StatusOK, ""),
		"no release":   says(http.StatusOK, `{}`),
		"deeper":       says(http.StatusOK, `{"order":{"release":"yes"}}`),
		"a list":       says(http.StatusOK, `[`+yes+`]`),
		"two answers":  says(http.StatusOK, yes+yes),
		"broken JSON":  says(http.StatusOK, yes[:len(yes)-1]),
		"a page":       says(http.StatusOK, `<p>"release":"yes"</p>`),
		"not done":     says(http.StatusAccepted, yes),
		"unauthorized": says(http.StatusUnauthorized, yes),
		"unavailable":  says(http.StatusServiceUnavailable, yes),
		"server error": says(http.StatusInternalServerError, yes),
		"sent elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/yes", http.StatusFound)
		},
		"connection ends": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(yes))
		},
	} {
		answer(next)
		assert.False(t, s.mayLeave("SO-1"), name)
	}
	answer(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(yes))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	s.env = append(s.env, "DESK_TIMEOUT=1")
	assert.False(t, s.mayLeave("SO-1"), "a response that never ends")
	server.Close()
	assert.False(t, s.mayLeave("SO-1"), "nothing listens")
}
