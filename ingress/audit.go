package ingress

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"golang.org/x/time/rate"
)

// Targets of an audit log that are not a path.
const (
	AuditOff    = "off"
	AuditStdout = "stdout"
)

const (
	// auditQueue is the maximum number of lines that wait for a slow disk.
	auditQueue = 8192
	// auditWriteSize is the size, in bytes, from which waiting lines are written even if more are
	// coming.
	auditWriteSize = 64 << 10
)

// AuditOptions configure [OpenAuditLog].
type AuditOptions struct {
	// Target is [AuditOff], [AuditStdout] or a path. Empty means off. A file is created with mode
	// 0600 and appended to. If another program renames or removes it, a new one is created within a
	// second.
	Target string
	// Stdout replaces [os.Stdout] for [AuditStdout].
	Stdout io.Writer
	// MaxSize is the size in bytes from which a file is rotated to Target.1; see
	// [DefaultAuditMaxSize]. 0 means never.
	MaxSize int64
	// Keep is the number of rotated files to keep, 1 or more; see [DefaultAuditKeep].
	Keep int
	// Logger reports lost lines once a minute; nil means [slog.Default].
	Logger *slog.Logger
	// MeterProvider counts lost lines in gate.audit.lost and failed rotations in
	// gate.audit.rotation.failures; nil means OpenTelemetry's global one.
	MeterProvider metric.MeterProvider
}

// AuditLog writes one line of JSON per webhook request: its sender, its order and its answer.
// Many requests of a flood of forged requests share a line. No line contains a body, a secret or
// a signature.
//
// Lines are written in the background, in order, so neither a full disk nor a hanging one delays a
// delivery. A line that cannot be written is lost. Lost lines are counted and, once a minute,
// logged. A nil AuditLog writes nothing.
type AuditLog struct {
	name            string
	out             io.Writer
	closeOut        func() error // nil if there is nothing to close
	logger          *slog.Logger
	lost            metric.Int64Counter
	failedRotations metric.Int64Counter
	logLost         rate.Sometimes
	logRotation     rate.Sometimes

	mu      sync.RWMutex // prevents a send on records after it was closed
	closed  bool
	records chan *auditRecord
	done    chan struct{}

	torn     bool  // the latest write ended in the middle of a line
	closeErr error // valid once done is closed
}

// auditRecord is one line of the audit log.
type auditRecord struct {
	Time   time.Time `json:"time"`
	Peer   string    `json:"peer"`
	Route  string    `json:"route"`
	Method string    `json:"method,omitempty"`
	Status int       `json:"status"`
	// Reason is why: a fixed word such as "received" or "signature-mismatch".
	Reason       string `json:"reason"`
	Event        string `json:"event,omitempty"`
	SalesOrderID string `json:"salesOrderId,omitempty"`
	// BodySize is in bytes. It and BodySHA256 are absent if the body was not read to its end.
	BodySize   *int   `json:"bodySize,omitempty"`
	BodySHA256 string `json:"bodySha256,omitempty"`
	// SecretIndex is the index, from 0, of the secret that verified the signature.
	SecretIndex *int    `json:"secretIndex,omitempty"`
	DurationMS  float64 `json:"durationMs"`
	TraceID     string  `json:"traceId,omitempty"`
	// Requests is the number of requests since Since that the line stands for; absent means one.
	// See [Options].PeerFailureLimit.
	Requests int       `json:"requests,omitempty"`
	Since    time.Time `json:"since,omitzero"`
}

