package rules

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"error-check-gate/internal/ordercheck"
)

const (
	// defaultFollowEvery is how often files are looked at for a change.
	defaultFollowEvery = 5 * time.Second
	// defaultLookWithin leaves the load itself its time limit.
	defaultLookWithin = loadTimeout + time.Minute
	// freshly is how long after a change a file is read again although nothing is seen
	// to have changed: two changes within the clock's grain look like one.
	freshly = 3 * time.Second
)

// LiveOptions are what a [Live] needs. Zero values have defaults.
type LiveOptions struct {
	// Every is how often the files are looked at; 5 s where it is 0.
	Every time.Duration
	// Logger is [slog.Default] where it is nil.
	Logger *slog.Logger
	// LookWithin is how long a look at the files may take before it is logged; 3 min if
	// it is 0.
	LookWithin time.Duration
	// Meter counts reloads and findings; nothing is counted where it is nil.
	Meter metric.MeterProvider
}

// Live is the rule set of files, followed as they change. If what the files say is broken, it stays
// the set before. Which set is in force is decided for all workers together, by Temporal.
type Live struct {
	paths   []string
	options LiveOptions
	set     atomic.Pointer[Set]
	metrics *metrics

	mu sync.Mutex // held for moments
	// look is the one in progress; nil if there is none.
	look *lookAtFiles

	// What follows belongs to the look in progress.
	seen map[string]fileState
	// failed is the error of the files as they are now; empty where the set is theirs.
	failed string
}

// fileState tells a file from what it was before.
type fileState struct {
	size     int64
	modified time.Time
	missing  bool
	readAt   time.Time
	hash     string
}

// Follow loads rule files and answers with a Live that [Live.Run] keeps up to date.
// Without paths it is the [Default] set, for good. The error of files that are broken
// now is [Faults]. Follow returns when ctx ends, even if the disk hangs.
func Follow(ctx context.Context, paths []string, options LiveOptions) (*Live, error) {
	if options.Every <= 0 {
		options.Every = defaultFollowEvery
	}
	if options.LookWithin <= 0 {
		options.LookWithin = defaultLookWithin
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	l := &Live{paths: slices.Clone(paths), options: options}
	if options.Meter != nil {
		var err error
		if l.metrics, err = newMetrics(options.Meter); err != nil {
			return nil, err
		}
	}
	if len(paths) == 0 {
		l.set.Store(Default())
		l.metrics.expect(ctx, l.Set())
		return l, nil
	}
	set, looked, err := loadApart(ctx, l.paths)
	if err != nil {
		return nil, err
	}
	l.set.Store(set)
	l.metrics.expect(ctx, set)
	l.seen = states(looked)
	return l, nil
}

// Set is the rule set of the files.
func (l *Live) Set() *Set { return l.set.Load() }

// Run follows the files until ctx ends.
func (l *Live) Run(ctx context.Context) error {
	if len(l.paths) == 0 {
		<-ctx.Done()
		return nil
	}
	ticker := time.NewTicker(l.options.Every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			l.Reload(ctx)
		}
	}
}

// Reload looks at the files now, and takes over what they say if they changed. It
// reports whether another set is in force. It returns when ctx ends or the look takes too
// long, even if the disk hangs; the look then goes on, and the next Reload waits for it.
func (l *Live) Reload(ctx context.Context) bool {
	if len(l.paths) == 0 {
		return false
	}
	l.mu.Lock()
	look := l.look
	if look == nil {
		look = &lookAtFiles{ended: make(chan struct{})}
		l.look = look
		go func() {
			defer close(look.ended)
			look.changed = l.reload(ctx)
			l.mu.Lock()
			defer l.mu.Unlock()
			l.look = nil
		}()
	}
	l.mu.Unlock()
	late := time.NewTimer(l.options.LookWithin)
	defer late.Stop()
	select {
	case <-look.ended:
		return look.changed
	case <-ctx.Done():
	case <-late.C:
		if look.late.CompareAndSwap(false, true) {
			l.metrics.reloaded(ctx, reloadFailed)
			l.options.Logger.ErrorContext(ctx, "the rule files cannot be looked at in time: the set before stays in force; look at the disk",
				"files", l.paths, "waited", l.options.LookWithin)
		}
	}
	return false
}

