package workflows

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

const (
	// rulesSettle is the time from a set's taking over to the checks of open orders. Within it every
	// worker learns of the set, so that none checks an order with the set before it afterwards. It
	// must be longer than what a worker knows of the record may be old, which is 5 seconds.
	rulesSettle = 10 * time.Second
	// maxRulesInRun is the number of sets after which the record continues as new.
	maxRulesInRun = 100
)

// RulesInForce keeps the record of the rule set in force, for as long as there is the namespace. After
// each change it has every open order checked with the new set.
func RulesInForce(ctx workflow.Context, inForce ordercheck.InForce) error {
	r := &rulesInForce{InForce: inForce, renew: workflow.GetSignalChannel(ctx, ordercheck.SignalRenew)}
	if r.Since.IsZero() {
		r.Since, r.Unsent = workflow.GetInfo(ctx).WorkflowStartTime.UTC(), true
	}
	if err := errors.Join(
		workflow.SetQueryHandler(ctx, ordercheck.QueryInForce, func() (ordercheck.InForce, error) {
			return r.InForce, nil
		}),
		setUpdate(ctx, ordercheck.UpdateProposeRules, r.propose, r.validateProposal,
			"Put a rule set in force that never was."),
		setUpdate(ctx, ordercheck.UpdateUseRules, r.use, r.validateUse,
			"Go back to a rule set that was in force."),
	); err != nil {
		return err
	}
	if err := r.publish(ctx); err != nil {
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
			for r.renew.ReceiveAsync(nil) { //nolint:revive // the new run answers them all
			}
			if err := r.publish(ctx); err != nil { // the next run has the memo as it was last written
				return err
			}
			return workflow.NewContinueAsNewError(ctx, ordercheck.RulesWorkflowType, r.InForce)
		}
	}
}

// rulesInForce is the state of one run.
type rulesInForce struct {
	ordercheck.InForce
	changes int                     // in this run
	renew   workflow.ReceiveChannel // a worker wants a new run
}

// full reports whether the next run is to go on.
func (r *rulesInForce) full(ctx workflow.Context) bool {
	return workflow.AllHandlersFinished(ctx) && (r.changes >= maxRulesInRun || r.renew.Len() > 0 || workflow.GetInfo(ctx).GetContinueAsNewSuggested())
}

// validateProposal refuses what changes nothing: a refused update costs the history no event.
func (r *rulesInForce) validateProposal(set ordercheck.ProposedRules) error {
	switch {
	case set.Digest == "":
		return temporal.NewNonRetryableApplicationError("the rule set has no digest", ordercheck.ErrorRulesUnknown, nil)
	case r.WasInForce(set.Digest):
		return temporal.NewNonRetryableApplicationError(fmt.Sprintf("rule set %s was in force before: a person may go back to it, with 'gate rules use %s'",
			set.Digest, set.Digest), ordercheck.ErrorRulesOlder, nil)
	}
	return nil
}

func (r *rulesInForce) propose(ctx workflow.Context, set ordercheck.ProposedRules) (ordercheck.InForce, error) {
	return r.takeOver(ctx, set, "")
}

func (r *rulesInForce) validateUse(use ordercheck.UseRules) error {
	if strings.TrimSpace(use.By) == "" {
		return temporal.NewNonRetryableApplicationError("by is missing: say who goes back to the rule set", ordercheck.ErrorRulesUnknown, nil)
	}
	if _, err := r.Find(use.Digest); err != nil {
		return temporal.NewNonRetryableApplicationError(err.Error(), ordercheck.ErrorRulesUnknown, nil)
	}
	return nil
}

func (r *rulesInForce) use(ctx workflow.Context, use ordercheck.UseRules) (ordercheck.InForce, error) {
	set, err := r.Find(use.Digest)
	if err != nil {
		return r.InForce, err
	}
	return r.takeOver(ctx, set, ordercheck.Cut(use.By, maxByText))
}

// maxByText bounds a person's name in the record, in characters.
const maxByText = 200

func (r *rulesInForce) takeOver(ctx workflow.Context, set ordercheck.ProposedRules, by string) (ordercheck.InForce, error) {
	if set.Digest == r.Digest {
		return r.InForce, nil
	}
	r.TakeOver(set, workflow.Now(ctx).UTC(), by)
	r.changes++
	return r.InForce, r.publish(ctx)
}

// publish shows the record to those who ask without a worker: the memo, and the run's page in the Web UI.
func (r *rulesInForce) publish(ctx workflow.Context) error {
	var b strings.Builder
	fmt.Fprintf(&b, "**Rule set %s** is in force since %s: `%s`\n", markdownText(r.Name), ordercheck.Moment(r.Since), r.Digest)
	if r.By != "" {
		fmt.Fprintf(&b, "\n%s went back to it.\n", markdownText(r.By))
	}
	for i := len(r.Before) - 1; i >= max(0, len(r.Before)-10); i-- {
		fmt.Fprintf(&b, "\n- until %s: %s, `%s`", ordercheck.Moment(r.Before[i].Until), markdownText(r.Before[i].Name), r.Before[i].Digest)
	}
	workflow.SetCurrentDetails(ctx, b.String())
	if err := workflow.UpsertMemo(ctx, map[string]any{ordercheck.MemoInForce: r.InForce}); err != nil {
		return fmt.Errorf("show the rule set in force: %w", err)
	}
	return nil
}

// recheck has the open orders checked with the set in force. If another takes over meanwhile, it
// gives up, and the loop begins again with that one.
func (r *rulesInForce) recheck(ctx workflow.Context) error {
	since := r.Since
	changed := func() bool { return !r.Since.Equal(since) }
	recheckCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	timer := workflow.NewTimerWithOptions(recheckCtx, rulesSettle, workflow.TimerOptions{Summary: "wait until every worker knows the rule set in force"})
	if err := workflow.Await(ctx, func() bool { return timer.IsReady() || changed() }); err != nil {
		return err
	}
	if changed() {
		return nil
	}
	recheck := recheckOrders.start(recheckCtx, ordercheck.RecheckOrders{RuleSet: r.RuleSet})
	if err := workflow.Await(ctx, func() bool { return recheck.future.IsReady() || changed() }); err != nil {
		return err
	}
	if changed() {
		return nil
	}
	rechecked, err := recheck.get(ctx)
	if err != nil {
		workflow.GetLogger(ctx).Error("not every open order could be asked to check itself with the rule set in force; it is tried again", "error", err)
		return nil // after the wait
	}
	workflow.GetLogger(ctx).Info("the open orders were asked to check themselves with the rule set in force", "orders", rechecked.Orders, "ruleSet", r.Name, "digest", r.Digest)
	r.Unsent = false
	return r.publish(ctx)
}
