// Package reload parses values from files, and parses them again when the files change. So
// secrets, tokens and certificates can be rotated without a restart. A [Snapshot] detects
// changes of files that a caller reads itself.
package reload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"error-check-gate/internal/nowait"
)

const (
	// Interval is the minimum time between two polls of the files. So it may take this long until
	// [Value.Get] returns a change.
	Interval = time.Second
	// MaxFile is the maximum size of a file, in bytes.
	MaxFile = 1 << 20
	// PollTimeout is the maximum time that callers wait for a poll. A network disk can hang forever.
	PollTimeout = time.Second
)

// Value holds a value that is parsed from files, and parsed again when they change. If the new
// content is invalid, Value keeps the previous value and logs the fault once.
//
// [Value.Get] polls the files; no goroutine watches them. So it misses no change, not even in a
// Kubernetes mount, which changes a symlink two directories above the file. It holds no lock
// during a poll. It waits at most [PollTimeout] for a poll, and then returns the previous value.
type Value[T any] struct {
	what    string // for the log
	paths   []string
	parse   func(contents [][]byte) (T, error)
	logger  *slog.Logger
	now     func() time.Time
	timeout time.Duration
	value   atomic.Pointer[T]

	mu       sync.Mutex
	lastPoll time.Time
	polling  chan struct{} // closed when the poll in progress ends; nil if there is none
	late     bool          // the poll in progress has taken longer than timeout

	// The fields below belong to the poll in progress.
	seen    Snapshot
	digests []string // of the content that the value was parsed from
	fault   string   // of the last poll; empty if it found none
}

// Files names the files of a value.
type Files struct {
	What   string // names the value in logs and errors
	Paths  []string
	Logger *slog.Logger
	Now    func() time.Time // nil means [time.Now]
}

// Follow calls poll once per [Interval] until ctx ends. Let poll get a value, so that a change
// takes effect and a fault is logged even if nobody else asks for the value.
func Follow(ctx context.Context, poll func()) {
	ticker := time.NewTicker(Interval)
	defer ticker.Stop()
	for {
		poll()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Open reads the files and parses their value. parse gets the contents in the order of the
// paths. The errors of parse are logged, so they must not quote a secret. Open returns an error
// if a file cannot be read or parsed.
func Open[T any](from Files, parse func(contents [][]byte) (T, error)) (*Value[T], error) {
	what, paths := from.What, from.Paths
	r := &Value[T]{
		what: what, paths: paths, parse: parse, logger: from.Logger, now: from.Now, timeout: PollTimeout,
	}
	if r.now == nil {
		r.now = time.Now
	}
	contents, digests, err := r.readFiles()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	value, err := parse(contents)
	if err != nil {
		return nil, fmt.Errorf("read %s from %s: %w", what, strings.Join(paths, " and "), err)
	}
	r.value.Store(&value)
	r.digests = digests
	r.lastPoll = r.now()
	return r, nil
}

// SetPollTimeout replaces [PollTimeout]. Call it before several goroutines use the value.
func (r *Value[T]) SetPollTimeout(d time.Duration) { r.timeout = d }

// Get returns the value for the content that the files have now, or had at most [Interval] ago.
// If a poll is in progress, Get waits for its result, but no longer than [PollTimeout].
func (r *Value[T]) Get() T {
	if poll := r.pollIfDue(); poll != nil {
		r.wait(poll)
	}
	return *r.value.Load()
}

// pollIfDue starts a poll if one is due. It returns the poll to wait for, or nil.
func (r *Value[T]) pollIfDue() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.polling == nil {
		now := r.now()
		if age := now.Sub(r.lastPoll); age >= 0 && age < Interval {
			return nil
		}
		polling := make(chan struct{})
		r.lastPoll, r.polling, r.late = now, polling, false
		go func() {
			defer close(polling)
			r.poll()
			r.mu.Lock()
			defer r.mu.Unlock()
			r.polling = nil
		}()
	}
	if r.late {
		return nil
	}
	return r.polling
}

func (r *Value[T]) wait(poll <-chan struct{}) {
	timer := time.NewTimer(r.timeout)
	defer timer.Stop()
	select {
	case <-poll:
		return
	case <-timer.C:
	}
	r.mu.Lock()
	first := r.polling == poll && !r.late
	if first {
		r.late = true
	}
	r.mu.Unlock()
	if first {
		r.logger.Error("files cannot be read in time; their previous content stays in force",
			"what", r.what, "files", r.paths)
	}
}

func (r *Value[T]) poll() {
	defer func() {
		if panicked := recover(); panicked != nil {
			r.logFault(fmt.Errorf("panic: %T", panicked)) // the panic may quote a secret
		}
	}()
	if !r.seen.Changed(func(path string, _ int64) ([]byte, error) { return readFile(path) }) {
		return
	}
	contents, digests, err := r.readFiles()
	if err != nil {
		r.logFault(err)
		return
	}
	same := slices.Equal(digests, r.digests)
	if same && r.fault == "" {
		return
	}
	value, err := r.parse(contents)
	if err != nil {
		r.logFault(err)
		return
	}
	r.value.Store(&value)
	r.digests = digests
	r.fault = ""
	if same {
		r.logger.Info("changed files are valid again; their content is already in force",
			"what", r.what, "files", r.paths)
	} else {
		r.logger.Info("changed files are in force", "what", r.what, "files", r.paths)
	}
}

// logFault keeps the fault of a poll, and logs it unless the previous poll had the same.
func (r *Value[T]) logFault(err error) {
	if fault := err.Error(); fault != r.fault {
		r.fault = fault
		r.logger.Error("changed files are invalid; their previous content stays in force",
			"what", r.what, "files", r.paths, "error", fault)
	}
}

// readFiles reads all files and takes a snapshot of them.
func (r *Value[T]) readFiles() (contents [][]byte, digests []string, err error) {
	read := map[string]string{}
	for _, path := range r.paths {
		content, readErr := readFile(path)
		if readErr != nil {
			err = errors.Join(err, readErr)
			read[path] = ""
			continue
		}
		read[path] = Digest(content)
		contents, digests = append(contents, content), append(digests, read[path])
	}
	r.seen = Take(read)
	return contents, digests, err
}

// readFile reads a small regular file. It refuses a pipe, which could block the reader forever.
func readFile(path string) (content []byte, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	file, err := nowait.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if content, err = io.ReadAll(io.LimitReader(file, MaxFile+1)); err != nil {
		return nil, err
	}
	if len(content) > MaxFile {
		return nil, fmt.Errorf("%s has over %d bytes", path, MaxFile)
	}
	return content, nil
}
