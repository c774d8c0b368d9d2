package ordercheck

import "time"

// Names of the workflow that counts the outcomes of errors.
const (
	// OutcomesWorkflowType counts the outcomes of the errors of all orders, by rule and day. A
	// namespace has one run, with the id [OutcomesWorkflowID].
	OutcomesWorkflowType = "RuleOutcomes"
	OutcomesWorkflowID   = "rule-outcomes"
	// SignalOutcomes carries a list of [OrderOutcomes].
	SignalOutcomes = "outcomes"
	// QueryOutcomes takes a time, and answers with the [RuleOutcomes] of that day, in UTC, and the days
	// after it.
	QueryOutcomes = "outcomes"
	// ActivityRecordOutcomes takes [OrderOutcomes]; on [TaskQueue].
	ActivityRecordOutcomes = "RecordOutcomes"

	// MaxOutcomeDays is the number of days that are counted, including today.
	MaxOutcomeDays = 31
)

// Outcome says how an error ended, or that a rule could not be evaluated.
type Outcome string

// The outcomes.
const (
	// OutcomeFixedInGrace means that the error was gone before its grace period ended, so nobody
	// was notified.
	OutcomeFixedInGrace Outcome = "fixed-in-grace"
	// OutcomeFixedAfterNotice means that the error was fixed after people were notified of it.
	OutcomeFixedAfterNotice Outcome = "fixed-after-notice"
	// OutcomeOverridden means that somebody took responsibility. If the error is still there when
	// the override ends, it will have a second outcome.
	OutcomeOverridden Outcome = "overridden"
	// OutcomeExpired means that the order was held for the longest time allowed.
	OutcomeExpired Outcome = "expired"
	// OutcomeOrderGone means that the order was cancelled or deleted in InFlow.
	OutcomeOrderGone Outcome = "order-gone"
	// OutcomeRulesChanged means that the error is gone, or is a warning now, because the rules
	// changed.
	OutcomeRulesChanged Outcome = "rules-changed"
	// OutcomeEndedByHand means that an operator cancelled the order's run.
	OutcomeEndedByHand Outcome = "ended-by-hand"
	// OutcomeNotEvaluated is not about an error: it means that the rule failed or lacked data. It
	// counts once until a check of the order can evaluate the rule.
	OutcomeNotEvaluated Outcome = "not-evaluated"
)

// ErrorOutcomes returns the outcomes that an error can have.
func ErrorOutcomes() []Outcome {
	return []Outcome{
		OutcomeFixedInGrace, OutcomeFixedAfterNotice, OutcomeOverridden, OutcomeExpired,
		OutcomeOrderGone, OutcomeRulesChanged, OutcomeEndedByHand,
	}
}

// Fixed reports whether somebody corrected the order.
func (o Outcome) Fixed() bool {
	return o == OutcomeFixedInGrace || o == OutcomeFixedAfterNotice
}

// RuleOutcome counts errors of a rule that had the same outcome after the same time.
type RuleOutcome struct {
	RuleID  string  `json:"ruleId"`
	Outcome Outcome `json:"outcome"`
	Count   int     `json:"count"`
	// Seconds is the time from when the error was first seen to its outcome.
	Seconds int64 `json:"seconds,omitempty"`
}

// OrderOutcomes are outcomes of one order that are recorded together.
type OrderOutcomes struct {
	// Key is the same in all attempts to record the outcomes. No two OrderOutcomes share a key.
	Key      string        `json:"key"`
	At       time.Time     `json:"at"`
	Outcomes []RuleOutcome `json:"outcomes"`
}

// RuleOutcomes is the answer to [QueryOutcomes].
type RuleOutcomes struct {
	// Since is when counting began; zero if it has not.
	Since time.Time     `json:"since,omitzero"`
	Rules []RuleCounter `json:"rules"`
}

// RuleCounter counts the outcomes of one rule.
type RuleCounter struct {
	RuleID string `json:"ruleId"`
	OutcomeCounts
}

// OutcomeCounts counts errors by outcome. The names in JSON are short because a run keeps one value
// for each rule and day.
type OutcomeCounts struct {
	FixedInGrace     int `json:"inGrace,omitempty"`
	FixedAfterNotice int `json:"told,omitempty"`
	Overridden       int `json:"overridden,omitempty"`
	Expired          int `json:"expired,omitempty"`
	OrderGone        int `json:"gone,omitempty"`
	RulesChanged     int `json:"rules,omitempty"`
	EndedByHand      int `json:"byHand,omitempty"`
	NotEvaluated     int `json:"failed,omitempty"`
	// FixSeconds is the sum of the times, in seconds, after which errors were fixed.
	FixSeconds int64 `json:"fixSeconds,omitempty"`
}

// Fixed returns the number of errors that somebody corrected.
func (c *OutcomeCounts) Fixed() int { return c.FixedInGrace + c.FixedAfterNotice }

// TimeToFix returns the average time after which an error was fixed; zero if none was.
func (c *OutcomeCounts) TimeToFix() time.Duration {
	if c.Fixed() == 0 {
		return 0
	}
	return time.Duration(c.FixSeconds/int64(c.Fixed())) * time.Second
}

// Count counts an outcome. It ignores outcomes that only a later version of the gate knows.
func (c *OutcomeCounts) Count(o *RuleOutcome) {
	if o.Outcome.Fixed() {
		c.FixSeconds += int64(o.Count) * o.Seconds
	}
	switch o.Outcome {
	case OutcomeFixedInGrace:
		c.FixedInGrace += o.Count
	case OutcomeFixedAfterNotice:
		c.FixedAfterNotice += o.Count
	case OutcomeOverridden:
		c.Overridden += o.Count
	case OutcomeExpired:
		c.Expired += o.Count
	case OutcomeOrderGone:
		c.OrderGone += o.Count
	case OutcomeRulesChanged:
		c.RulesChanged += o.Count
	case OutcomeEndedByHand:
		c.EndedByHand += o.Count
	case OutcomeNotEvaluated:
		c.NotEvaluated += o.Count
	}
}

// Add adds other counts.
func (c *OutcomeCounts) Add(d *OutcomeCounts) {
	c.FixedInGrace += d.FixedInGrace
	c.FixedAfterNotice += d.FixedAfterNotice
	c.Overridden += d.Overridden
	c.Expired += d.Expired
	c.OrderGone += d.OrderGone
	c.RulesChanged += d.RulesChanged
	c.EndedByHand += d.EndedByHand
	c.NotEvaluated += d.NotEvaluated
	c.FixSeconds += d.FixSeconds
}
