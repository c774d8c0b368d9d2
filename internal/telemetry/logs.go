package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"
)

// LogFormat is the form of a log line.
type LogFormat string

// Log formats.
const (
	LogJSON LogFormat = "json" // one JSON object per line
	LogText LogFormat = "text" // key=value pairs
)

// UnmarshalText implements [encoding.TextUnmarshaler].
func (f *LogFormat) UnmarshalText(text []byte) error {
	switch format := LogFormat(text); format {
	case LogJSON, LogText:
		*f = format
		return nil
	default:
		return errors.New("not a log format")
	}
}

// Keys that tie a log record to its trace, from OpenTelemetry's log data model for formats other
// than OTLP.
const (
	traceIDKey = "trace_id"
	spanIDKey  = "span_id"
)

// newLogger also returns the queue to standard error, or nil if the options have a writer.
func newLogger(options Options) (*slog.Logger, *logQueue, error) {
	writer := options.LogWriter
	var queue *logQueue
	if writer == nil {
		queue = newLogQueue(os.Stderr)
		writer = queue
	}
	handlerOptions := &slog.HandlerOptions{Level: options.LogLevel,
		ReplaceAttr: renameTemporalTraceIDs}
	var handler slog.Handler
	switch options.LogFormat {
	case LogJSON, "":
		handler = slog.NewJSONHandler(writer, handlerOptions)
	case LogText:
		handler = slog.NewTextHandler(writer, handlerOptions)
	default:
		return nil, nil, fmt.Errorf("unknown log format %q: use %q or %q", options.LogFormat, LogJSON,
			LogText)
	}
	logger := slog.New(&traceHandler{Handler: handler, root: handler})
	if queue != nil {
		queue.resumed = func(lost int64) {
			logger.Warn("log lines were lost: nobody read standard error in time", "lines", lost)
		}
		go queue.run()
	}
	return logger, queue, nil
}

// renameTemporalTraceIDs renames the ids that Temporal's tracing interceptor adds to a workflow's
// logger, so all records use the same names.
func renameTemporalTraceIDs(groups []string, attr slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return attr
	}
	switch attr.Key {
	case "TraceID":
		attr.Key = traceIDKey
	case "SpanID":
		attr.Key = spanIDKey
	}
	return attr
}

// traceHandler adds the trace and span ids of the context at the top level of each record.
type traceHandler struct {
	slog.Handler
	// root is the handler before the first group was opened, and opened lists the groups and
	// attributes added since. The ids must not end up inside a group.
	root   slog.Handler
	opened []func(slog.Handler) slog.Handler
}

func (h *traceHandler) Handle(ctx context.Context, record slog.Record) error {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return h.Handler.Handle(ctx, record)
	}
	ids := []slog.Attr{slog.String(traceIDKey, span.TraceID().String()),
		slog.String(spanIDKey, span.SpanID().String())}
	if len(h.opened) == 0 {
		record = record.Clone()
		record.AddAttrs(ids...)
		return h.Handler.Handle(ctx, record)
	}
	handler := h.root.WithAttrs(ids)
	for _, open := range h.opened {
		handler = open(handler)
	}
	return handler.Handle(ctx, record)
}

func (h *traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	next := &traceHandler{Handler: h.Handler.WithAttrs(attrs), root: h.root}
	if len(h.opened) == 0 {
		next.root = next.Handler
		return next
	}
	next.opened = append(slices.Clip(h.opened),
		func(handler slog.Handler) slog.Handler { return handler.WithAttrs(attrs) })
	return next
}

func (h *traceHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &traceHandler{
		Handler: h.Handler.WithGroup(name),
		root:    h.root,
		opened: append(slices.Clip(h.opened),
			func(handler slog.Handler) slog.Handler { return handler.WithGroup(name) }),
	}
}

// reportInternalErrors logs OpenTelemetry's own errors. A collector that is down causes one per
// batch, so their rate is limited.
func reportInternalErrors(logger *slog.Logger) {
	otel.SetErrorHandler(&internalErrors{logger: logger,
		limiter: rate.NewLimiter(rate.Every(time.Minute), 3)})
	otel.SetLogger(logr.FromSlogHandler(logger.Handler()))
}

type internalErrors struct {
	logger  *slog.Logger
	limiter *rate.Limiter
}

// Handle implements [otel.ErrorHandler].
func (e *internalErrors) Handle(err error) {
	if err != nil && e.limiter.Allow() {
		e.logger.Warn("telemetry could not be sent or recorded", "error", err)
	}
}
