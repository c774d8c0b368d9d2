package notify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"error-check-gate/internal/ordercheck"
)

// Notice is the content of a notice about one order.
type Notice struct {
	ordercheck.Notice
	// WorkflowID and RunID identify the order's run, for a link to it.
	WorkflowID string
	RunID      string
	// SalesRepEmail is the address of the order's sales rep. It is looked up when a notice is sent,
	// and never stored in histories. It is empty before the lookup.
	SalesRepEmail string
}

// MaxKey is the maximum length of a notice's key, in bytes.
const MaxKey = 200

// Validate returns an error if the notice cannot be sent. The key is used as a mail header, so it
// must be printable ASCII without spaces, of at most [MaxKey] bytes.
func (n *Notice) Validate() error {
	var errs []error
	switch n.Kind {
	case ordercheck.NoticeFailed, ordercheck.NoticeReminder, ordercheck.NoticeResolved,
		ordercheck.NoticeOverridden, ordercheck.NoticeUnchecked,
		ordercheck.NoticeWarning:
	case ordercheck.NoticeEnded:
		switch n.EndReason {
		case ordercheck.EndExpired, ordercheck.EndCancelled, ordercheck.EndDeleted,
			ordercheck.EndByHand, ordercheck.EndRulesChanged:
		default:
			errs = append(errs, fmt.Errorf("the end reason %q is unknown", n.EndReason))
		}
	default:
		errs = append(errs, fmt.Errorf("the kind %q is unknown", n.Kind))
	}
	switch {
	case n.Key == "":
		errs = append(errs, errors.New("the key is empty"))
	case len(n.Key) > MaxKey:
		errs = append(errs, fmt.Errorf("the key has %d bytes, and at most %d are allowed",
			len(n.Key), MaxKey))
	case strings.ContainsFunc(n.Key, func(r rune) bool { return r <= ' ' || r > '~' }):
		errs = append(errs, errors.New("the key has a space, a control character or a letter "+
			"outside ASCII"))
	}
	if n.Report.SalesOrderID == "" {
		errs = append(errs, errors.New("the sales order id is empty"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("the notice is invalid: %w", err)
	}
	return nil
}

// findings groups a report's findings by what the reader has to do. Each list ends with the entries
// that stand for findings the report does not list.
type findings struct {
	standing   []ordercheck.Finding // errors that hold the order
	pending    []ordercheck.Finding // errors in their grace period
	overridden []ordercheck.Finding
	warnings   []ordercheck.Finding
}

func groupFindings(report *ordercheck.Report) findings {
	var f findings
	for finding := range report.All() {
		switch {
		case finding.State == ordercheck.FindingOverridden:
			f.overridden = append(f.overridden, *finding)
		case finding.Severity == ordercheck.SeverityWarning:
			f.warnings = append(f.warnings, *finding)
		case finding.State == ordercheck.FindingPending:
			f.pending = append(f.pending, *finding)
		default:
			f.standing = append(f.standing, *finding)
		}
	}
	return f
}

// overriddenErrors returns the number of overridden errors, including unlisted ones.
func (f *findings) overriddenErrors() int {
	n := 0
	for i := range f.overridden {
		if f.overridden[i].Severity == ordercheck.SeverityError {
			n += f.overridden[i].Findings()
		}
	}
	return n
}

// countFindings counts findings, including unlisted ones.
func countFindings(findings []ordercheck.Finding) int {
	n := 0
	for i := range findings {
		n += findings[i].Findings()
	}
	return n
}

// firstListed returns the first listed findings, at most limit, and the number of all others.
func firstListed(findings []ordercheck.Finding, limit int) (shown []ordercheck.Finding, more int) {
	listed := len(findings)
	if i := slices.IndexFunc(findings, func(f ordercheck.Finding) bool {
		return f.Count > 0
	}); i >= 0 {
		listed = i
	}
	shown = findings[:min(listed, limit)]
	return shown, countFindings(findings) - len(shown)
}

// since returns when the oldest of the findings was first seen, or zero if none has a time.
func since(findings []ordercheck.Finding) time.Time {
	var first time.Time
	for i := range findings {
		if seen := findings[i].FirstSeen; !seen.IsZero() && (first.IsZero() || seen.Before(first)) {
			first = seen
		}
	}
	return first
}
