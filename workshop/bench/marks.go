package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/workflowservice/v1"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/ordercheck"
)

const (
	holdField = "custom10"
	// markQuota is a request quota that 500 orders use up for two minutes.
	markQuota = 1500
	// markPatience is the timeout of each wait. Marks for 500 orders take about two minutes.
	markPatience = 15 * time.Minute
)

// rulesOfMarks breaks orders with a PO number of "wrong". With a second rule, their errors are
// confirmed without a grace period.
const (
	rulesOfMarks = `version: 1
name: marks
rules:
- id: later
  scope: order
  severity: error
  grace: 24h
  when: "order.poNumber == 'wrong'"
  message: "'The PO number is wrong'"
`
	secondRule = `- id: now
  scope: order
  severity: error
  when: "order.poNumber == 'wrong'"
  message: "'The PO number is wrong, and the order would leave today'"
`
)

// marks counts the requests to InFlow for hold marks: for an order that is held and then fixed, and
// for many orders that are held at the same time by a change of the rules.
func marks(ctx context.Context, b *bench) error {
	orders := b.checks
	with, err := b.requestsOfHeldOrders(ctx, orders, true)
	if err != nil {
		return err
	}
	without, err := b.requestsOfHeldOrders(ctx, orders, false)
	if err != nil {
		return err
	}
	b.rows = append(b.rows, row{
		what:  "InFlow requests for an order that is held and then fixed, with hold marks ÷ without",
		gate:  []float64{float64(with) / float64(orders)},
		other: []float64{float64(without) / float64(orders)},
	})
	return b.markAfterRuleChange(ctx)
}

