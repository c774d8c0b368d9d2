package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/fakeinflow"
	"error-check-gate/internal/ordercheck"
)

// reports are checks of orders that are right, from the delivery to the end of the run,
// beside a workflow with two activities that do nothing, from its start to its end.
func reports(ctx context.Context, b *bench) (err error) {
	s, err := b.newSite(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	post, err := s.startGate(ctx, "SETTLE_QUIET=0")
	if err != nil {
		return err
	}
	if _, err := s.startRole(ctx, roleWorker); err != nil {
		return err
	}
	var latency, events, bytes [3][]float64
	for round := range b.rounds + 1 {
		for i, once := range []func() (string, error){
			func() (string, error) { return s.checkOnce(ctx, post) },
			func() (string, error) { return s.runBare(ctx, bareTaskQueue) },
			func() (string, error) { return s.runBare(ctx, bareLimited) },
		} {
			var took []float64
			var id string
			for range b.checks {
				began := time.Now()
				if id, err = once(); err != nil {
					return err
				}
				took = append(took, milliseconds(time.Since(began)))
			}
			if round == 0 {
				continue // it warms up
			}
			latency[i] = append(latency[i], median(took))
			described, err := s.temporal.DescribeWorkflowExecution(ctx, id, "")
			if err != nil {
				return err
			}
			events[i] = append(events[i], float64(described.GetWorkflowExecutionInfo().GetHistoryLength()))
			bytes[i] = append(bytes[i], float64(described.GetWorkflowExecutionInfo().GetHistorySizeBytes()))
		}
	}
	b.rows = append(b.rows,
		row{what: "delivery to report, settle time 0 ÷ a workflow of two empty activities", gate: latency[0], other: latency[1], unit: " ms", better: "lower", target: 1.2},
		row{what: "the same ÷ that workflow with its first activity on a queue with a rate", gate: latency[0], other: latency[2], unit: " ms"},
		row{what: "history of a clean check: events", gate: events[0], other: events[1]},
		row{what: "history of a clean check: bytes", gate: bytes[0], other: bytes[1], unit: " B"})
	return nil
}

// startGate starts everything of the gate.
func (s *site) startGate(ctx context.Context, workerEnv ...string) (*sender, error) {
	if err := s.startInflow(ctx); err != nil {
		return nil, err
	}
	if _, err := s.startWorker(workerEnv...); err != nil {
		return nil, err
	}
	edge, err := s.startIngress(ctx)
	if err != nil {
		return nil, err
	}
	return newSender(edge.url)
}

func (s *site) checkOnce(ctx context.Context, post *sender) (workflowID string, err error) {
	id, err := s.order(sampleRight)
	if err != nil {
		return "", err
	}
	if err := post.deliver(ctx, id); err != nil {
		return "", err
	}
	var report ordercheck.Report
	workflowID = ordercheck.WorkflowID(id)
	return workflowID, s.temporal.GetWorkflow(ctx, workflowID, "").Get(ctx, &report)
}

func (s *site) runBare(ctx context.Context, firstQueue string) (workflowID string, err error) {
	run, err := s.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: uuid.NewString(), TaskQueue: bareTaskQueue}, bareWorkflow, firstQueue)
	if err != nil {
		return "", err
	}
	return run.GetID(), run.Get(ctx, nil)
}

const sampleRight = "percent-discount"

// order is a new order at InFlow, with a number of its own. The customer is always the same: what the
// shipped rules look up of a customer's other orders, a third activity, is known for ten minutes.
func (s *site) order(sample string) (id string, err error) {
	samples, err := fakeinflow.Samples()
	if err != nil {
		return "", err
	}
	for _, candidate := range samples {
		if candidate.Name == sample {
			document := candidate.Order
			document["salesOrderId"] = uuid.NewString()
			document["orderNumber"] = "SO-" + uuid.NewString()
			return s.fake.AddOrder(document)
		}
	}
	return "", fmt.Errorf("there is no sample order %q", sample)
}

var benchmarkLine = regexp.MustCompile(`(?m)^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(.*)$`)

// goBenchmarks runs benchmarks of the repository's own, and returns what they report by name and unit.
func goBenchmarks(ctx context.Context, arguments ...string) (map[string]map[string]float64, error) {
	command := exec.CommandContext(ctx, "go", append([]string{"test", "-run", "^$"}, arguments...)...) //nolint:gosec // our own tests
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go test: %w\n%s", err, output)
	}
	results := map[string]map[string]float64{}
	for _, line := range benchmarkLine.FindAllSubmatch(output, -1) {
		values := map[string]float64{}
		for _, pair := range regexp.MustCompile(`(\S+) (\S+)`).FindAllSubmatch(line[2], -1) {
			if value, err := strconv.ParseFloat(string(pair[1]), 64); err == nil {
				values[string(pair[2])] = value
			}
		}
		results[string(line[1])] = values
	}
	return results, nil
}
