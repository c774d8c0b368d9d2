package notify

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"

	"error-check-gate/internal/ordercheck"
)

// Target is one receiver of one notice.
type Target struct {
	name        string
	via         string       // mail, webhook, or the name of a chat service
	to          mail.Address // receiver of the mail
	fault       string       // why no mail can be sent; empty if it can
	intendedFor []string     // receivers that a trial replaces
	destination *destination // nil for mail
}

// Name returns the target's name for histories and logs. The same settings always give the same
// name. It contains no secret, and only a few digits of an address's digest.
func (t Target) Name() string { return t.name }

// IsMail reports whether the target gets a mail, and not a post to a chat or a webhook.
func (t Target) IsMail() bool { return t.destination == nil }

// Receiver describes somebody who gets every notice.
type Receiver struct {
	// Name is the [Target.Name], as in logs and runs.
	Name string `json:"name"`
	// Is says who that is: an address, or the setting with the chat's URL, which is a secret.
	Is string `json:"is"`
}

// Receivers lists everybody who gets every notice, with their names in logs and runs.
func (n *Notifier) Receivers() []Receiver {
	var receivers []Receiver
	if n.redirect.Address != "" {
		receivers = append(receivers,
			Receiver{addressName("redirect", n.redirect),
				n.redirect.Address + " (NOTIFY_REDIRECT), instead of the others"})
	}
	for _, to := range n.to {
		receivers = append(receivers, Receiver{addressName("mail", to), to.Address})
	}
	if n.salesRep {
		receivers = append(receivers,
			Receiver{ordercheck.TargetSalesRep, "the order's sales rep, at the address in InFlow"})
	}
	for i := range n.destinations {
		receivers = append(receivers,
			Receiver{n.destinations[i].name, fmt.Sprintf("number %d of NOTIFY_URLS", i+1)})
	}
	return receivers
}

// addressName returns a stable name for an address; see destinationName.
func addressName(kind string, to mail.Address) string {
	return destinationName(kind, strings.ToLower(to.Address))
}

// Targets returns the targets of a notice. There are none if the options name no receiver.
func (n *Notifier) Targets(notice *Notice) []Target {
	targets := n.mailTargets()
	if n.salesRep && notice.HasSalesRep {
		rep := Target{name: ordercheck.TargetSalesRep, via: "mail"}
		to, err := ParseAddress(notice.SalesRepEmail)
		switch {
		case notice.SalesRepEmail == "":
			rep.fault = "the sales rep's e-mail address is not known yet"
		case err != nil:
			rep.fault = "the sales rep's e-mail address in InFlow is not valid"
		}
		rep.to = to
		if err != nil || !slices.ContainsFunc(targets, func(t Target) bool {
			return sameAddress(t.to, to)
		}) {
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

// mailTargets returns the targets that get every notice by mail.
func (n *Notifier) mailTargets() []Target {
	var targets []Target
	for _, to := range n.to {
		if !slices.ContainsFunc(targets, func(t Target) bool { return sameAddress(t.to, to) }) {
			targets = append(targets, Target{name: addressName("mail", to), via: "mail", to: to})
		}
	}
	return targets
}

// redirected replaces the targets by the one target of a trial, if there is one.
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
