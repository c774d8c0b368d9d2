package e2e_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"error-check-gate/internal/dev/mailcatcher"
	"error-check-gate/internal/ordercheck"
)

const warningRules = `version: 1
name: warnings
rules:
- {id: no-remarks, scope: order, severity: warning, when: "order.orderRemarks == ''", message: "'There are no remarks.'"}
- {id: no-contact, scope: order, severity: warning, when: "!order.hasContactName", message: "'There is no contact.'"}
`

// TestWarningsReachPeople checks that with NOTIFY_WARNINGS, a worker mails each warning of an order
// once, although each check is a new run. The list of runs can be filtered by rule.
func TestWarningsReachPeople(t *testing.T) {
	t.Parallel()
	catcher, err := mailcatcher.Start(t.Context(), mailcatcher.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, catcher.Stop()) })
	s := newStack(t, options{noWorker: true})
	file := filepath.Join(t.TempDir(), "warnings.yaml")
	require.NoError(t, os.WriteFile(file, []byte(warningRules), 0o600))
	startGate(t, []string{
		"TEMPORAL_ADDRESS=" + server.Addr, "TEMPORAL_NAMESPACE=" + s.namespace,
		"ADMIN_ADDR=127.0.0.1:0", "RULES_FILE=" + file,
		"INFLOW_API_URL=" + s.inflowURL, "INFLOW_COMPANY_ID=" + s.fake.CompanyID(),
		"INFLOW_API_KEY=" + s.fake.APIKey(),
		"INFLOW_REQUESTS_PER_MINUTE=6000", "SETTLE_QUIET=50ms", "NOTIFY_WARNINGS=true",
		"SWEEP_EVERY=0",
		"SMTP_ADDR=" + catcher.SMTPAddr, "SMTP_TLS=none", "MAIL_FROM=gate@example.com",
		"MAIL_TO=office@example.com",
	}, "worker")

	order := s.sample("plain")
	order["orderRemarks"], order["contactName"] = "", "Jo"
	id, err := s.fake.AddOrder(order)
	require.NoError(t, err)
	number := s.mustResult(id).OrderNumber
	check := func(wantStatus ordercheck.Status, wantMails ...string) {
		t.Helper()
		report := s.checkNow(id)
		assert.Equal(t, wantStatus, report.Status)
		s.mustResult(id) // the run ends after its notices are sent
		list, err := catcher.List(t.Context())
		require.NoError(t, err)
		var subjects []string
		for _, mail := range list {
			subjects = append([]string{mail.Subject}, subjects...) // oldest first
		}
		assert.Equal(t, wantMails, subjects)
	}
	first, second := "[WARNING] "+number+": 1 warning", "[WARNING] "+number+": 2 warnings"
	check(ordercheck.StatusWarning, first)
	set := func(field, value string) {
		t.Helper()
		require.NoError(t, s.fake.EditOrder(id, func(order map[string]any) {
			order[field] = value
		}))
		require.NoError(t, s.fake.WaitIdle(t.Context()))
	}
	set("poNumber", "PO-9") // another version of the order, with the same warning
	check(ordercheck.StatusWarning, first)
	set("contactName", "")
	check(ordercheck.StatusWarning, first, second)

	found := func(query string) int64 {
		count, err := s.temporal.CountWorkflow(t.Context(),
			&workflowservice.CountWorkflowExecutionsRequest{Query: query})
		require.NoError(t, err)
		return count.GetCount()
	}
	require.Eventually(t, func() bool {
		return found("WarningRules = 'no-contact'") > 0
	}, waitFor, tick)
	assert.Greater(t, found("WarningRules = 'no-remarks'"), found("WarningRules = 'no-contact'"))
	assert.Zero(t, found("WarningRules = 'no-remarks' AND FailedRules = 'no-remarks'"))

	set("orderRemarks", "ring twice")
	set("contactName", "Jo")
	check(ordercheck.StatusPassed, first, second)
	set("contactName", "")
	third := first // the warning had disappeared, so it is reported again
	check(ordercheck.StatusWarning, first, second, third)
}
