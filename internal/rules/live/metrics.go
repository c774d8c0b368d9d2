package live

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
)

const scopeName = "error-check-gate/internal/rules"

// OpenTelemetry keeps at most 2,000 label sets per instrument and merges the others without a
// rule's id. These limits stay below that.
const (
	// maxFindingRules is for instruments with 2 label sets per rule: on trial or not.
	maxFindingRules = 900
	// maxOutcomeRules is for instruments with 7 label sets per rule: one for each outcome.
	maxOutcomeRules = 250
)

// metrics counts reloads and findings. Its labels contain only rule ids and words from this file.
// A nil metrics counts nothing.
type metrics struct {
	reloads, findings, unevaluated, outcomes metric.Int64Counter
	timeToFix                                metric.Float64Histogram
	// findingRules are the labels of findings and unevaluated, outcomeRules the labels of outcomes
	// and timeToFix.
	findingRules, outcomeRules ruleNames
}

// ruleNames limits the number of rules with a label of their own.
type ruleNames struct {
	max   int
	mu    sync.Mutex
	named map[string]bool
}

// name returns the label of a rule: its id, or [ordercheck.OtherRules] if other rules have used up
// the limit.
func (r *ruleNames) name(id string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.named[id] && len(r.named) >= r.max {
		return ordercheck.OtherRules
	}
	r.named[id] = true
	return id
}

func newMetrics(provider metric.MeterProvider) (*metrics, error) {
	meter := provider.Meter(scopeName)
	m := &metrics{
		findingRules: ruleNames{max: maxFindingRules, named: map[string]bool{}},
		outcomeRules: ruleNames{max: maxOutcomeRules, named: map[string]bool{}},
	}
	var errs [5]error
	m.reloads, errs[0] = meter.Int64Counter(
		"gate.rules.reloads",
		metric.WithUnit("{reload}"),
		metric.WithDescription(
			"Reloads of changed rule files, by outcome: loaded, or failed, "+
				"which keeps the previous rule set.",
		),
	)
	m.findings, errs[1] = meter.Int64Counter("gate.rules.findings", metric.WithUnit("{finding}"),
		metric.WithDescription("Findings of checks, by rule. Rules on trial have shadow=true."))
	m.unevaluated, errs[2] = meter.Int64Counter("gate.rules.unevaluated",
		metric.WithUnit("{evaluation}"),
		metric.WithDescription("Evaluations that failed or lacked data, by rule."),
	)
	m.outcomes, errs[3] = meter.Int64Counter("gate.rules.outcomes", metric.WithUnit("{finding}"),
		metric.WithDescription("What became of errors: fixed, overridden and so on, by rule."))
	m.timeToFix, errs[4] = meter.Float64Histogram("gate.rules.time.to.fix", metric.WithUnit("s"),
		metric.WithDescription("Time from when an error was first seen until it was fixed, by rule."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("set up the metrics of rules: %w", err)
	}
	return m, nil
}

// expect adds 0 to every counter. A rate starts from a counter's first value, so alerts would miss
// the first event if it also created the counter.
func (m *metrics) expect(ctx context.Context, set *rules.Set) {
	if m == nil {
		return
	}
	m.reloads.Add(ctx, 0, outcomeLabel(reloadLoaded))
	m.reloads.Add(ctx, 0, outcomeLabel(reloadFailed))
	for _, rule := range set.Rules() {
		if !rule.Enabled {
			continue
		}
		m.findings.Add(ctx, 0, m.findingLabels(rule.ID, rule.Shadow))
		m.unevaluated.Add(ctx, 0, m.findingLabels(rule.ID, rule.Shadow))
		if rule.Severity != ordercheck.SeverityError || rule.Shadow {
			continue
		}
		for _, outcome := range ordercheck.ErrorOutcomes() {
			m.outcomes.Add(ctx, 0, m.outcomeLabels(rule.ID, outcome))
		}
	}
}

// Outcomes of a reload.
const (
	reloadLoaded = "loaded"
	reloadFailed = "failed"
)

func outcomeLabel(outcome string) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String("outcome", outcome))
}

func (m *metrics) findingLabels(rule string, shadow bool) metric.MeasurementOption {
	return metric.WithAttributes(
		attribute.String("rule", m.findingRules.name(rule)), attribute.Bool("shadow", shadow))
}

func (m *metrics) outcomeLabels(
	rule string, outcome ordercheck.Outcome,
) metric.MeasurementOption {
	return metric.WithAttributes(
		attribute.String("rule", m.outcomeRules.name(rule)),
		attribute.String("outcome", string(outcome)))
}

// ended counts an outcome of a rule's errors.
func (m *metrics) ended(ctx context.Context, o ordercheck.RuleOutcome) {
	if m == nil {
		return
	}
	m.outcomes.Add(ctx, int64(o.Count), m.outcomeLabels(o.RuleID, o.Outcome))
	if !o.Outcome.Fixed() {
		return
	}
	rule := metric.WithAttributes(attribute.String("rule", m.outcomeRules.name(o.RuleID)))
	for range o.Count {
		m.timeToFix.Record(ctx, float64(o.Seconds), rule)
	}
}

func (m *metrics) reloaded(ctx context.Context, outcome string) {
	if m != nil {
		m.reloads.Add(ctx, 1, outcomeLabel(outcome))
	}
}

func (m *metrics) checked(ctx context.Context, checked ordercheck.CheckedOrder) {
	if m == nil {
		return
	}
	counts := map[string]int64{}
	for _, list := range [][]ordercheck.Finding{checked.Findings, checked.Omitted} {
		for i := range list {
			counts[list[i].RuleID] += int64(list[i].Findings())
		}
	}
	for rule, n := range counts {
		m.findings.Add(ctx, n, m.findingLabels(rule, false))
	}
	for _, e := range checked.RuleErrors {
		m.unevaluated.Add(ctx, 1, m.findingLabels(e.RuleID, false))
	}
	for _, s := range checked.Skipped {
		if len(s.Missing) > 0 {
			m.unevaluated.Add(ctx, 1, m.findingLabels(s.RuleID, false))
		}
	}
	for _, s := range checked.Shadow {
		if s.Error != "" || len(s.Missing) > 0 {
			m.unevaluated.Add(ctx, 1, m.findingLabels(s.RuleID, true))
		}
		if s.Error == "" {
			m.findings.Add(ctx, int64(s.Findings), m.findingLabels(s.RuleID, true))
		}
	}
}