// requestsOfHeldOrders holds orders, fixes them, and returns the number of requests for them.
func (b *bench) requestsOfHeldOrders(ctx context.Context, n int, marked bool) (_ int, err error) {
	s, err := b.newSite(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	rules, err := b.writeRules(rulesOfMarks + secondRule)
	if err != nil {
		return 0, err
	}
	settings := []string{"GRACE_PERIOD=1s", "RULES_FILE=" + rules}
	if marked {
		settings = append(settings, "INFLOW_HOLD_FIELD="+holdField)
	}
	ids, err := s.createWrong(ctx, n, settings...)
	if err != nil {
		return 0, err
	}
	if err := s.waitForStatus(ctx, ordercheck.StatusFailed, n); err != nil {
		return 0, err
	}
	if marked {
		if err := s.waitForMarks(ctx, ids); err != nil {
			return 0, err
		}
	}
	if err := s.waitUntilInflowIsQuiet(ctx); err != nil {
		return 0, err
	}
	for _, id := range ids {
		if err := s.fake.SetField(id, "poNumber", "right"); err != nil {
			return 0, err
		}
	}
	if err := s.waitUntilNoRunIsOpen(ctx); err != nil {
		return 0, err
	}
	return len(s.fake.Requests()), nil
}

// markAfterRuleChange holds many orders at once, by a change of the rules, and waits until all are
// marked. The requests must stay within the quota.
func (b *bench) markAfterRuleChange(ctx context.Context) (err error) {
	n := 500
	if b.scale == smoke {
		n = b.orders
	}
	s, err := b.newSite(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	s.quota = markQuota
	rules, err := b.writeRules(rulesOfMarks)
	if err != nil {
		return err
	}
	ids, err := s.createWrong(ctx, n, "GRACE_PERIOD=0", "RULES_FILE="+rules,
		"INFLOW_HOLD_FIELD="+holdField, fmt.Sprintf("INFLOW_REQUESTS_PER_MINUTE=%d", markQuota))
	if err != nil {
		return err
	}
	if err := s.waitForStatus(ctx, ordercheck.StatusPending, n); err != nil {
		return err
	}
	before := len(s.fake.Requests())
	if _, err := b.writeRules(rulesOfMarks + secondRule); err != nil {
		return err
	}
	if err := s.waitForMarks(ctx, ids); err != nil {
		return err
	}
	if err := s.waitUntilInflowIsQuiet(ctx); err != nil {
		return err
	}
	requests := s.fake.Requests()
	what := fmt.Sprintf("%d orders held and marked after a change of the rules: InFlow requests ", n)
	b.rows = append(b.rows,
		row{what: what + "per order", gate: []float64{float64(len(requests)-before) / float64(n)}},
		row{what: what + "in the busiest minute ÷ the quota",
			gate:  []float64{float64(busiestMinute(requests))},
			other: []float64{markQuota}, better: "lower", target: 1})
	return nil
}

func (b *bench) writeRules(text string) (path string, err error) {
	path = filepath.Join(b.dir, "marks.yaml")
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// createWrong starts the gate, subscribes it, and creates orders that break its rules.
func (s *site) createWrong(
	ctx context.Context, n int, workerEnv ...string,
) (ids []string, err error) {
	post, _, err := s.startGate(ctx, workerEnv...)
	if err != nil {
		return nil, err
	}
	if err := s.fake.Subscribe(post.url, secret); err != nil {
		return nil, err
	}
	samples, err := fakeinflow.Samples()
	if err != nil {
		return nil, err
	}
	for range n {
		order := samples[0].Order
		order["salesOrderId"], order["orderNumber"] = uuid.NewString(), "SO-"+uuid.NewString()
		order["poNumber"] = "wrong"
		id, err := s.fake.AddOrder(order)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// waitForStatus waits until n open runs have the status.
func (s *site) waitForStatus(ctx context.Context, status ordercheck.Status, n int) error {
	query := fmt.Sprintf("ExecutionStatus = 'Running' AND GateStatus = '%s'", status)
	return s.waitFor(ctx, func() (string, error) {
		answer, err := s.temporal.CountWorkflow(ctx,
			&workflowservice.CountWorkflowExecutionsRequest{Query: query})
		if err != nil || answer.GetCount() == int64(n) {
			return "", err
		}
		return fmt.Sprintf("%d of %d orders are %s", answer.GetCount(), n, status), nil
	})
}

// waitForMarks waits until every order has a mark.
func (s *site) waitForMarks(ctx context.Context, ids []string) error {
	return s.waitFor(ctx, func() (string, error) {
		for i, id := range ids {
			order, err := s.fake.Order(id)
			if err != nil {
				return "", err
			}
			custom, _ := order["customFields"].(map[string]any)
			if mark, _ := custom[holdField].(string); mark == "" {
				return fmt.Sprintf("order %d of %d has no mark", i+1, len(ids)), nil
			}
		}
		return "", nil
	})
}

// waitUntilInflowIsQuiet waits until every webhook is delivered, and no request has come for a
// while.
func (s *site) waitUntilInflowIsQuiet(ctx context.Context) error {
	if err := s.fake.WaitIdle(ctx); err != nil {
		return err
	}
	const quiet = 10 // polls
	before, same := -1, 0
	return s.waitFor(ctx, func() (string, error) {
		if requests := len(s.fake.Requests()); requests != before {
			before, same = requests, 0
		}
		if same++; same > quiet {
			return "", nil
		}
		return "requests still come", nil
	})
}

// waitFor calls look twice a second until it has nothing to report.
func (s *site) waitFor(ctx context.Context, look func() (waitingFor string, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, markPatience)
	defer cancel()
	for {
		waitingFor, err := look()
		if err != nil || waitingFor == "" {
			return err
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", waitingFor, ctx.Err())
		}
	}
}

// busiestMinute returns the largest number of requests that began within a minute.
func busiestMinute(requests []fakeinflow.Request) (most int) {
	starts := make([]time.Time, len(requests))
	for i := range requests {
		starts[i] = requests[i].Start
	}
	slices.SortFunc(starts, time.Time.Compare)
	first := 0
	for i, start := range starts {
		for start.Sub(starts[first]) >= time.Minute {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}
