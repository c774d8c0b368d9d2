package workflows

import (
	"cmp"
	"errors"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

// owe notes that a fetch is owed to somebody, and how urgent it is: the fetch that is due
// has the priority of the most urgent who asked for it.
func (o *salesOrder) owe(priority int) {
	if !o.due || priority < o.duePriority {
		o.duePriority = priority
	}
	o.due, o.dueKept = true, false
}

// startPriority is that of who started the run; by hand it is started without one.
func startPriority(ctx workflow.Context) int {
	return cmp.Or(workflow.GetInfo(ctx).Priority.PriorityKey, ordercheck.PriorityPerson)
}

// nextSignal gives the signals in the order of their coming, those overheard first.
func (o *salesOrder) nextSignal(raw *converter.RawValue) bool {
	if len(o.overheard) > 0 {
		*raw, o.overheard = o.overheard[0], o.overheard[1:]
		return true
	}
	return o.readSignal(raw)
}

// readSignal takes a signal from Temporal's channel, if one is to be read: see unreadSignals.
func (o *salesOrder) readSignal(raw *converter.RawValue) bool {
	if o.unreadSignals() == 0 {
		return false
	}
	if o.cancelRequested {
		o.ownSignals--
	}
	return o.deliveries.ReceiveAsync(raw)
}

// errOvertaken is for a request to InFlow that was taken back.
var errOvertaken = errors.New("somebody more urgent asked, before the request had begun")

// request has an activity make a request to InFlow, which may wait long for its turn. Where
// somebody more urgent asks meanwhile, one that has not begun is taken back with
// [errOvertaken], and the fetch is due again, at their priority. One that has begun goes on.
func (o *salesOrder) request(ctx workflow.Context, name string, input, result any) error {
	requestCtx, takeBack := workflow.WithCancel(ctx)
	future := workflow.ExecuteActivity(requestCtx, name, input)
	for !future.IsReady() {
		if err := workflow.Await(ctx, func() bool {
			return future.IsReady() || o.moreUrgentIsDue() || o.unreadSignals() > 0
		}); err != nil {
			return err
		}
		if future.IsReady() || !o.overtaken() {
			continue
		}
		takeBack()
		if future.Get(ctx, result) != nil {
			return errOvertaken
		}
	}
	return future.Get(ctx, result)
}

// moreUrgentIsDue reports whether a fetch is due that is more urgent than the latest.
func (o *salesOrder) moreUrgentIsDue() bool { return o.due && o.duePriority < o.priority }

// overtaken reports whether somebody has asked who is more urgent than those the latest fetch is for. The
// signals that it has looked into are received later, in their order.
func (o *salesOrder) overtaken() bool {
	overtaken := o.moreUrgentIsDue()
	var raw converter.RawValue
	for o.readSignal(&raw) {
		o.overheard = append(o.overheard, raw)
		raw = converter.RawValue{}
	}
	for _, signal := range o.overheard {
		overtaken = overtaken || o.signalPriority(signal) < o.priority
	}
	return overtaken
}

// signalPriority: what is neither a webhook's nor the sweep's is a person's plain "check again".
func (o *salesOrder) signalPriority(raw converter.RawValue) int {
	switch got, _ := o.readDeliveries(raw); {
	case got.webhooks > 0:
		return ordercheck.PriorityWebhook
	case got.missed != "", got.rulesDigest != "":
		return ordercheck.PrioritySweep
	default:
		return ordercheck.PriorityPerson
	}
}
