// Package notify tells people of an order's errors, by mail and in chats: who is told is
// settled at the start, what they are told is a [Notice].
//
// A notice goes to several targets, each of which may fail on its own: [Notifier.Targets]
// names them, and [Notifier.Send] tells one.
package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"error-check-gate/internal/desklink"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// DefaultTimeout is how long a target has to take a notice.
const DefaultTimeout = 30 * time.Second

// Options say who is told, and by what. The zero value tells nobody.
type Options struct {
	// SMTP is the mail server; an empty Addr sends no mail.
	SMTP SMTP
	// To get every notice by mail, one mail each.
	To []mail.Address
	// SalesRep sends the notice to the order's sales rep too.
	SalesRep bool
	// Redirect, unless it is zero, gets all mail in place of those who should, who are named
	// in it, and nothing is posted to Destinations: for trials with real orders.
	Redirect mail.Address
	// Destinations are chats and webhooks.
	Destinations []Destination
	// TemporalUIURL and Namespace make links to runs; an empty URL makes none.
	TemporalUIURL, Namespace string
	// DeskURL is the desk's address. Mails and chats then link to the order's page there, in place
	// of the run; empty makes no such links.
	DeskURL string
	// DeskLinks signs the links in mails, each for its receiver; nil leaves them plain.
	DeskLinks *desklink.Signer
	// Location is the time zone of the times in notices; nil is UTC.
	Location *time.Location
	// Timeout is how long each target has; 0 is [DefaultTimeout].
	Timeout time.Duration
	// Transport makes the requests to https:// and telegram:// destinations; nil is one of its
	// own. Those of other services are shoutrrr's.
	Transport http.RoundTripper
	// MeterProvider counts the notices; nil does not.
	MeterProvider metric.MeterProvider
}

// Notifier sends notices. It may be used by several goroutines at once.
type Notifier struct {
	mail         *mailer // nil sends no mail
	to           []mail.Address
	salesRep     bool
	redirect     mail.Address
	destinations []destination
	links        linker
	location     *time.Location
	timeout      time.Duration
	sent         metric.Int64Counter
}

// Format prints no settings: among them are secrets, and fmt prints hidden fields as they are.
func (n *Notifier) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "notify.Notifier") }

type destination struct {
	name string
	poster
}

// New checks the options, and contacts nobody.
func New(o Options) (*Notifier, error) {
	n := &Notifier{
		to: o.To, salesRep: o.SalesRep, redirect: o.Redirect, location: o.Location, timeout: o.Timeout,
		links: linker{uiURL: o.TemporalUIURL, namespace: o.Namespace, deskURL: o.DeskURL, signer: o.DeskLinks},
	}
	if n.location == nil {
		n.location = time.UTC
	}
	if n.timeout <= 0 {
		n.timeout = DefaultTimeout
	}
	switch {
	case o.SMTP.Addr != "":
		if faults := o.SMTP.Faults(); len(faults) > 0 {
			return nil, fmt.Errorf("set up the notices: SMTP.%s %s", faults[0].Field, faults[0].Problem)
		}
		n.mail = &mailer{SMTP: o.SMTP, timeout: n.timeout}
	case len(o.To) > 0 || o.SalesRep || o.Redirect.Address != "":
		return nil, errors.New("set up the notices: there is no mail server to send mail by")
	}
	transport := o.Transport
	if transport == nil {
		transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
			MaxIdleConnsPerHost: maxCalls, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: n.timeout,
		}
	}
	for _, d := range o.Destinations {
		n.destinations = append(n.destinations, destination{name: d.name, poster: d.poster(transport)})
	}
	provider := o.MeterProvider
	if provider == nil {
		provider = noop.NewMeterProvider()
	}
	var err error
	n.sent, err = provider.Meter("error-check-gate/notify").Int64Counter("gate.notices", metric.WithUnit("{notice}"),
		metric.WithDescription("Attempts to send a notice to a target, by kind, by what it was sent, and by outcome."))
	if err != nil {
		return nil, fmt.Errorf("set up the metrics of notices: %w", err)
	}
	return n, nil
}

// Target is one receiver of one notice. Its zero value is none.
type Target struct {
	name string
	via  string // mail, webhook, or the name of a chat service
	// to is who gets the mail; fault is why nobody can.
	to          mail.Address
	fault       string
	intendedFor []string
	destination *destination
}

