package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
	"error-check-gate/workflows"
	"error-check-gate/workflows/workflowtest"
)

const orderID = "8a3c6d4e-0000-4000-8000-000000000001"

// world answers the activities of a test, and records their calls.
type world struct {
	*testsuite.TestWorkflowEnvironment
	start time.Time

	fetch func(attempt int) (ordercheck.FetchedOrder, error)
	check func(attempt int) (ordercheck.CheckedOrder, error)

	fetchedAt []time.Duration // since the start, on the workflow's clock
	checked   int
	lastCheck ordercheck.CheckOrderInput
	mu        sync.Mutex
	sent      []sentNotice
	// notify returns the error of an attempt to send; nil accepts every notice.
	notify   func(in ordercheck.NotifyInput) error
	targets  []string
	recalled []ordercheck.Finding
	// recall returns the error of a look at the previous run; nil never fails.
	recall   func() error
	observer *observed
}

// observed stands in for the metrics.
type observed struct {
	checked, givenUp int
	ended            []ordercheck.RuleOutcome
}

func (o *observed) Checked(ordercheck.Status, time.Duration) { o.checked++ }
func (o *observed) NoticeGivenUp(ordercheck.NoticeKind)      { o.givenUp++ }
func (o *observed) MarkWritten(orderlife.MarkOutcome)        {}
func (o *observed) ErrorsEnded(e ordercheck.RuleOutcome)     { o.ended = append(o.ended, e) }

// sentNotice is a notice that a target has received.
type sentNotice struct {
	at     time.Duration // since the start
	target string
	notice ordercheck.Notice
}

func newWorld(t *testing.T) *world { return newWorldWith(t, settings) }

func newWorldWith(t *testing.T, settings orderlife.Settings) *world {
	t.Helper()
	w := &world{
		TestWorkflowEnvironment: workflowtest.NewEnvironment(),
		targets:                 []string{"mail"},
		observer:                &observed{},
	}
	w.fetch = func(attempt int) (ordercheck.FetchedOrder, error) { return order(attempt), nil }
	w.check = func(int) (ordercheck.CheckedOrder, error) { return found(), nil }

	checks := &workflows.SalesOrderChecks{Settings: settings, Observer: w.observer}
	w.RegisterWorkflowWithOptions(checks.SalesOrderCheck,
		workflow.RegisterOptions{Name: ordercheck.WorkflowType})
	w.RegisterActivityWithOptions(
		func(_ context.Context, in ordercheck.FetchOrderInput) (ordercheck.FetchedOrder, error) {
			assert.Equal(t, orderID, in.SalesOrderID)
			w.mu.Lock()
			w.fetchedAt = append(w.fetchedAt, w.Now().Sub(w.start))
			n := len(w.fetchedAt)
			w.mu.Unlock()
			return w.fetch(n)
		},
		activity.RegisterOptions{Name: ordercheck.ActivityFetchOrder},
	)
	w.RegisterActivityWithOptions(
		func(_ context.Context, in ordercheck.CheckOrderInput) (ordercheck.CheckedOrder, error) {
			assert.False(t, in.At.IsZero(), "rules need the time of the check")
			w.checked++
			w.lastCheck = in
			return w.check(w.checked)
		},
		activity.RegisterOptions{Name: ordercheck.ActivityCheckOrder},
	)
	w.RegisterActivityWithOptions(
		func(_ context.Context, in ordercheck.NotifyInput) (ordercheck.NotifyResult, error) {
			if in.Target == "" {
				return ordercheck.NotifyResult{Targets: w.targets}, nil
			}
			w.mu.Lock() // targets are notified concurrently
			defer w.mu.Unlock()
			if w.notify != nil {
				if err := w.notify(in); err != nil {
					return ordercheck.NotifyResult{}, err
				}
			}
			w.sent = append(w.sent, sentNotice{w.Now().Sub(w.start), in.Target, in.Notice})
			return ordercheck.NotifyResult{}, nil
		},
		activity.RegisterOptions{Name: ordercheck.ActivityNotify},
	)
	w.RegisterActivityWithOptions(
		func(_ context.Context, in ordercheck.RecallRunInput) (ordercheck.RecalledRun, error) {
			assert.Equal(t, orderID, in.SalesOrderID)
			if w.recall != nil {
				if err := w.recall(); err != nil {
					return ordercheck.RecalledRun{}, err
				}
			}
			return ordercheck.RecalledRun{Overridden: w.recalled}, nil
		},
		activity.RegisterOptions{Name: ordercheck.ActivityRecallRun},
	)
	w.RegisterActivityWithOptions(func(context.Context) (ordercheck.Cancellation, error) {
		return ordercheck.Cancellation{Identity: "anna@desk", Reason: "goods are needed"}, nil
	}, activity.RegisterOptions{Name: ordercheck.ActivityReadCancellation})
	w.SetStartWorkflowOptions(
		client.StartWorkflowOptions{ID: ordercheck.WorkflowID(orderID), TaskQueue: ordercheck.TaskQueue},
	)
	w.start = w.Now()
	return w
}

