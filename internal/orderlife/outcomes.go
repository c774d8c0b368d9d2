package orderlife

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"error-check-gate/internal/ordercheck"
)

// An error is open from the check that finds it until it is gone or overridden. It then gets one
// outcome. If it opens again, for example because its override ends, it will get another one.

// maxOutcomes limits the waiting outcomes that differ only in their time.
const maxOutcomes = 500

// Outcomes holds the outcomes of errors that are not recorded yet.
type Outcomes struct {
	// Waiting are in no batch yet.
	Waiting []ordercheck.RuleOutcome `json:"waiting,omitempty"`
	// Sending is the batch in flight, if any. It doesn't change until it is recorded or given up.
	Sending *ordercheck.OrderOutcomes `json:"sending,omitempty"`
	// Batches counts all batches, so that no two share a key.
	Batches int `json:"batches,omitempty"`
}

// IsZero reports whether there never was an outcome.
func (o Outcomes) IsZero() bool { return len(o.Waiting) == 0 && o.Sending == nil && o.Batches == 0 }

// OutcomesWaiting reports whether outcomes are not recorded yet. The run stays open until they are.
func (s *State) OutcomesWaiting() bool {
	return len(s.Outcomes.Waiting) > 0 || s.Outcomes.Sending != nil
}

// BeginOutcomes returns the outcomes to record. fresh is false if an earlier run began to record
// them. Call EndOutcomes when they are recorded.
func (s *State) BeginOutcomes(now time.Time) (batch *ordercheck.OrderOutcomes, fresh bool) {
	o := &s.Outcomes
	if o.Sending != nil {
		return o.Sending, false
	}
	o.Batches++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%s", s.Report.SalesOrderID, o.Batches,
		now.UTC().Format(time.RFC3339Nano)))
	o.Sending = &ordercheck.OrderOutcomes{
		Key: hex.EncodeToString(sum[:10]), At: now.UTC(), Outcomes: o.Waiting,
	}
	o.Waiting = nil
	return o.Sending, true
}

// EndOutcomes forgets the batch in flight, which was recorded or given up.
func (s *State) EndOutcomes() { s.Outcomes.Sending = nil }

// openErrors returns copies of the open errors.
func (s *State) openErrors() []ordercheck.Finding {
	if !s.Settings.RecordOutcomes || s.Abandoned {
		return nil
	}
	errors := s.errors(ordercheck.FindingPending, ordercheck.FindingConfirmed)
	open := make([]ordercheck.Finding, len(errors))
	for i, f := range errors {
		open[i] = *f
	}
	return open
}

// noteOutcomes adds the outcomes of the errors that were open before an event and no longer are.
// outcomeOf returns the outcome of each.
//
// If a rule has more errors than the report lists, the report may list others after each check.
// Then noteOutcomes compares only the number of the rule's errors.
func (s *State) noteOutcomes(
	now time.Time, before []ordercheck.Finding, outcomeOf func(*ordercheck.Finding) ordercheck.Outcome,
) {
	if len(before) == 0 {
		return
	}
	after := s.openErrors()
	still := countByRule(pointers(after))
	ended := countByRule(pointers(before)) // of crowded rules, until they are noted
	crowded, open := map[string]bool{}, map[string]bool{}
	for _, list := range [][]ordercheck.Finding{before, after} {
		for i := range list {
			crowded[list[i].RuleID] = crowded[list[i].RuleID] || list[i].Count > 0
		}
	}
	for i := range after {
		open[after[i].ID] = true
	}
	for i := range before {
		f := &before[i]
		n := 1
		switch {
		case crowded[f.RuleID]:
			n = ended[f.RuleID] - still[f.RuleID]
			ended[f.RuleID] = still[f.RuleID]
		case open[f.ID]:
			n = 0
		}
		if n > 0 {
			s.addOutcome(ordercheck.RuleOutcome{
				RuleID: f.RuleID, Outcome: outcomeOf(f), Count: n,
				Seconds: int64(max(now.Sub(f.FirstSeen), 0) / time.Second),
			})
		}
	}
}

// addOutcome adds an outcome to the waiting ones. It merges outcomes that are equal, and above
// maxOutcomes also those that differ only in their time.
func (s *State) addOutcome(o ordercheck.RuleOutcome) {
	waiting := s.Outcomes.Waiting
	same := slices.IndexFunc(waiting, func(w ordercheck.RuleOutcome) bool {
		return w.RuleID == o.RuleID && w.Outcome == o.Outcome &&
			(w.Seconds == o.Seconds || len(waiting) >= maxOutcomes)
	})
	if same < 0 {
		s.Outcomes.Waiting = append(s.Outcomes.Waiting, o)
		return
	}
	waiting[same].Count += o.Count
}

// always returns a function for noteOutcomes, for events that give all errors the same outcome.
func always(outcome ordercheck.Outcome) func(*ordercheck.Finding) ordercheck.Outcome {
	return func(*ordercheck.Finding) ordercheck.Outcome { return outcome }
}

// outcomeOfCheck returns a function for noteOutcomes, after a check. cancelled is true if the order
// is cancelled.
func (s *State) outcomeOfCheck(
	lift lift, cancelled bool,
) func(*ordercheck.Finding) ordercheck.Outcome {
	return func(f *ordercheck.Finding) ordercheck.Outcome {
		var now *ordercheck.Finding // the same finding after the check
		for g := range s.Report.All() {
			if g.ID == f.ID {
				now = g
			}
		}
		isError := now != nil && now.Severity == ordercheck.SeverityError
		switch {
		case isError && s.Abandoned:
			return ordercheck.OutcomeExpired
		case isError && now.State == ordercheck.FindingOverridden:
			return ordercheck.OutcomeOverridden
		case now != nil && !isError: // a warning now
			return ordercheck.OutcomeRulesChanged
		case cancelled:
			return ordercheck.OutcomeOrderGone
		case lift.of(f.RuleID):
			return ordercheck.OutcomeRulesChanged
		case isConfirmed(f):
			return ordercheck.OutcomeFixedAfterNotice
		default:
			return ordercheck.OutcomeFixedInGrace
		}
	}
}

// notEvaluated returns the rules that the latest check could not evaluate, each once.
func (s *State) notEvaluated() []string {
	if !s.Settings.RecordOutcomes {
		return nil
	}
	var ids []string
	for _, e := range s.Report.RuleErrors {
		ids = append(ids, e.RuleID)
	}
	for _, k := range s.Report.Skipped {
		if len(k.Missing) > 0 && !slices.Contains(ids, k.RuleID) {
			ids = append(ids, k.RuleID)
		}
	}
	return ids
}

// noteNotEvaluated adds an outcome for each rule that the latest check could not evaluate and
// that is not in before.
func (s *State) noteNotEvaluated(before []string) {
	for _, id := range s.notEvaluated() {
		if !slices.Contains(before, id) {
			s.addOutcome(ordercheck.RuleOutcome{
				RuleID: id, Outcome: ordercheck.OutcomeNotEvaluated, Count: 1,
			})
		}
	}
}
