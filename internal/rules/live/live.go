// Package live follows the rule files of a process: it holds their rule set and replaces it when
// the files change.
package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/reload"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/rulefile"
)

const (
	defaultEvery = 5 * time.Second
	// defaultSlowAfter is longer than the time limit of the load itself.
	defaultSlowAfter = rulefile.LoadTimeout + time.Minute
)

// Options are the options of [Follow]. Zero values have defaults.
type Options struct {
	// Every is the time between two polls of the files. The default is 5 s.
	Every time.Duration
	// Logger is [slog.Default] by default.
	Logger *slog.Logger
	// SlowAfter is the time after which an unfinished poll is logged. The default is 3 min.
	SlowAfter time.Duration
	// Meter counts reloads and findings. If it is nil, nothing is counted.
	Meter metric.MeterProvider
}

// Rules holds the rule set of the process's rule files, and follows the files. If a change breaks
// the files, Rules keeps the previous set. The set in force may be another one, because Temporal
// decides it for all workers together.
type Rules struct {
	paths   []string
	options Options
	set     atomic.Pointer[rules.Set]
	metrics *metrics

	mu sync.Mutex // held only briefly
	// current is the poll in progress, or nil.
	current *poll

	// The poll in progress owns the fields below.
	seen reload.Snapshot
	// fault is the error of loading the current files. It is empty if they are loaded.
	fault string
}

// Follow loads rule files and returns their rules, which [Rules.Run] keeps up to date. Without
// paths these are always the default rules. If the files are broken, the error is
// [rulefile.Faults]. Follow returns when ctx ends, even if the disk hangs.
func Follow(ctx context.Context, paths []string, options Options) (*Rules, error) {
	if options.Every <= 0 {
		options.Every = defaultEvery
	}
	if options.SlowAfter <= 0 {
		options.SlowAfter = defaultSlowAfter
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	r := &Rules{paths: slices.Clone(paths), options: options}
	if options.Meter != nil {
		var err error
		if r.metrics, err = newMetrics(options.Meter); err != nil {
			return nil, err
		}
	}
	set := rulefile.Default()
	if len(paths) > 0 {
		loaded, err := rulefile.LoadFiles(ctx, r.paths)
		if err != nil {
			return nil, err
		}
		set, r.seen = loaded.Set, reload.Take(loaded.Files)
	}
	r.set.Store(set)
	r.metrics.expect(ctx, set)
	return r, nil
}

// Set returns the rule set of the files.
func (r *Rules) Set() *rules.Set { return r.set.Load() }

// Run follows the files until ctx ends.
func (r *Rules) Run(ctx context.Context) error {
	if len(r.paths) == 0 {
		<-ctx.Done()
		return nil
	}
	ticker := time.NewTicker(r.options.Every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			r.Reload(ctx)
		}
	}
}

// poll is one check of the files for changes.
type poll struct {
	ended   chan struct{}
	changed bool        // set before ended is closed
	late    atomic.Bool // logged as late
}

// Reload checks the files now, and loads them if they changed. It reports whether the set was
// replaced. It returns when ctx ends or the poll takes too long, even if the disk hangs. The poll
// then continues, and the next Reload waits for it.
func (r *Rules) Reload(ctx context.Context) bool {
	if len(r.paths) == 0 {
		return false
	}
	current := r.startPoll(ctx)
	late := time.NewTimer(r.options.SlowAfter)
	defer late.Stop()
	select {
	case <-current.ended:
		return current.changed
	case <-ctx.Done():
	case <-late.C:
		if current.late.CompareAndSwap(false, true) {
			r.metrics.reloaded(ctx, reloadFailed)
			r.options.Logger.ErrorContext(ctx,
				"rule files could not be read in time, kept the previous rule set; check the disk",
				"files", r.paths, "waited", r.options.SlowAfter)
		}
	}
	return false
}

// startPoll starts a poll, unless one is in progress.
func (r *Rules) startPoll(ctx context.Context) *poll {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current == nil {
		started := &poll{ended: make(chan struct{})}
		r.current = started
		go func() {
			defer close(started.ended)
			started.changed = r.checkFiles(ctx)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.current = nil
		}()
	}
	return r.current
}

// checkFiles checks the files for changes once. It reports whether it replaced the set.
func (r *Rules) checkFiles(ctx context.Context) bool {
	read := func(path string, size int64) ([]byte, error) {
		return rulefile.ReadFile(ctx, path, size)
	}
	if !r.seen.Changed(read) {
		return false
	}
	loaded, err := rulefile.LoadBlocking(ctx, r.paths)
	if ctx.Err() != nil {
		return false // stopped: err says nothing about the files
	}
	r.seen = reload.Take(loaded.Files)
	before, logger := r.Set(), r.options.Logger
	if err != nil {
		if err.Error() != r.fault {
			r.fault = err.Error()
			r.metrics.reloaded(ctx, reloadFailed)
			logger.ErrorContext(ctx, "rule files are broken, kept the previous rule set",
				"ruleSet", before.Name(), "digest", before.Digest(), "faults", faultLines(err))
		}
		return false
	}
	set := loaded.Set
	wasBroken := r.fault != ""
	r.fault = ""
	r.set.Store(set) // even with the same digest: examples and descriptions may differ
	if set.Digest() == before.Digest() {
		if wasBroken {
			logger.InfoContext(ctx, "rule files are valid again, the rule set is unchanged",
				"ruleSet", set.Name(), "digest", set.Digest())
		}
		return false
	}
	r.metrics.reloaded(ctx, reloadLoaded)
	r.metrics.expect(ctx, set)
	logger.InfoContext(ctx, "loaded a new rule set", "ruleSet", set.Name(), "digest", set.Digest(),
		"before", before.Digest(), "rules", enabled(set))
	return true
}

func enabled(set *rules.Set) (n int) {
	for _, r := range set.Rules() {
		if r.Enabled {
			n++
		}
	}
	return n
}

// Count counts, by rule, the findings of a check and the evaluations that failed.
func (r *Rules) Count(ctx context.Context, checked ordercheck.CheckedOrder) {
	r.metrics.checked(ctx, checked)
}

// CountOutcome counts an outcome of a rule's errors.
func (r *Rules) CountOutcome(ctx context.Context, outcome ordercheck.RuleOutcome) {
	r.metrics.ended(ctx, outcome)
}

// faultLines returns the first faults for the log, and how many more there are.
func faultLines(err error) string {
	const most = 20
	var faults rulefile.Faults
	if !errors.As(err, &faults) || len(faults) <= most {
		return err.Error()
	}
	return faults[:most].Error() + fmt.Sprintf("\nand %d more", len(faults)-most)
}
