package inflow

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

const scopeName = "error-check-gate/internal/inflow"

func newRequestCounter(provider metric.MeterProvider) (metric.Int64Counter, error) {
	if provider == nil {
		provider = noop.NewMeterProvider()
	}
	counter, err := provider.Meter(scopeName).Int64Counter("gate.inflow.requests",
		metric.WithUnit("{request}"),
		metric.WithDescription("Requests to InFlow by operation and outcome."))
	if err != nil {
		return nil, fmt.Errorf("inflow: set up the metrics: %w", err)
	}
	return counter, nil
}

// count counts a request. All label values are constants of this package.
func (c *Client) count(ctx context.Context, op string, err error) {
	outcome := "ok"
	var failed *Error
	switch {
	case err == nil:
	case errors.Is(err, context.Canceled):
		outcome = "cancelled"
	case errors.As(err, &failed):
		outcome = failed.Kind.String()
	default:
		outcome = "failed"
	}
	c.requests.Add(ctx, 1, metric.WithAttributes(attribute.String("operation", op),
		attribute.String("outcome", outcome)))
}
