package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
	"error-check-gate/workshop/internal/lowport"
	"error-check-gate/workshop/internal/product"
)

// buildGate builds gate and gate-dev once for all tests. It returns the path of gate.
var buildGate = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "gate")
	if err != nil {
		return "", err
	}
	if _, err := product.Build(context.Background(), "gate-dev", folder); err != nil {
		return "", err
	}
	return product.Build(context.Background(), "gate", folder)
})

// command is a running gate command.
type command struct {
	*exec.Cmd
	t      testing.TB
	lines  chan string   // lines of standard output
	stderr bytes.Buffer  // may be read after done is closed
	done   chan struct{} // closed when the process has ended
}

func startGate(t testing.TB, env []string, args ...string) *command {
	t.Helper()
	c := newGate(t, env, args...)
	c.start()
	return c
}

func newGate(t testing.TB, env []string, args ...string) *command {
	t.Helper()
	gate, err := buildGate()
	require.NoError(t, err)
	//nolint:gosec // our own command
	c := &command{Cmd: exec.CommandContext(t.Context(), gate, args...), t: t,
		lines: make(chan string, 1000), done: make(chan struct{})}
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	c.Dir = t.TempDir()
	c.Stderr = &c.stderr
	return c
}

// start starts the process. It reads standard output, unless the test has redirected it.
func (c *command) start() {
	c.t.Helper()
	if c.Stdout != nil {
		require.NoError(c.t, c.Start())
		close(c.lines)
		go func() {
			_ = c.Wait() // ProcessState has the result
			close(c.done)
		}()
		return
	}
	stdout, err := c.StdoutPipe()
	require.NoError(c.t, err)
	require.NoError(c.t, c.Start())
	go func() {
		scanner := bufio.NewScanner(stdout)
		for scanner.Scan() {
			c.lines <- scanner.Text()
		}
		close(c.lines)
		_ = c.Wait() // ProcessState has the result
		close(c.done)
	}()
}

// waitForLine reads standard output until a line matches, and returns that line.
func (c *command) waitForLine(fits func(string) bool) string {
	c.t.Helper()
	timeout := time.After(waitFor)
	for {
		select {
		case line, ok := <-c.lines:
			if !ok {
				<-c.done
				require.Failf(c.t, "the process ended", "%s", c.stderr.String())
			}
			if fits(line) {
				return line
			}
		case <-timeout:
			require.Fail(c.t, "the line did not come")
		}
	}
}

// exit waits for the end, and returns the status.
func (c *command) exit() int {
	c.t.Helper()
	select {
	case <-c.done:
		return c.ProcessState.ExitCode()
	case <-time.After(waitFor):
		require.Fail(c.t, "the process did not end")
		return -1
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	port, err := lowport.Choose()
	require.NoError(t, err)
	return port
}

const testSecret = "a-secret-of-the-test-that-is-long"

// gateProcess is a running 'gate ingress' or 'gate worker'.
type gateProcess struct {
	*command
	admin string
}

// startProcess starts a production process that uses the Temporal server at the address. The
// stack's deliveries go to the ingress that was started last.
func (s *stack) startProcess(t testing.TB, role, temporalAddr string, env ...string) *gateProcess {
	t.Helper()
	c, admin := s.newProcess(t, role, temporalAddr, env...)
	c.start()
	return &gateProcess{command: c, admin: admin}
}

func (s *stack) newProcess(
	t testing.TB, role, temporalAddr string, env ...string,
) (c *command, admin string) {
	t.Helper()
	address := localAddress(freePort(t))
	settings := []string{"TEMPORAL_ADDRESS=" + temporalAddr, "TEMPORAL_NAMESPACE=" + s.namespace,
		"ADMIN_ADDR=" + address}
	switch role {
	case "ingress":
		listenAddr := localAddress(freePort(t))
		settings = append(settings, "LISTEN_ADDR="+listenAddr, "WEBHOOK_SECRET="+testSecret)
		var err error
		s.keys, err = inflow.ParseSecrets(testSecret)
		require.NoError(t, err)
		s.url = "http://" + listenAddr + "/webhook/inflow"
	case "worker":
		settings = append(settings, "INFLOW_API_URL="+s.inflowURL,
			"INFLOW_COMPANY_ID="+s.fake.CompanyID(), "INFLOW_API_KEY="+s.fake.APIKey(),
			"INFLOW_REQUESTS_PER_MINUTE=6000", "SETTLE_QUIET=50ms", "GRACE_PERIOD=0")
	}
	return newGate(t, slices.Concat(settings, env), role), "http://" + address
}

// ask gets a page of the admin server. The status is 0 if there is no response within a minute.
func (p *gateProcess) ask(path string) (status int, body string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.admin+path, http.NoBody)
	require.NoError(p.t, err)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(data)
}

func (p *gateProcess) waitFor(path string, status int) {
	p.t.Helper()
	var got int
	var body string
	require.Eventually(p.t, func() bool {
		got, body = p.ask(path)
		return got == status
	}, 3*waitFor, tick, "GET %s does not respond with %d", path, status)
	_ = body
}

// stop ends the process with SIGTERM, as an operator does.
func (p *gateProcess) stop() {
	p.t.Helper()
	began := time.Now()
	require.NoError(p.t, p.Process.Signal(syscall.SIGTERM))
	require.Equal(p.t, 0, p.exit())
	p.t.Logf("%s ended %v after SIGTERM", p.Args[1], time.Since(began).Round(time.Millisecond))
}

func localAddress(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
