package e2e_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// TestUpperCaseIDIsTheSameOrder uses the order's UUID in upper case in a webhook, a check, an
// override and a sweep. All of them reach the order's existing run.
func TestUpperCaseIDIsTheSameOrder(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{
		settings: orderlife.Settings{SettleQuiet: settleQuiet, SettleMax: 5 * time.Second},
		sweep:    byHand,
	})
	sample := s.recent("balance-wrong")
	lower, _ := sample["salesOrderId"].(string)
	upper := strings.ToUpper(lower)
	sample["salesOrderId"] = upper // InFlow's answers spell it in capitals, too
	_, err := s.fake.AddOrder(sample)
	require.NoError(t, err)
	require.NoError(t, s.fake.WaitIdle(t.Context()))
	s.waitForStatus(lower, ordercheck.StatusFailed)

	for _, form := range []inflow.PayloadForm{inflow.FormDocumented, inflow.FormLive} {
		body, err := inflow.NewWebhookBody(form, inflow.EventName(form, inflow.ActionUpdated),
			upper, time.Now())
		require.NoError(t, err)
		status, answer := s.send(body, http.Header{
			"Content-Type":         {"application/json"},
			inflow.SignatureHeader: {inflow.Sign(s.keys[0], body)},
		})
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, map[string]string{"status": "received", "salesOrderId": lower}, answer)
	}
	assert.Equal(t, lower, s.checkNow(upper).SalesOrderID)
	report, err := operations.Override(t.Context(), s.temporal, upper, ordercheck.OverrideRequest{
		Findings: []string{ordercheck.AllFindings}, By: "Jo", Reason: "agreed",
		Until: time.Now().Add(time.Hour),
	})
	require.NoError(t, err)
	assert.Equal(t, ordercheck.StatusOverridden, report.Status)
	sweep := s.sweepNow()
	assert.Equal(t, 1, sweep.Listed)
	assert.Zero(t, sweep.Missed)

	_, err = s.temporal.DescribeWorkflowExecution(t.Context(), "sales-order-"+upper, "")
	var none *serviceerror.NotFound
	assert.ErrorAs(t, err, &none, "there is no second run")
	for _, request := range s.fake.Requests() {
		if request.Route == fakeinflow.RouteGetSalesOrder {
			assert.Equal(t, lower, request.SalesOrderID)
		}
	}
}