// Name is the same for the same receiver in every process and after every start with the
// same settings. It is for histories and logs: there is no secret in it, and no address but
// a few digits of its digest.
func (t Target) Name() string { return t.name }

// Receiver is one of those whom every notice goes to.
type Receiver struct {
	// Name is its [Target.Name], as logs and runs have it.
	Name string `json:"name"`
	// Is says who that is: an address, or the setting that names a chat, whose URL is a secret.
	Is string `json:"is"`
}

// Receivers returns who gets every notice, under the names that logs and runs show.
func (n *Notifier) Receivers() []Receiver {
	var receivers []Receiver
	if n.redirect.Address != "" {
		receivers = append(receivers, Receiver{addressName("redirect", n.redirect), n.redirect.Address + " (NOTIFY_REDIRECT), in place of the others"})
	}
	for _, to := range n.to {
		receivers = append(receivers, Receiver{addressName("mail", to), to.Address})
	}
	if n.salesRep {
		receivers = append(receivers, Receiver{ordercheck.TargetSalesRep, "the order's sales rep, as InFlow has the address"})
	}
	for i := range n.destinations {
		receivers = append(receivers, Receiver{n.destinations[i].name, fmt.Sprintf("number %d of NOTIFY_URLS", i+1)})
	}
	return receivers
}

// addressName tells addresses apart, as destinationName does URLs.
func addressName(kind string, to mail.Address) string {
	return destinationName(kind, strings.ToLower(to.Address))
}

// Targets are those who are to get a notice; none where nobody was named.
func (n *Notifier) Targets(notice *Notice) []Target {
	targets := n.mailTargets()
	if n.salesRep && notice.HasSalesRep {
		rep := Target{name: ordercheck.TargetSalesRep, via: "mail"}
		to, err := ParseAddress(notice.SalesRepEmail)
		switch {
		case notice.SalesRepEmail == "":
			rep.fault = "the sales rep's e-mail is not known yet"
		case err != nil:
			rep.fault = "what InFlow has as the sales rep's e-mail is not an address that mail can be sent to"
		}
		rep.to = to
		if err != nil || !slices.ContainsFunc(targets, func(t Target) bool { return sameAddress(t.to, to) }) {
			targets = append(targets, rep)
		}
	}
	for i := range n.destinations {
		d := &n.destinations[i]
		via, _, _ := strings.Cut(d.name, ":")
		targets = append(targets, Target{name: d.name, via: via, destination: d})
	}
	return n.redirected(targets, notice)
}

// mailTargets returns those who get all mail.
func (n *Notifier) mailTargets() []Target {
	var targets []Target
	for _, to := range n.to {
		if !slices.ContainsFunc(targets, func(t Target) bool { return sameAddress(t.to, to) }) {
			targets = append(targets, Target{name: addressName("mail", to), via: "mail", to: to})
		}
	}
	return targets
}

// redirected returns the one target of a trial, if there is one, in place of the targets.
func (n *Notifier) redirected(targets []Target, notice *Notice) []Target {
	if n.redirect.Address == "" || len(targets) == 0 {
		return targets
	}
	redirected := Target{name: addressName("redirect", n.redirect), via: "mail", to: n.redirect}
	for _, t := range targets {
		intended := t.name
		switch {
		case t.name == ordercheck.TargetSalesRep && notice.SalesRepEmail == "":
			intended = "the sales rep"
		case t.name == ordercheck.TargetSalesRep:
			intended = "the sales rep (" + oneLine(notice.SalesRepEmail, maxAddress) + ")"
		case t.destination == nil:
			intended = t.to.Address
		}
		redirected.intendedFor = append(redirected.intendedFor, intended)
	}
	return []Target{redirected}
}

// Send sends a notice to one target. The error is an [*Error]. A call that was cut short
// may have reached the target all the same.
func (n *Notifier) Send(ctx context.Context, t Target, notice *Notice) error {
	if err := notice.Validate(); err != nil {
		t.fault = err.Error()
	}
	return n.attempt(ctx, t, string(notice.Kind), func(ctx context.Context) error {
		if t.destination != nil {
			return t.destination.post(ctx, n.message(notice))
		}
		msg, err := n.compose(notice, t)
		return n.deliver(ctx, msg, err)
	})
}

