package notify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// collectionKind labels collective messages in metrics, and in the JSON for software.
const collectionKind = "collection"

// maxChatNotices is the most notices that a chat lists. The shortest messages that a chat takes have
// 2,000 characters.
const maxChatNotices = 10

// Receiver names who would get the message, for limits. It is the target's name, with a digest of the
// address if the target is a different person for each order. It is empty if nobody can be told.
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

// repReceiver returns the receiver of a sales rep's address. Two reps must not share one, since one
// of them would get the other's mail, so its digest is longer than a target's.
func repReceiver(address string) string {
	return ordercheck.TargetSalesRep + ":" + digestOf(strings.ToLower(address), 6)
}

// Brief returns a notice as a collective message has it.
func (n *Notifier) Brief(notice *Notice) ordercheck.GatheredNotice {
	brief := ordercheck.GatheredNotice{
		Key: notice.Key, Kind: notice.Kind, SalesOrderID: notice.Report.SalesOrderID,
		OrderNumber: notice.Report.OrderNumber, Customer: notice.Report.Customer,
		What: notice.what(n.location), At: notice.At, RunID: notice.RunID, HasSalesRep: notice.HasSalesRep,
	}
	if about, _ := notice.about(); len(about) > 0 {
		brief.First = where(&about[0]) + ": " + about[0].Message
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

// collectionSummary says how many notices of which kind a collective message has.
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
	return count(len(c.Notices)+c.Omitted, "notice"), strings.Join(parts, ", ")
}

func (n *Notifier) collectionView(c *ordercheck.Collection, t Target) *listView {
	total, kinds := collectionSummary(c)
	v := &listView{
		Subject: fmt.Sprintf("[COLLECTED] %s: %s", total, kinds), Label: "COLLECTED",
		Color: colors[ordercheck.NoticeFailed], Headline: total + " in one mail: " + kinds + ".",
		Advice: "They are more than NOTICES_PER_HOUR lets through one by one. An order that failed is held until it is fixed in InFlow and saved.",
		More:   c.Omitted,
	}
	for i := range c.Notices {
		g := &c.Notices[i]
		v.Rows = append(v.Rows, n.row(&listedOrder{
			salesOrderID: g.SalesOrderID, runID: g.RunID, number: g.OrderNumber, customer: g.Customer,
			mark: strings.ToUpper(string(g.Kind)), what: whatOf(g), when: n.time(g.At),
		}, t, g.At))
	}
	return v
}

// whatOf says on one line what a gathered notice tells.
func whatOf(g *ordercheck.GatheredNotice) string {
	parts := slices.DeleteFunc([]string{g.What, g.First}, func(part string) bool { return part == "" })
	return strings.Join(parts, ": ")
}

// collectionBody is what an https:// destination gets of a collective message.
type collectionBody struct {
	Kind    string             `json:"kind"`
	Key     string             `json:"key"`
	Subject string             `json:"subject"`
	Text    string             `json:"text"`
	Notices []collectionNotice `json:"notices"`
	// NoticesOmitted counts the notices that are not listed.
	NoticesOmitted int `json:"noticesOmitted,omitempty"`
}

type collectionNotice struct {
	ordercheck.GatheredNotice
	Links links `json:"links"`
}

func (n *Notifier) collectionMessage(c *ordercheck.Collection) message {
	total, kinds := collectionSummary(c)
	subject := fmt.Sprintf("[COLLECTED] %s: %s", total, kinds)
	body := collectionBody{Kind: collectionKind, Key: c.Key, Subject: subject, NoticesOmitted: c.Omitted}
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
			fmt.Fprintf(&b, "• [%s] %s", strings.ToUpper(string(g.Kind)), chatText(orderName(g.OrderNumber, g.SalesOrderID), maxName))
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
