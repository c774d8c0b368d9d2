// Package notify sends notices about orders to people, by mail and chat, and to other software, by
// webhook. The receivers are set at the start with [Options]. The content is a [Notice].
//
// A notice has several targets, and each can fail on its own. [Notifier.Targets] returns them, and
// [Notifier.Send] sends the notice to one of them.
//
// On its way to a mail server, a notice passes through targets.go (who gets it), send.go (timeout
// and outcome), wording.go and mail.go (the mail) and smtp.go (the connection). Chats and webhooks
// share the first two files. message.go writes their text and JSON, and chat.go, telegram.go and
// webhook.go post them.
package notify

import (
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"error-check-gate/internal/desklink"
)

// DefaultTimeout limits one attempt to send a notice to a target.
const DefaultTimeout = 30 * time.Second

// Options says who gets notices, and how. The zero value sends no notices.
type Options struct {
	// SMTP is the mail server. If its Addr is empty, no mail is sent.
	SMTP SMTP
	// To lists the addresses that get every notice. Each gets a mail of its own.
	To []mail.Address
	// SalesRep sends the notice to the order's sales rep too.
	SalesRep bool
	// Redirect, if set, gets all mail instead of the intended receivers. The mail names them.
	// Nothing is posted to Destinations. It is for trials with real orders.
	Redirect mail.Address
	// Destinations lists chats and webhooks.
	Destinations []Destination
	// TemporalUIURL and Namespace are used for links to runs. If the URL is empty, there are no
	// such links.
	TemporalUIURL, Namespace string
	// DeskURL is the desk's address. If it is set, mails and chats link to the order's page at the
	// desk instead of the run.
	DeskURL string
	// DeskLinks signs the links in mails for their receiver. Nil means that they are not signed.
	DeskLinks *desklink.Signer
	// Location is the time zone of all times in notices. Nil means UTC.
	Location *time.Location
	// Timeout limits one attempt to send a notice to a target. 0 means [DefaultTimeout].
	Timeout time.Duration
	// Transport makes the requests to https:// and telegram:// destinations. Nil means a new
	// transport. Other services use shoutrrr's own.
	Transport http.RoundTripper
	// MeterProvider counts the notices. Nil means that they are not counted.
	MeterProvider metric.MeterProvider
}

// Notifier sends notices. It is safe for concurrent use.
type Notifier struct {
	mail         *mailer // nil if no mail is sent
	to           []mail.Address
	salesRep     bool
	redirect     mail.Address
	destinations []destination
	links        linker
	location     *time.Location
	timeout      time.Duration
	sent         metric.Int64Counter
}

// Format hides the settings. They contain secrets, and fmt would print unexported fields.
func (n *Notifier) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "notify.Notifier") }

type destination struct {
	name string
	poster
}

// New returns a notifier with the options. It opens no connection.
func New(o Options) (*Notifier, error) {
	n := &Notifier{
		to: o.To, salesRep: o.SalesRep, redirect: o.Redirect, location: o.Location,
		timeout: o.Timeout,
		links: linker{uiURL: o.TemporalUIURL, namespace: o.Namespace, deskURL: o.DeskURL,
			signer: o.DeskLinks},
	}
	if n.location == nil {
		n.location = time.UTC
	}
	if n.timeout <= 0 {
		n.timeout = DefaultTimeout
	}
	if err := o.mailFaults().Err(); err != nil {
		return nil, fmt.Errorf("set up the notices: %w", err)
	}
	if o.SMTP.Addr != "" {
		var err error
		if n.mail, err = newMailer(o.SMTP, n.timeout); err != nil {
			return nil, fmt.Errorf("set up the notices: %w", err)
		}
	}
	transport := o.Transport
	if transport == nil {
		transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
			MaxIdleConnsPerHost: maxCalls, IdleConnTimeout: time.Minute,
			TLSHandshakeTimeout: n.timeout,
		}
	}
	for _, d := range o.Destinations {
		n.destinations = append(n.destinations,
			destination{name: d.name, poster: d.poster(transport)})
	}
	provider := o.MeterProvider
	if provider == nil {
		provider = noop.NewMeterProvider()
	}
	var err error
	n.sent, err = provider.Meter("error-check-gate/notify").Int64Counter("gate.notices",
		metric.WithUnit("{notice}"),
		metric.WithDescription("Attempts to send a notice to a target, by kind, by what it was "+
			"sent, and by outcome."))
	if err != nil {
		return nil, fmt.Errorf("set up the metrics of notices: %w", err)
	}
	return n, nil
}
