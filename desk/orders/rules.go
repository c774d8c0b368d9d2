package orders

import (
	"context"
	"fmt"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
)

// describeTimeout limits the wait for a worker to describe the rules.
const describeTimeout = 10 * time.Second

// RulesInForce returns the rule set that workers use. Its digest is empty if no worker has started
// yet.
func (r *Runs) RulesInForce(ctx context.Context) (ordercheck.InForce, error) {
	inForce, _, err := operations.RulesInForce(ctx, r.temporal)
	return inForce, err
}

// DescribeRules returns the rules of the set with the digest. The desk has no rule files, so it
// asks a worker, once per rule set. The error wraps [ErrUnavailable] if the worker has another
// rule set.
func (r *Runs) DescribeRules(
	ctx context.Context, digest string,
) (ordercheck.DescribedRules, error) {
	if rules, ok := r.rules.get(digest); ok {
		return rules, nil
	}
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	run, err := r.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: ordercheck.DescribeRulesWorkflowID(digest), TaskQueue: ordercheck.TaskQueue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowExecutionTimeout: time.Hour,
		StaticSummary:            "Describe the rules in force for the order desk",
	}, ordercheck.DescribeRulesType)
	if err != nil {
		return ordercheck.DescribedRules{}, fmt.Errorf("ask a worker for its rules: %w", classify(err))
	}
	var rules ordercheck.DescribedRules
	if err := run.Get(ctx, &rules); err != nil {
		return ordercheck.DescribedRules{}, fmt.Errorf("wait for a worker's rules: %w", classify(err))
	}
	r.rules.put(rules)
	if rules.RuleSet.Digest != digest {
		return ordercheck.DescribedRules{}, fmt.Errorf(
			"%w: a worker described the rule set %s instead of %s", ErrUnavailable,
			rules.RuleSet.Digest, digest)
	}
	return rules, nil
}

// rulesCache holds the rule set that a worker described last.
type rulesCache struct {
	mu     sync.Mutex
	latest ordercheck.DescribedRules
}

func (c *rulesCache) get(digest string) (ordercheck.DescribedRules, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest, digest != "" && c.latest.RuleSet.Digest == digest
}

func (c *rulesCache) put(rules ordercheck.DescribedRules) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latest = rules
}
