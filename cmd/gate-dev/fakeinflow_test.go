package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
)

// output collects what a command prints. A test can read it while the command runs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	grew chan struct{}
}

func newOutput() *output { return &output{grew: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.grew <- struct{}{}:
	default:
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// waitFor waits until the output matches the pattern, and returns the first group of the match.
func (o *output) waitFor(t *testing.T, pattern string) string {
	t.Helper()
	timeout := time.After(time.Minute)
	for {
		if found := regexp.MustCompile(pattern).FindStringSubmatch(o.String()); found != nil {
			return found[1]
		}
		select {
		case <-o.grew:
		case <-timeout:
			t.Fatalf("%q was not printed, but:\n%s", pattern, o)
		}
	}
}

func TestFakeInflowCommand(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	cmd := newFakeInflowCommand()
	out := newOutput()
	cmd.SetOut(out)
	cmd.SetErr(io.Discard)
	cmd.SetArgs([]string{"--listen", "127.0.0.1:0", "--api-key", "it's-a-key",
		"--requests-per-minute", "1"})
	ended := make(chan error, 1)
	go func() { ended <- cmd.ExecuteContext(ctx) }()

	edit := out.waitFor(t, `(?m)^  (curl -X PATCH .*)$`)
	url := out.waitFor(t, `export INFLOW_API_URL=(\S+)`)
	var orders []map[string]any
	getJSON(t, url+"/_fake/orders", &orders)
	assert.Len(t, orders, 17)

	// People paste the printed lines into a shell.
	assert.Contains(t, string(curl(t, edit)), "SO-001041")
	subscribe := regexp.MustCompile(`(?s)curl -X PUT.*?}'`).FindString(out.String())
	var subscription map[string]any
	require.NoError(t, json.Unmarshal(curl(t, subscribe), &subscription))
	assert.Contains(t, subscription, "secret")
	assert.Contains(t, string(curl(t, strings.ReplaceAll(subscribe, "-X PUT", "-X GET"))),
		"Too many requests")

	stop()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(time.Minute):
		t.Fatal("the command did not stop")
	}
}

func TestFakeInflowCommandReadsTheEnvironment(t *testing.T) {
	t.Setenv("DEV_INFLOW_ADDR", "127.0.0.1:0")
	t.Setenv("INFLOW_COMPANY_ID", "company-of-the-environment")
	t.Setenv("INFLOW_API_KEY", "key-of-the-environment")
	ctx, stop := context.WithCancel(t.Context())
	cmd := newFakeInflowCommand()
	out := newOutput()
	cmd.SetOut(out)
	cmd.SetErr(io.Discard)
	cmd.SetArgs([]string{})
	ended := make(chan error, 1)
	go func() { ended <- cmd.ExecuteContext(ctx) }()
	out.waitFor(t, `(?m)^  (curl -X PATCH .*)$`)
	subscribe := regexp.MustCompile(`(?s)curl -X PUT.*?}'`).FindString(out.String())
	assert.Contains(t, string(curl(t, subscribe)), `"secret"`, "a shell that has the key can run it")
	assert.Contains(t, subscribe, "/company-of-the-environment/webhooks")
	assert.NotContains(t, out.String(), "key-of-the-environment")
	stop()
	require.NoError(t, <-ended)

	t.Setenv("LOG_FORMAT", "xml")
	refused := newFakeInflowCommand()
	refused.SetArgs([]string{})
	refused.SilenceErrors, refused.SilenceUsage = true, true
	require.ErrorContains(t, refused.ExecuteContext(t.Context()), "LOG_FORMAT")
}

// TestDocsFakeInflowPage checks the examples in docs/fake-inflow.md: the command knows all their
// flags, and the stand-in answers all their requests.
func TestDocsFakeInflowPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "fake-inflow.md"))
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	cmd := newFakeInflowCommand()
	out := newOutput()
	cmd.SetOut(out)
	cmd.SetErr(io.Discard)
	cmd.SetArgs([]string{"--listen", "127.0.0.1:0"})
	ended := make(chan error, 1)
	go func() { ended <- cmd.ExecuteContext(ctx) }()
	url := out.waitFor(t, `export INFLOW_API_URL=(\S+)`)
	requests, commands := 0, 0
	exampleLine := regexp.MustCompile(`(?m)^    (curl|gate) .*$`)
	for _, line := range exampleLine.FindAllString(string(page), -1) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "curl") {
			answer := curl(t, strings.ReplaceAll(line, "http://127.0.0.1:5010", url))
			assert.NotContains(t, string(answer), `{"message":`, line)
			requests++
			continue
		}
		script := `gate() { shift; printf '%s\0' "$@"; }` + "\n" + line
		args, err := exec.CommandContext(t.Context(), "sh", "-c", script).Output() //nolint:gosec // a line of the page
		require.NoError(t, err, line)
		flags := strings.Split(strings.TrimSuffix(string(args), "\x00"), "\x00")
		require.NoError(t, newFakeInflowCommand().ParseFlags(flags), line)
		commands++
	}
	assert.GreaterOrEqual(t, requests, 15)
	assert.GreaterOrEqual(t, commands, 3)
	stop()
	require.NoError(t, <-ended)
}

