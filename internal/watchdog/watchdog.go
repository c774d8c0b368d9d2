// Package watchdog finds operations that hang, so that a liveness probe fails for a process that is
// up but can no longer do its work.
package watchdog

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// Limit is the longest time that an operation may run before it counts as hanging. Every
	// watched operation has a time limit of its own, at most 25 s.
	Limit = time.Minute

	checkEvery = 10 * time.Second
	// Run returns an error after giveUpAfter failed checks in a row, which take 2 minutes. A
	// liveness probe acts within seconds; this is for supervisors without probes. We count
	// checks instead of time because a process that was suspended has done nothing wrong.
	giveUpAfter = 12
)

// Watchdog watches the operations that are running. A nil Watchdog watches nothing.
type Watchdog struct {
	logger *slog.Logger
	now    func() time.Time

	mu       sync.Mutex // never held while we call other code
	running  map[*operation]struct{}
	reported bool // the current hang has been logged
}

type operation struct {
	name  string
	began time.Time
}

// New returns a Watchdog that logs hangs. A nil now means time.Now.
func New(logger *slog.Logger, now func() time.Time) *Watchdog {
	if now == nil {
		now = time.Now
	}
	return &Watchdog{logger: logger, now: now, running: map[*operation]struct{}{}}
}

// Begin starts watching an operation. Call end when the operation has returned, even if it failed.
func (w *Watchdog) Begin(name string) (end func()) {
	if w == nil {
		return func() {}
	}
	o := &operation{name: name, began: w.now()}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running[o] = struct{}{}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.running, o)
	}
}

// Check returns an error if an operation has been running for longer than [Limit]. The error names
// the oldest one. Check logs the start and the end of a hang. It never blocks.
func (w *Watchdog) Check() error {
	if w == nil {
		return nil
	}
	oldest, count, changed := w.updateReported()
	if count == 0 {
		if changed {
			w.logger.Info("nothing hangs any more")
		}
		return nil
	}
	age := w.now().Sub(oldest.began).Round(time.Second)
	err := fmt.Errorf("%s has been hanging for %v", oldest.name, age)
	if changed {
		w.logger.Error("this process hangs; restart it",
			"error", err, "operations", count)
	}
	return err
}

// updateReported records whether an operation hangs. It returns the oldest hanging operation and
// the number of hanging operations. changed is true if the process has started or stopped hanging
// since the last call.
func (w *Watchdog) updateReported() (oldest operation, count int, changed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	for o := range w.running {
		if now.Sub(o.began) <= Limit {
			continue
		}
		if count++; count == 1 || o.began.Before(oldest.began) {
			oldest = *o
		}
	}
	changed = w.reported != (count > 0)
	w.reported = count > 0
	return oldest, count, changed
}

// Run checks until ctx ends, so that a hang is logged even without probes. It returns an error if a
// hang lasts; the process should exit then, so that its supervisor restarts it.
func (w *Watchdog) Run(ctx context.Context) error {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	failed := 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		err := w.Check()
		if err == nil {
			failed = 0
			continue
		}
		if failed++; failed == giveUpAfter {
			return fmt.Errorf("%w: the process exits so that it is restarted", err)
		}
	}
}
