package workflows

import (
	"errors"
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// validateOverride refuses a request before it becomes part of the history.
func (o *salesOrder) validateOverride(ctx workflow.Context, request ordercheck.OverrideRequest) error {
	faults := request.Faults(workflow.Now(ctx))
	faults = append(faults, o.findingFaults(request.Findings)...)
	if len(faults) == 0 {
		if err := o.fits(ctx, request); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// maxFindingFaults bounds the faults of findings that are told at once.
const maxFindingFaults = 10

func (o *salesOrder) findingFaults(ids []string) []error {
	var faults []error
	for i, id := range ids {
		if len(faults) == maxFindingFaults {
			return append(faults, fmt.Errorf("%d more findings were not looked at", len(ids)-i))
		}
		if id == ordercheck.AllFindings {
			if len(o.overridable()) == 0 {
				faults = append(faults, errors.New("the order has no error that could be overridden"))
			}
			continue
		}
		f, name := o.finding(id), ordercheck.Cut(id, maxErrorText)
		switch {
		case f == nil:
			faults = append(faults, fmt.Errorf("the order has no finding %q; its report lists those it has", name))
		case f.Severity != ordercheck.SeverityError:
			faults = append(faults, fmt.Errorf("finding %q is a warning, which holds nothing", name))
		case o.termsOf(f.RuleID).NotOverridable:
			faults = append(faults, fmt.Errorf("rule %q cannot be overridden: the order is to be put right", f.RuleID))
		}
	}
	return faults
}

// fits says whether the report can take the override's text.
func (o *salesOrder) fits(ctx workflow.Context, request ordercheck.OverrideRequest) error {
	covered := o.covered(request)
	var others []*ordercheck.Override
	for f := range o.report.All() {
		if f.Override != nil && !slices.Contains(covered, f) {
			others = append(others, f.Override)
		}
	}
	return request.Override(workflow.Now(ctx)).FitsReport(len(covered), others)
}

// covered returns the errors that a request asks for. "all" are also those that the report does not list; a
// person who names ids has seen what these say.
func (o *salesOrder) covered(request ordercheck.OverrideRequest) []*ordercheck.Finding {
	all := slices.Contains(request.Findings, ordercheck.AllFindings)
	return slices.DeleteFunc(o.overridable(), func(f *ordercheck.Finding) bool {
		return !all && (f.Count > 0 || !slices.Contains(request.Findings, f.ID))
	})
}

// override is the update [ordercheck.UpdateOverride]: from now on a person answers for the findings.
func (o *salesOrder) override(ctx workflow.Context, request ordercheck.OverrideRequest) (*ordercheck.Report, error) {
	override := request.Override(workflow.Now(ctx))
	covered := o.covered(request)
	for _, f := range covered {
		f.State, f.Override = ordercheck.FindingOverridden, override
	}
	o.hold.OverriddenAt = workflow.Now(ctx)
	o.noteOverride(ctx, override, covered)
	switch {
	case o.checks < o.fetches:
		// The check under way concludes by itself. Until then the report is of the check before:
		// its status says what its findings have become, if that check could be done.
		if o.report.Status != ordercheck.StatusUnchecked {
			o.report.Status = statusOf(&o.report)
		}
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
	for f := range o.report.All() {
		// Some of several rules together may have to be put right.
		if f.Severity == ordercheck.SeverityError && !o.termsOf(f.RuleID).NotOverridable && f.RuleID != ordercheck.OtherRules {
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

// recall asks, once in a chain of runs, what somebody answered for in the order's last run, if that has
// ended: by an operator's cancellation, say. A later delivery must not ask for the same responsibility
// again. It matters if the rules found an error, or may have missed one.
func (o *salesOrder) recall(ctx workflow.Context, checked *ordercheck.CheckedOrder) (*ordercheck.RecalledRun, error) {
	matters := func(f ordercheck.Finding) bool {
		return f.Severity == ordercheck.SeverityError || o.settings.NotifyWarnings // of which warnings people know
	}
	if o.hold.Recalled || len(checked.RuleErrors) == 0 && !slices.ContainsFunc(checked.Findings, matters) {
		return nil, nil
	}
	var recalled ordercheck.RecalledRun
	err := workflow.ExecuteActivity(recallOptions(ctx), ordercheck.ActivityRecallRun,
		ordercheck.RecallRunInput{SalesOrderID: o.id}).Get(ctx, &recalled)
	return &recalled, err
}