var ruleSet = ordercheck.RuleSet{Name: "default", Digest: "sha256:00"}

// order returns version n of the order.
func order(n int) ordercheck.FetchedOrder {
	return ordercheck.FetchedOrder{
		OrderNumber:  "SO-000123",
		OrderVersion: fmt.Sprintf("%016X", n),
		Customer:     "Acme",
		RuleSet:      ruleSet,
		Asked:        []string{"billed", "customer", "lines", "recentOrders"},
		Order:        ordercheck.Digest(`{"lines":[]}`),
	}
}

func found(findings ...ordercheck.Finding) ordercheck.CheckedOrder {
	return ordercheck.CheckedOrder{RuleSet: ruleSet, Findings: findings}
}

func finding(rule string, severity ordercheck.Severity) ordercheck.Finding {
	return ordercheck.Finding{
		ID:       rule,
		RuleID:   rule,
		Severity: severity,
		Scope:    ordercheck.ScopeOrder,
		Message:  rule + " is broken",
	}
}

// deliverAt sends n deliveries in one signal, at a time after the start.
func (w *world) deliverAt(after time.Duration, n int) {
	w.RegisterDelayedCallback(func() { w.deliver(n) }, after)
}

func (w *world) deliver(n int) {
	deliveries := make([]ordercheck.Delivery, n)
	for i := range deliveries {
		deliveries[i] = ordercheck.Delivery{Event: "salesOrder.updated", ReceivedAt: w.Now()}
	}
	w.SignalWorkflow(ordercheck.SignalWebhookDelivered, deliveries)
}

func (w *world) run(t *testing.T) (*ordercheck.Report, error) {
	t.Helper()
	w.ExecuteWorkflow(ordercheck.WorkflowType,
		orderlife.Start{Start: ordercheck.Start{SalesOrderID: orderID}})
	require.True(t, w.IsWorkflowCompleted())
	if err := w.GetWorkflowError(); err != nil {
		return nil, err
	}
	var report ordercheck.Report
	require.NoError(t, w.GetWorkflowResult(&report))
	return &report, nil
}

func (w *world) mustRun(t *testing.T) *ordercheck.Report {
	t.Helper()
	report, err := w.run(t)
	require.NoError(t, err)
	return report
}

func TestPersonDoesNotWaitForSettling(t *testing.T) {
	for name, signal := range map[string]any{
		"no argument": nil, "an empty list": []ordercheck.Delivery{}, "not a list": "check it, please",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.deliverAt(0, 1)
			w.RegisterDelayedCallback(func() { w.SignalWorkflow(ordercheck.SignalWebhookDelivered, signal) },
				time.Second)
			w.mustRun(t)
			assert.Equal(t, []time.Duration{time.Second}, w.fetchedAt)
		})
	}
}

// Invariant 1: a delivery during the run leads to a fetch that begins after it.
func TestDeliveryDuringTheRunIsFollowedByAnotherFetch(t *testing.T) {
	t.Run("during the fetch", func(t *testing.T) {
		w := newWorld(t)
		w.fetch = func(n int) (ordercheck.FetchedOrder, error) {
			if n == 1 {
				w.deliver(3)
			}
			return order(n), nil
		}
		report := w.mustRun(t)
		assert.Len(t, w.fetchedAt, 2)
		assert.Equal(t, "0000000000000002", report.OrderVersion)
	})
	t.Run("during the check", func(t *testing.T) {
		w := newWorld(t)
		w.check = func(n int) (ordercheck.CheckedOrder, error) {
			if n == 1 {
				w.deliver(1)
			}
			return found(), nil
		}
		report := w.mustRun(t)
		assert.Len(t, w.fetchedAt, 2)
		assert.Equal(t, "0000000000000002", report.OrderVersion)
	})
	t.Run("during a fetch that fails for good", func(t *testing.T) {
		w := newWorld(t)
		w.fetch = func(n int) (ordercheck.FetchedOrder, error) {
			if n == 1 {
				w.deliver(1)
				return ordercheck.FetchedOrder{}, temporal.NewNonRetryableApplicationError("401",
					ordercheck.ErrorInflowUnauthorized, nil)
			}
			return order(n), nil
		}
		assert.Equal(t, ordercheck.StatusPassed, w.mustRun(t).Status)
		assert.Len(t, w.fetchedAt, 2)
	})
}

