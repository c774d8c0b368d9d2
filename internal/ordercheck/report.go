package ordercheck

import (
	"iter"
	"slices"
	"time"
)

// Status is the status of an order. It is also the search attribute [SearchGateStatus].
type Status string

// The statuses of a report.
const (
	StatusChecking   Status = "checking"   // the run's first check has not finished
	StatusPassed     Status = "passed"     // no findings
	StatusWarning    Status = "warning"    // warnings only
	StatusPending    Status = "pending"    // errors within their grace period
	StatusFailed     Status = "failed"     // confirmed errors
	StatusOverridden Status = "overridden" // somebody has taken responsibility for every error
	StatusIncomplete Status = "incomplete" // a rule failed or lacked data, and nothing worse was found
	StatusUnchecked  Status = "unchecked"  // the check could not be done; the run failed
)

// Statuses returns all statuses, in the order in which an order meets them.
func Statuses() []Status {
	return []Status{
		StatusChecking, StatusPassed, StatusWarning, StatusPending, StatusFailed, StatusOverridden,
		StatusIncomplete, StatusUnchecked,
	}
}

// Severity is the severity of a rule.
type Severity string

// The severities of a rule.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Scope says whether a finding is about the order or one of its lines.
type Scope string

// The scopes of a rule.
const (
	ScopeOrder Scope = "order"
	ScopeLine  Scope = "line"
)

// FindingState is the state of a finding.
type FindingState string

// The states of a finding.
const (
	FindingPending    FindingState = "pending"    // within its grace period
	FindingConfirmed  FindingState = "confirmed"  // its grace period is over
	FindingOverridden FindingState = "overridden" // a named person has taken responsibility for it
)

// Report is the outcome of the latest check of an order: the answer to [QueryReport] and the result
// of the workflow. Lists are never null.
type Report struct {
	SalesOrderID string    `json:"salesOrderId"`
	OrderNumber  string    `json:"orderNumber"`  // empty before the first fetch
	OrderVersion string    `json:"orderVersion"` // InFlow's rowversion of the order, 16 hex digits
	Customer     string    `json:"customer"`
	Status       Status    `json:"status"`
	CheckedAt    time.Time `json:"checkedAt,omitzero"` // end of the latest check; zero if none
	RuleSet      RuleSet   `json:"ruleSet"`
	// Findings are ordered by rule order in the file, then line number. If there are more than
	// [MaxFindings], errors are listed first.
	Findings []Finding `json:"findings"`
	// FindingsOmitted is the number of unlisted findings. Omitted counts them by rule. Status and
	// counts include them.
	FindingsOmitted int       `json:"findingsOmitted,omitempty"`
	Omitted         []Finding `json:"omitted,omitempty"`

	Skipped    []Skipped   `json:"skipped"`
	RuleErrors []RuleError `json:"ruleErrors"`
	// Missing lists the includes and look-ups that InFlow left out. They make the report incomplete,
	// unless something worse was found.
	Missing []string `json:"missing,omitempty"`
	// Timeline lists the last 50 events of the order, oldest first. It is nil in a report that
	// was made without a run.
	Timeline []TimelineEntry `json:"timeline,omitzero"`
	// Note explains the status: the order was cancelled or deleted, or the gate no longer watches
	// it. It is empty otherwise.
	Note string `json:"note,omitempty"`
}

// RuleSet identifies the rules that a report was made with.
type RuleSet struct {
	Name string `json:"name"`
	// Digest is "sha256:" and the hash, as 64 hex digits, of everything that decides an
	// evaluation.
	Digest string `json:"digest"`
}

// Finding is one rule broken at one place of one order. Amounts are decimal strings.
type Finding struct {
	// ID identifies the finding: rule id, line id, and a stable discriminator if one place can break a
	// rule twice. Message and amounts are not part of it.
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
	// Notified is true for a warning that people know of, if NOTIFY_WARNINGS is set.
	Notified bool `json:"told,omitempty"`

	// Count is only set in [Report.Omitted]: the number of findings of a rule that the entry stands
	// for. They share one state, one first-seen time and one digest of facts.
	Count int `json:"count,omitempty"`
	// FactsDigest is [Finding.Facts] if it cannot be computed from the texts: some were cut, or the
	// entry stands for several findings.
	FactsDigest string `json:"facts,omitempty"`
}

// Findings returns the number of findings that the entry stands for.
func (f *Finding) Findings() int { return max(f.Count, 1) }

// Override is a named person's responsibility for a finding.
type Override struct {
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	Until  time.Time `json:"until"`
}

// Same reports whether other is the same override.
func (o *Override) Same(other Override) bool { return o.equal(&other) }

// equal compares overrides. Either may be nil.
func (o *Override) equal(other *Override) bool {
	if o == nil || other == nil {
		return o == other
	}
	return o.By == other.By && o.Reason == other.Reason && o.Until.Equal(other.Until)
}

// Skipped is a rule that was not evaluated on the order, or on some of its lines.
type Skipped struct {
	RuleID string `json:"ruleId"`
	Reason string `json:"reason"`
	// Missing lists the includes and look-ups that the rule lacked. It is empty if the rule doesn't
	// apply, or if the company has no table or setting for it.
	Missing []string `json:"missing,omitempty"`
}

// RuleError is a rule that could not be evaluated. It makes a report incomplete, and is never a
// finding.
type RuleError struct {
	RuleID string `json:"ruleId"`
	Error  string `json:"error"`
}

// Clone returns a copy with its own lists of findings.
func (r *Report) Clone() Report {
	clone := *r
	clone.Findings, clone.Omitted = slices.Clone(r.Findings), slices.Clone(r.Omitted)
	return clone
}

// All iterates over the listed findings, then over the entries for unlisted ones.
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

// Errors counts the findings of severity error, listed or not.
func (r *Report) Errors() int { return r.count(SeverityError) }

// Warnings counts the findings of severity warning, listed or not.
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
