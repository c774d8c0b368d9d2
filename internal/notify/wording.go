package notify

import (
	"slices"
	"strings"
	"time"

	"error-check-gate/internal/ordercheck"
)

// maxNote is the maximum length of a report's note in a headline, in characters.
const maxNote = 600

// maxName is the maximum length of an order number in a subject, in characters.
const maxName = 60

// orderName returns the order's number, or its id if it has none, on one line.
func (n *Notice) orderName() string {
	return orderName(n.Report.OrderNumber,
		n.Report.SalesOrderID)
}

func orderName(number, salesOrderID string) string {
	if name := oneLine(number, maxName); name != "" {
		return name
	}
	return oneLine(salesOrderID, maxName)
}

// subject returns the notice in one line.
func (n *Notice) subject(location *time.Location) string {
	subject := "[" + strings.ToUpper(string(n.Kind)) + "] " + n.orderName()
	if what := n.what(location); what != "" {
		subject += ": " + what
	}
	// Mail programs would decode a text that looks like an encoded word (=?…?=).
	return strings.ReplaceAll(subject, "=?", "= ?")
}

// what says in a few words what happened to the order. It is empty if the kind says it all.
func (n *Notice) what(location *time.Location) string {
	f := groupFindings(&n.Report)
	what := ""
	switch n.Kind {
	case ordercheck.NoticeFailed:
		what = ordercheck.Plural(countFindings(f.standing), "error")
	case ordercheck.NoticeReminder:
		what = ordercheck.Plural(countFindings(f.standing), "error")
		if first := since(f.standing); !first.IsZero() {
			what += " since " + first.In(location).Format("2 Jan 2006")
		}
	case ordercheck.NoticeOverridden:
		what = ordercheck.Plural(f.overriddenErrors(), "error")
	case ordercheck.NoticeEnded:
		what = map[ordercheck.EndReason]string{
			ordercheck.EndExpired: "not fixed in time", ordercheck.EndCancelled: "order cancelled",
			ordercheck.EndDeleted: "order deleted", ordercheck.EndByHand: "ended by hand",
			ordercheck.EndRulesChanged: "rules changed",
		}[n.EndReason]
	case ordercheck.NoticeUnchecked:
		what = "too large to check"
	case ordercheck.NoticeWarning:
		what = ordercheck.Plural(countFindings(f.warnings), "warning")
	case ordercheck.NoticeResolved:
	}
	return what
}

// about returns the findings that the notice is about, and the number of further ones that it does
// not list.
func (n *Notice) about() (findings []ordercheck.Finding, omitted int) {
	f := groupFindings(&n.Report)
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

// isAboutGone reports whether the notice is about findings that are gone.
func (n *Notice) isAboutGone() bool {
	return n.Kind == ordercheck.NoticeResolved || n.EndReason == ordercheck.EndRulesChanged
}

// Advice that several kinds of notices share.
const (
	adviceFix = "Fix the order in InFlow and save it. " +
		"It is then checked again automatically, and released when all its errors are gone."
	adviceNothing      = "You do not need to do anything."
	adviceRulesChanged = "Your company has changed its rules. " +
		"You do not need to do anything, but you can still correct the order."
)

// headline says in one sentence what happened. advice says what the reader should do.
func (n *Notice) headline() (headline, advice string) {
	f := groupFindings(&n.Report)
	switch n.Kind {
	case ordercheck.NoticeFailed:
		headline = "This order is held: "
		if len(n.OverridesEnded) > 0 {
			headline = n.endedOverrides() + " This order is held again: "
		}
		return headline + ordercheck.Plural(countFindings(f.standing), "error") +
				" must be fixed before goods leave.",
			adviceFix
	case ordercheck.NoticeReminder:
		return "This order is still held: " + ordercheck.Plural(countFindings(f.standing),
				"error") + " must be fixed before goods leave.",
			adviceFix
	case ordercheck.NoticeResolved:
		if n.liftedErrors() > 0 {
			return "This order is no longer held: its errors are fixed, or their rules no longer " +
					"apply.",
				adviceRulesChanged
		}
		return "This order is fixed: the reported errors are gone.", adviceNothing
	case ordercheck.NoticeOverridden:
		return "This order is released: somebody took responsibility for its " +
				ordercheck.Plural(f.overriddenErrors(), "error") + ".",
			adviceNothing + " The order is held again when the override ends, or if the " +
				"overridden part of the order changes."
	case ordercheck.NoticeUnchecked:
		return "This order was not checked: it is too large.",
			"It may have errors. Check it by hand before goods leave, or split it into several " +
				"orders."
	case ordercheck.NoticeWarning:
		return "This order is not held. It has " + ordercheck.Plural(countFindings(f.warnings),
				"warning") + " and no errors.",
			"Please make sure that the order is right. Goods may leave, and you will get no " +
				"reminder."
	case ordercheck.NoticeEnded:
		switch n.EndReason {
		case ordercheck.EndCancelled:
			return "This order was cancelled in InFlow, so it is no longer held.", adviceNothing
		case ordercheck.EndDeleted:
			return "This order was deleted in InFlow, so it is no longer held.", adviceNothing
		case ordercheck.EndExpired:
			return "This order is no longer held, because nobody fixed it in time.",
				"It still has errors. Fix the order in InFlow and save it. It is then checked " +
					"again."
		case ordercheck.EndRulesChanged:
			headline = "This order is no longer held: the rule that it broke no longer applies."
			if n.liftedErrors() > 1 {
				headline = "This order is no longer held: the rules that it broke no longer apply."
			}
			return headline, adviceRulesChanged
		case ordercheck.EndByHand:
			return "This order is no longer held. " + oneLine(n.Report.Note, maxNote),
				"It still has errors, and nobody took responsibility for them. Save the order in " +
					"InFlow to check it again."
		}
	}
	return "", ""
}

// endedOverrides says in one sentence whose overrides have ended.
func (n *Notice) endedOverrides() string {
	var names []string
	for _, o := range n.OverridesEnded {
		if name := oneLine(o.By, maxName); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return "The override by " + strings.Join(names, ", ") + " has ended."
}

// liftedErrors counts the errors that are gone because the rules were changed.
func (n *Notice) liftedErrors() int { return countFindings(n.Lifted) + n.LiftedOmitted }
