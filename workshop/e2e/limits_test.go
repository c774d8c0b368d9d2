package e2e_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/notify"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/rulefile"
)

// hugeRules returns a rule set that finds three errors on each line, and 40 errors on the order,
// whose rules have long ids and messages.
func hugeRules(t *testing.T) func() *rules.Set {
	t.Helper()
	var b strings.Builder
	b.WriteString("version: 1\nname: huge\nrules:\n")
	for i := range 3 {
		fmt.Fprintf(&b, "- id: line-%d\n  scope: line\n  severity: error\n  when: "+
			"\"line.description != 'right'\"\n  message: \"'Line ' + string(line.number) + ' is "+
			"wrong'\"\n", i)
	}
	for i := range 40 {
		id := fmt.Sprintf("r%02d-%s", i, strings.Repeat("x", 60))
		fmt.Fprintf(&b, "- id: %s\n  scope: order\n  severity: error\n  when: "+
			"\"order.orderRemarks != ''\"\n  message: \"order.orderRemarks\"\n  fix: "+
			"\"order.orderRemarks\"\n", id)
	}
	path := filepath.Join(t.TempDir(), "huge.yaml")
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o600))
	set, err := rulefile.Load(t.Context(), path)
	require.NoError(t, err)
	return func() *rules.Set { return set }
}

// TestValuesOverTemporalsLimits makes each value of an order ten times too large for Temporal,
// alone and together. No run may be terminated, hang or fail. The order is held, and its report has
// the cut values.
func TestValuesOverTemporalsLimits(t *testing.T) {
	t.Parallel()
	var notices atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		notices.Add(1)
	}))
	t.Cleanup(receiver.Close)
	const receivers = 8
	var urls []string
	for i := range receivers {
		urls = append(urls, receiver.URL+"/"+strconv.Itoa(i))
	}
	destinations, err := notify.ParseDestinations(strings.Join(urls, ","))
	require.NoError(t, err)
	notifier, err := notify.New(notify.Options{Destinations: destinations})
	require.NoError(t, err)
	s := newStack(t, options{
		rules: hugeRules(t), notifier: notifier,
		settings: orderlife.Settings{SettleQuiet: settleQuiet, SettleMax: 5 * time.Second,
			HoldMax: time.Hour},
	})

	lines := func(n int) func(order map[string]any) {
		return func(order map[string]any) {
			first := order["lines"].([]any)[0].(map[string]any)
			all := make([]any, n)
			for i := range all {
				line := make(map[string]any, len(first))
				for name, value := range first {
					line[name] = value
				}
				line["salesOrderLineId"], line["description"] = "line-"+strconv.Itoa(i), "wrong"
				all[i] = line
			}
			order["lines"] = all
		}
	}
	field := func(name, value string) func(map[string]any) {
		return func(order map[string]any) { order[name] = value }
	}
	remarks := field("orderRemarks", strings.Repeat("wrong ", 20_000))
	number := field("orderNumber", "SO-\u0000"+strings.Repeat("9", 3000))
	for name, tc := range map[string]struct {
		change   []func(map[string]any)
		findings int
	}{
		"forty rules with long ids": {[]func(map[string]any){lines(1),
			field("orderRemarks", "x")}, 43},
		"texts of 120,000 characters":     {[]func(map[string]any){lines(1), remarks}, 43},
		"a number of 3,000 characters":    {[]func(map[string]any){lines(1), number}, 3},
		"335 lines and eight receivers":   {[]func(map[string]any){lines(335)}, 1005},
		"5,000 lines with three findings": {[]func(map[string]any){lines(5000)}, 15_000},
		"all together": {[]func(map[string]any){lines(2000), remarks, number},
			6040},
	} {
		order := s.sample("plain")
		order["orderRemarks"] = ""
		for _, change := range tc.change {
			change(order)
		}
		id, err := s.fake.AddOrder(order)
		require.NoError(t, err, name)
		report := s.checkNow(id)
		assert.Equal(t, ordercheck.StatusFailed, report.Status, name)
		assert.Equal(t, tc.findings, report.Errors(), "%s: the count includes all findings", name)
		assert.LessOrEqual(t, len(report.Findings), ordercheck.MaxFindings, name)
		assert.Equal(t, tc.findings, len(report.Findings)+report.FindingsOmitted, name)
		s.waitForStatus(id, ordercheck.StatusFailed)
		run, err := s.temporal.DescribeWorkflowExecution(t.Context(), ordercheck.WorkflowID(id), "")
		require.NoError(t, err)
		assert.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
			run.GetWorkflowExecutionInfo().GetStatus(), "%s: the order is held", name)

		require.Eventually(t, func() bool {
			return notices.Load() >= receivers
		}, 2*waitFor, tick, "%s: all receivers are notified", name)
		notices.Store(0)

		// Fix the order. The next delivery ends the hold.
		require.NoError(t, s.fake.EditOrder(id, func(order map[string]any) {
			lines(1)(order)
			order["lines"].([]any)[0].(map[string]any)["description"] = "right"
			order["orderRemarks"] = ""
		}), name)
		s.postAccepted(id)
		assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status, name)
		require.Eventually(t, func() bool {
			return notices.Load() >= receivers
		}, 2*waitFor, tick, "%s: all receivers are notified that it is fixed", name)
		notices.Store(0)
	}
}

// TestTooLargeOrderIsReported adds an order whose digest is too large for Temporal. It cannot be
// checked, and people are notified.
func TestTooLargeOrderIsReported(t *testing.T) {
	t.Parallel()
	noticed := make(chan struct{}, 16)
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		noticed <- struct{}{}
	}))
	t.Cleanup(receiver.Close)
	destinations, err := notify.ParseDestinations(receiver.URL)
	require.NoError(t, err)
	notifier, err := notify.New(notify.Options{Destinations: destinations})
	require.NoError(t, err)
	s := newStack(t, options{
		notifier: notifier,
		settings: orderlife.Settings{SettleQuiet: settleQuiet, SettleMax: 5 * time.Second,
			HoldMax: time.Hour},
	})
	order := s.sample("plain")
	// Random texts compress badly: 20,000 of them are 2 MB, and 1.5 MB after gzip.
	random := rand.NewChaCha8([32]byte{1})
	serials := make([]string, 20_000)
	for i := range serials {
		var serial [72]byte
		_, _ = random.Read(serial[:]) // never fails
		serials[i] = base64.StdEncoding.EncodeToString(serial[:])
	}
	quantity := order["lines"].([]any)[0].(map[string]any)["quantity"].(map[string]any)
	quantity["serialNumbers"] = serials
	id, err := s.fake.AddOrder(order)
	require.NoError(t, err)
	s.postAccepted(id)
	_, err = s.result(id)
	var failed *temporal.ApplicationError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, ordercheck.ErrorOrderTooLarge, failed.Type())
	assert.Contains(t, failed.Message(), "too large")
	assert.NotContains(t, failed.Message(), "INFLOW_API_URL")
	select {
	case <-noticed:
	case <-time.After(waitFor):
		t.Error("nobody was notified")
	}
}
