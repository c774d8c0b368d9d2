package notify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"error-check-gate/internal/ordercheck"
)

// holdMarksKind labels messages about hold marks in metrics.
const holdMarksKind = "hold-marks"

// HoldMarksStopped says that no order is marked in InFlow any more.
type HoldMarksStopped struct {
	// Key is the same for every attempt to send it.
	Key string
	At  time.Time
	ordercheck.HoldMarksStop
}

// SendHoldMarksStopped mails to one of [Notifier.DigestTargets] that marks are stopped. The error
// is an [*Error].
func (n *Notifier) SendHoldMarksStopped(
	ctx context.Context,
	t Target,
	stopped *HoldMarksStopped,
) error {
	return n.attempt(ctx, t, holdMarksKind, func(ctx context.Context) error {
		msg, err := n.composeList(n.holdMarksView(stopped, t), stopped.Key, stopped.At, t)
		return n.deliver(ctx, msg, err)
	})
}

func (n *Notifier) holdMarksView(stopped *HoldMarksStopped, t Target) *listView {
	name := orderName(stopped.OrderNumber, stopped.SalesOrderID)
	v := &listView{
		Subject:  "[STOPPED] Holds are no longer shown in InFlow",
		Label:    "STOPPED",
		Color:    colors[ordercheck.NoticeUnchecked],
		Headline: "The gate no longer writes to orders in InFlow.",
		Advice: "Held orders are still held, and people are still told. To show holds in InFlow again, " +
			"mend the cause, then run 'gate marks resume'.",
	}
	listed := listedOrder{
		salesOrderID: stopped.SalesOrderID, number: stopped.OrderNumber, when: n.time(stopped.At),
		what: "InFlow refused to let the gate write to this order: the API key may only read.",
	}
	if len(stopped.Damaged) > 0 {
		listed.what = fmt.Sprintf(
			"The gate wrote one custom field, and InFlow changed more: %s. Compare the order with what it should be.",
			strings.Join(stopped.Damaged, ", "),
		)
		v.Headline += " A write may have damaged order " + oneLine(name, maxName) + "."
	}
	v.Rows = []rowView{n.row(&listed, t, stopped.At)}
	return v
}
