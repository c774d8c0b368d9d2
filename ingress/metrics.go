package ingress

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"error-check-gate/internal/inflow"
)

const scopeName = "error-check-gate/ingress"

// maxSecretLabel is the last index of a secret that gets a label of its own; there
// are two while one is being rotated.
const maxSecretLabel = 9

// metrics of the ingress, apart from those of HTTP itself, which are otelhttp's.
// Every label has few values, none of them a sender's choice.
type metrics struct {
	requests metric.Int64Counter
	// usual are the labels of requests that come in numbers: to make them costs as much as to count.
	usual map[verdict]metric.MeasurementOption
	// verified counts by the place of the secret; the last is for all after maxSecretLabel.
	verified   [maxSecretLabel + 2]atomic.Int64
	secrets    atomic.Int64 // in force, as far as [Server.followSecrets] has seen
	toCommit   metric.Float64Histogram
	batchSize  metric.Int64Histogram
	inProgress metric.Int64UpDownCounter
	connected  metric.Int64UpDownCounter
	evictions  metric.Int64Counter
}

func newMetrics(provider metric.MeterProvider) (*metrics, error) {
	meter := provider.Meter(scopeName)
	var m metrics
	var errs [6]error
	m.requests, errs[0] = meter.Int64Counter("gate.webhook.requests", metric.WithUnit("{request}"),
		metric.WithDescription("Webhook requests by outcome and reason."))
	m.toCommit, errs[1] = meter.Float64Histogram("gate.webhook.commit.duration", metric.WithUnit("s"),
		metric.WithDescription("Time from a delivery's acceptance until Temporal had committed it, or was given up."))
	m.batchSize, errs[2] = meter.Int64Histogram("gate.webhook.batch.size", metric.WithUnit("{delivery}"),
		metric.WithDescription("Deliveries that shared one call to Temporal."),
		metric.WithExplicitBucketBoundaries(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000))
	m.inProgress, errs[3] = meter.Int64UpDownCounter("gate.webhook.waiting", metric.WithUnit("{delivery}"),
		metric.WithDescription("Deliveries that wait for Temporal."))
	m.connected, errs[4] = meter.Int64UpDownCounter("gate.webhook.connections", metric.WithUnit("{connection}"),
		metric.WithDescription("Open connections."))
	m.evictions, errs[5] = meter.Int64Counter("gate.webhook.connections.evicted", metric.WithUnit("{connection}"),
		metric.WithDescription("Connections that were closed for others, since they kept the ingress waiting."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("set up the ingress's metrics: %w", err)
	}
	// A rate begins with the first reading: what alerts look for must not be new with its first case.
	m.usual = map[verdict]metric.MeasurementOption{}
	for _, known := range []verdict{
		{outcomeReceived, reasonReceived},
		{outcomeFailed, reasonNotCommitted},
		{outcomeRefused, inflow.SignatureMissing.Error()},
		{outcomeRefused, inflow.SignatureMismatch.Error()},
	} {
		m.usual[known] = known.labels()
		m.requests.Add(context.Background(), 0, m.usual[known])
	}
	return &m, nil
}

// observe registers what is looked up when the metrics are read. temporal returns what Temporal
// answered last, without waiting.
func (m *metrics) observe(provider metric.MeterProvider, temporal func() error) error {
	meter := provider.Meter(scopeName)
	verified, err := meter.Int64ObservableCounter("gate.webhook.verified", metric.WithUnit("{request}"),
		metric.WithDescription("Webhook requests whose signature verified, by the place of the secret, from 0, of the secrets in force."))
	if err != nil {
		return fmt.Errorf("set up the ingress's metrics: %w", err)
	}
	reachable, err := meter.Int64ObservableGauge("gate.temporal.reachable",
		metric.WithDescription("1 if Temporal answered a moment ago, else 0."))
	if err != nil {
		return fmt.Errorf("set up the ingress's metrics: %w", err)
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for i := range min(int(m.secrets.Load()), len(m.verified)) {
			index := strconv.Itoa(i)
			if i > maxSecretLabel {
				index = "other"
			}
			o.ObserveInt64(verified, m.verified[i].Load(), metric.WithAttributes(attribute.String("secret_index", index)))
		}
		var answers int64
		if temporal() == nil {
			answers = 1
		}
		o.ObserveInt64(reachable, answers)
		return nil
	}, verified, reachable)
	if err != nil {
		return fmt.Errorf("set up the ingress's metrics: %w", err)
	}
	return nil
}

// verdict is what requests are counted by.
type verdict struct {
	outcome outcome
	reason  string
}

func (v verdict) labels() metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(
		attribute.String("outcome", string(v.outcome)), attribute.String("reason", v.reason)))
}

func (m *metrics) answered(ctx context.Context, a *answer) {
	given := verdict{a.outcome, a.reason}
	labels, ok := m.usual[given]
	if !ok {
		labels = given.labels()
	}
	m.requests.Add(ctx, 1, labels)
	if a.verified {
		m.verified[min(a.secretIndex, len(m.verified)-1)].Add(1)
	}
}

func (m *metrics) handedOver(ctx context.Context, took time.Duration, err error) {
	m.toCommit.Record(ctx, took.Seconds(), metric.WithAttributes(attribute.Bool("committed", err == nil)))
}

func (m *metrics) called(ctx context.Context, orders, deliveries int, err error) {
	m.batchSize.Record(ctx, int64(deliveries), metric.WithAttributes(
		attribute.Bool("committed", err == nil), attribute.Bool("several_orders", orders > 1)))
}

func (m *metrics) waiting(change int) {
	m.inProgress.Add(context.Background(), int64(change))
}

func (m *metrics) open(change int) { m.connected.Add(context.Background(), int64(change)) }

func (m *metrics) evicted() { m.evictions.Add(context.Background(), 1) }
