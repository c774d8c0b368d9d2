package backtest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/backtest"
	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/workshop/internal/browsertest"
	"error-check-gate/workshop/internal/product"
)

const (
	urgent = `
version: 1
name: urgent
rules:
- id: urgent
  scope: order
  severity: error
  when: "order.orderRemarks == 'urgent'"
  message: "'somebody has to look'"
`
	nothing = `
version: 1
name: nothing
rules:
- {id: never, scope: order, severity: error, when: "order.orderRemarks == 'never'", message: "'x'"}
`
)

// accountOf2500 is a stand-in for InFlow with 2,500 orders. Every 25th order is urgent.
type accountOf2500 struct {
	fake *fakeinflow.Server
	ids  []string
	// lists counts the requests for lists. Request number stopAt closes stopped and is never
	// answered. If stopAt is 0, all are answered.
	lists, stopAt atomic.Int64
	stopped       chan struct{}
}

// ServeHTTP handles a request to InFlow.
func (a *accountOf2500) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.lists.Add(1) == a.stopAt.Load() {
		close(a.stopped)
		<-r.Context().Done()
		return
	}
	a.fake.Handler().ServeHTTP(w, r)
}

func newAccountOf2500(t *testing.T) *accountOf2500 {
	t.Helper()
	fake, err := fakeinflow.New(fakeinflow.Options{RetryDelays: []time.Duration{}})
	require.NoError(t, err)
	t.Cleanup(fake.Close)
	samples, err := fakeinflow.Samples()
	require.NoError(t, err)
	a := &accountOf2500{fake: fake, stopped: make(chan struct{})}
	for n := range 2500 {
		order := samples[0].Recent(time.Now()).Order
		delete(order, "salesOrderId")
		order["orderNumber"] = fmt.Sprintf("SO-%06d", n)
		order["orderRemarks"] = ""
		if n%25 == 0 {
			order["orderRemarks"] = "urgent"
		}
		id, err := fake.AddOrder(order)
		require.NoError(t, err)
		a.ids = append(a.ids, id)
	}
	return a
}

// TestTheWholeWayFromInflowToTheReport exports an account, interrupts the export and continues it.
// It edits orders, exports them again, tries a rule on them, and opens the report.
func TestTheWholeWayFromInflowToTheReport(t *testing.T) {
	t.Parallel()
	a := newAccountOf2500(t)
	inflow := httptest.NewServer(a)
	t.Cleanup(inflow.Close)
	dir := t.TempDir()
	gate, err := product.Build(t.Context(), "gate", dir)
	require.NoError(t, err)
	for name, text := range map[string]string{"urgent.yaml": urgent, "nothing.yaml": nothing} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), gate, args...) //nolint:gosec // our own command
		cmd.Dir = dir
		cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "TZ=UTC",
			"INFLOW_API_URL=" + inflow.URL, "INFLOW_COMPANY_ID=" + a.fake.CompanyID(),
			"INFLOW_API_KEY=" + a.fake.APIKey()}
		return cmd
	}
	export := func() *exec.Cmd {
		return command("orders", "export", "--out", "orders.jsonl", "--requests-per-minute", "6000")
	}

	interrupted := export()
	var stderr bytes.Buffer
	interrupted.Stderr = &stderr
	a.stopAt.Store(11)
	require.NoError(t, interrupted.Start())
	select {
	case <-a.stopped:
	case <-time.After(time.Minute):
		t.Error("the export made no request 11")
	}
	require.NoError(t, interrupted.Process.Signal(os.Interrupt))
	var exit *exec.ExitError
	require.ErrorAs(t, interrupted.Wait(), &exit)
	assert.Contains(t, stderr.String(), "interrupted: run the command again")
	assert.NoFileExists(t, filepath.Join(dir, "orders.jsonl"))

	a.lists.Store(0)
	a.stopAt.Store(0)
	output, err := export().CombinedOutput()
	require.NoError(t, err, "%s", output)
	assert.Contains(t, string(output), "2500 orders")
	assert.LessOrEqual(t, a.lists.Load(), int64(18), "the export continues from where it stopped")

	for _, id := range slices.Concat(a.ids[1:25], a.ids[26:42]) {
		require.NoError(t, a.fake.SetField(id, "orderRemarks", "urgent"))
	}
	a.lists.Store(0)
	output, err = export().CombinedOutput()
	require.NoError(t, err, "%s", output)
	assert.Contains(t, string(output), "40 new or changed")
	assert.Equal(t, int64(1), a.lists.Load(), "40 orders need one request")

	output, err = command("rules", "try", "--rules", "urgent.yaml", "--against", "nothing.yaml",
		"--orders", "orders.jsonl", "--json", "--html", "report.html",
		"--fail-above", "5.5").Output()
	require.ErrorAs(t, err, &exit, "%s", output)
	assert.Equal(t, 1, exit.ExitCode(), "5.6 percent of the orders would be held: %s", output)
	var result backtest.Result
	require.NoError(t, json.Unmarshal(output, &result), "%s", output)
	assert.Equal(t, 2500, result.Orders.Count)
	assert.Equal(t, 0, result.Held.Now)
	assert.Equal(t, 140, result.Held.New)
	assert.Equal(t, 140, result.Held.More)
	look(t, filepath.Join(dir, "report.html"))
}

// look opens a report of 2,500 orders on a screen and on a phone.
func look(t *testing.T, path string) {
	t.Helper()
	tab := browsertest.Start(t, 5*time.Minute)
	complaints := browsertest.Listen(tab)
	address := url.URL{Scheme: "file", Path: path}
	require.NoError(t, chromedp.Do(tab, chromedp.Navigate(address.String())))
	for _, width := range []int64{1280, 375} {
		require.NoError(t, chromedp.Do(tab, chromedp.EmulateViewport(width, 800)))
		faults, err := chromedp.Run(tab, browsertest.Faults())
		require.NoError(t, err)
		assert.Empty(t, faults, "%d pixels", width)
	}
	text, err := chromedp.Run(tab, chromedp.Evaluate[string](`document.body.innerText`))
	require.NoError(t, err)
	assert.Contains(t, text, "urgent")
	assert.Contains(t, text, "140")
	assert.Contains(t, text, "somebody has to look")
	assert.Empty(t, complaints.All(), "the browser reports nothing")
}
