package e2e_test

import (
	"context"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"

	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
)

// checkNow checks an order as 'gate check' does.
func (s *stack) checkNow(id string) *ordercheck.Report {
	s.t.Helper()
	report, err := operations.CheckNow(s.t.Context(), s.temporal, id)
	require.NoError(s.t, err)
	return report
}

// result waits for the latest run of an order to end, and returns its report.
func (s *stack) result(id string) (*ordercheck.Report, error) {
	s.t.Helper()
	s.waitForRun(id)
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*waitFor)
	defer cancel()
	var report ordercheck.Report
	if err := s.temporal.GetWorkflow(ctx, ordercheck.WorkflowID(id), "").Get(ctx,
		&report); err != nil {
		return nil, err
	}
	return &report, nil
}

func (s *stack) mustResult(id string) *ordercheck.Report {
	s.t.Helper()
	report, err := s.result(id)
	require.NoError(s.t, err)
	return report
}

// report queries the latest run for its report. On a busy machine, a query may run out of time.
func (s *stack) report(id string) *ordercheck.Report {
	s.t.Helper()
	var report ordercheck.Report
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		answer, err := s.temporal.QueryWorkflow(s.t.Context(), ordercheck.WorkflowID(id), "",
			ordercheck.QueryReport)
		require.NoError(c, err)
		report = ordercheck.Report{}
		require.NoError(c, answer.Get(&report))
	}, waitFor, tick)
	return &report
}

// waitForReport waits until the order's latest run reports a status. The run may be open.
func (s *stack) waitForReport(id string, want ordercheck.Status) *ordercheck.Report {
	s.t.Helper()
	s.waitForRun(id)
	var report *ordercheck.Report
	require.Eventually(s.t, func() bool {
		report = s.report(id)
		return report.Status == want
	}, waitFor, tick, "order %s does not become %s", id, want)
	return report
}

// waitForRun waits until an order has a run.
func (s *stack) waitForRun(id string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		_, err := s.temporal.DescribeWorkflowExecution(s.t.Context(), ordercheck.WorkflowID(id), "")
		return err == nil
	}, waitFor, tick, "no run was started for order %s", id)
}

func brokenRules(report *ordercheck.Report) []string {
	ids := []string{}
	for _, f := range report.Findings {
		ids = append(ids, f.RuleID)
	}
	return ids
}

// gateStatus returns the status of the order's latest run in Temporal's list. It needs no worker.
func (s *stack) gateStatus(id string) ordercheck.Status {
	s.t.Helper()
	answer, err := s.temporal.DescribeWorkflowExecution(s.t.Context(), ordercheck.WorkflowID(id),
		"")
	if err != nil {
		return ""
	}
	payload, ok := answer.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields()[ordercheck.SearchGateStatus]
	if !ok {
		return ""
	}
	var status ordercheck.Status
	require.NoError(s.t, converter.GetDefaultDataConverter().FromPayload(payload, &status))
	return status
}

func (s *stack) waitForStatus(id string, want ordercheck.Status) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		return s.gateStatus(id) == want
	}, waitFor, tick, "the order did not become %s", want)
}

func withoutTimes(report *ordercheck.Report) ordercheck.Report {
	r := *report
	r.CheckedAt, r.Timeline = time.Time{}, nil
	r.Findings = append([]ordercheck.Finding(nil), r.Findings...)
	for i := range r.Findings {
		r.Findings[i].FirstSeen, r.Findings[i].ConfirmAt = time.Time{}, time.Time{}
	}
	return r
}
