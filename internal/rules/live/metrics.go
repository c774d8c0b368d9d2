package live

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
)

const scopeName = "error-check-gate/internal/rules"

// metrics counts reloads and findings. Labels are the ids of rules and the words of this file. A nil
// metrics counts nothing.
type metrics struct {
	reloads, findings, unevaluated metric.Int64Counter
}

func newMetrics(provider metric.MeterProvider) (*metrics, error) {
	meter := provider.Meter(scopeName)
	var m metrics
	var errs [3]error
	m.reloads, errs[0] = meter.Int64Counter(
		"gate.rules.reloads",
		metric.WithUnit("{reload}"),
		metric.WithDescription(
			"Reloads of changed rule files, by outcome: loaded, or failed, which keeps the previous rule set.",
		),
	)
	m.findings, errs[1] = meter.Int64Counter("gate.rules.findings", metric.WithUnit("{finding}"),
		metric.WithDescription("Findings of checks, by rule. Rules on trial have shadow=true."))
	m.unevaluated, errs[2] = meter.Int64Counter(
		"gate.rules.unevaluated",
		metric.WithUnit("{evaluation}"),
		metric.WithDescription("Evaluations that failed or lacked data, by rule."),
	)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("set up the metrics of rules: %w", err)
	}
	return &m, nil
}

// expect adds 0 to every counter. A rate begins with the first reading, so alerts would not see the
// first case of a counter that is new with it.
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
		m.findings.Add(ctx, 0, ruleLabels(rule.ID, rule.Shadow))
		m.unevaluated.Add(ctx, 0, ruleLabels(rule.ID, rule.Shadow))
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

func ruleLabels(rule string, shadow bool) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String("rule", rule), attribute.Bool("shadow", shadow))
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
		m.findings.Add(ctx, n, ruleLabels(rule, false))
	}
	for _, e := range checked.RuleErrors {
		m.unevaluated.Add(ctx, 1, ruleLabels(e.RuleID, false))
	}
	for _, s := range checked.Skipped {
		if len(s.Missing) > 0 {
			m.unevaluated.Add(ctx, 1, ruleLabels(s.RuleID, false))
		}
	}
	for _, s := range checked.Shadow {
		if s.Error != "" {
			m.unevaluated.Add(ctx, 1, ruleLabels(s.RuleID, true))
		} else {
			m.findings.Add(ctx, int64(s.Findings), ruleLabels(s.RuleID, true))
		}
	}
}