// TestFakeInflowCommandFaultsAndState checks that flags set faults, and that a second start reads
// the orders from the state file.
func TestFakeInflowCommandFaultsAndState(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	start := func(args ...string) (url string, stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		cmd := newFakeInflowCommand()
		out := newOutput()
		cmd.SetOut(out)
		cmd.SetErr(io.Discard)
		cmd.SetArgs(append([]string{"--listen", "127.0.0.1:0", "--state", file,
			"--retry-delays", "0s,10ms", "--requests-per-minute", "0"}, args...))
		ended := make(chan error, 1)
		go func() { ended <- cmd.ExecuteContext(ctx) }()
		return out.waitFor(t, `export INFLOW_API_URL=(\S+)`), func() {
			cancel()
			require.NoError(t, <-ended)
		}
	}
	url, stop := start("--fault", `{"status":503,"times":1}`, "--delivery-fault", `{"lost":true}`)
	var faults struct{ Faults, DeliveryFaults []map[string]any }
	getJSON(t, url+"/_fake/faults", &faults)
	assert.Len(t, faults.Faults, 1)
	assert.Len(t, faults.DeliveryFaults, 1)
	var orders, again []map[string]any
	getJSON(t, url+"/_fake/orders", &orders)
	assert.Len(t, orders, 17)
	stop()

	url, stop = start()
	defer stop()
	getJSON(t, url+"/_fake/orders", &again)
	assert.Equal(t, orders, again, "the samples are not added twice")
}

func getJSON(t *testing.T, url string, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	require.NoError(t, json.NewDecoder(resp.Body).Decode(into))
}

// curl sends the request of a printed line. A shell splits the line into arguments, and the test
// sends the request itself, so it does not need the command curl.
func curl(t *testing.T, line string) []byte {
	t.Helper()
	script := `curl() { printf '%s\0' "$@"; }` + "\n" + line
	out, err := exec.CommandContext(t.Context(), "sh", "-c", script).Output() //nolint:gosec // a line that the command printed
	require.NoError(t, err, line)
	method, url, body, header := http.MethodGet, "", "", http.Header{}
	args := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-X":
			i++
			method = args[i]
		case "-d":
			i++
			body = args[i]
		case "-H":
			i++
			name, value, _ := strings.Cut(args[i], ": ")
			header.Set(name, value)
		default:
			url = args[i]
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return read
}

func TestFakeInflowCommandRefuses(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"port in use": {[]string{"--listen", taken.Addr().String()}, "--listen"},
		"payload":     {[]string{"--payload", "new"}, "documented, live, alternate"},
		"company":     {[]string{"--company", "a/b"}, "company id"},
		"key":         {[]string{"--api-key", "a b"}, "API key"},
		"quota":       {[]string{"--requests-per-minute", "-1"}, "requests per minute"},
		"argument":    {[]string{"now"}, "takes no arguments"},
		"retry after": {[]string{"--retry-after", "soon"}, "always, never, sometimes"},
		"fault":       {[]string{"--fault", `{"stale":"2h"}`}, `--fault {"stale":"2h"}: fault: stale`},
		"deliveries":  {[]string{"--delivery-fault", `{"every":2}`}, "set lost, doubled"},
		"at once":     {[]string{"--deliveries-at-once", "-1"}, "deliveries at once"},
		"state":       {[]string{"--state", t.TempDir()}, "read the state"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := newFakeInflowCommand()
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			cmd.SetArgs(tt.args)
			assert.ErrorContains(t, cmd.ExecuteContext(t.Context()), tt.says)
		})
	}
}

