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
	// auditQueue is how many lines may wait for a slow disk.
	auditQueue = 8192
	// auditWriteSize is when lines are written that could be gathered longer, in bytes.
	auditWriteSize = 64 << 10
)

// AuditOptions say where an audit log goes and who is told when it cannot be written.
type AuditOptions struct {
	// Target is [AuditOff], [AuditStdout] or a path; a file is made with mode 0600,
	// and appended to. One that somebody else puts aside is made anew within a second. Empty is off.
	Target string
	// Stdout is what [AuditStdout] means; nil is [os.Stdout].
	Stdout io.Writer
	// MaxSize is how many bytes a file may have before it is put aside as Target.1; 0 leaves that to
	// others. See [DefaultAuditMaxSize].
	MaxSize int64
	// Keep is how many files that were put aside are kept, 1 or more; see [DefaultAuditKeep].
	Keep int
	// Logger is told of lost lines once a minute; nil is [slog.Default].
	Logger *slog.Logger
	// MeterProvider counts lost lines in gate.audit.lost and failed rotations in
	// gate.audit.rotation.failures; nil is OpenTelemetry's global one.
	MeterProvider metric.MeterProvider
}

// AuditLog writes one line of JSON per webhook request: who sent what, and what
// became of it; of a flood of forged ones, a line for many. It holds neither a body nor a secret nor a signature.
//
// Lines are written behind the requests' backs, in order: neither a full disk nor one
// that hangs holds a delivery up. A line that cannot be written is lost, counted
// and, once a minute, logged. A nil AuditLog is one that is off.
type AuditLog struct {
	name   string
	out    io.Writer
	close  func() error // nil where there is nothing to close
	logger *slog.Logger
	lost   metric.Int64Counter
	stuck  metric.Int64Counter
	faults rate.Sometimes // of lines
	stucks rate.Sometimes // of rotations

	mu      sync.RWMutex // guards records against a send after its close
	closed  bool
	records chan *auditRecord
	done    chan struct{}

	torn     bool  // the latest write ended within a line
	closeErr error // read once done is closed
}

// auditRecord is a line of the audit log.
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
	// BodySize is in bytes; with BodySHA256 it is absent where the body was not read whole.
	BodySize   *int   `json:"bodySize,omitempty"`
	BodySHA256 string `json:"bodySha256,omitempty"`
	// SecretIndex is the place, from 0, of the secret that the signature verified with.
	SecretIndex *int    `json:"secretIndex,omitempty"`
	DurationMS  float64 `json:"durationMs"`
	TraceID     string  `json:"traceId,omitempty"`
	// Requests is how many requests the line stands for, from Since on; absent is one. See [Options].PeerFailureLimit.
	Requests int       `json:"requests,omitempty"`
	Since    time.Time `json:"since,omitzero"`
}

// OpenAuditLog fails where the file cannot be opened. Close it after the server has stopped.
func OpenAuditLog(options AuditOptions) (*AuditLog, error) {
	if options.Target == AuditOff || options.Target == "" {
		return nil, nil
	}
	a := &AuditLog{
		name:    options.Target,
		logger:  options.Logger,
		faults:  rate.Sometimes{First: 1, Interval: time.Minute},
		stucks:  rate.Sometimes{First: 1, Interval: time.Minute},
		records: make(chan *auditRecord, auditQueue),
		done:    make(chan struct{}),
	}
	if a.logger == nil {
		a.logger = slog.Default()
	}
	provider := options.MeterProvider
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	meter := provider.Meter(scopeName)
	var errs [2]error
	a.lost, errs[0] = meter.Int64Counter("gate.audit.lost", metric.WithUnit("{line}"),
		metric.WithDescription("Lines that could not be written to the audit log."))
	a.stuck, errs[1] = meter.Int64Counter("gate.audit.rotation.failures", metric.WithUnit("{rotation}"),
		metric.WithDescription("Times that the audit log's file could not be put aside, and went on growing."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("set up the audit log's metrics: %w", err)
	}
	a.lost.Add(context.Background(), 0) // so that it is there before the first loss
	a.stuck.Add(context.Background(), 0)
	switch options.Target {
	case AuditStdout:
		if a.out = options.Stdout; a.out == nil {
			a.out = os.Stdout
		}
	default:
		file := &auditFile{path: options.Target, maxSize: options.MaxSize, keep: max(1, options.Keep), now: time.Now, fault: a.notRotated}
		if err := file.open(); err != nil {
			return nil, fmt.Errorf("open the audit log: %w", err)
		}
		a.out, a.close = file, func() error { return file.file.Close() }
	}
	go a.write()
	return a, nil
}

// record never waits.
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
		a.lose(1, errors.New("lines come faster than they can be written"))
	}
}

// Close writes what is waiting, until ctx ends, and closes the file. It may be called again.
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
	gathered := 0
	for r := range a.records {
		if err := encoder.Encode(r); err != nil {
			a.lose(1, err)
			continue
		}
		gathered++
		if len(a.records) > 0 && lines.Len() < auditWriteSize {
			continue
		}
		a.flush(lines.Bytes(), gathered)
		lines.Reset()
		gathered = 0
	}
	if gathered > 0 {
		a.flush(lines.Bytes(), gathered)
	}
	if a.close != nil {
		if err := a.close(); err != nil {
			a.closeErr = fmt.Errorf("close the audit log: %w", err)
		}
	}
}

func (a *AuditLog) flush(lines []byte, count int) {
	if a.torn { // so that what follows begins on a line of its own
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
	a.faults.Do(func() {
		a.logger.Error("the audit log cannot be written: lines are lost, deliveries are not",
			"auditLog", a.name, "error", err)
	})
}

func (a *AuditLog) notRotated(err error) {
	a.stuck.Add(context.Background(), 1)
	a.stucks.Do(func() {
		a.logger.Error("the audit log goes on in the file it has: no line is lost by that, but the file grows",
			"auditLog", a.name, "error", err)
	})
}
