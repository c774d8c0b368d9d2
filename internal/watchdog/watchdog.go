// Package watchdog notices operations that hang, so that a liveness probe can tell a process that
// is up from one that can still do its work.
package watchdog

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// Limit is far above the time limit of every operation that is watched: about 25 s at most.
	Limit = time.Minute

	checkEvery = 10 * time.Second
	// giveUpAfter failed checks in a row, 2 minutes, Run ends. A liveness probe acts within
	// seconds; this is for supervisors without one. Consecutive checks, and not one
	// long time, because a process that was suspended has done nothing wrong.
	giveUpAfter = 12
)

// Watchdog knows the operations that are running. A nil Watchdog watches nothing.
type Watchdog struct {
	logger *slog.Logger
	now    func() time.Time

	mu       sync.Mutex // held for moments, never while anything else is called
	running  map[*operation]struct{}
	reported bool // the current hang has been logged
}

type operation struct {
	name  string
	began time.Time
}

// New returns a Watchdog that logs hangs to logger. A nil now is time.Now.
func New(logger *slog.Logger, now func() time.Time) *Watchdog {
	if now == nil {
		now = time.Now
	}
	return &Watchdog{logger: logger, now: now, running: map[*operation]struct{}{}}
}

// Begin notes that an operation begins. Call end when it has returned, however it did.
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

// Check returns an error if an operation has been running for over [Limit]; it names the oldest.
// It logs the first such error and the end of the hang, and waits for nothing.
func (w *Watchdog) Check() error {
	if w == nil {
		return nil
	}
	oldest, count, changed := w.look()
	if count == 0 {
		if changed {
			w.logger.Info("nothing hangs any more")
		}
		return nil
	}
	err := fmt.Errorf("%s has been hanging for %v", oldest.name, w.now().Sub(oldest.began).Round(time.Second))
	if changed {
		w.logger.Error("this process hangs: it is not alive until that ends, and should be restarted",
			"error", err, "operations", count)
	}
	return err
}

func (w *Watchdog) look() (oldest operation, count int, changed bool) {
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

// Run checks until ctx ends, so that a hang is logged although nobody probes. It returns an error
// if the hang goes on: then the process should exit, for its supervisor to restart it.
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
