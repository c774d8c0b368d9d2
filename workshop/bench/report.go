package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/rulefile"
	"error-check-gate/workshop/internal/product"
)

// reports measures checks of correct orders, from the delivery to the end of the run. It compares
// them with a workflow of two activities that do nothing. It also compares them with the same
// workflow plus the parts that every check needs: the requests to the gate and to InFlow, and the
// order.
func reports(ctx context.Context, b *bench) (err error) {
	s, err := b.newSite(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	post, gate, err := s.startGate(ctx, "SETTLE_QUIET=0")
	if err != nil {
		return err
	}
	bare, err := s.startRole(ctx, roleWorker, apiKeyVariable+"="+s.fake.APIKey())
	if err != nil {
		return err
	}
	var latency, processor, events, bytes [3][]float64
	for round := range b.rounds + 1 {
		for i, side := range []struct {
			worker *process
			once   func(order string) (workflowID string, err error)
		}{
			{gate, func(order string) (string, error) { return s.checkOnce(ctx, post, order) }},
			{bare, func(string) (string, error) { return s.runBare(ctx) }},
			{bare, func(order string) (string, error) { return s.fetchOnce(ctx, bare, order) }},
		} {
			var took []float64
			var id string
			usedBefore, err := side.worker.processorTime()
			if err != nil {
				return err
			}
			for range b.checks {
				order, err := s.order(sampleRight) // before the clock starts: this is InFlow's part
				if err != nil {
					return err
				}
				began := time.Now()
				if id, err = side.once(order); err != nil {
					return err
				}
				took = append(took, milliseconds(time.Since(began)))
			}
			if round == 0 {
				continue // the first check warms up
			}
			latency[i] = append(latency[i], median(took))
			used, err := side.worker.processorTime()
			if err != nil {
				return err
			}
			processor[i] = append(processor[i], milliseconds(used-usedBefore)/float64(b.checks))
			described, err := s.temporal.DescribeWorkflowExecution(ctx, id, "")
			if err != nil {
				return err
			}
			events[i] = append(events[i], float64(described.GetWorkflowExecutionInfo().GetHistoryLength()))
			bytes[i] = append(bytes[i], float64(described.GetWorkflowExecutionInfo().GetHistorySizeBytes()))
		}
	}
	b.rows = append(b.rows,
		row{what: "delivery to report, settle time 0 ÷ a workflow of two empty activities",
			gate: latency[0], other: latency[1], unit: " ms", better: "lower", target: 1.2},
		row{what: "the same ÷ that workflow started by an HTTP request, " +
			"and passing an order that it gets from InFlow", gate: latency[0], other: latency[2],
			unit: " ms", better: "lower", target: 1.05},
		row{what: "the worker's processor time of a check ÷ that workflow's", gate: processor[0],
			other: processor[2], unit: " ms"},
		row{what: "history of a clean check: events", gate: events[0], other: events[1]},
		row{what: "history of a clean check: bytes", gate: bytes[0], other: bytes[1], unit: " B"})
	return nil
}

// startGate starts the stand-in, a worker and an ingress.
func (s *site) startGate(ctx context.Context, workerEnv ...string) (
	post *sender, worker *process, err error,
) {
	if err := s.startInflow(ctx); err != nil {
		return nil, nil, err
	}
	if worker, err = s.startWorker(workerEnv...); err != nil {
		return nil, nil, err
	}
	edge, err := s.startIngress(ctx)
	if err != nil {
		return nil, nil, err
	}
	post, err = newSender(edge.url)
	return post, worker, err
}

func (s *site) checkOnce(
	ctx context.Context, post *sender, order string,
) (workflowID string, err error) {
	if err := post.deliver(ctx, order); err != nil {
		return "", err
	}
	var report ordercheck.Report
	workflowID = ordercheck.WorkflowID(order)
	return workflowID, s.temporal.GetWorkflow(ctx, workflowID, "").Get(ctx, &report)
}

func (s *site) runBare(ctx context.Context) (workflowID string, err error) {
	run, err := startBare(ctx, s.temporal, uuid.NewString(), "")
	if err != nil {
		return "", err
	}
	return run.GetID(), run.Get(ctx, nil)
}

// fetchOnce makes the bare workflow fetch an order and pass it on.
func (s *site) fetchOnce(
	ctx context.Context, bare *process, order string,
) (workflowID string, err error) {
	url := fmt.Sprintf("%s/%s/sales-orders/%s?include=%s", s.inflow, s.fake.CompanyID(), order,
		strings.Join(rulefile.Default().Includes(), ","))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, bare.url+"/"+order,
		strings.NewReader(url))
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the bare worker answers %s", response.Status)
	}
	return order, s.temporal.GetWorkflow(ctx, order, "").Get(ctx, nil)
}

const sampleRight = "percent-discount"

// order adds an order with its own number to InFlow. The customer is always the same, so the
// shipped rules' look-up of the customer's other orders, a third activity, is cached for ten
// minutes.
func (s *site) order(sample string) (id string, err error) {
	return s.numbered(sample, "SO-"+uuid.NewString())
}

func (s *site) numbered(sample, number string) (id string, err error) {
	samples, err := fakeinflow.Samples()
	if err != nil {
		return "", err
	}
	for _, candidate := range samples {
		if candidate.Name == sample {
			document := candidate.Order
			document["salesOrderId"] = uuid.NewString()
			document["orderNumber"] = number
			return s.fake.AddOrder(document)
		}
	}
	return "", fmt.Errorf("there is no sample order %q", sample)
}

var benchmarkLine = regexp.MustCompile(`(?m)^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(.*)$`)

// goBenchmarks runs benchmarks in a folder of the repository. It returns their results by name and
// unit.
func goBenchmarks(ctx context.Context, folder, pattern, benchTime string) (
	map[string]map[string]float64, error,
) {
	root, err := product.Root(ctx)
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, //nolint:gosec // our own tests
		"go", "test", "-run", "^$", "-bench", pattern, "-benchtime", benchTime, ".")
	command.Dir = filepath.Join(root, folder)
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
