// Package rulesinforce holds the workflow that keeps the record of the rule set in force.
package rulesinforce

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows/call"
)

const (
	// settle is the delay between a new set taking over and the checks of open orders. Workers
	// read the record every 5 seconds, so after this delay none of them checks with the previous
	// set.
	settle = 10 * time.Second
	// maxChangesInRun is the number of changes after which a run continues as new, so that its
	// history stays short.
	maxChangesInRun = 100
	// maxByText limits a person's name in the record, in characters.
	maxByText = 200
	// maxListed limits the earlier sets on the run's page in the Web UI.
	maxListed = 10
)

// Keep is the workflow [ordercheck.RulesWorkflowType]. It keeps the record of the rule set in
// force and never ends. After each change it asks every open order to check itself with the new
// set.
func Keep(ctx workflow.Context, inForce ordercheck.InForce) error {
	r := &record{InForce: inForce, renew: workflow.GetSignalChannel(ctx, ordercheck.SignalRenew)}
	if r.Since.IsZero() {
		r.Since, r.Unsent = workflow.GetInfo(ctx).WorkflowStartTime.UTC(), true
	}
	if err := errors.Join(r.handle(ctx), r.publish(ctx)); err != nil {
		return err
	}
	for {
		if r.Unsent {
			if err := r.recheck(ctx); err != nil {
				return err
			}
			continue
		}
		if err := workflow.Await(ctx, func() bool { return r.Unsent || r.full(ctx) }); err != nil {
			return err
		}
		if !r.Unsent && workflow.AllHandlersFinished(ctx) {
			for r.renew.ReceiveAsync(nil) { //nolint:revive // one new run answers all signals
			}
			// The next run starts with the memo as it was last written.
			if err := r.publish(ctx); err != nil {
				return err
			}
			return workflow.NewContinueAsNewError(ctx, ordercheck.RulesWorkflowType, r.InForce)
		}
	}
}

// record is the state of one run.
type record struct {
	ordercheck.InForce
	changes int                     // in this run
	renew   workflow.ReceiveChannel // a worker asks for a new run
}

// handle registers the run's query and updates.
func (r *record) handle(ctx workflow.Context) error {
	return errors.Join(
		workflow.SetQueryHandler(ctx, ordercheck.QueryInForce, func() (ordercheck.InForce, error) {
			return r.InForce, nil
		}),
		workflow.SetUpdateHandlerWithOptions(ctx, ordercheck.UpdateProposeRules, r.propose,
			workflow.UpdateHandlerOptions{
				Validator:   r.validateProposal,
				Description: "Put a rule set in force that was never in force before.",
			}),
		workflow.SetUpdateHandlerWithOptions(ctx, ordercheck.UpdateUseRules, r.use,
			workflow.UpdateHandlerOptions{
				Validator:   r.validateUse,
				Description: "Go back to a rule set that was in force before.",
			}),
	)
}

// full reports whether the next run should take over.
func (r *record) full(ctx workflow.Context) bool {
	return workflow.AllHandlersFinished(ctx) && (r.changes >= maxChangesInRun ||
		r.renew.Len() > 0 || workflow.GetInfo(ctx).GetContinueAsNewSuggested())
}

// validateProposal rejects a set that was in force before. A rejected update adds no event to the
// history, so workers can propose their set as often as they like.
func (r *record) validateProposal(set ordercheck.ProposedRules) error {
	switch {
	case set.Digest == "":
		return refusal(ordercheck.ErrorRulesUnknown, "the rule set has no digest")
	case r.WasInForce(set.Digest):
		return refusal(ordercheck.ErrorRulesOlder, fmt.Sprintf("rule set %s was in force before; "+
			"to go back to it, run 'gate rules use %s'", set.Digest, set.Digest))
	}
	return nil
}

func (r *record) propose(
	ctx workflow.Context, set ordercheck.ProposedRules,
) (ordercheck.InForce, error) {
	return r.takeOver(ctx, set, "")
}

