// Package telemetry sets up a process's logs, traces and metrics.
//
// Logs are slog records. Metrics are always collected and served as a Prometheus page. Traces,
// and metrics pushed over OTLP, are sent only if the standard OTEL_* variables name an exporter.
// Otherwise there is no exporter, no background goroutine and no span.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"error-check-gate/internal/watchdog"
)

const scopeName = "error-check-gate/internal/telemetry"

// Options describe a process and how it logs.
type Options struct {
	// Service is the process's service.name, such as "gate-ingress".
	// OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES override it. Required.
	Service string
	// Version is its service.version. Empty leaves it out.
	Version string
	// LogLevel is the lowest level that is logged. The zero value is info.
	LogLevel slog.Level
	// LogFormat is [LogJSON] or [LogText]. Empty is [LogJSON].
	LogFormat LogFormat
	// LogWriter receives the log, and loggers wait for it. If it is nil, the log goes to [os.Stderr]
	// and loggers do not wait, because a pipe that nobody reads must not stop the process.
	LogWriter io.Writer
}

// Telemetry holds a process's logger, traces and metrics. [Start] returns one.
type Telemetry struct {
	// Logger adds trace_id and span_id to each record whose context has a span.
	Logger *slog.Logger
	// TracerProvider does nothing if no exporter is configured.
	TracerProvider trace.TracerProvider
	// MeterProvider feeds the page of [Telemetry.MetricsHandler].
	MeterProvider metric.MeterProvider
	// Registry holds the metrics that [Telemetry.MetricsHandler] serves.
	Registry *prometheus.Registry
	// Watchdog answers GET /livez. It watches scrapes, and callers add their own work.
	Watchdog *watchdog.Watchdog

	tracing  bool
	ready    atomic.Pointer[func(context.Context) error]
	log      *logQueue // nil if the log has its own writer
	shutdown []func(context.Context) error
}

// Start sets up telemetry and makes it OpenTelemetry's global default, with W3C trace context and
// baggage as the propagator. It fails if an OTEL_* variable is invalid. It does not fail if a
// collector cannot be reached: the exporter logs that later. Call [Telemetry.Shutdown] last.
func Start(ctx context.Context, options Options) (*Telemetry, error) {
	logger, queue, err := newLogger(options)
	if err != nil {
		return nil, err
	}
	res, err := newResource(ctx, options)
	if err != nil {
		return nil, err
	}
	reportInternalErrors(logger)
	t := &Telemetry{Logger: logger, Registry: prometheus.NewRegistry(),
		Watchdog: watchdog.New(logger, nil), log: queue}
	if err := t.startTraces(ctx, res); err != nil {
		return nil, err
	}
	if err := t.startMetrics(ctx, res); err != nil {
		return nil, errors.Join(err, t.Shutdown(ctx))
	}
	otel.SetTracerProvider(t.TracerProvider)
	otel.SetMeterProvider(t.MeterProvider)
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{},
		propagation.Baggage{}))
	return t, nil
}

// Shutdown flushes and stops all exporters in parallel. It returns when ctx is done, even if an
// exporter hangs. Pass a fresh context, because the process's own is usually done by then. A
// second call does nothing.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	stopped := make(chan error, len(t.shutdown))
	for _, shutdown := range t.shutdown {
		go func() { stopped <- shutdown(ctx) }()
	}
	var errs []error
	for range t.shutdown {
		select {
		case err := <-stopped:
			errs = append(errs, err)
		case <-ctx.Done():
			errs = append(errs, ctx.Err())
		}
	}
	t.shutdown = nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop telemetry: %w", err)
	}
	return nil
}

// FlushLog waits until every log line is written. It returns an error if ctx is done first.
func (t *Telemetry) FlushLog(ctx context.Context) error {
	if t.log == nil {
		return nil
	}
	return t.log.flush(ctx)
}

const (
	// scrapeTimeout is just below the 10 s that Prometheus waits by default.
	scrapeTimeout = 9 * time.Second
	// maxScrapes is the maximum number of scrapes in flight. Two Prometheus servers and an
	// operator need fewer.
	maxScrapes = 8
)

