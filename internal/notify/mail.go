package notify

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	htmltemplate "html/template"
	"net/mail"
	"strings"
	texttemplate "text/template"
	"time"

	gomail "github.com/wneessen/go-mail"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

//go:embed mail.html
var mailHTML string

//go:embed mail.txt
var mailText string

var (
	htmlMail = htmltemplate.Must(htmltemplate.New("mail.html").Parse(mailHTML))
	textMail = texttemplate.Must(texttemplate.New("mail.txt").Parse(mailText))
)

// Limits of a mail. The desk, the run and InFlow show the rest.
const (
	maxErrors = 25
	maxOthers = 10
	maxText   = 600 // characters of a message or a fix
	maxAmount = 60  // characters of an expected or actual value
)

// mailView is the template data of a mail about one order, for its text and its HTML. Each text is
// one line.
type mailView struct {
	Subject, Label, Color string
	Headline, Advice      string
	// IntendedFor lists the receivers that would get the notice outside a trial. It is empty
	// outside trials.
	IntendedFor []string
	Facts       []fact
	Groups      []group
	RuleErrors  []string
	OrderURL    string
	// DeskURL is the order's page at the desk. RunURL is its run in Temporal's Web UI. At most one
	// of them is set.
	DeskURL, RunURL string
	Footer          string
}

type fact struct{ Name, Value string }

type group struct {
	Title    string
	Findings []findingView
	More     int // number of findings that are not listed
}

type findingView struct {
	Place, Message, Expected, Actual, Fix, Rule, Since, Note string
	Gone                                                     bool
}

// colors maps each kind to its color. All are dark enough for white text.
var colors = map[ordercheck.NoticeKind]string{
	ordercheck.NoticeFailed: "#b3261e", ordercheck.NoticeReminder: "#9a5b00",
	ordercheck.NoticeResolved: "#1a7a3c", ordercheck.NoticeOverridden: "#2f5d9b",
	ordercheck.NoticeEnded:     "#4a5561",
	ordercheck.NoticeUnchecked: "#b3261e", ordercheck.NoticeWarning: "#9a5b00",
}

func (n *Notifier) mailView(notice *Notice, t Target) mailView {
	report := &notice.Report
	v := mailView{
		Subject: notice.subject(n.location), Label: strings.ToUpper(string(notice.Kind)),
		Color:       colors[notice.Kind],
		IntendedFor: t.intendedFor, OrderURL: inflow.OrderPageURL(report.SalesOrderID),
	}
	if v.DeskURL = n.links.toDesk(report.SalesOrderID, t.to.Address,
		n.date(notice)); v.DeskURL == "" {
		v.RunURL = n.links.toRun(notice.WorkflowID, notice.RunID)
	}
	v.Headline, v.Advice = notice.headline()
	v.Facts = []fact{{"Order", notice.orderName()}}
	if customer := oneLine(report.Customer, maxText); customer != "" {
		v.Facts = append(v.Facts, fact{"Customer", customer})
	}
	v.Facts = append(v.Facts, fact{"Status", string(report.Status)})
	f := groupFindings(report)
	if first := since(f.standing); !first.IsZero() {
		v.Facts = append(v.Facts, fact{"Since", n.time(first)})
	}
	if len(notice.Resolved)+notice.ResolvedOmitted > 0 {
		fixed := n.group("Fixed", notice.Resolved, maxErrors, true)
		fixed.More += notice.ResolvedOmitted
		v.Groups = append(v.Groups, fixed)
	}
	if notice.liftedErrors() > 0 {
		lifted := n.group("The rule no longer applies", notice.Lifted, maxErrors, true)
		lifted.More += notice.LiftedOmitted
		v.Groups = append(v.Groups, lifted)
	}
	for _, g := range []struct {
		title    string
		findings []ordercheck.Finding
		limit    int
	}{
		{"Errors", f.standing, maxErrors},
		{"New errors, not confirmed yet", f.pending, maxOthers},
		{"Overridden", f.overridden, maxErrors},
		{"Warnings", f.warnings, maxOthers},
	} {
		if len(g.findings) > 0 {
			v.Groups = append(v.Groups, n.group(g.title, g.findings, g.limit, false))
		}
	}
	for i := range report.RuleErrors[:min(len(report.RuleErrors), maxOthers)] {
		e := &report.RuleErrors[i]
		v.RuleErrors = append(v.RuleErrors,
			oneLine(e.RuleID, maxName)+": "+oneLine(e.Error, maxText))
	}
	v.Footer = "Error Check Gate"
	if name := oneLine(report.RuleSet.Name, maxName); name != "" {
		v.Footer += " · rule set " + name
	}
	if !report.CheckedAt.IsZero() {
		v.Footer += " · checked " + n.time(report.CheckedAt)
	}
	return v
}

