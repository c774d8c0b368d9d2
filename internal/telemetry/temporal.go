package telemetry

import (
	"fmt"

	"go.temporal.io/sdk/client"
	temporaltelemetry "go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
	temporallog "go.temporal.io/sdk/log"
)

const temporalScope = "go.temporal.io/sdk"

// TemporalInterceptors carry a trace from the caller through the workflow into
// each activity attempt. Set them on the client: its workers take them from there.
// There are none where no trace exporter is configured.
//
// Signals and updates are traced, as each is somebody's doing. Queries are not:
// the Web UI asks every few seconds. Baggage is not passed on, so that nothing a
// stranger wrote into a header reaches a workflow's history.
func (t *Telemetry) TemporalInterceptors() ([]interceptor.ClientInterceptor, error) {
	if !t.tracing {
		return nil, nil
	}
	tracing, err := temporaltelemetry.NewTracingInterceptor(temporaltelemetry.TracerOptions{
		Tracer:              t.TracerProvider.Tracer(temporalScope),
		DisableQueryTracing: true,
		DisableBaggage:      true,
		// A foreign client may have started the run with another tracing library's header.
		AllowInvalidParentSpans: true,
	})
	if err != nil {
		return nil, fmt.Errorf("set up tracing of Temporal: %w", err)
	}
	return []interceptor.ClientInterceptor{tracing}, nil
}

// TemporalMetrics records the Temporal SDK's own metrics.
func (t *Telemetry) TemporalMetrics() client.MetricsHandler {
	return temporaltelemetry.NewMetricsHandler(temporaltelemetry.MetricsHandlerOptions{
		Meter:                t.MeterProvider.Meter(temporalScope),
		UseMonotonicCounters: true,
		// Unset, it panics.
		OnError: func(err error) { t.Logger.Error("a Temporal metric could not be made", "error", err) },
	})
}

// TemporalLogger is the process's log as the Temporal SDK wants it.
func (t *Telemetry) TemporalLogger() temporallog.Logger {
	return temporallog.NewStructuredLogger(t.Logger)
}
