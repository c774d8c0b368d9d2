package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// checkMetrics counts what runs do. It implements [workflows.Observer].
type checkMetrics struct {
	checks   metric.Int64Counter
	toReport metric.Float64Histogram
	givenUp  metric.Int64Counter
	marks    metric.Int64Counter
	// countOutcome may be nil.
	countOutcome func(context.Context, ordercheck.RuleOutcome)
}

func newCheckMetrics(provider metric.MeterProvider) (*checkMetrics, error) {
	meter := provider.Meter(scopeName)
	var m checkMetrics
	var errs [4]error
	m.checks, errs[0] = meter.Int64Counter(
		"gate.checks",
		metric.WithUnit("{check}"),
		metric.WithDescription(
			"Checks by resulting status; unchecked means that the check could not be done.",
		),
	)
	m.toReport, errs[1] = meter.Float64Histogram(
		"gate.delivery.to.report",
		metric.WithUnit("s"),
		metric.WithDescription(
			"Time from the ingress's acceptance of a delivery to the report of its check. "+
				"Of deliveries that share a check, only the first counts.",
		),
	)
	m.givenUp, errs[2] = meter.Int64Counter("gate.notices.given_up", metric.WithUnit("{notice}"),
		metric.WithDescription("Notices that could not be sent to a target for a day, by kind."))
	m.marks, errs[3] = meter.Int64Counter("gate.hold.marks", metric.WithUnit("{mark}"),
		metric.WithDescription("Hold marks written to orders in InFlow, by outcome."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("set up the metrics of checks: %w", err)
	}
	// Start every series at 0: a rate over a series that begins at 1 misses the first event.
	for _, status := range ordercheck.Statuses() {
		m.checks.Add(context.Background(), 0, statusLabel(status))
	}
	for _, kind := range ordercheck.NoticeKinds() {
		m.givenUp.Add(context.Background(), 0, kindLabel(kind))
	}
	for _, outcome := range orderlife.MarkOutcomes() {
		m.marks.Add(context.Background(), 0, outcomeLabel(outcome))
	}
	return &m, nil
}

// Checked counts a check.
func (m *checkMetrics) Checked(status ordercheck.Status, sinceDelivery time.Duration) {
	m.checks.Add(context.Background(), 1, statusLabel(status))
	if sinceDelivery > 0 {
		m.toReport.Record(context.Background(), sinceDelivery.Seconds())
	}
}

// NoticeGivenUp counts a notice.
func (m *checkMetrics) NoticeGivenUp(kind ordercheck.NoticeKind) {
	m.givenUp.Add(context.Background(), 1, kindLabel(kind))
}

// MarkWritten counts a hold mark.
func (m *checkMetrics) MarkWritten(outcome orderlife.MarkOutcome) {
	m.marks.Add(context.Background(), 1, outcomeLabel(outcome))
}

// ErrorsEnded counts the outcome of a rule's errors.
func (m *checkMetrics) ErrorsEnded(outcome ordercheck.RuleOutcome) {
	if m.countOutcome != nil {
		m.countOutcome(context.Background(), outcome)
	}
}

func outcomeLabel(outcome orderlife.MarkOutcome) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String("outcome", string(outcome)))
}

func statusLabel(status ordercheck.Status) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String("status", string(status)))
}

func kindLabel(kind ordercheck.NoticeKind) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String("kind", string(kind)))
}