func TestRunFailsIfTheCheckCannotBeDone(t *testing.T) {
	for _, tc := range []struct {
		errorType string
		fetches   int
		advice    string
	}{
		{ordercheck.ErrorOrderNotFound, 2, "was it deleted?"},
		{ordercheck.ErrorInflowUnauthorized, 1, "INFLOW_API_KEY"},
		{ordercheck.ErrorInflowBadResponse, 1, "could not be used (no); fix what it names"},
	} {
		t.Run(tc.errorType, func(t *testing.T) {
			w := newWorld(t)
			w.fetch = func(int) (ordercheck.FetchedOrder, error) {
				return ordercheck.FetchedOrder{}, temporal.NewNonRetryableApplicationError("no", tc.errorType,
					nil)
			}
			_, err := w.run(t)
			var application *temporal.ApplicationError
			require.ErrorAs(t, err, &application)
			assert.Equal(t, tc.errorType, application.Type())
			assert.Contains(t, application.Message(), tc.advice)
			assert.Len(t, w.fetchedAt, tc.fetches)

			answer, err := w.QueryWorkflow(ordercheck.QueryReport)
			require.NoError(t, err)
			var report ordercheck.Report
			require.NoError(t, answer.Get(&report))
			assert.Equal(t, ordercheck.StatusUnchecked, report.Status)
		})
	}
}

func TestOrderThatInflowDoesNotKnowYetIsFetchedAgain(t *testing.T) {
	w := newWorld(t)
	w.fetch = func(n int) (ordercheck.FetchedOrder, error) {
		if n == 1 {
			return ordercheck.FetchedOrder{}, temporal.NewNonRetryableApplicationError("404",
				ordercheck.ErrorOrderNotFound, nil)
		}
		return order(n), nil
	}
	assert.Equal(t, ordercheck.StatusPassed, w.mustRun(t).Status)
	assert.Equal(t, []time.Duration{0, 3 * time.Second}, w.fetchedAt)
}

func TestTemporaryFailuresAreRetried(t *testing.T) {
	w := newWorld(t)
	w.fetch = func(n int) (ordercheck.FetchedOrder, error) {
		switch n {
		case 1:
			return ordercheck.FetchedOrder{}, temporal.NewApplicationError("500",
				ordercheck.ErrorInflowUnavailable)
		case 2:
			return ordercheck.FetchedOrder{}, temporal.NewApplicationErrorWithOptions("429",
				ordercheck.ErrorInflowRateLimited,
				temporal.ApplicationErrorOptions{NextRetryDelay: 42 * time.Second})
		}
		return order(n), nil
	}
	assert.Equal(t, ordercheck.StatusPassed, w.mustRun(t).Status)
	assert.Equal(t, []time.Duration{0, time.Second, 43 * time.Second}, w.fetchedAt)
}

func TestRunFailsWhenRetriesAreSpent(t *testing.T) {
	w := newWorld(t)
	w.fetch = func(int) (ordercheck.FetchedOrder, error) {
		return ordercheck.FetchedOrder{}, temporal.NewApplicationError("500",
			ordercheck.ErrorInflowUnavailable)
	}
	_, err := w.run(t)
	var application *temporal.ApplicationError
	require.ErrorAs(t, err, &application)
	assert.Equal(t, ordercheck.ErrorInflowUnavailable, application.Type())
	assert.Contains(t, application.Message(), "rerun when it is back")
	assert.Greater(t, len(w.fetchedAt), 5)
}

