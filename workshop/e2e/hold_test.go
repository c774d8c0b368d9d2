package e2e_test

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/mailcatcher"
	"error-check-gate/internal/ordercheck"
)

// TestHeldOrderSurvivesItsWorkers takes a wrong order through pending, failed and fixed, with real
// mail, and kills the worker in each state.
func TestHeldOrderSurvivesItsWorkers(t *testing.T) {
	t.Parallel()
	catcher, err := mailcatcher.Start(t.Context(), mailcatcher.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, catcher.Stop()) })
	subjects := func() []string {
		list, err := catcher.List(t.Context())
		require.NoError(t, err)
		var subjects []string
		for _, mail := range list {
			subjects = append([]string{mail.Subject}, subjects...) // oldest first
		}
		return subjects
	}

	s := newStack(t, options{noWorker: true})
	startWorker := func() *command {
		return startGate(t, []string{
			"TEMPORAL_ADDRESS=" + server.Addr, "TEMPORAL_NAMESPACE=" + s.namespace,
			"ADMIN_ADDR=127.0.0.1:0",
			"INFLOW_API_URL=" + s.inflowURL, "INFLOW_COMPANY_ID=" + s.fake.CompanyID(),
			"INFLOW_API_KEY=" + s.fake.APIKey(),
			"INFLOW_REQUESTS_PER_MINUTE=6000", "SETTLE_QUIET=50ms", "GRACE_PERIOD=4s",
			"SMTP_ADDR=" + catcher.SMTPAddr, "SMTP_TLS=none", "MAIL_FROM=gate@example.com",
			"MAIL_TO=office@example.com",
		}, "worker")
	}
	kill := func(c *command) {
		t.Helper()
		require.NoError(t, c.Process.Signal(syscall.SIGKILL))
		assert.Equal(t, -1, c.exit())
	}

	work := startWorker()
	id, err := s.fake.AddOrder(s.sample("balance-wrong"))
	require.NoError(t, err)
	s.waitForStatus(id, ordercheck.StatusPending)
	kill(work)
	assert.Empty(t, subjects(), "no mail during the grace period")

	work = startWorker()
	s.waitForStatus(id, ordercheck.StatusFailed)
	require.Eventually(t, func() bool { return len(subjects()) == 1 }, waitFor, tick)
	number := s.report(id).OrderNumber
	assert.Equal(t, []string{fmt.Sprintf("[FAILED] %s: 1 error", number)}, subjects())
	kill(work)

	s.fix(id)
	require.NoError(t, s.fake.WaitIdle(t.Context()))
	startWorker()
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
	got := subjects()
	require.Len(t, got, 2, "one mail for the failure, one when it was resolved")
	assert.Contains(t, got[1], "[RESOLVED] "+number)
	assert.Len(t, s.runs(id), 1, "one run from the first delivery to the end")
}