// attempt counts an attempt to tell a target something.
func (n *Notifier) attempt(ctx context.Context, t Target, kind string, send func(context.Context) error) error {
	err := n.send(ctx, t, send)
	outcome := "sent"
	var failed *Error
	switch {
	case errors.As(err, &failed) && failed.Permanent:
		outcome = "refused"
	case err != nil:
		outcome = "failed"
	}
	n.sent.Add(ctx, 1, metric.WithAttributes(
		attribute.String("kind", kind), attribute.String("via", t.via), attribute.String("outcome", outcome)))
	return err
}

func (n *Notifier) send(ctx context.Context, t Target, send func(context.Context) error) error {
	if t.fault != "" {
		return &Error{Target: t.name, Permanent: true, Reason: t.fault}
	}
	limited, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	err := send(limited)
	if err == nil {
		return nil
	}
	var failed *Error
	switch {
	case ctx.Err() != nil:
		failed = &Error{Reason: "it was interrupted"}
	case limited.Err() != nil && !errors.As(err, &failed):
		failed = &Error{Reason: fmt.Sprintf("there was no answer within %v", n.timeout)}
	case !errors.As(err, &failed):
		failed = &Error{Reason: networkReason(err)}
	}
	told := *failed
	told.Target = t.name
	return &told
}

// deliver hands a mail over, unless it could not be composed.
func (n *Notifier) deliver(ctx context.Context, msg *gomail.Msg, err error) error {
	if err != nil {
		return &Error{Permanent: true, Reason: err.Error()}
	}
	if err := n.mail.send(ctx, msg); err != nil {
		if ctx.Err() != nil {
			return ctx.Err() // what broke then, ctx has broken
		}
		return err
	}
	return nil
}

// Bounds of a text in a chat.
const (
	maxChatFindings = 5
	maxChatText     = 200 // characters of a message or a fix
)

func (n *Notifier) message(notice *Notice) message {
	text := n.chatText(notice)
	return message{
		id:   notice.Key,
		text: text,
		body: webhookBody{
			Kind: notice.Kind, Key: notice.Key, Subject: notice.subject(n.location), Text: text, At: notice.At, EndReason: notice.EndReason,
			Report: notice.Report, Resolved: notice.Resolved, ResolvedOmitted: notice.ResolvedOmitted,
			Lifted: notice.Lifted, LiftedOmitted: notice.LiftedOmitted,
			Links: n.links.forSoftware(notice),
		},
	}
}

// chatText is the notice in a few lines of plain text.
func (n *Notifier) chatText(notice *Notice) string {
	var b strings.Builder
	b.WriteString(chatText(notice.subject(n.location), maxChatText) + "\n")
	if customer := chatText(notice.Report.Customer, maxName); customer != "" {
		b.WriteString(customer + "\n")
	}
	f := sortFindings(&notice.Report)
	told, more := notice.about()
	gone := notice.isAboutGone()
	if notice.EndReason == ordercheck.EndRulesChanged || notice.Kind == ordercheck.NoticeWarning {
		headline, _ := notice.headline()
		b.WriteString(headline + "\n")
	}
	if notice.Kind == ordercheck.NoticeWarning {
		f.warnings = nil // told has them
	}
	shown, others := firstListed(told, maxChatFindings)
	more += others
	for i := range shown {
		finding := &shown[i]
		fmt.Fprintf(&b, "• %s: %s", where(finding), chatText(finding.Message, maxChatText))
		if fix := chatText(finding.Fix, maxChatText); fix != "" && !gone {
			b.WriteString(" → " + fix)
		}
		if finding.Override != nil && notice.Kind == ordercheck.NoticeOverridden {
			fmt.Fprintf(&b, " (%s: %s)", chatText(finding.Override.By, maxName), chatText(finding.Override.Reason, maxChatText))
		}
		b.WriteString("\n")
	}
	if more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	if len(f.warnings) > 0 {
		fmt.Fprintf(&b, "and %s\n", count(number(f.warnings), "warning"))
	}
	b.WriteString(inflow.OrderPageURL(notice.Report.SalesOrderID))
	if page := n.links.forChat(notice); page != "" {
		b.WriteString("\n" + page)
	}
	return b.String()
}
