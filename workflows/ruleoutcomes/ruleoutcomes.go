// Package ruleoutcomes holds the workflow that counts the outcomes of errors, by rule and day.
package ruleoutcomes

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/tally"
)

const (
	// maxSignals is the number of signals after which a run continues as new. Temporal allows 10,000
	// signals per run.
	maxSignals = 1000
	// maxAge is the age at which a run continues as new, so that nobody has to keep a payload key
	// or a build for longer than a day. A run then also forgets the days that are too old.
	maxAge = 24 * time.Hour
)

// Start is the argument of the workflow [ordercheck.OutcomesWorkflowType].
type Start struct {
	// Tally is from the previous run; nil if there is none.
	Tally *tally.Tally `json:"tally,omitempty"`
}

// Keep is the workflow [ordercheck.OutcomesWorkflowType]. The runs of orders send it their
// outcomes as signals. It ends when there was no outcome for [ordercheck.MaxOutcomeDays] days. It
// ignores a cancellation, which would lose the counts.
func Keep(ctx workflow.Context, start Start) error {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	k := &keeper{
		tally:  start.Tally,
		signal: workflow.GetSignalChannel(ctx, ordercheck.SignalOutcomes),
		old: workflow.NewTimerWithOptions(ctx, maxAge,
			workflow.TimerOptions{Summary: "forget the days that are too old"}),
	}
	if k.tally == nil {
		k.tally = tally.New(workflow.Now(ctx))
	}
	err := workflow.SetQueryHandler(ctx, ordercheck.QueryOutcomes,
		func(from time.Time) (ordercheck.RuleOutcomes, error) { return k.tally.From(from), nil })
	if err != nil {
		return fmt.Errorf("register query %s: %w", ordercheck.QueryOutcomes, err)
	}
	for {
		k.receive(ctx)
		if k.full(ctx) {
			k.tally.Forget(workflow.Now(ctx))
			if k.tally.Empty() {
				return nil
			}
			return workflow.NewContinueAsNewError(ctx, ordercheck.OutcomesWorkflowType,
				Start{Tally: k.tally})
		}
		err := workflow.Await(ctx, func() bool { return k.signal.Len() > 0 || k.full(ctx) })
		if err != nil {
			return err
		}
	}
}

// keeper is the state of one run.
type keeper struct {
	tally   *tally.Tally
	signal  workflow.ReceiveChannel
	signals int             // number of signals received in this run
	old     workflow.Future // is ready when the run has reached maxAge
}

// receive counts the outcomes of all signals that have arrived.
func (k *keeper) receive(ctx workflow.Context) {
	for {
		var batch []ordercheck.OrderOutcomes
		if !k.signal.ReceiveAsync(&batch) {
			return
		}
		k.signals++
		for i := range batch {
			k.tally.Count(workflow.Now(ctx), &batch[i])
		}
	}
}

// full reports whether the next run should take over.
func (k *keeper) full(ctx workflow.Context) bool {
	return k.old.IsReady() || k.signals >= maxSignals ||
		workflow.GetInfo(ctx).GetContinueAsNewSuggested()
}