func TestWrongUse(t *testing.T) {
	for name, args := range map[string][]string{
		"argument":                 {"fake"},
		"flag":                     {"--nonsense"},
		"argument of fake-inflow":  {"fake-inflow", "now"},
		"flag of fake-inflow":      {"fake-inflow", "--nonsense"},
		"value of a flag":          {"fake-inflow", "--requests-per-minute", "many"},
		"fault without any effect": {"fake-inflow", "--fault", "{}"},
	} {
		assert.Equal(t, exitUsage, run(t.Context(), args), name)
	}
}

// TestHelpNamesEveryFault compares the help with the tables of docs/fake-inflow.md.
func TestHelpNamesEveryFault(t *testing.T) {
	page, err := os.ReadFile("../../docs/fake-inflow.md")
	require.NoError(t, err)
	api, webhooks, ok := strings.Cut(string(page), "| webhook fault | effect |")
	require.True(t, ok)
	for _, table := range []struct {
		text  string
		parse func(text []byte) error
	}{
		{api, func(text []byte) error { _, err := fakeinflow.ParseFault(text); return err }},
		{webhooks, func(text []byte) error { _, err := fakeinflow.ParseDeliveryFault(text); return err }},
	} {
		named := 0
		rows := regexp.MustCompile("(?m)^\\| (`.*?) \\|")
		for _, row := range rows.FindAllStringSubmatch(table.text, -1) {
			for name := range strings.SplitSeq(row[1], ", ") {
				name = strings.Trim(name, "`")
				named++
				assert.Contains(t, newFakeInflowCommand().Long, " "+name)
				err := table.parse([]byte(`{"` + name + `":null}`))
				assert.NotContains(t, fmt.Sprint(err), "unknown field", "the stand-in has no such fault")
			}
		}
		assert.Greater(t, named, 3)
	}
}

func TestLocalAddress(t *testing.T) {
	assert.Equal(t, "127.0.0.1:5010", localAddress(&net.TCPAddr{IP: net.IPv4zero, Port: 5010}))
	assert.Equal(t, "127.0.0.1:5010", localAddress(&net.TCPAddr{IP: net.IPv6unspecified, Port: 5010}))
	assert.Equal(t, "[::1]:5010", localAddress(&net.TCPAddr{IP: net.IPv6loopback, Port: 5010}))
}

// TestFakeInflowCommandSubscribes checks that --subscribe sends a webhook for each sample order,
// signed with the secret in the file.
func TestFakeInflowCommandSubscribes(t *testing.T) {
	secretFile := filepath.Join(t.TempDir(), "webhook_secret")
	const secret = "a-secret-that-both-sides-know"
	require.NoError(t, os.WriteFile(secretFile, []byte(secret+"\n"), 0o600))
	keys, err := inflow.ParseSecrets(secret)
	require.NoError(t, err)
	signed := make(chan bool, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		signed <- err == nil && inflow.Sign(keys[0], body) == r.Header.Get(inflow.SignatureHeader)
	}))
	defer receiver.Close()

	ctx, stop := context.WithCancel(t.Context())
	cmd := newFakeInflowCommand()
	cmd.SetOut(io.Discard)
	cmd.SetErr(io.Discard)
	cmd.SetArgs([]string{"--listen", "127.0.0.1:0", "--subscribe", receiver.URL,
		"--subscribe-secret-file", secretFile})
	ended := make(chan error, 1)
	go func() { ended <- cmd.ExecuteContext(ctx) }()
	for range 17 {
		assert.True(t, <-signed)
	}
	stop()
	require.NoError(t, <-ended)

	for says, args := range map[string][]string{
		"go together": {"--subscribe", receiver.URL},
		"subscribe-secret-file": {"--subscribe", receiver.URL, "--subscribe-secret-file",
			secretFile + "x"},
		"url must be": {"--subscribe", "here", "--subscribe-secret-file", secretFile},
	} {
		refused := newFakeInflowCommand()
		refused.SetArgs(args)
		refused.SilenceErrors, refused.SilenceUsage = true, true
		require.ErrorContains(t, refused.ExecuteContext(t.Context()), says)
	}
}
