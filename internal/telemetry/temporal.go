package telemetry

import (
	"fmt"

	"go.temporal.io/sdk/client"
	temporaltelemetry "go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
	temporallog "go.temporal.io/sdk/log"
)

const temporalScope = "go.temporal.io/sdk"

// TemporalInterceptors returns interceptors that carry a trace from the caller through the
// workflow to each activity attempt. Set them on the client, and its workers use them too. There
// are none if no trace exporter is configured.
//
// Signals and updates are traced, because each is an action. Queries are not, because the Web UI
// sends one every few seconds. Baggage is not passed on, so no untrusted header reaches a
// workflow's history.
func (t *Telemetry) TemporalInterceptors() ([]interceptor.ClientInterceptor, error) {
	if !t.tracing {
		return nil, nil
	}
	tracing, err := temporaltelemetry.NewTracingInterceptor(temporaltelemetry.TracerOptions{
		Tracer:              t.TracerProvider.Tracer(temporalScope),
		DisableQueryTracing: true,
		DisableBaggage:      true,
		// Another client may have started the run with the header of another tracing library.
		AllowInvalidParentSpans: true,
	})
	if err != nil {
		return nil, fmt.Errorf("set up tracing of Temporal: %w", err)
	}
	return []interceptor.ClientInterceptor{tracing}, nil
}

// TemporalMetrics returns a handler that records the Temporal SDK's own metrics.
func (t *Telemetry) TemporalMetrics() client.MetricsHandler {
	return temporaltelemetry.NewMetricsHandler(temporaltelemetry.MetricsHandlerOptions{
		Meter:                t.MeterProvider.Meter(temporalScope),
		UseMonotonicCounters: true,
		// Without OnError, the handler panics.
		OnError: func(err error) { t.Logger.Error("cannot create a Temporal metric", "error", err) },
	})
}

// TemporalLogger returns the process's log for the Temporal SDK.
func (t *Telemetry) TemporalLogger() temporallog.Logger {
	return temporallog.NewStructuredLogger(t.Logger)
}