func (r *record) validateUse(use ordercheck.UseRules) error {
	if strings.TrimSpace(use.By) == "" {
		return refusal(ordercheck.ErrorRulesUnknown,
			"by is missing: say who goes back to the rule set")
	}
	if _, err := r.Find(use.Digest); err != nil {
		return refusal(ordercheck.ErrorRulesUnknown, err.Error())
	}
	return nil
}

func refusal(kind, message string) error {
	return temporal.NewNonRetryableApplicationError(message, kind, nil)
}

func (r *record) use(ctx workflow.Context, use ordercheck.UseRules) (ordercheck.InForce, error) {
	set, err := r.Find(use.Digest)
	if err != nil {
		return r.InForce, err
	}
	return r.takeOver(ctx, set, ordercheck.Cut(use.By, maxByText))
}

func (r *record) takeOver(
	ctx workflow.Context, set ordercheck.ProposedRules, by string,
) (ordercheck.InForce, error) {
	if set.Digest == r.Digest {
		return r.InForce, nil
	}
	r.TakeOver(set, workflow.Now(ctx).UTC(), by)
	r.changes++
	return r.InForce, r.publish(ctx)
}

// publish writes the record to the run's memo, which clients can read even if no worker runs, and
// to the run's page in the Web UI.
func (r *record) publish(ctx workflow.Context) error {
	var b strings.Builder
	fmt.Fprintf(&b, "**Rule set %s** is in force since %s: `%s`\n",
		ordercheck.Markdown(r.Name), ordercheck.Moment(r.Since), r.Digest)
	if r.By != "" {
		fmt.Fprintf(&b, "\n%s went back to it.\n", ordercheck.Markdown(r.By))
	}
	for i := len(r.Before) - 1; i >= max(0, len(r.Before)-maxListed); i-- {
		before := &r.Before[i]
		fmt.Fprintf(&b, "\n- until %s: %s, `%s`",
			ordercheck.Moment(before.Until), ordercheck.Markdown(before.Name), before.Digest)
	}
	workflow.SetCurrentDetails(ctx, b.String())
	memo := map[string]any{ordercheck.MemoInForce: r.InForce}
	if err := workflow.UpsertMemo(ctx, memo); err != nil {
		return fmt.Errorf("write the rule set in force to the memo: %w", err)
	}
	return nil
}

// recheck asks the open orders to check themselves with the set in force. If another set takes
// over meanwhile, recheck returns early, and Keep calls it again for that set.
func (r *record) recheck(ctx workflow.Context) error {
	since := r.Since
	changed := func() bool { return !r.Since.Equal(since) }
	recheckCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	timer := workflow.NewTimerWithOptions(recheckCtx, settle,
		workflow.TimerOptions{Summary: "wait until every worker knows the rule set in force"})
	err := workflow.Await(ctx, func() bool { return timer.IsReady() || changed() })
	if err != nil || changed() {
		return err
	}
	recheck := recheckOrders.Start(recheckCtx, ordercheck.RecheckOrders{RuleSet: r.RuleSet})
	err = workflow.Await(ctx, func() bool { return recheck.IsReady() || changed() })
	if err != nil || changed() {
		return err
	}
	logger := workflow.GetLogger(ctx)
	rechecked, err := recheck.Get(ctx)
	if err != nil {
		logger.Error(
			"cannot ask every open order to check itself with the rule set in force; trying again",
			"error",
			err,
		)
		return nil // Keep tries again, and recheck waits first
	}
	logger.Info("asked the open orders to check themselves with the rule set in force",
		"orders", rechecked.Orders, "ruleSet", r.Name, "digest", r.Digest)
	r.Unsent = false
	return r.publish(ctx)
}

// recheckOrders is retried until every open order has been asked. An attempt resumes where the
// last heartbeat left off.
var recheckOrders = call.Activity[ordercheck.RecheckOrders, ordercheck.RecheckedOrders]{
	Name: ordercheck.ActivityRecheckOrders,
	Options: workflow.ActivityOptions{
		TaskQueue:           ordercheck.TaskQueue,
		StartToCloseTimeout: 12 * time.Hour,
		HeartbeatTimeout:    15 * time.Second,
		Summary:             "ask the open orders to check themselves with the rule set in force",
		RetryPolicy:         call.Backoff(time.Second, time.Minute),
	},
}
