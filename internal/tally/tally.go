// Package tally counts the outcomes of errors by rule and day. It reads no clock and does no
// I/O. The workflow [ordercheck.OutcomesWorkflowType] drives it.
package tally

import (
	"slices"
	"time"

	"error-check-gate/internal/ordercheck"
)

const (
	// maxRules is the maximum number of rules with their own counts. Further rules share
	// [ordercheck.OtherRules]. Together with maxRecent, this limits the state to about 1 MiB,
	// half the maximum of a payload.
	maxRules = 200
	// maxRecent is the number of latest keys that a tally always remembers. Temporal retries an
	// activity within minutes, so the key of a repeated batch is among them.
	maxRecent = 5000
)

// Tally holds the counts. It travels as JSON to the next run.
type Tally struct {
	// Since is when counting began.
	Since time.Time `json:"since"`
	Rules []Rule    `json:"rules,omitempty"`
	// Recent holds the keys of the latest batches, oldest first.
	Recent []string `json:"recent,omitempty"`

	seen map[string]bool // the keys in Recent; nil until needed
}

// Rule holds the counts of one rule.
type Rule struct {
	ID   string `json:"id"`
	Days []Day  `json:"days"` // oldest first; days without an outcome are left out
}

// Day holds the counts of one day.
type Day struct {
	Number int64 `json:"d"` // days since 1970, in UTC
	ordercheck.OutcomeCounts
}

// dayOf returns the number of a day.
func dayOf(t time.Time) int64 { return t.Unix() / int64(24*time.Hour/time.Second) }

// New returns a tally without counts.
func New(now time.Time) *Tally { return &Tally{Since: now.UTC()} }

// Count counts outcomes of one order. It ignores outcomes that it has counted before or that
// are too old.
func (t *Tally) Count(now time.Time, o *ordercheck.OrderOutcomes) {
	if !t.remember(o.Key) {
		return
	}
	today := dayOf(now)
	day := min(dayOf(o.At), today) // clocks may differ
	if day <= today-ordercheck.MaxOutcomeDays {
		return
	}
	for i := range o.Outcomes {
		t.counts(o.Outcomes[i].RuleID, day).Count(&o.Outcomes[i])
	}
}

// remember adds a key. It returns false if the tally remembers the key already.
func (t *Tally) remember(key string) bool {
	if t.seen == nil {
		t.seen = make(map[string]bool, len(t.Recent))
		for _, k := range t.Recent {
			t.seen[k] = true
		}
	}
	if t.seen[key] {
		return false
	}
	if len(t.Recent) == 2*maxRecent {
		for _, k := range t.Recent[:maxRecent] {
			delete(t.seen, k)
		}
		t.Recent = slices.Clone(t.Recent[maxRecent:])
	}
	t.Recent, t.seen[key] = append(t.Recent, key), true
	return true
}

// counts returns the counts of a rule on a day. It adds them if they are missing.
func (t *Tally) counts(ruleID string, day int64) *ordercheck.OutcomeCounts {
	rule := t.rule(ruleID)
	i, found := slices.BinarySearchFunc(rule.Days, day,
		func(d Day, day int64) int { return int(d.Number - day) })
	if !found {
		rule.Days = slices.Insert(rule.Days, i, Day{Number: day})
	}
	return &rule.Days[i].OutcomeCounts
}

func (t *Tally) rule(id string) *Rule {
	named := func(id string) int {
		return slices.IndexFunc(t.Rules, func(r Rule) bool { return r.ID == id })
	}
	i := named(id)
	if i < 0 && len(t.Rules) >= maxRules {
		id = ordercheck.OtherRules
		i = named(id)
	}
	if i < 0 {
		i = len(t.Rules)
		t.Rules = append(t.Rules, Rule{ID: id})
	}
	return &t.Rules[i]
}

// Forget removes days that are [ordercheck.MaxOutcomeDays] old or older, and rules without days.
func (t *Tally) Forget(now time.Time) {
	old := func(d Day) bool { return d.Number <= dayOf(now)-ordercheck.MaxOutcomeDays }
	for i := range t.Rules {
		t.Rules[i].Days = slices.DeleteFunc(t.Rules[i].Days, old)
	}
	t.Rules = slices.DeleteFunc(t.Rules, func(r Rule) bool { return len(r.Days) == 0 })
}

// Empty reports whether the tally has no counts.
func (t *Tally) Empty() bool { return len(t.Rules) == 0 }

// From returns the sum of each rule's counts from the day of from on.
func (t *Tally) From(from time.Time) ordercheck.RuleOutcomes {
	sums := ordercheck.RuleOutcomes{Since: t.Since, Rules: []ordercheck.RuleCounter{}}
	for i := range t.Rules {
		sum := ordercheck.RuleCounter{RuleID: t.Rules[i].ID}
		counted := false
		for j := range t.Rules[i].Days {
			if d := &t.Rules[i].Days[j]; d.Number >= dayOf(from) {
				sum.Add(&d.OutcomeCounts)
				counted = true
			}
		}
		if counted {
			sums.Rules = append(sums.Rules, sum)
		}
	}
	return sums
}
