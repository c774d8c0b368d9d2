package orderlife

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"error-check-gate/internal/ordercheck"
)

// ValidateOverride returns everything that is wrong with a request.
func (s *State) ValidateOverride(now time.Time, request ordercheck.OverrideRequest) error {
	faults := request.Faults(now)
	faults = append(faults, s.findingFaults(request.Findings)...)
	if len(faults) == 0 {
		if err := s.fits(now, request); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// maxFindingFaults limits the faults that findingFaults returns.
const maxFindingFaults = 10

func (s *State) findingFaults(ids []string) []error {
	var faults []error
	for i, id := range ids {
		if len(faults) == maxFindingFaults {
			return append(faults, fmt.Errorf("%d more findings were not validated", len(ids)-i))
		}
		if err := s.findingFault(id); err != nil {
			faults = append(faults, err)
		}
	}
	return faults
}

func (s *State) findingFault(id string) error {
	if id == ordercheck.AllFindings {
		if len(s.overridable()) == 0 {
			return errors.New("the order has no error that could be overridden")
		}
		return nil
	}
	i := slices.IndexFunc(s.Report.Findings, func(f ordercheck.Finding) bool { return f.ID == id })
	name := ordercheck.Cut(id, maxErrorText)
	if i < 0 {
		return fmt.Errorf("the order has no finding %q; its report lists its findings", name)
	}
	switch f := &s.Report.Findings[i]; {
	case f.Severity != ordercheck.SeverityError:
		return fmt.Errorf("finding %q is a warning, and only errors can be overridden", name)
	case s.terms(f.RuleID).NotOverridable:
		return fmt.Errorf("rule %q cannot be overridden: correct the order", f.RuleID)
	}
	return nil
}

// fits returns an error if the report has no room for the override's text.
func (s *State) fits(now time.Time, request ordercheck.OverrideRequest) error {
	covered := s.covered(request)
	var others []*ordercheck.Override
	for f := range s.Report.All() {
		if f.Override != nil && !slices.Contains(covered, f) {
			others = append(others, f.Override)
		}
	}
	return request.Override(now).FitsReport(len(covered), others)
}

// covered returns the errors that a request covers. A request for "all" covers unlisted findings
// too. A request with ids doesn't, because the person hasn't seen the unlisted ones.
func (s *State) covered(request ordercheck.OverrideRequest) []*ordercheck.Finding {
	all := slices.Contains(request.Findings, ordercheck.AllFindings)
	return slices.DeleteFunc(s.overridable(), func(f *ordercheck.Finding) bool {
		return !all && (f.Count > 0 || !slices.Contains(request.Findings, f.ID))
	})
}

// Override applies a valid request: from now on, the person takes responsibility for the
// findings.
func (s *State) Override(now time.Time, request ordercheck.OverrideRequest) {
	override := request.Override(now)
	covered, open := s.covered(request), s.openErrors()
	for _, f := range covered {
		f.State, f.Override = ordercheck.FindingOverridden, override
	}
	s.OverriddenAt = now
	s.noteOverride(now, override, covered)
	s.noteOutcomes(now, open, always(ordercheck.OutcomeOverridden))
	if s.Failure != nil && s.InFlight == nil {
		s.Asked() // the latest check could not be done, so check again before anybody is notified
		return
	}
	// During a check the report is still the previous one. Only its status changes now, and the
	// check in flight decides about notices.
	if s.Report.Status != ordercheck.StatusUnchecked && s.Report.Status != ordercheck.StatusChecking {
		s.Report.Status = s.status()
	}
	if s.InFlight == nil {
		s.conclude(now, conclusion{})
	}
}

// overridable returns the errors that may be overridden.
func (s *State) overridable() []*ordercheck.Finding {
	return slices.DeleteFunc(s.errors(), func(f *ordercheck.Finding) bool {
		// An entry for several rules may include one that is not overridable.
		return s.terms(f.RuleID).NotOverridable || f.RuleID == ordercheck.OtherRules
	})
}
