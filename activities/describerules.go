package activities

import (
	"context"
	"time"

	"error-check-gate/internal/ordercheck"
)

// DescribeRules describes the rules in force. It fails on a worker that does not have them;
// Temporal then retries, maybe on another worker.
func (a *Activities) DescribeRules(ctx context.Context) (ordercheck.DescribedRules, error) {
	set, _, err := a.setInForce(ctx, time.Time{})
	if err != nil {
		return ordercheck.DescribedRules{}, err
	}
	described := ordercheck.DescribedRules{RuleSet: set.RuleSet(), Rules: []ordercheck.DescribedRule{}}
	for _, rule := range set.Rules() {
		if len(described.Rules) == ordercheck.MaxDescribedRules {
			described.Omitted++
			continue
		}
		described.Rules = append(described.Rules, ordercheck.DescribedRule{
			ID:          ordercheck.Keyword(rule.ID),
			Description: ordercheck.Cut(rule.Description, ordercheck.MaxRuleDescription),
			Severity:    rule.Severity, Enabled: rule.Enabled, Shadow: rule.Shadow,
			Terms: set.Terms(rule.ID),
		})
	}
	return described, nil
}