func TestCheckNowReturnsACheckThatBeganAfterIt(t *testing.T) {
	type answer struct {
		report ordercheck.Report
		err    error
	}
	ask := func(w *world, t *testing.T, got *answer) {
		w.UpdateWorkflow(ordercheck.UpdateCheck, "", &testsuite.TestUpdateCallback{
			OnReject: func(err error) { t.Errorf("rejected: %v", err) },
			OnAccept: func() {},
			OnComplete: func(result any, err error) {
				got.err = err
				if report, ok := result.(*ordercheck.Report); ok && report != nil {
					got.report = *report
				}
			},
		})
	}
	t.Run("asked while settling", func(t *testing.T) {
		w := newWorld(t)
		var got answer
		w.deliverAt(0, 1)
		w.RegisterDelayedCallback(func() { ask(w, t, &got) }, time.Second)
		w.mustRun(t)
		require.NoError(t, got.err)
		assert.Equal(t, "0000000000000001", got.report.OrderVersion)
		assert.Equal(t, []time.Duration{time.Second}, w.fetchedAt)
	})
	t.Run("asked during a fetch", func(t *testing.T) {
		w := newWorld(t)
		var got answer
		w.fetch = func(n int) (ordercheck.FetchedOrder, error) {
			if n == 1 {
				ask(w, t, &got)
			}
			return order(n), nil
		}
		w.mustRun(t)
		require.NoError(t, got.err)
		assert.Equal(t, "0000000000000002", got.report.OrderVersion)
	})
	t.Run("the check cannot be done", func(t *testing.T) {
		w := newWorld(t)
		var got answer
		w.deliverAt(0, 1)
		w.RegisterDelayedCallback(func() { ask(w, t, &got) }, time.Second)
		w.fetch = func(int) (ordercheck.FetchedOrder, error) {
			return ordercheck.FetchedOrder{}, temporal.NewNonRetryableApplicationError("401",
				ordercheck.ErrorInflowUnauthorized, nil)
		}
		_, err := w.run(t)
		require.Error(t, err)
		require.ErrorContains(t, got.err, "INFLOW_API_KEY")
	})
}

func TestContinuesAsNewAtAQuietPoint(t *testing.T) {
	w := newWorld(t)
	w.fetch = func(n int) (ordercheck.FetchedOrder, error) {
		w.SetContinueAsNewSuggested(true)
		w.deliver(1)
		return order(n), nil
	}
	w.check = func(int) (ordercheck.CheckedOrder, error) {
		return found(finding("order-total", ordercheck.SeverityError)), nil
	}
	_, err := w.run(t)
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, err, &again)
	assert.Len(t, w.fetchedAt, 1, "the next run fetches for the delivery that came during this one")

	next := newWorld(t)
	next.check = w.check
	next.ExecuteWorkflow(ordercheck.WorkflowType, startOf(t, again))
	require.NoError(t, next.GetWorkflowError())
	var report ordercheck.Report
	require.NoError(t, next.GetWorkflowResult(&report))
	require.Len(t, report.Findings, 1)
	assert.True(t, report.Findings[0].FirstSeen.Before(next.start),
		"a finding keeps its first-seen time from run to run")
}

func TestWorkflowIDNamesTheOrder(t *testing.T) {
	t.Run("no argument is needed", func(t *testing.T) {
		w := newWorld(t)
		w.ExecuteWorkflow(ordercheck.WorkflowType)
		require.NoError(t, w.GetWorkflowError())
		assert.Len(t, w.fetchedAt, 1)
	})
	for name, id := range map[string]string{
		"in capitals":      "sales-order-" + strings.ToUpper(orderID),
		"of another order": ordercheck.WorkflowID("another"), "of no order": "check-it",
		"unusable": ordercheck.WorkflowID("a/b"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: id})
			start := orderlife.Start{Start: ordercheck.Start{SalesOrderID: orderID}}
			if name == "unusable" {
				start = orderlife.Start{}
			}
			w.ExecuteWorkflow(ordercheck.WorkflowType, start)
			var application *temporal.ApplicationError
			require.True(t, errors.As(w.GetWorkflowError(), &application))
			assert.Equal(t, "WrongWorkflowID", application.Type())
			assert.Empty(t, w.fetchedAt)
		})
	}
}

func startOf(t *testing.T, again *workflow.ContinueAsNewError) orderlife.Start {
	t.Helper()
	var start orderlife.Start
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &start))
	return start
}