// MetricsHandler serves the metrics of the process in Prometheus' text format. A scrape that
// takes over 9 s gets a 503. The watchdog reports it if it still hangs after a minute.
func (t *Telemetry) MetricsHandler() http.Handler {
	page := promhttp.HandlerFor(t.Registry, promhttp.HandlerOpts{
		Registry:            t.Registry,
		ErrorLog:            slog.NewLogLogger(t.Logger.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
	})
	watched := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer t.Watchdog.Begin("a scrape")()
		page.ServeHTTP(w, r)
	})
	// The handler buffers the page, so a slow scraper does not count as a scrape that hangs.
	return http.TimeoutHandler(watched, scrapeTimeout, "the metrics could not be read in time\n")
}

// Tracing reports whether spans are recorded and sent.
func (t *Telemetry) Tracing() bool { return t.tracing }

func (t *Telemetry) startTraces(ctx context.Context, res *resource.Resource) error {
	t.TracerProvider = tracenoop.NewTracerProvider()
	if !exporterConfigured("TRACES") {
		return nil
	}
	if err := checkEndpoint("TRACES"); err != nil {
		return err
	}
	exporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return fmt.Errorf(
			"set up the trace exporter from OTEL_TRACES_EXPORTER and OTEL_EXPORTER_OTLP_*: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithBatcher(exporter))
	t.TracerProvider, t.tracing = provider, true
	t.shutdown = append(t.shutdown, provider.Shutdown)
	return nil
}

func (t *Telemetry) startMetrics(ctx context.Context, res *resource.Resource) error {
	t.Registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	page, err := promexporter.New(promexporter.WithRegisterer(t.Registry),
		promexporter.WithoutScopeInfo())
	if err != nil {
		return fmt.Errorf("set up the metrics page: %w", err)
	}
	options := []sdkmetric.Option{
		sdkmetric.WithResource(res),
		sdkmetric.WithReader(page),
		sdkmetric.WithView(view),
	}
	// Prometheus reads our page. autoexport would serve a second one on its own port.
	if exporterConfigured("METRICS") && os.Getenv("OTEL_METRICS_EXPORTER") != "prometheus" {
		if err := checkEndpoint("METRICS"); err != nil {
			return err
		}
		push, err := autoexport.NewMetricReader(ctx)
		if err != nil {
			return fmt.Errorf(
				"set up the metrics exporter from OTEL_METRICS_EXPORTER and OTEL_EXPORTER_OTLP_*: %w", err)
		}
		options = append(options, sdkmetric.WithReader(push))
	}
	provider := sdkmetric.NewMeterProvider(options...)
	t.MeterProvider = provider
	t.shutdown = append(t.shutdown, provider.Shutdown)
	return t.countLostLines()
}

func (t *Telemetry) countLostLines() error {
	if t.log == nil {
		return nil
	}
	_, err := t.MeterProvider.Meter(scopeName).Int64ObservableCounter("gate.log.lost",
		metric.WithUnit("{line}"),
		metric.WithDescription(
			"Log lines that were lost because standard error could not be written in time."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(t.log.lost.Load())
			return nil
		}))
	if err != nil {
		return fmt.Errorf("set up the metrics of the log: %w", err)
	}
	return nil
}

func newResource(ctx context.Context, options Options) (*resource.Resource, error) {
	if options.Service == "" {
		return nil, errors.New("telemetry needs a service name")
	}
	attributes := []attribute.KeyValue{
		attribute.String("service.name", options.Service),
		// Two workers on one host must not write to the same pushed series.
		attribute.String("service.instance.id", uuid.NewString()),
	}
	if options.Version != "" {
		attributes = append(attributes, attribute.String("service.version", options.Version))
	}
	res, err := resource.New(ctx,
		resource.WithAttributes(attributes...),
		resource.WithTelemetrySDK(),
		resource.WithHost(),
		resource.WithFromEnv(), // last, because the operator's values override ours
	)
	if err != nil {
		return nil, fmt.Errorf("read OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return res, nil
}