// lookAtFiles is a look at the files in progress.
type lookAtFiles struct {
	ended   chan struct{}
	changed bool
	late    atomic.Bool // said so
}

// reload is a look at the files. One is in progress at a time.
func (l *Live) reload(ctx context.Context) bool {
	if !l.changed(ctx) {
		return false
	}
	limited, cancel := context.WithTimeoutCause(ctx, loadTimeout, errLoadTimeout)
	defer cancel()
	set, looked, err := loadLooking(limited, diskFiles{}, l.paths)
	if ctx.Err() != nil {
		return false // stopped: err says nothing about the files
	}
	l.seen = states(looked)
	before := l.set.Load()
	switch {
	case err != nil:
		if err.Error() != l.failed {
			l.failed = err.Error()
			l.metrics.reloaded(ctx, reloadFailed)
			l.options.Logger.ErrorContext(ctx, "the rule files are broken: the set before stays in force",
				"ruleSet", before.Name(), "digest", before.Digest(), "faults", faultLines(err))
		}
		return false
	case set.Digest() == before.Digest():
		if l.failed != "" {
			l.failed = ""
			l.options.Logger.InfoContext(ctx, "the rule files are whole again, and say what is in force", "ruleSet", set.Name(), "digest", set.Digest())
		}
		l.set.Store(set) // its examples and descriptions may be others
		return false
	}
	l.failed = ""
	l.set.Store(set)
	l.metrics.reloaded(ctx, reloadLoaded)
	l.metrics.expect(ctx, set)
	l.options.Logger.InfoContext(ctx, "another rule set was loaded", "ruleSet", set.Name(), "digest", set.Digest(), "before", before.Digest(), "rules", len(set.rules))
	return true
}

// Count counts what a check found: findings by rule, those of rules on trial apart, and
// rules that could not be evaluated.
func (l *Live) Count(ctx context.Context, checked ordercheck.CheckedOrder) {
	l.metrics.checked(ctx, checked)
}

// faultLines is what is wrong, for a log: the first faults, and how many more.
func faultLines(err error) string {
	const most = 20
	var faults Faults
	if !errors.As(err, &faults) || len(faults) <= most {
		return err.Error()
	}
	return faults[:most].Error() + fmt.Sprintf("\nand %d more", len(faults)-most)
}

// changed reports whether a file that was looked at is another one now.
func (l *Live) changed(ctx context.Context) bool {
	for path, before := range l.seen {
		now := stateOf(path)
		if now.missing != before.missing || now.size != before.size || !now.modified.Equal(before.modified) {
			return true
		}
		if !now.missing && before.readAt.Sub(before.modified) < freshly {
			content, err := diskFiles{}.read(ctx, path, now.size)
			if err != nil || hashOf(content) != before.hash {
				return true
			}
			before.readAt = now.readAt
			l.seen[path] = before
		}
	}
	return false
}

func stateOf(path string) fileState {
	info, err := os.Stat(path)
	if err != nil {
		return fileState{missing: true}
	}
	return fileState{size: info.Size(), modified: info.ModTime(), readAt: time.Now()}
}

// states are the states of files that were looked at, by their hashes. A file that
// changed while it was read has another hash, and is read again.
func states(looked map[string]string) map[string]fileState {
	out := make(map[string]fileState, len(looked))
	for path, hash := range looked {
		state := stateOf(path)
		state.hash = hash
		out[path] = state
	}
	return out
}

// Paths splits a list of rule files, as RULES_FILE has it: by commas.
func Paths(list string) []string {
	var out []string
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
