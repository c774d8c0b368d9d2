package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

// sleepTimer wakes a run that sleeps. It has at most one timer at a time.
type sleepTimer struct {
	future workflow.Future
	cancel workflow.CancelFunc
	until  time.Time
	why    string
}

func (t *sleepTimer) fired() bool { return t.future != nil && t.future.IsReady() }

// set makes the timer fire at until, or never if until is zero. If a timer is running that fires no
// later, set keeps it unless replace is true: replacing a timer adds three events to the history,
// and a burst of deliveries would replace it again and again.
func (t *sleepTimer) set(ctx workflow.Context, until time.Time, why string, replace bool) {
	if t.future != nil && (replace || t.fired() || t.until.After(until)) {
		t.cancel()
		*t = sleepTimer{}
	}
	if t.future != nil || until.IsZero() {
		return
	}
	ctx, t.cancel = workflow.WithCancel(ctx)
	t.until, t.why = until, why
	t.future = workflow.NewTimerWithOptions(ctx, max(until.Sub(workflow.Now(ctx)), 0),
		workflow.TimerOptions{Summary: why})
}
