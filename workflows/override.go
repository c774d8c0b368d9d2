package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// validateOverride refuses a request before it becomes part of the history.
func (o *salesOrder) validateOverride(ctx workflow.Context, request ordercheck.OverrideRequest) error {
	var faults []error
	if strings.TrimSpace(request.By) == "" {
		faults = append(faults, errors.New(`"by" is missing: say who takes responsibility`))
	}
	if strings.TrimSpace(request.Reason) == "" {
		faults = append(faults, errors.New(`"reason" is missing: say why`))
	}
	switch {
	case request.Until.IsZero():
		faults = append(faults, errors.New(`"until" is missing: say when the override ends, as in 2026-12-31T00:00:00Z`))
	case !workflow.Now(ctx).Before(request.Until):
		faults = append(faults, errors.New(`"until" is in the past`))
	}
	if len(request.Findings) == 0 {
		faults = append(faults, errors.New(`"findings" is missing: give ids of findings, or ["all"]`))
	}
	for _, id := range request.Findings {
		if id == ordercheck.AllFindings {
			if len(o.overridable()) == 0 {
				faults = append(faults, errors.New("the order has no error that could be overridden"))
			}
			continue
		}
		f := o.finding(id)
		switch {
		case f == nil:
			faults = append(faults, fmt.Errorf("the order has no finding %q; its report lists those it has", id))
		case f.Severity != ordercheck.SeverityError:
			faults = append(faults, fmt.Errorf("finding %q is a warning, which holds nothing", id))
		case o.termsOf(f.RuleID).NotOverridable:
			faults = append(faults, fmt.Errorf("rule %q cannot be overridden: the order is to be put right", f.RuleID))
		}
	}
	return errors.Join(faults...)
}

// override is the update [ordercheck.UpdateOverride]: from now on a person answers for the findings.
func (o *salesOrder) override(ctx workflow.Context, request ordercheck.OverrideRequest) (*ordercheck.Report, error) {
	for _, f := range o.overridable() {
		if slices.Contains(request.Findings, ordercheck.AllFindings) || slices.Contains(request.Findings, f.ID) {
			f.State = ordercheck.FindingOverridden
			f.Override = &ordercheck.Override{By: request.By, Reason: request.Reason, Until: request.Until}
		}
	}
	switch {
	case o.checks < o.fetches: // the check under way concludes by itself
	case o.outcome != nil:
		o.dueNow = true
		o.owe(ordercheck.PriorityPerson) // an override rests on a check that could be done
	default:
		o.report.Status = statusOf(&o.report)
		o.conclude(ctx)
	}
	o.changed = true
	if err := o.publish(ctx); err != nil {
		return nil, err
	}
	report := o.report
	return &report, nil
}

// overridable are the errors that somebody may answer for.
func (o *salesOrder) overridable() []*ordercheck.Finding {
	var found []*ordercheck.Finding
	for i := range o.report.Findings {
		f := &o.report.Findings[i]
		if f.Severity == ordercheck.SeverityError && !o.termsOf(f.RuleID).NotOverridable {
			found = append(found, f)
		}
	}
	return found
}

func (o *salesOrder) finding(id string) *ordercheck.Finding {
	for i := range o.report.Findings {
		if o.report.Findings[i].ID == id {
			return &o.report.Findings[i]
		}
	}
	return nil
}

// recall asks, once in a chain of runs, what somebody answered for in the order's last run: it
// completed when everything was overridden, and a later delivery must not ask for the same
// responsibility again. It matters if the rules found an error, or may have missed one.
func (o *salesOrder) recall(ctx workflow.Context, checked *ordercheck.CheckedOrder) (*ordercheck.RecalledRun, error) {
	isError := func(f ordercheck.Finding) bool { return f.Severity == ordercheck.SeverityError }
	if !o.settings.Hold || o.hold.Recalled || len(checked.RuleErrors) == 0 && !slices.ContainsFunc(checked.Findings, isError) {
		return nil, nil
	}
	var recalled ordercheck.RecalledRun
	err := workflow.ExecuteActivity(recallOptions(ctx), ordercheck.ActivityRecallRun,
		ordercheck.RecallRunInput{SalesOrderID: o.id}).Get(ctx, &recalled)
	return &recalled, err
}
