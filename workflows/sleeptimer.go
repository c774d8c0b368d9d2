package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

// sleepTimer is the one timer of a run that sleeps.
type sleepTimer struct {
	future workflow.Future
	cancel workflow.CancelFunc
	until  time.Time
	why    string
}

func (t *sleepTimer) fired() bool { return t.future != nil && t.future.IsReady() }

// set makes the timer fire at until, or never if that is zero. It keeps a timer that fires no
// later, unless replace is true: a new timer for each event of a burst would cost three events
// each.
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
