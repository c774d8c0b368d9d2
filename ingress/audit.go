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
	// and appended to. Empty is off.
	Target string
	// Stdout is what [AuditStdout] means; nil is [os.Stdout].
	Stdout io.Writer
	// Logger is told of lost lines once a minute; nil is [slog.Default].
	Logger *slog.Logger
	// MeterProvider counts lost lines in gate.audit.lost; nil is OpenTelemetry's global one.
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
	closer io.Closer
	logger *slog.Logger
	lost   metric.Int64Counter
	faults rate.Sometimes

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
	var err error
	if a.lost, err = provider.Meter(scopeName).Int64Counter("gate.audit.lost", metric.WithUnit("{line}"),
		metric.WithDescription("Lines that could not be written to the audit log.")); err != nil {
		return nil, fmt.Errorf("set up the audit log's metric: %w", err)
	}
	switch options.Target {
	case AuditStdout:
		if a.out = options.Stdout; a.out == nil {
			a.out = os.Stdout
		}
	default:
		file, err := os.OpenFile(options.Target, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("open the audit log: %w", err)
		}
		a.out, a.closer = file, file
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
	if a.closer != nil {
		if err := a.closer.Close(); err != nil {
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
