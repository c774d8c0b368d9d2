package notify

import (
	"fmt"
	"strings"
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// message is a notice in the form that destinations get.
type message struct {
	id   string // the notice's key
	text string
	body any // the JSON for software: a webhookBody or a collectionBody
}

// webhookBody is the JSON for an https:// destination. Chats that accept Slack's webhook format
// show its Text.
type webhookBody struct {
	Kind      ordercheck.NoticeKind `json:"kind"`
	Key       string                `json:"key"`
	Subject   string                `json:"subject"`
	Text      string                `json:"text"`
	At        time.Time             `json:"at,omitzero"`
	EndReason ordercheck.EndReason  `json:"endReason,omitempty"`
	Report    ordercheck.Report     `json:"report"`
	Resolved  []ordercheck.Finding  `json:"resolved,omitempty"`
	// ResolvedOmitted is the number of resolved findings that Resolved does not list.
	ResolvedOmitted int `json:"resolvedOmitted,omitempty"`
	// Lifted and LiftedOmitted are the findings that are gone because the rules were changed.
	Lifted        []ordercheck.Finding `json:"lifted,omitempty"`
	LiftedOmitted int                  `json:"liftedOmitted,omitempty"`
	Links         links                `json:"links"`
}

type links struct {
	Order string `json:"order"`
	Desk  string `json:"desk,omitempty"`
	Run   string `json:"run,omitempty"`
}

// message returns the notice for chats and webhooks.
func (n *Notifier) message(notice *Notice) message {
	text := n.chatText(notice)
	return message{
		id:   notice.Key,
		text: text,
		body: webhookBody{
			Kind: notice.Kind, Key: notice.Key, Subject: notice.subject(n.location), Text: text,
			At: notice.At, EndReason: notice.EndReason,
			Report: notice.Report, Resolved: notice.Resolved,
			ResolvedOmitted: notice.ResolvedOmitted,
			Lifted:          notice.Lifted, LiftedOmitted: notice.LiftedOmitted,
			Links: n.links.forSoftware(notice),
		},
	}
}

// Limits of a chat message.
const (
	maxChatFindings = 5
	maxChatText     = 200 // characters of a message or a fix
)

// chatText returns the notice as a few lines of plain text.
func (n *Notifier) chatText(notice *Notice) string {
	var b strings.Builder
	b.WriteString(chatText(notice.subject(n.location), maxChatText) + "\n")
	if customer := chatText(notice.Report.Customer, maxName); customer != "" {
		b.WriteString(customer + "\n")
	}
	f := groupFindings(&notice.Report)
	about, more := notice.about()
	gone := notice.isAboutGone()
	if notice.EndReason == ordercheck.EndRulesChanged || notice.Kind == ordercheck.NoticeWarning {
		headline, _ := notice.headline()
		b.WriteString(headline + "\n")
	}
	if notice.Kind == ordercheck.NoticeWarning {
		f.warnings = nil // about has them
	}
	shown, others := firstListed(about, maxChatFindings)
	more += others
	for i := range shown {
		finding := &shown[i]
		fmt.Fprintf(&b, "• %s: %s", finding.Place(), chatText(finding.Message, maxChatText))
		if fix := chatText(finding.Fix, maxChatText); fix != "" && !gone {
			b.WriteString(" → " + fix)
		}
		if finding.Override != nil && notice.Kind == ordercheck.NoticeOverridden {
			fmt.Fprintf(&b, " (%s: %s)", chatText(finding.Override.By, maxName),
				chatText(finding.Override.Reason, maxChatText))
		}
		b.WriteString("\n")
	}
	if more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	if len(f.warnings) > 0 {
		fmt.Fprintf(&b, "and %s\n", ordercheck.Plural(countFindings(f.warnings), "warning"))
	}
	b.WriteString(inflow.OrderPageURL(notice.Report.SalesOrderID))
	if page := n.links.forChat(notice); page != "" {
		b.WriteString("\n" + page)
	}
	return b.String()
}
