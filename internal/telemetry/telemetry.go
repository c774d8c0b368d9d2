// Package telemetry sets up a process's logs, traces and metrics.
//
// Logs are slog records. Metrics are always kept and served as a Prometheus
// page. Traces, and metrics pushed by OTLP, are sent only where the standard
// OTEL_* variables name an exporter; without one no exporter, no background
// goroutine and no span exists.
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

// Options say what a process is and how it logs.
type Options struct {
	// Service is the process's service.name, such as "gate-ingress".
	// OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES override it. Required.
	Service string
	// Version is its service.version; left out where empty.
	Version string
	// LogLevel is the lowest level that is written; the zero value is info.
	LogLevel slog.Level
	// LogFormat is [LogJSON] or [LogText]; empty is [LogJSON].
	LogFormat LogFormat
	// LogWriter receives the log, and loggers wait for it. If it is nil, the log goes to [os.Stderr] and
	// nobody waits: a pipe that nobody reads must not stop the process.
	LogWriter io.Writer
}

// Telemetry is a process's logs, traces and metrics. Make one with [Start].
type Telemetry struct {
	// Logger adds trace_id and span_id to every record whose context has a span.
	Logger *slog.Logger
	// TracerProvider does nothing where no exporter is configured.
	TracerProvider trace.TracerProvider
	// MeterProvider feeds the page of [Telemetry.MetricsHandler].
	MeterProvider metric.MeterProvider
	// Registry holds what [Telemetry.MetricsHandler] serves.
	Registry *prometheus.Registry
	// Watchdog is asked by GET /livez. It watches scrapes; others add what they do.
	Watchdog *watchdog.Watchdog

	tracing  bool
	ready    atomic.Pointer[func(context.Context) error]
	log      *logQueue // nil if the log has a writer of its own
	shutdown []func(context.Context) error
}

// Start sets up telemetry and makes it OpenTelemetry's global one, with W3C
// trace context and baggage as the propagator. It fails on an OTEL_* variable
// that cannot be understood; a collector that cannot be reached is logged
// later and stops nothing. Call [Telemetry.Shutdown] last of all.
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
	t := &Telemetry{Logger: logger, Registry: prometheus.NewRegistry(), Watchdog: watchdog.New(logger, nil), log: queue}
	if err := t.startTraces(ctx, res); err != nil {
		return nil, err
	}
	if err := t.startMetrics(ctx, res); err != nil {
		return nil, errors.Join(err, t.Shutdown(ctx))
	}
	otel.SetTracerProvider(t.TracerProvider)
	otel.SetMeterProvider(t.MeterProvider)
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	return t, nil
}

// Shutdown sends what is still held and stops every exporter, all at once. The
// context limits how long that may take, whatever an exporter does; give it a fresh one, as the
// process's own is usually done by then. It may be called again.
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

// FlushLog returns when every line of the log has been written, or ctx ends.
func (t *Telemetry) FlushLog(ctx context.Context) error {
	if t.log == nil {
		return nil
	}
	return t.log.flush(ctx)
}

const (
	// scrapeTimeout is just below the 10 s that Prometheus waits by default.
	scrapeTimeout = 9 * time.Second
	// maxScrapes at once are more than Prometheus, its pair and an operator need.
	maxScrapes = 8
)

// MetricsHandler serves every metric of the process in Prometheus' text format. A scrape that hangs is
// answered with 503 in time, and reported to the watchdog.
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
	// It also keeps slow scrapers away from what is watched: the page is sent from memory.
	return http.TimeoutHandler(watched, scrapeTimeout, "the metrics could not be read in time\n")
}

// Tracing says whether spans are recorded and sent anywhere.
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
		return fmt.Errorf("set up the trace exporter from OTEL_TRACES_EXPORTER and OTEL_EXPORTER_OTLP_*: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithBatcher(exporter))
	t.TracerProvider, t.tracing = provider, true
	t.shutdown = append(t.shutdown, provider.Shutdown)
	return nil
}

func (t *Telemetry) startMetrics(ctx context.Context, res *resource.Resource) error {
	t.Registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	page, err := promexporter.New(promexporter.WithRegisterer(t.Registry), promexporter.WithoutScopeInfo())
	if err != nil {
		return fmt.Errorf("set up the metrics page: %w", err)
	}
	options := []sdkmetric.Option{
		sdkmetric.WithResource(res),
		sdkmetric.WithReader(page),
		sdkmetric.WithView(view),
	}
	// Prometheus reads the page; autoexport would open a second one on its own port.
	if exporterConfigured("METRICS") && os.Getenv("OTEL_METRICS_EXPORTER") != "prometheus" {
		if err := checkEndpoint("METRICS"); err != nil {
			return err
		}
		push, err := autoexport.NewMetricReader(ctx)
		if err != nil {
			return fmt.Errorf("set up the metrics exporter from OTEL_METRICS_EXPORTER and OTEL_EXPORTER_OTLP_*: %w", err)
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
	_, err := t.MeterProvider.Meter(scopeName).Int64ObservableCounter("gate.log.lost", metric.WithUnit("{line}"),
		metric.WithDescription("Log lines that were lost because standard error could not be written in time."),
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
		// Two workers of one host must not write into the same pushed series.
		attribute.String("service.instance.id", uuid.NewString()),
	}
	if options.Version != "" {
		attributes = append(attributes, attribute.String("service.version", options.Version))
	}
	res, err := resource.New(ctx,
		resource.WithAttributes(attributes...),
		resource.WithTelemetrySDK(),
		resource.WithHost(),
		resource.WithFromEnv(), // after ours: the operator's word counts
	)
	if err != nil {
		return nil, fmt.Errorf("read OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return res, nil
}
