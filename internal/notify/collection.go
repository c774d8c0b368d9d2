package notify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// collectionKind is the kind of collective messages in metrics and in JSON.
const collectionKind = "collection"

// maxChatNotices is the maximum number of notices listed in a chat. Some chats allow only 2,000
// characters per message.
const maxChatNotices = 10

// Receiver identifies the person or chat behind the target, for rate limits. It is the target's
// name, plus a digest of the address if each order has another person. It is empty if the target
// cannot get any message.
func (t Target) Receiver() string {
	switch {
	case t.fault != "":
		return ""
	case t.name == ordercheck.TargetSalesRep:
		return repReceiver(t.to.Address)
	default:
		return t.name
	}
}

// repReceiver returns the receiver for a sales rep's address. Its digest is longer than in a
// target's name: if two reps shared one, a rep would get the other's mail.
func repReceiver(address string) string {
	return ordercheck.TargetSalesRep + ":" + digestOf(strings.ToLower(address), 6)
}

// Brief returns the short form of a notice for a collective message.
func (n *Notifier) Brief(notice *Notice) ordercheck.GatheredNotice {
	brief := ordercheck.GatheredNotice{
		Key: notice.Key, Kind: notice.Kind, SalesOrderID: notice.Report.SalesOrderID,
		OrderNumber: notice.Report.OrderNumber, Customer: notice.Report.Customer,
		What: notice.what(n.location), At: notice.At, RunID: notice.RunID,
		HasSalesRep: notice.HasSalesRep,
	}
	if about, _ := notice.about(); len(about) > 0 {
		brief.First = about[0].Place() + ": " + about[0].Message
	}
	brief.Cut()
	return brief
}

// SendCollection sends a collective message to one target. The error is an [*Error].
func (n *Notifier) SendCollection(ctx context.Context, t Target, c *ordercheck.Collection) error {
	return n.attempt(ctx, t, collectionKind, func(ctx context.Context) error {
		if t.destination != nil {
			return t.destination.post(ctx, n.collectionMessage(c))
		}
		msg, err := n.composeList(n.collectionView(c, t), c.Key, c.At, t)
		return n.deliver(ctx, msg, err)
	})
}

// collectionSummary counts the notices of a collective message, in total and by kind.
func collectionSummary(c *ordercheck.Collection) (total, kinds string) {
	number := map[ordercheck.NoticeKind]int{}
	for i := range c.Notices {
		number[c.Notices[i].Kind]++
	}
	var parts []string
	for _, kind := range ordercheck.NoticeKinds() {
		if number[kind] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", number[kind], kind))
		}
	}
	if c.Omitted > 0 {
		parts = append(parts, fmt.Sprintf("%d not listed", c.Omitted))
	}
	return ordercheck.Plural(len(c.Notices)+c.Omitted, "notice"), strings.Join(parts, ", ")
}

func (n *Notifier) collectionView(c *ordercheck.Collection, t Target) *listView {
	total, kinds := collectionSummary(c)
	v := &listView{
		Subject: fmt.Sprintf("[COLLECTED] %s: %s", total, kinds), Label: "COLLECTED",
		Color: colors[ordercheck.NoticeFailed], Headline: total + " in one mail: " + kinds + ".",
		Advice: "There were too many notices to send each one alone (NOTICES_PER_HOUR). A failed " +
			"order is held until somebody fixes it in InFlow and saves it.",
		More: c.Omitted,
	}
	for i := range c.Notices {
		g := &c.Notices[i]
		v.Rows = append(v.Rows, n.row(&listedOrder{
			salesOrderID: g.SalesOrderID, runID: g.RunID, number: g.OrderNumber,
			customer: g.Customer,
			mark:     strings.ToUpper(string(g.Kind)), what: whatOf(g), when: n.time(g.At),
		}, t, g.At))
	}
	return v
}

// whatOf returns the content of a gathered notice on one line.
func whatOf(g *ordercheck.GatheredNotice) string {
	parts := slices.DeleteFunc([]string{g.What, g.First}, func(part string) bool {
		return part == ""
	})
	return strings.Join(parts, ": ")
}

// collectionBody is the JSON of a collective message for an https:// destination.
type collectionBody struct {
	Kind    string             `json:"kind"`
	Key     string             `json:"key"`
	Subject string             `json:"subject"`
	Text    string             `json:"text"`
	Notices []collectionNotice `json:"notices"`
	// NoticesOmitted is the number of notices that are not listed.
	NoticesOmitted int `json:"noticesOmitted,omitempty"`
}

type collectionNotice struct {
	ordercheck.GatheredNotice
	Links links `json:"links"`
}

func (n *Notifier) collectionMessage(c *ordercheck.Collection) message {
	total, kinds := collectionSummary(c)
	subject := fmt.Sprintf("[COLLECTED] %s: %s", total, kinds)
	body := collectionBody{Kind: collectionKind, Key: c.Key, Subject: subject,
		NoticesOmitted: c.Omitted}
	var b strings.Builder
	b.WriteString(subject + "\n")
	for i := range c.Notices {
		g := &c.Notices[i]
		body.Notices = append(body.Notices, collectionNotice{
			GatheredNotice: *g,
			Links: links{
				Order: inflow.OrderPageURL(g.SalesOrderID), Desk: n.links.page(g.SalesOrderID),
				Run: n.links.toRun(ordercheck.WorkflowID(g.SalesOrderID), g.RunID),
			},
		})
		if i < maxChatNotices {
			fmt.Fprintf(&b, "• [%s] %s", strings.ToUpper(string(g.Kind)),
				chatText(orderName(g.OrderNumber, g.SalesOrderID), maxName))
			if what := chatText(whatOf(g), maxChatText/2); what != "" {
				b.WriteString(": " + what)
			}
			b.WriteString("\n")
		}
	}
	if more := len(c.Notices) + c.Omitted - maxChatNotices; more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	b.WriteString(n.links.deskURL)
	body.Text = strings.TrimSpace(b.String())
	return message{id: c.Key, text: body.Text, body: body}
}