// OpenAuditLog opens an audit log. Close it after the server has stopped.
func OpenAuditLog(options AuditOptions) (*AuditLog, error) {
	if options.Target == AuditOff || options.Target == "" {
		return nil, nil
	}
	a := &AuditLog{
		name:        options.Target,
		logger:      options.Logger,
		logLost:     rate.Sometimes{First: 1, Interval: time.Minute},
		logRotation: rate.Sometimes{First: 1, Interval: time.Minute},
		records:     make(chan *auditRecord, auditQueue),
		done:        make(chan struct{}),
	}
	if a.logger == nil {
		a.logger = slog.Default()
	}
	if err := a.addMetrics(options.MeterProvider); err != nil {
		return nil, fmt.Errorf("set up the audit log's metrics: %w", err)
	}
	if options.Target == AuditStdout {
		if a.out = options.Stdout; a.out == nil {
			a.out = os.Stdout
		}
	} else {
		file := &auditFile{
			path: options.Target, maxSize: options.MaxSize, keep: max(1, options.Keep),
			now: time.Now, reportFault: a.rotationFailed,
		}
		if err := file.open(); err != nil {
			return nil, fmt.Errorf("open the audit log: %w", err)
		}
		a.out, a.closeOut = file, func() error { return file.file.Close() }
	}
	go a.write()
	return a, nil
}

func (a *AuditLog) addMetrics(provider metric.MeterProvider) error {
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	meter := provider.Meter(scopeName)
	var errs [2]error
	a.lost, errs[0] = meter.Int64Counter("gate.audit.lost", metric.WithUnit("{line}"),
		metric.WithDescription("Lines that could not be written to the audit log."))
	a.failedRotations, errs[1] = meter.Int64Counter("gate.audit.rotation.failures",
		metric.WithUnit("{rotation}"),
		metric.WithDescription("Failed rotations of the audit log's file, which keeps growing."))
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	a.lost.Add(context.Background(), 0) // so that the series exist before the first loss
	a.failedRotations.Add(context.Background(), 0)
	return nil
}

// record queues a line. It never blocks.
func (a *AuditLog) record(r *auditRecord) {
	if a == nil {
		return
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	if a.closed {
		a.lose(1, errors.New("the audit log is closed"))
		return
	}
	select {
	case a.records <- r:
	default:
		a.lose(1, errors.New("lines arrive faster than they can be written"))
	}
}

// Close writes the queued lines and closes the file, or gives up when ctx ends. It may be called
// again.
func (a *AuditLog) Close(ctx context.Context) error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	if !a.closed {
		a.closed = true
		close(a.records)
	}
	a.mu.Unlock()
	select {
	case <-a.done:
		return a.closeErr
	case <-ctx.Done():
		return fmt.Errorf("write the last lines of the audit log: %w", context.Cause(ctx))
	}
}

func (a *AuditLog) write() {
	defer close(a.done)
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	buffered := 0 // lines
	for r := range a.records {
		if err := encoder.Encode(r); err != nil {
			a.lose(1, err)
			continue
		}
		buffered++
		if len(a.records) > 0 && lines.Len() < auditWriteSize {
			continue
		}
		a.flush(lines.Bytes(), buffered)
		lines.Reset()
		buffered = 0
	}
	if buffered > 0 {
		a.flush(lines.Bytes(), buffered)
	}
	if a.closeOut != nil {
		if err := a.closeOut(); err != nil {
			a.closeErr = fmt.Errorf("close the audit log: %w", err)
		}
	}
}

func (a *AuditLog) flush(lines []byte, count int) {
	if a.torn { // start on a new line
		lines = append([]byte("\n"), lines...)
	}
	n, err := a.out.Write(lines)
	if err == nil {
		a.torn = false
		return
	}
	if n > 0 {
		a.torn = lines[n-1] != '\n'
	}
	a.lose(count-bytes.Count(lines[:n], []byte("\n")), err)
}

func (a *AuditLog) lose(lines int, err error) {
	a.lost.Add(context.Background(), int64(max(lines, 0)))
	a.logLost.Do(func() {
		a.logger.Error("the audit log cannot be written; lines are lost, deliveries are not",
			"auditLog", a.name, "error", err)
	})
}

func (a *AuditLog) rotationFailed(err error) {
	a.failedRotations.Add(context.Background(), 1)
	a.logRotation.Do(func() {
		a.logger.Error("the audit log cannot be rotated; no line is lost, but the file grows",
			"auditLog", a.name, "error", err)
	})
}
