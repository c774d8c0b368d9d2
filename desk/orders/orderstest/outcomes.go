package orderstest

import (
	"time"

	"error-check-gate/internal/ordercheck"
)

// AddOutcomes gives the fake three rules that find errors, one that warns, one on trial and one
// that is off, and the outcomes of their errors.
func (f *Fake) AddOutcomes() {
	f.InForce = ordercheck.InForce{
		RuleSet: ordercheck.RuleSet{Name: "cabinetry", Digest: "sha256:0"}, Since: Now,
	}
	rule := func(id string, severity ordercheck.Severity) ordercheck.DescribedRule {
		return ordercheck.DescribedRule{
			ID: id, Description: "What it checks, in a sentence.", Severity: severity, Enabled: true,
		}
	}
	trial, off := rule("trial", ordercheck.SeverityError), rule("off", ordercheck.SeverityError)
	trial.Shadow, off.Enabled = true, false
	f.Rules = ordercheck.DescribedRules{RuleSet: f.InForce.RuleSet, Rules: []ordercheck.DescribedRule{
		rule("price", ordercheck.SeverityError),
		rule("shipping-address-complete", ordercheck.SeverityError),
		rule("depth", ordercheck.SeverityError),
		rule("notes", ordercheck.SeverityWarning), trial, off,
	}}
	f.Outcomes = ordercheck.RuleOutcomes{Since: time.Now().Add(-time.Hour),
		Rules: []ordercheck.RuleCounter{
			{RuleID: "shipping-address-complete", OutcomeCounts: ordercheck.OutcomeCounts{
				FixedAfterNotice: 1, Overridden: 2, Expired: 5, OrderGone: 6, RulesChanged: 7,
				EndedByHand: 8, NotEvaluated: 9, FixSeconds: 3 * 86400,
			}},
			{RuleID: "price", OutcomeCounts: ordercheck.OutcomeCounts{
				FixedInGrace: 12, FixedAfterNotice: 3, Overridden: 4, FixSeconds: 15 * 2 * 3600,
			}},
			{RuleID: "gone", OutcomeCounts: ordercheck.OutcomeCounts{Overridden: 1}},
		}}
}
