package notify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"error-check-gate/internal/ordercheck"
)

// Notice is everything that a notice says.
type Notice struct {
	ordercheck.Notice
	// WorkflowID and RunID are those of the order's run, for a link to it.
	WorkflowID string
	RunID      string
	// SalesRepEmail is the address of the order's sales rep. It is looked up to send a notice, and
	// stays out of histories. Empty if nobody has looked.
	SalesRepEmail string
}

// MaxKey is the longest key of a notice, in bytes.
const MaxKey = 200

// Validate says what a notice lacks to be sent. Its key becomes a header: printable ASCII
// without spaces, at most [MaxKey] bytes.
func (n *Notice) Validate() error {
	var errs []error
	switch n.Kind {
	case ordercheck.NoticeFailed, ordercheck.NoticeReminder, ordercheck.NoticeResolved, ordercheck.NoticeOverridden, ordercheck.NoticeUnchecked,
		ordercheck.NoticeWarning:
	case ordercheck.NoticeEnded:
		switch n.EndReason {
		case ordercheck.EndExpired, ordercheck.EndCancelled, ordercheck.EndDeleted, ordercheck.EndByHand, ordercheck.EndRulesChanged:
		default:
			errs = append(errs, fmt.Errorf("the end reason %q is not known", n.EndReason))
		}
	default:
		errs = append(errs, fmt.Errorf("the kind %q is not known", n.Kind))
	}
	switch {
	case n.Key == "":
		errs = append(errs, errors.New("the key is empty"))
	case len(n.Key) > MaxKey:
		errs = append(errs, fmt.Errorf("the key has %d bytes, at most %d are carried", len(n.Key), MaxKey))
	case strings.ContainsFunc(n.Key, func(r rune) bool { return r <= ' ' || r > '~' }):
		errs = append(errs, errors.New("the key has a space, a control character or a letter outside ASCII"))
	}
	if n.Report.SalesOrderID == "" {
		errs = append(errs, errors.New("the sales order id is empty"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("the notice cannot be sent: %w", err)
	}
	return nil
}

// findings of a report, by what a reader has to do about them. Each list ends with the entries
// for those that the report does not list.
type findings struct {
	standing   []ordercheck.Finding // errors that hold the order
	pending    []ordercheck.Finding // errors within their grace period
	overridden []ordercheck.Finding
	warnings   []ordercheck.Finding
}

func sortFindings(report *ordercheck.Report) findings {
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

func (f *findings) overriddenErrors() int {
	n := 0
	for i := range f.overridden {
		if f.overridden[i].Severity == ordercheck.SeverityError {
			n += f.overridden[i].Findings()
		}
	}
	return n
}

// number counts findings, those that are not listed too.
func number(findings []ordercheck.Finding) int {
	n := 0
	for i := range findings {
		n += findings[i].Findings()
	}
	return n
}

// firstListed returns the first findings that are listed, at most limit, and the number of all others.
func firstListed(findings []ordercheck.Finding, limit int) (shown []ordercheck.Finding, more int) {
	listed := len(findings)
	if i := slices.IndexFunc(findings, func(f ordercheck.Finding) bool { return f.Count > 0 }); i >= 0 {
		listed = i
	}
	shown = findings[:min(listed, limit)]
	return shown, number(findings) - len(shown)
}

// since is when the first of some findings was seen; zero where none says.
func since(findings []ordercheck.Finding) time.Time {
	var first time.Time
	for i := range findings {
		if seen := findings[i].FirstSeen; !seen.IsZero() && (first.IsZero() || seen.Before(first)) {
			first = seen
		}
	}
	return first
}

// maxNote is the longest note of a report in a headline, in characters.
const maxNote = 600

// maxName is the longest order number in a subject, in characters.
const maxName = 60

// orderName is what people call the order, on one line.
func (n *Notice) orderName() string { return orderName(n.Report.OrderNumber, n.Report.SalesOrderID) }

func orderName(number, salesOrderID string) string {
	if name := oneLine(number, maxName); name != "" {
		return name
	}
	return oneLine(salesOrderID, maxName)
}

// subject is the notice in one line.
func (n *Notice) subject(location *time.Location) string {
	subject := "[" + strings.ToUpper(string(n.Kind)) + "] " + n.orderName()
	if what := n.what(location); what != "" {
		subject += ": " + what
	}
	// A text that looks like an encoded word is decoded by mail programs.
	return strings.ReplaceAll(subject, "=?", "= ?")
}

// what says in a few words what happened to the order; empty if the kind says it all.
func (n *Notice) what(location *time.Location) string {
	f := sortFindings(&n.Report)
	what := ""
	switch n.Kind {
	case ordercheck.NoticeFailed:
		what = count(number(f.standing), "error")
	case ordercheck.NoticeReminder:
		what = count(number(f.standing), "error")
		if first := since(f.standing); !first.IsZero() {
			what += " since " + first.In(location).Format("2 Jan 2006")
		}
	case ordercheck.NoticeOverridden:
		what = count(f.overriddenErrors(), "error")
	case ordercheck.NoticeEnded:
		what = map[ordercheck.EndReason]string{
			ordercheck.EndExpired: "not fixed in time", ordercheck.EndCancelled: "order cancelled",
			ordercheck.EndDeleted: "order deleted", ordercheck.EndByHand: "ended by hand",
			ordercheck.EndRulesChanged: "rules changed",
		}[n.EndReason]
	case ordercheck.NoticeUnchecked:
		what = "too large to be checked"
	case ordercheck.NoticeWarning:
		what = count(number(f.warnings), "warning")
	case ordercheck.NoticeResolved:
	}
	return what
}

// about returns the findings that the notice is about, and the number of those that it doesn't list.
func (n *Notice) about() (findings []ordercheck.Finding, omitted int) {
	f := sortFindings(&n.Report)
	switch {
	case n.isAboutGone():
		return slices.Concat(n.Resolved, n.Lifted), n.ResolvedOmitted + n.LiftedOmitted
	case n.Kind == ordercheck.NoticeOverridden:
		return f.overridden, 0
	case n.Kind == ordercheck.NoticeWarning:
		return f.warnings, 0
	default:
		return f.standing, 0
	}
}

// isAboutGone reports whether the notice tells of findings that are gone.
func (n *Notice) isAboutGone() bool {
	return n.Kind == ordercheck.NoticeResolved || n.EndReason == ordercheck.EndRulesChanged
}

// headline says in a sentence what happened, and advice what a reader does about it.
func (n *Notice) headline() (headline, advice string) {
	f := sortFindings(&n.Report)
	switch n.Kind {
	case ordercheck.NoticeFailed:
		headline = "This order is held: "
		if len(n.OverridesEnded) > 0 {
			headline = n.endedOverrides() + " This order is held again: "
		}
		return headline + count(number(f.standing), "error") + " must be fixed before goods leave.",
			"Fix the order in InFlow and save it. It is checked again by itself, and released when its errors are gone."
	case ordercheck.NoticeReminder:
		return "This order is still held: " + count(number(f.standing), "error") + " must be fixed before goods leave.",
			"Fix the order in InFlow and save it. It is checked again by itself, and released when its errors are gone."
	case ordercheck.NoticeResolved:
		if n.liftedErrors() > 0 {
			return "This order is no longer held: its errors are fixed, or their rules no longer apply.",
				"The company's rules were changed. Nothing is left to do, unless you want to correct the order all the same."
		}
		return "This order is fixed: the errors that were reported are gone.", "Nothing is left to do."
	case ordercheck.NoticeOverridden:
		return "This order is released: somebody answers for " + count(f.overriddenErrors(), "error") + " that it still has.",
			"Nothing is left to do. An override lapses at its end, or when the facts of its finding change: then the order is held again."
	case ordercheck.NoticeUnchecked:
		return "This order is not checked: it is too large for the gate.",
			"Nobody knows whether it is right. Check it by hand before goods leave, or split it into several orders."
	case ordercheck.NoticeWarning:
		return "This order is not held. It has " + count(number(f.warnings), "warning") + ", and no errors.",
			"Look whether the order is as it should be. The gate does not wait for anybody, and does not remind of it."
	case ordercheck.NoticeEnded:
		switch n.EndReason {
		case ordercheck.EndCancelled:
			return "This order was cancelled in InFlow, which ended its hold.", "Nothing is left to do."
		case ordercheck.EndDeleted:
			return "This order is not in InFlow any more, which ended its hold.", "Nothing is left to do."
		case ordercheck.EndExpired:
			return "This order is not held any longer: nobody fixed it in time.",
				"Its errors stand. Fix the order in InFlow and save it, and it is checked again."
		case ordercheck.EndRulesChanged:
			headline = "This order is no longer held: the rule that it broke no longer applies."
			if n.liftedErrors() > 1 {
				headline = "This order is no longer held: the rules that it broke no longer apply."
			}
			return headline, "The company's rules were changed. Nothing is left to do, unless you want to correct the order all the same."
		case ordercheck.EndByHand:
			return "This order is not held any longer. " + oneLine(n.Report.Note, maxNote),
				"Its errors stand, and nobody answers for them. Save the order in InFlow, and it is checked again."
		}
	}
	return "", ""
}

// liftedErrors counts the errors that are gone because the rules were changed.
// endedOverrides says in a sentence who answered for the order's errors until now.
func (n *Notice) endedOverrides() string {
	var names []string
	for _, o := range n.OverridesEnded {
		if name := oneLine(o.By, maxName); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return "The override by " + strings.Join(names, ", ") + " has ended."
}

func (n *Notice) liftedErrors() int { return number(n.Lifted) + n.LiftedOmitted }

func where(f *ordercheck.Finding) string {
	if f.LineNumber > 0 {
		return fmt.Sprintf("line %d", f.LineNumber)
	}
	return "order"
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
