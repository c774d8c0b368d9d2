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

// maxSecretLabel is the last index of a secret with a label of its own. There are two secrets while
// one is being rotated.
const maxSecretLabel = 9

// metrics holds the ingress's metrics. otelhttp adds metrics of HTTP itself. Every label has few
// values, and no sender can choose one.
type metrics struct {
	requests metric.Int64Counter
	// frequent caches the labels of frequent requests, because making them costs as much as
	// counting.
	frequent map[requestLabels]metric.MeasurementOption
	// verified counts by the index of the secret; the last element is for all above maxSecretLabel.
	verified        [maxSecretLabel + 2]atomic.Int64
	secrets         atomic.Int64 // secrets in force, as [Server.countSecrets] last saw them
	commitDuration  metric.Float64Histogram
	batchSize       metric.Int64Histogram
	waitingCount    metric.Int64UpDownCounter
	openConnections metric.Int64UpDownCounter
	evictions       metric.Int64Counter
}

func newMetrics(provider metric.MeterProvider) (*metrics, error) {
	meter := provider.Meter(scopeName)
	var m metrics
	var errs [6]error
	m.requests, errs[0] = meter.Int64Counter("gate.webhook.requests",
		metric.WithUnit("{request}"),
		metric.WithDescription("Webhook requests by outcome and reason."))
	m.commitDuration, errs[1] = meter.Float64Histogram("gate.webhook.commit.duration",
		metric.WithUnit("s"),
		metric.WithDescription("Time from a delivery's acceptance to its commit, or until we gave up."))
	m.batchSize, errs[2] = meter.Int64Histogram("gate.webhook.batch.size",
		metric.WithUnit("{delivery}"),
		metric.WithDescription("Deliveries that shared one call to Temporal."),
		metric.WithExplicitBucketBoundaries(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000))
	m.waitingCount, errs[3] = meter.Int64UpDownCounter("gate.webhook.waiting",
		metric.WithUnit("{delivery}"),
		metric.WithDescription("Deliveries that wait for Temporal."))
	m.openConnections, errs[4] = meter.Int64UpDownCounter("gate.webhook.connections",
		metric.WithUnit("{connection}"),
		metric.WithDescription("Open connections."))
	m.evictions, errs[5] = meter.Int64Counter("gate.webhook.connections.evicted",
		metric.WithUnit("{connection}"),
		metric.WithDescription("Connections that kept the ingress waiting and were closed for others."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("set up metrics: %w", err)
	}
	// A rate starts with the first reading, so the series that alerts use must exist before their
	// first event.
	m.frequent = map[requestLabels]metric.MeasurementOption{}
	for _, l := range []requestLabels{
		{outcomeReceived, reasonReceived},
		{outcomeFailed, reasonNotCommitted},
		{outcomeRefused, inflow.SignatureMissing.Error()},
		{outcomeRefused, inflow.SignatureMismatch.Error()},
	} {
		m.frequent[l] = l.option()
		m.requests.Add(context.Background(), 0, m.frequent[l])
	}
	return &m, nil
}

// observe registers the metrics that are computed when they are read. temporalError returns why the
// latest health check failed, without waiting.
func (m *metrics) observe(provider metric.MeterProvider, temporalError func() error) error {
	meter := provider.Meter(scopeName)
	verified, err := meter.Int64ObservableCounter("gate.webhook.verified",
		metric.WithUnit("{request}"),
		metric.WithDescription("Webhook requests with a valid signature, "+
			"by the index, from 0, of the secret among those in force."))
	if err != nil {
		return fmt.Errorf("set up metrics: %w", err)
	}
	reachable, err := meter.Int64ObservableGauge("gate.temporal.reachable",
		metric.WithDescription("1 if Temporal answered a moment ago, else 0."))
	if err != nil {
		return fmt.Errorf("set up metrics: %w", err)
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for i := range min(int(m.secrets.Load()), len(m.verified)) {
			index := strconv.Itoa(i)
			if i > maxSecretLabel {
				index = "other"
			}
			o.ObserveInt64(verified, m.verified[i].Load(),
				metric.WithAttributes(attribute.String("secret_index", index)))
		}
		var isReachable int64
		if temporalError() == nil {
			isReachable = 1
		}
		o.ObserveInt64(reachable, isReachable)
		return nil
	}, verified, reachable)
	if err != nil {
		return fmt.Errorf("set up metrics: %w", err)
	}
	return nil
}

// requestLabels holds the labels of gate.webhook.requests.
type requestLabels struct {
	outcome outcome
	reason  string
}

func (l requestLabels) option() metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(
		attribute.String("outcome", string(l.outcome)), attribute.String("reason", l.reason)))
}

// answered counts a webhook request. secretIndex is nil if its signature was not verified.
func (m *metrics) answered(ctx context.Context, o outcome, reason string, secretIndex *int) {
	labels := requestLabels{o, reason}
	option, ok := m.frequent[labels]
	if !ok {
		option = labels.option()
	}
	m.requests.Add(ctx, 1, option)
	if secretIndex != nil {
		m.verified[min(*secretIndex, len(m.verified)-1)].Add(1)
	}
}

func (m *metrics) commitEnded(ctx context.Context, took time.Duration, err error) {
	m.commitDuration.Record(ctx, took.Seconds(),
		metric.WithAttributes(attribute.Bool("committed", err == nil)))
}

func (m *metrics) callEnded(ctx context.Context, orders, deliveries int, err error) {
	m.batchSize.Record(ctx, int64(deliveries), metric.WithAttributes(
		attribute.Bool("committed", err == nil), attribute.Bool("several_orders", orders > 1)))
}

func (m *metrics) waiting(change int) {
	m.waitingCount.Add(context.Background(), int64(change))
}

func (m *metrics) connectionOpened(change int) {
	m.openConnections.Add(context.Background(), int64(change))
}

func (m *metrics) connectionEvicted() { m.evictions.Add(context.Background(), 1) }
