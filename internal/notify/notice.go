package notify

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"error-check-gate/internal/ordercheck"
)

// Kind is what a notice is about.
type Kind string

// The kinds of a notice.
const (
	KindFailed     Kind = "failed"     // errors were confirmed; the order is held
	KindReminder   Kind = "reminder"   // they still stand
	KindResolved   Kind = "resolved"   // they are gone
	KindOverridden Kind = "overridden" // named persons answer for all of them
	KindEnded      Kind = "ended"      // the hold ended with errors standing, by EndReason
)

// EndReason is why a hold ended with errors standing.
type EndReason string

// The reasons of [KindEnded].
const (
	EndExpired   EndReason = "expired"   // nobody fixed it within the longest time of a hold
	EndCancelled EndReason = "cancelled" // the order was cancelled
	EndDeleted   EndReason = "deleted"   // InFlow has the order no more
)

// Notice is everything that a notice says. It is a plain value, so that it can be an
// activity's input.
type Notice struct {
	Kind Kind `json:"kind"`
	// Key names what is told: the same key and kind are the same notice, however often
	// it is sent. Printable ASCII without spaces, at most [MaxKey] bytes.
	Key string `json:"key"`
	// Thread is the Key of the failed notice that this one follows, so that mail programs
	// show them together; empty for the first one of a hold.
	Thread string `json:"thread,omitempty"`
	// At is when what is told happened, and so the mail's date.
	At     time.Time         `json:"at"`
	Report ordercheck.Report `json:"report"`
	// Resolved are the findings that had been told of and are gone, for [KindResolved].
	Resolved []ordercheck.Finding `json:"resolved,omitempty"`
	// EndReason is set for [KindEnded].
	EndReason EndReason `json:"endReason,omitempty"`
	// WorkflowID and RunID are those of the order's run, for a link to it.
	WorkflowID string `json:"workflowId,omitempty"`
	RunID      string `json:"runId,omitempty"`
	// SalesRepEmail is the address of the order's sales rep; empty where there is none.
	SalesRepEmail string `json:"salesRepEmail,omitempty"`
}

// MaxKey is the longest [Notice.Key], in bytes.
const MaxKey = 200

// id is the idempotency key of the notice. It is fit for a header.
func (n *Notice) id() string { return string(n.Kind) + "/" + n.Key }

// Validate says what a notice lacks to be sent.
func (n *Notice) Validate() error {
	var errs []error
	switch n.Kind {
	case KindFailed, KindReminder, KindResolved, KindOverridden:
	case KindEnded:
		switch n.EndReason {
		case EndExpired, EndCancelled, EndDeleted:
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

// findings of a report, by what a reader has to do about them.
type findings struct {
	standing   []ordercheck.Finding // errors that hold the order
	pending    []ordercheck.Finding // errors within their grace period
	overridden []ordercheck.Finding
	warnings   []ordercheck.Finding
}

func sortFindings(report *ordercheck.Report) findings {
	var f findings
	for _, finding := range report.Findings {
		switch {
		case finding.State == ordercheck.FindingOverridden:
			f.overridden = append(f.overridden, finding)
		case finding.Severity == ordercheck.SeverityWarning:
			f.warnings = append(f.warnings, finding)
		case finding.State == ordercheck.FindingPending:
			f.pending = append(f.pending, finding)
		default:
			f.standing = append(f.standing, finding)
		}
	}
	return f
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

// maxName is the longest order number in a subject, in characters.
const maxName = 60

// orderName is what people call the order, on one line.
func (n *Notice) orderName() string {
	if name := oneLine(n.Report.OrderNumber, maxName); name != "" {
		return name
	}
	return oneLine(n.Report.SalesOrderID, maxName)
}

// subject is the notice in one line.
func (n *Notice) subject(location *time.Location) string {
	f := sortFindings(&n.Report)
	what := ""
	switch n.Kind {
	case KindFailed:
		what = count(len(f.standing), "error")
	case KindReminder:
		what = count(len(f.standing), "error")
		if first := since(f.standing); !first.IsZero() {
			what += " since " + first.In(location).Format("2 Jan 2006")
		}
	case KindOverridden:
		what = count(len(f.overridden), "error")
	case KindEnded:
		what = map[EndReason]string{EndExpired: "not fixed in time", EndCancelled: "order cancelled", EndDeleted: "order deleted"}[n.EndReason]
	case KindResolved:
	}
	subject := "[" + strings.ToUpper(string(n.Kind)) + "] " + n.orderName()
	if what != "" {
		subject += ": " + what
	}
	// A text that looks like an encoded word is decoded by mail programs.
	return strings.ReplaceAll(subject, "=?", "= ?")
}

// headline says in a sentence what happened, and advice what a reader does about it.
func (n *Notice) headline() (headline, advice string) {
	f := sortFindings(&n.Report)
	switch n.Kind {
	case KindFailed:
		return "This order is held: " + count(len(f.standing), "error") + " must be fixed before goods leave.",
			"Fix the order in InFlow and save it. It is checked again by itself, and released when its errors are gone."
	case KindReminder:
		return "This order is still held: " + count(len(f.standing), "error") + " must be fixed before goods leave.",
			"Fix the order in InFlow and save it. It is checked again by itself, and released when its errors are gone."
	case KindResolved:
		return "This order is fixed: the errors that were reported are gone.", "Nothing is left to do."
	case KindOverridden:
		return "This order is released: somebody answers for " + count(len(f.overridden), "error") + " that it still has.",
			"Nothing is left to do. An override lapses at its end, or when the facts of its finding change."
	case KindEnded:
		switch n.EndReason {
		case EndCancelled:
			return "This order was cancelled in InFlow, which ended its hold.", "Nothing is left to do."
		case EndDeleted:
			return "This order is not in InFlow any more, which ended its hold.", "Nothing is left to do."
		case EndExpired:
			return "This order is not held any longer: nobody fixed it in time.",
				"Its errors stand. Fix the order in InFlow and save it, and it is checked again."
		}
	}
	return "", ""
}

// inflowOrderPage is where people open an order; an id follows.
const inflowOrderPage = "https://app.inflowinventory.com/sales-orders/"

// orderURL is the order in InFlow's own pages.
func (n *Notice) orderURL() string { return inflowOrderPage + url.PathEscape(n.Report.SalesOrderID) }

// runURL is the order's run in Temporal's Web UI; empty where that has no address.
func (n *Notice) runURL(uiURL, namespace string) string {
	if uiURL == "" || n.WorkflowID == "" {
		return ""
	}
	address := strings.TrimRight(uiURL, "/") + "/namespaces/" + url.PathEscape(namespace) + "/workflows/" + url.PathEscape(n.WorkflowID)
	if n.RunID != "" {
		address += "/" + url.PathEscape(n.RunID) + "/user-metadata"
	}
	return address
}

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
