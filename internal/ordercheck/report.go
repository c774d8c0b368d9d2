package ordercheck

import (
	"slices"
	"strconv"
	"strings"
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
	// Findings are ordered by rule order in the file, then line number.
	Findings   []Finding   `json:"findings"`
	Skipped    []Skipped   `json:"skipped"`
	RuleErrors []RuleError `json:"ruleErrors"`
	// Missing lists what InFlow was asked for and left out: names of includes and look-ups. It makes the
	// report incomplete, unless something worse was found.
	Missing []string `json:"missing,omitempty"`
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
}

// Override is a named person's responsibility for a finding.
type Override struct {
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	Until  time.Time `json:"until"`
}

// Facts are what a finding says of the order, whatever its line's position: an
// override covers these facts and no others.
func (f *Finding) Facts() string {
	if f.Expected != "" || f.Actual != "" {
		return f.Expected + "\x00" + f.Actual
	}
	line := strconv.Itoa(f.LineNumber)
	position := strings.NewReplacer("line "+line, "line", "Line "+line, "Line")
	return position.Replace(f.Message) + "\x00" + position.Replace(f.Fix)
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
	clone.Findings = slices.Clone(r.Findings)
	return clone
}

// Errors counts the findings of severity error.
func (r *Report) Errors() int { return r.count(SeverityError) }

// Warnings counts the findings of severity warning.
func (r *Report) Warnings() int { return r.count(SeverityWarning) }

func (r *Report) count(severity Severity) int {
	n := 0
	for i := range r.Findings {
		if r.Findings[i].Severity == severity {
			n++
		}
	}
	return n
}
