package e2e_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/rulefile"
)

func TestDeliveryBecomesAReport(t *testing.T) {
	t.Parallel()
	for name, form := range map[string]fakeinflow.PayloadForm{
		"documented payload": fakeinflow.PayloadDocumented,
		"live payload":       fakeinflow.PayloadLive,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, options{form: form})

			right := s.create("percent-discount")
			report := s.mustResult(right)
			assert.Equal(t, ordercheck.StatusPassed, report.Status)
			assert.Empty(t, report.Findings)
			assert.Equal(t, right, report.SalesOrderID)
			assert.NotEmpty(t, report.OrderNumber)
			assert.NotEmpty(t, report.Customer)
			assert.Equal(t, s.fetches(right)[0].OrderVersion, report.OrderVersion)
			assert.Equal(t, rulefile.Default().Digest(), report.RuleSet.Digest)
			assert.Equal(t, report, s.report(right), "the query and the result are the same report")

			wrong := s.create("line-subtotal-wrong")
			report = s.waitForReport(wrong, ordercheck.StatusFailed)
			assert.Contains(t, brokenRules(report), "line-subtotal")

			require.NoError(t, s.fake.EditOrder(wrong, func(order map[string]any) {
				right := s.sample("plain")
				for _, field := range []string{"lines", "subTotal", "orderFreight", "tax1", "tax2",
					"total", "amountPaid", "balance"} {
					order[field] = right[field]
				}
			}))
			require.Eventually(t, func() bool {
				return s.report(wrong).Status == ordercheck.StatusPassed
			}, waitFor, tick)
		})
	}
}

func TestListOfRunsSaysWhichOrdersAreWrong(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{})
	id := s.create("quantity-zero")
	report := s.waitForReport(id, ordercheck.StatusFailed)
	s.mustResult(s.create("plain"))

	require.Eventually(t, func() bool {
		answer, err := s.temporal.ListWorkflow(t.Context(),
			&workflowservice.ListWorkflowExecutionsRequest{
				Query: `GateStatus = "failed" AND ErrorCount > 0 AND FailedRules = "` +
					report.Findings[0].RuleID + `"`,
			})
		require.NoError(t, err)
		if len(answer.GetExecutions()) != 1 {
			return false
		}
		execution := answer.GetExecutions()[0]
		var number string
		require.NoError(t, converter.GetDefaultDataConverter().FromPayload(
			execution.GetSearchAttributes().GetIndexedFields()["OrderNumber"], &number))
		return number == report.OrderNumber &&
			execution.GetExecution().GetWorkflowId() == ordercheck.WorkflowID(id)
	}, waitFor, tick)
}

func TestBurstOnOneOrderCostsFewSignalsAndFetches(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{settings: orderlife.Settings{SettleQuiet: 500 * time.Millisecond,
		SettleMax: 30 * time.Second}})
	id, err := s.fake.AddOrder(s.sample("plain"))
	require.NoError(t, err)
	require.NoError(t, s.fake.WaitIdle(t.Context()))

	const deliveries = 200
	var posting sync.WaitGroup
	var mu sync.Mutex
	var last time.Time
	for range deliveries {
		posting.Go(func() {
			answered := s.postAccepted(id)
			mu.Lock()
			defer mu.Unlock()
			if answered.After(last) {
				last = answered
			}
		})
	}
	posting.Wait()
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)

	signals, delivered := 0, 0
	for _, event := range s.history(id) {
		if list := signaled(t, event); len(list) > 0 {
			signals++
			delivered += len(list)
		}
	}
	fetches := s.fetches(id)
	t.Logf("%d deliveries: %d signals, %d fetches", deliveries, signals, len(fetches))
	assert.GreaterOrEqual(t, delivered, deliveries+1, "the history has every delivery, and that "+
		"of the order's creation")
	assert.LessOrEqual(t, signals, deliveries/10)
	s.assertFetchedWhenQuiet(id)
	assert.True(t, fetches[len(fetches)-1].Start.After(last),
		"the last fetch begins after the last response")
}

// TestDeliveryWhileTheRunCompletesIsFollowedByAFetch checks the hardest case of invariant 1: a
// delivery arrives just when the run completes.
func TestDeliveryWhileTheRunCompletesIsFollowedByAFetch(t *testing.T) {
	t.Parallel()
	const rounds = 15
	type answer struct {
		id string
		at time.Time
	}
	answers := make(chan answer, 3*rounds)
	evaluated := make(chan string, rounds)
	s := newStack(t, options{
		settings: orderlife.Settings{SettleQuiet: time.Millisecond, SettleMax: time.Second},
		rules: func() *rules.Set {
			select {
			case evaluated <- "":
			default:
			}
			return rulefile.Default()
		},
	})
	for range rounds {
		id, err := s.fake.AddOrder(s.sample("plain"))
		require.NoError(t, err)
		// A delivery during the check arrives in the last workflow task, or just after it.
		for range 3 {
			<-evaluated
			answers <- answer{id, s.postAccepted(id)}
		}
	}
	close(answers)
	for answered := range answers {
		s.mustResult(answered.id)
		require.Eventually(t, func() bool {
			fetches := s.fetches(answered.id)
			return fetches[len(fetches)-1].Start.After(answered.at)
		}, waitFor, tick, "no fetch followed a delivery that got a 200")
	}
}

func TestInflowsFailuresEndAsTheContractSays(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault     fakeinflow.Fault
		errorType string // empty if the run recovers
		attempts  int
	}{
		"500": {fakeinflow.Fault{Status: 500, Times: 1}, "", 2},
		"429": {fakeinflow.Fault{Status: 429, RetryAfter: time.Second, Times: 1}, "",
			2},
		"cut connection":  {fakeinflow.Fault{Cut: true, Times: 1}, "", 2},
		"slow body":       {fakeinflow.Fault{SlowBody: 5 * time.Second, Times: 1}, "", 2},
		"404 for good":    {fakeinflow.Fault{Status: 404}, ordercheck.ErrorOrderNotFound, 2},
		"404 for a while": {fakeinflow.Fault{Status: 404, Times: 1}, "", 2},
		"401":             {fakeinflow.Fault{Status: 401}, ordercheck.ErrorInflowUnauthorized, 1},
		"403":             {fakeinflow.Fault{Status: 403}, ordercheck.ErrorInflowUnauthorized, 1},
		"garbage": {fakeinflow.Fault{Body: "<html>not here</html>"},
			ordercheck.ErrorInflowBadResponse, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, options{inflowTimeout: time.Second})
			tc.fault.Route = fakeinflow.RouteGetSalesOrder
			require.NoError(t, s.fake.SetFault(tc.fault))
			id := s.create("plain")
			report, err := s.result(id)
			assert.Len(t, s.fetches(id), tc.attempts)
			if tc.errorType == "" {
				require.NoError(t, err)
				assert.Equal(t, ordercheck.StatusPassed, report.Status)
				if tc.fault.RetryAfter > 0 {
					fetches := s.fetches(id)
					assert.GreaterOrEqual(t, fetches[1].Start.Sub(fetches[0].End),
						tc.fault.RetryAfter, "the retry waits for Retry-After")
				}
				return
			}
			var application *temporal.ApplicationError
			require.ErrorAs(t, err, &application)
			assert.Equal(t, tc.errorType, application.Type())
			assert.NotContains(t, err.Error(), "html")
			assert.Equal(t, ordercheck.StatusUnchecked, s.report(id).Status)
		})
	}
}
