package notify

import (
	"bytes"
	_ "embed"
	"fmt"
	htmltemplate "html/template"
	texttemplate "text/template"
	"time"

	gomail "github.com/wneessen/go-mail"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

//go:embed list.html
var listHTML string

//go:embed list.txt
var listText string

var (
	htmlList = htmltemplate.Must(htmltemplate.New("list.html").Parse(listHTML))
	textList = texttemplate.Must(texttemplate.New("list.txt").Parse(listText))
)

// maxListText is the maximum length of a message in a list, in characters. With it, a list of 500
// orders stays well below the size limits of mail servers.
const maxListText = 200

// listView is the template data of a mail about several orders, for its text and its HTML. Each
// text is one line.
type listView struct {
	Subject, Label, Color string
	Headline, Advice      string
	IntendedFor           []string // as in mailView
	Rows                  []rowView
	More                  int // number of orders or notices that are not listed
	// BoardURL is the URL of the desk's list of held orders. It may be empty.
	BoardURL string
	Footer   string
}

// rowView is one order.
type rowView struct {
	// Mark highlights the order, such as NEW. It may be empty.
	Mark, Name, Customer, What, When string
	DeskURL, RunURL, OrderURL        string // as in mailView
}

// listedOrder is an order in a mail about several.
type listedOrder struct {
	salesOrderID, runID        string
	number, customer, salesRep string
	mark, what, when           string
}

// row returns an order's row for a receiver. at is when the validity of the signed link starts.
func (n *Notifier) row(o *listedOrder, t Target, at time.Time) rowView {
	v := rowView{
		Mark: o.mark, Name: orderName(o.number, o.salesOrderID),
		Customer: oneLine(o.customer, maxName), What: oneLine(o.what, maxListText),
		OrderURL: inflow.OrderPageURL(o.salesOrderID), When: o.when,
	}
	if rep := oneLine(o.salesRep, maxName); rep != "" {
		v.Customer += " (" + rep + ")"
	}
	if v.DeskURL = n.links.toDesk(o.salesOrderID, t.to.Address, at); v.DeskURL == "" {
		v.RunURL = n.links.toRun(ordercheck.WorkflowID(o.salesOrderID), o.runID)
	}
	return v
}

// composeList creates a mail about several orders to one receiver.
func (n *Notifier) composeList(
	view *listView, key string, at time.Time, t Target,
) (*gomail.Msg, error) {
	view.IntendedFor, view.BoardURL = t.intendedFor, n.links.deskURL
	view.Footer = "Error Check Gate · " + n.time(at)
	var text, html bytes.Buffer
	if err := textList.Execute(&text, view); err != nil {
		return nil, fmt.Errorf("make the mail's text: %w", err)
	}
	if err := htmlList.Execute(&html, view); err != nil {
		return nil, fmt.Errorf("make the mail's HTML: %w", err)
	}
	return n.envelope(&letter{subject: view.Subject, key: key, at: at, text: text.String(),
		html: html.String()}, t), nil
}