func (n *Notifier) group(title string, findings []ordercheck.Finding, limit int, gone bool) group {
	g := group{Title: title}
	var shown []ordercheck.Finding
	shown, g.More = firstListed(findings, limit)
	for i := range shown {
		f := &shown[i]
		view := findingView{
			Place: f.Place(), Message: oneLine(f.Message, maxText), Fix: oneLine(f.Fix, maxText),
			Rule:     oneLine(f.RuleID, maxName),
			Expected: oneLine(f.Expected, maxAmount), Actual: oneLine(f.Actual, maxAmount),
			Gone: gone,
		}
		if gone {
			view.Fix = ""
		}
		if !f.FirstSeen.IsZero() {
			view.Since = n.time(f.FirstSeen)
		}
		switch {
		case f.State == ordercheck.FindingOverridden && f.Override != nil:
			view.Note = fmt.Sprintf("Overridden by %s until %s: %s",
				oneLine(f.Override.By, maxName), n.time(f.Override.Until),
				oneLine(f.Override.Reason, maxText))
		case f.State == ordercheck.FindingPending && !f.ConfirmAt.IsZero():
			view.Note = "It is confirmed at " + n.time(f.ConfirmAt) +
				", unless somebody fixes it first"
		}
		g.Findings = append(g.Findings, view)
	}
	return g
}

// time formats a time for people.
func (n *Notifier) time(t time.Time) string {
	return t.In(n.location).Format("2 Jan 2006 15:04 MST")
}

// compose creates the mail to one recipient. The same notice to the same recipient always gives the
// same bytes, so mail programs and servers recognize a repeated mail by its Message-ID.
func (n *Notifier) compose(notice *Notice, t Target) (*gomail.Msg, error) {
	view := n.mailView(notice, t)
	var text, html bytes.Buffer
	if err := textMail.Execute(&text, view); err != nil {
		return nil, fmt.Errorf("write the mail's text: %w", err)
	}
	if err := htmlMail.Execute(&html, view); err != nil {
		return nil, fmt.Errorf("write the mail's HTML: %w", err)
	}
	return n.envelope(&letter{
		subject: view.Subject, key: notice.Key, thread: notice.Thread, at: n.date(notice),
		text: text.String(), html: html.String(),
	}, t), nil
}

// letter is the content of a mail, without its sender and recipient.
type letter struct {
	subject string
	// key identifies the content. thread is the key of the conversation's first mail, or empty if
	// this is the first one.
	key, thread string
	at          time.Time
	text, html  string
}

// envelope addresses a letter to one recipient.
func (n *Notifier) envelope(l *letter, t Target) *gomail.Msg {
	id := n.messageID(l.key, t)
	subject := l.subject
	if len(t.intendedFor) > 0 {
		subject = "[TRIAL] " + subject
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(gomail.EncodingQP),
		gomail.WithBoundary(boundary(id)))
	from, to := n.mail.From, t.to
	msg.FromMailAddress(&from)
	msg.ToMailAddress(&to)
	msg.Subject(subject)
	msg.SetDateWithValue(l.at.In(n.location))
	msg.SetMessageIDWithValue(id)
	if l.thread != "" {
		first := "<" + n.messageID(l.thread, t) + ">"
		msg.SetGenHeader(gomail.HeaderInReplyTo, first)
		msg.SetGenHeader(gomail.HeaderReferences, first)
	}
	setAutomatic(msg)
	msg.SetBodyString(gomail.TypeTextPlain, l.text)
	msg.AddAlternativeString(gomail.TypeTextHTML, l.html)
	return msg
}

// setAutomatic asks mail programs not to send automatic replies (RFC 3834, 5). Exchange reads the
// second header.
func setAutomatic(msg *gomail.Msg) {
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All")
}

// date returns the date of the mail: the time of the event that it is about.
func (n *Notifier) date(notice *Notice) time.Time {
	if notice.At.IsZero() {
		return time.Now()
	}
	return notice.At
}

// messageID returns a stable, unique ID in the sender's domain (RFC 5322, 3.6.4).
func (n *Notifier) messageID(key string, t Target) string {
	digest := sha256.Sum256([]byte(key + "\x00" + t.name + "\x00" + t.to.Address))
	return hex.EncodeToString(digest[:16]) + "@" + domain(n.mail.From.Address)
}

func boundary(messageID string) string {
	name, _, _ := strings.Cut(messageID, "@")
	return "gate-" + name
}

// sameAddress compares addresses without case. Only the domain is officially case-insensitive, but
// mail servers ignore the case of the whole address.
func sameAddress(a, b mail.Address) bool { return strings.EqualFold(a.Address, b.Address) }
