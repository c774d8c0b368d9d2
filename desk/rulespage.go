package desk

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
)

// describeWithin limits the wait for a worker that tells what the rules are.
const describeWithin = 10 * time.Second

// ruleList knows the rules in force. The desk has no rule files: a worker tells it, once for each set.
type ruleList struct {
	temporal client.Client

	mu     sync.Mutex
	latest ordercheck.DescribedRules
}

// get returns the rules of the set with a digest.
func (l *ruleList) get(ctx context.Context, digest string) (ordercheck.DescribedRules, error) {
	l.mu.Lock()
	latest := l.latest
	l.mu.Unlock()
	if latest.RuleSet.Digest == digest {
		return latest, nil
	}
	ctx, cancel := context.WithTimeout(ctx, describeWithin)
	defer cancel()
	run, err := l.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: ordercheck.DescribeRulesWorkflowID(digest), TaskQueue: ordercheck.TaskQueue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowExecutionTimeout: time.Hour,
		StaticSummary:            "What the rules in force are, for the order desk",
	}, ordercheck.DescribeRulesType)
	if err != nil {
		return latest, fmt.Errorf("ask a worker for the rules in force: %w", knownError(err))
	}
	var described ordercheck.DescribedRules
	if err := run.Get(ctx, &described); err != nil {
		return latest, fmt.Errorf("wait for the rules in force: %w", knownError(err))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latest = described
	return described, nil
}

// rulesPage is the data of the page of rules.
type rulesPage struct {
	Set     ordercheck.InForce
	Rules   []ruleRow
	Omitted int
	Fault   string
}

type ruleRow struct {
	ordercheck.DescribedRule
	State, Numbers, URL string
	Orders              int
}

func (s *Server) showRules(w http.ResponseWriter, r *http.Request) {
	inForce, _, err := operations.RulesInForce(r.Context(), s.rules.temporal)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	p := &rulesPage{Set: inForce}
	if inForce.Digest == "" {
		p.Fault = "No worker has put a rule set in force yet."
		s.render(w, r, http.StatusOK, "rules", "rules", p)
		return
	}
	described, err := s.rules.get(r.Context(), inForce.Digest)
	if err != nil || described.RuleSet.Digest != inForce.Digest {
		s.logger.WarnContext(r.Context(), "the rules in force could not be read", "error", err)
		p.Fault = "No worker has told what these rules are. Reload the page in a minute."
		described = ordercheck.DescribedRules{}
	}
	held := map[string]int{}
	if snapshot, err := s.board.get(r.Context()); err == nil {
		for i := range snapshot.rows {
			if hasStatus(&snapshot.rows[i], StatusHeld) {
				for _, rule := range snapshot.rows[i].FailedRules {
					held[rule]++
				}
			}
		}
	} else if p.Fault == "" {
		p.Fault = "How many orders each rule holds could not be read now."
	}
	for _, rule := range described.Rules {
		p.Rules = append(p.Rules, ruleRow{
			DescribedRule: rule, State: ruleState(&rule), Numbers: ruleNumbers(rule.Terms),
			Orders: held[rule.ID], URL: listURL(&Filter{Status: StatusHeld, Rule: rule.ID}, 1, ""),
		})
	}
	p.Omitted = described.Omitted
	s.render(w, r, http.StatusOK, "rules", "rules", p)
}

func ruleState(rule *ordercheck.DescribedRule) string {
	switch {
	case !rule.Enabled:
		return "off"
	case rule.Shadow:
		return "on trial"
	}
	return "on"
}

// ruleNumbers says what a rule's own terms are.
func ruleNumbers(terms *ordercheck.Terms) string {
	if terms == nil {
		return ""
	}
	var parts []string
	for _, term := range []struct {
		text  string
		value *time.Duration
	}{{"time to fix it", terms.Grace}, {"held at most", terms.HoldMax}, {"reminded every", terms.RemindEvery}} {
		if term.value != nil {
			parts = append(parts, term.text+" "+readableDuration(*term.value))
		}
	}
	if terms.NotOverridable {
		parts = append(parts, "nobody can take responsibility")
	}
	return strings.Join(parts, ", ")
}
