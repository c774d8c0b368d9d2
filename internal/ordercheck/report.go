package ordercheck

import (
	"iter"
	"slices"
	"time"
)

// Status is where an order stands; it is also the search attribute [SearchGateStatus].
type Status string

// The statuses of a report.
const (
	StatusChecking   Status = "checking"   // no check has ended yet in this run
	StatusPassed     Status = "passed"     // no findings
	StatusWarning    Status = "warning"    // warnings only
	StatusPending    Status = "pending"    // errors within their grace period
	StatusFailed     Status = "failed"     // confirmed errors
	StatusOverridden Status = "overridden" // a named person answers for every error
	StatusIncomplete Status = "incomplete" // a rule could not be evaluated, or data was missing, and nothing worse was found
	StatusUnchecked  Status = "unchecked"  // the check could not be done; the run failed
)

// Statuses are all of them, in the order in which an order meets them.
func Statuses() []Status {
	return []Status{
		StatusChecking, StatusPassed, StatusWarning, StatusPending, StatusFailed, StatusOverridden, StatusIncomplete, StatusUnchecked,
	}
}

// Severity is how bad a broken rule is.
type Severity string

// The severities of a rule.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Scope is what one finding of a rule is about.
type Scope string

// The scopes of a rule.
const (
	ScopeOrder Scope = "order"
	ScopeLine  Scope = "line"
)

// FindingState is how far a finding has come.
type FindingState string

// The states of a finding.
const (
	FindingPending    FindingState = "pending"    // within its grace period
	FindingConfirmed  FindingState = "confirmed"  // stands
	FindingOverridden FindingState = "overridden" // a named person answers for it
)

// Report is the outcome of the latest check of one order: the answer of
// [QueryReport] and the result of the workflow. Lists are never null.
type Report struct {
	SalesOrderID string    `json:"salesOrderId"`
	OrderNumber  string    `json:"orderNumber"`  // empty before the first fetch
	OrderVersion string    `json:"orderVersion"` // InFlow's timestamp of the order: a rowversion, 16 hex digits
	Customer     string    `json:"customer"`
	Status       Status    `json:"status"`
	CheckedAt    time.Time `json:"checkedAt,omitzero"` // when the latest check ended; zero before the first
	RuleSet      RuleSet   `json:"ruleSet"`
	// Findings are ordered by rule order in the file, then line number. If there are more than
	// [MaxFindings], errors are listed first.
	Findings []Finding `json:"findings"`
	// FindingsOmitted is the number of findings that are not listed, and Omitted counts them by
	// rule. Status and counts include them.
	FindingsOmitted int       `json:"findingsOmitted,omitempty"`
	Omitted         []Finding `json:"omitted,omitempty"`

	Skipped    []Skipped   `json:"skipped"`
	RuleErrors []RuleError `json:"ruleErrors"`
	// Missing lists what InFlow was asked for and left out: names of includes and look-ups. It makes the
	// report incomplete, unless something worse was found.
	Missing []string `json:"missing,omitempty"`
	// Timeline is what happened to the order, oldest first: at most the last 50 things. It is nil for a report
	// that no run made.
	Timeline []TimelineEntry `json:"timeline,omitzero"`
	// Note says what the status does not: that the order was cancelled or
	// deleted, or that the gate has stopped waiting for it.
	Note string `json:"note,omitempty"`
}

// RuleSet identifies the rules that a report was made with.
type RuleSet struct {
	Name   string `json:"name"`
	Digest string `json:"digest"` // "sha256:" and 64 hex digits over everything that decides an evaluation
}

// Finding is one rule broken at one place of one order. Amounts are decimal strings.
type Finding struct {
	// ID is the finding's identity: rule id, line id and, where one place can
	// break a rule twice, a stable discriminator. Never its message or amounts.
	ID         string   `json:"id"`
	RuleID     string   `json:"ruleId"`
	Severity   Severity `json:"severity"`
	Scope      Scope    `json:"scope"`
	LineID     string   `json:"lineId,omitempty"`
	LineNumber int      `json:"lineNumber,omitempty"` // from 1, in the order's own sequence
	Message    string   `json:"message"`
	Expected   string   `json:"expected,omitempty"`
	Actual     string   `json:"actual,omitempty"`
	Fix        string   `json:"fix,omitempty"`

	State     FindingState `json:"state,omitempty"`
	FirstSeen time.Time    `json:"firstSeen,omitzero"`
	ConfirmAt time.Time    `json:"confirmAt,omitzero"`
	Override  *Override    `json:"override,omitempty"`
	// Told is true for a warning that people have been told of, if NOTIFY_WARNINGS is set.
	Told bool `json:"told,omitempty"`

	// Count is set in [Report.Omitted] only: an entry there stands for so many findings of a
	// rule. They have one state and one clock, and its facts are the facts of all of them.
	Count int `json:"count,omitempty"`
	// FactsDigest is [Finding.Facts] if the texts don't tell them: some were cut, or the entry
	// stands for several findings.
	FactsDigest string `json:"facts,omitempty"`
}

// Findings returns how many findings the entry stands for.
func (f *Finding) Findings() int { return max(f.Count, 1) }

// Override is a named person's responsibility for a finding.
type Override struct {
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	Until  time.Time `json:"until"`
}

// Same reports whether other is the same override.
func (o *Override) Same(other Override) bool { return o.equal(&other) }

// equal compares overrides, either of which may be nil.
func (o *Override) equal(other *Override) bool {
	if o == nil || other == nil {
		return o == other
	}
	return o.By == other.By && o.Reason == other.Reason && o.Until.Equal(other.Until)
}

// Skipped is a rule that did not look at the order, or at some of its lines, with the reason.
type Skipped struct {
	RuleID string `json:"ruleId"`
	Reason string `json:"reason"`
	// Missing lists the includes and look-ups that the rule lacked. It is empty for a rule that does not
	// apply, or that the company gave no table or setting for.
	Missing []string `json:"missing,omitempty"`
}

// RuleError is a rule that could not be evaluated. It makes a report
// incomplete, and is never a finding.
type RuleError struct {
	RuleID string `json:"ruleId"`
	Error  string `json:"error"`
}

// Clone is a copy whose findings are its own.
func (r *Report) Clone() Report {
	clone := *r
	clone.Findings, clone.Omitted = slices.Clone(r.Findings), slices.Clone(r.Omitted)
	return clone
}

// All iterates over the findings that are listed, then over the entries for those that are not.
func (r *Report) All() iter.Seq[*Finding] {
	return func(yield func(*Finding) bool) {
		for _, list := range [][]Finding{r.Findings, r.Omitted} {
			for i := range list {
				if !yield(&list[i]) {
					return
				}
			}
		}
	}
}

// Errors counts the findings of severity error, those that are not listed too.
func (r *Report) Errors() int { return r.count(SeverityError) }

// Warnings counts the findings of severity warning, those that are not listed too.
func (r *Report) Warnings() int { return r.count(SeverityWarning) }

func (r *Report) count(severity Severity) int {
	n := 0
	for f := range r.All() {
		if f.Severity == severity {
			n += f.Findings()
		}
	}
	return n
}

// RulesWith returns the ids of the rules with findings of a severity, in report order. It is never
// nil.
func (r *Report) RulesWith(severity Severity) []string {
	ids := []string{}
	for f := range r.All() {
		if f.Severity == severity && !slices.Contains(ids, f.RuleID) {
			ids = append(ids, f.RuleID)
		}
	}
	return ids
}
