package notify

import (
	"context"
	"fmt"
	"time"

	"error-check-gate/internal/ordercheck"
)

// digestKind is the kind of digests in metrics.
const digestKind = "digest"

// Digest is a list of all held orders.
type Digest struct {
	// Key identifies the digest. It is the same for every attempt to send it.
	Key string
	// At is when the digest was due.
	At time.Time
	// Orders lists the orders that are held longest, at most [ordercheck.MaxDigestOrders].
	Orders []DigestOrder
	// Held is the number of held orders. New is the number of them that were not in the previous
	// digest. Pending is the number of orders in their grace period.
	Held, New, Pending int
}

// DigestOrder is a held order.
type DigestOrder struct {
	SalesOrderID, RunID string
	// Number, Customer, SalesRep and First, the message of the first error, may be empty.
	Number, Customer, SalesRep, First string
	Errors                            int
	HeldSince                         time.Time
	New                               bool
}

// DigestTargets returns the receivers of a digest: MAIL_TO, or NOTIFY_REDIRECT in a trial.
func (n *Notifier) DigestTargets() []Target {
	return n.redirected(n.mailTargets(), nil)
}

// SendDigest mails a digest to one of [Notifier.DigestTargets]. The error is an [*Error].
func (n *Notifier) SendDigest(ctx context.Context, t Target, d *Digest) error {
	return n.attempt(ctx, t, digestKind, func(ctx context.Context) error {
		msg, err := n.composeList(n.digestView(d, t), d.Key, d.At, t)
		return n.deliver(ctx, msg, err)
	})
}

func (n *Notifier) digestView(d *Digest, t Target) *listView {
	v := &listView{
		Subject: fmt.Sprintf("[HELD] %s on %s", ordercheck.Plural(d.Held, "order"),
			d.At.In(n.location).Format("2 Jan 2006")),
		Label: "HELD",
		Color: colors[ordercheck.NoticeFailed],
		Advice: "Fix an order in InFlow and save it. It is then checked again automatically, " +
			"and released when all its errors are gone.",
	}
	v.Headline = fmt.Sprintf("%d orders are held", d.Held)
	if d.Held == 1 {
		v.Headline = "1 order is held"
	}
	if d.New > 0 {
		v.Headline += fmt.Sprintf(", %d of them new", d.New)
	}
	v.Headline += "."
	switch d.Pending {
	case 0:
	case 1:
		v.Advice = "1 more order has new errors. It will be held if nobody fixes them in time. " +
			v.Advice
	default:
		v.Advice = fmt.Sprintf("%d more orders have new errors. They will be held if nobody "+
			"fixes them in time. ", d.Pending) + v.Advice
	}
	for i := range d.Orders {
		o := &d.Orders[i]
		listed := listedOrder{
			salesOrderID: o.SalesOrderID, runID: o.RunID, number: o.Number, customer: o.Customer,
			salesRep: o.SalesRep, when: "since " + n.time(o.HeldSince),
			what: ordercheck.Plural(o.Errors, "error"),
		}
		if o.First != "" {
			listed.what += ": " + o.First
		}
		if o.New {
			listed.mark = "NEW"
		}
		v.Rows = append(v.Rows, n.row(&listed, t, d.At))
	}
	v.More = max(d.Held-len(d.Orders), 0)
	return v
}
