package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/gathering"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows/call"
)

const (
	// maxAdmitted is the number of notices after which a run continues as new. Temporal allows 2,000
	// updates per run.
	maxAdmitted = 1000
	// maxGatherAge is the age at which a run continues as new, so that nobody has to keep a
	// payload key or a build for longer than a day.
	maxGatherAge = 24 * time.Hour
	// maxRepLookups limits the orders that are fetched to find a sales rep's address.
	maxRepLookups = 10
)

// GatherStart is the argument of the workflow [ordercheck.GatherWorkflowType].
type GatherStart struct {
	// State is the receiver's state from the previous run; nil if there is none.
	State *gathering.State `json:"state,omitempty"`
}

// NoticeGathering has the workflow [ordercheck.GatherWorkflowType].
type NoticeGathering struct {
	Observer Observer // may be nil
}

// GatherNotices counts the messages to one receiver, and gathers the notices above the limit into
// one message. It ends when nothing was sent to the receiver for a day. It ignores an operator's
// cancellation, which would lose the gathered notices.
func (n *NoticeGathering) GatherNotices(ctx workflow.Context, start GatherStart) error {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	g := &gatherer{
		receiver: ordercheck.GatherReceiver(workflow.GetInfo(ctx).WorkflowExecution.ID),
		state:    start.State, observer: n.Observer, since: workflow.Now(ctx),
	}
	if g.state == nil {
		g.state = &gathering.State{}
	}
	if err := setUpdate(ctx, ordercheck.UpdateAdmit, g.admit, nil,
		"Decide whether a notice is sent now or gathered."); err != nil {
		return fmt.Errorf("register update %s: %w", ordercheck.UpdateAdmit, err)
	}
	g.background.jobs = []*job{g.messageJob()}
	workflow.Go(ctx, g.background.run)
	for {
		now := workflow.Now(ctx)
		var err error
		switch {
		case g.full(ctx) && g.background.busy():
			err = g.background.pause(ctx)
		case g.full(ctx):
			return workflow.NewContinueAsNewError(ctx, ordercheck.GatherWorkflowType,
				GatherStart{State: g.state})
		case g.state.Due(now):
			g.state.Begin(now)
		case g.state.Idle(now, g.since) && workflow.AllHandlersFinished(ctx):
			return nil
		default:
			err = g.sleep(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// gatherer is the state of one run.
type gatherer struct {
	receiver   string
	state      *gathering.State
	observer   Observer
	since      time.Time // when the run began
	admitted   int       // in this run
	changed    bool      // wakes the run
	timer      sleepTimer
	background background // sends collective messages
}

// admit is the update [ordercheck.UpdateAdmit]. It never blocks.
func (g *gatherer) admit(
	ctx workflow.Context, a ordercheck.Admission,
) (ordercheck.Admitted, error) {
	g.admitted++
	admitted := g.state.Admit(workflow.Now(ctx), &a)
	g.changed = g.changed || admitted.Gathered
	return admitted, nil
}

// full reports whether the next run should take over. A run that is old, but not full, finishes
// its message first.
func (g *gatherer) full(ctx workflow.Context) bool {
	if !workflow.AllHandlersFinished(ctx) || g.admitted == 0 {
		return false
	}
	return g.admitted >= maxAdmitted || workflow.GetInfo(ctx).GetContinueAsNewSuggested() ||
		!g.background.busy() && workflow.Now(ctx).Sub(g.since) >= maxGatherAge
}

// sleep waits until there is something to do.
func (g *gatherer) sleep(ctx workflow.Context) error {
	workflow.SetCurrentDetails(ctx, g.details())
	until, why := g.state.Wake(g.since)
	g.timer.set(ctx, until, why, false)
	err := workflow.Await(ctx, func() bool { return g.changed || g.timer.fired() || g.full(ctx) })
	g.changed = false
	return err
}

func (g *gatherer) details() string {
	s := g.state
	text := fmt.Sprintf("Messages to %s: %d in the hour that ends at %s.", g.receiver, s.Count,
		s.WindowEnd.UTC().Format(time.RFC3339))
	if waiting := s.Waiting.Count(); waiting > 0 {
		text += fmt.Sprintf(" Gathered for one message then: %s.", ordercheck.Plural(waiting, "notice"))
	}
	if s.Sending != nil {
		text += fmt.Sprintf(" On its way: one message with %s.",
			ordercheck.Plural(s.Sending.Count(), "notice"))
	}
	return text
}

// messageJob sends the collective messages, one at a time.
func (g *gatherer) messageJob() *job {
	return &job{
		due: func() bool { return g.state.Sending != nil },
		do: func(ctx workflow.Context) {
			err := g.send(ctx)
			if err != nil && ctx.Err() == nil {
				g.giveUp(ctx, err)
			}
			if err == nil || ctx.Err() == nil {
				g.state.Done()
			}
			g.changed = true
		},
	}
}

// send sends the message. If the receiver is a sales rep, it asks InFlow for the address, which
// it finds through one of the orders; it tries the latest order first. It leaves out orders that
// have another sales rep by now.
func (g *gatherer) send(ctx workflow.Context) error {
	activity := sendGathered.WithSummary("one message to " + g.receiver)
	if ordercheck.ReceiverTarget(g.receiver) != ordercheck.TargetSalesRep {
		_, err := activity.Run(ctx, g.input(""))
		return err
	}
	var err error
	for _, id := range g.latestOrders() {
		var sent ordercheck.SentGathered
		sent, err = activity.OnQueue(ordercheck.InflowTaskQueue).Run(ctx, g.input(id))
		switch {
		case err != nil && ctx.Err() != nil:
			return err
		case call.ErrorType(err) == ordercheck.ErrorOrderNotFound:
			continue // another order may have the address
		case err != nil || !sent.Moved:
			return err
		}
		g.state.Moved(id)
		if len(g.state.Sending.Notices) == 0 {
			return nil
		}
	}
	if err == nil {
		err = fmt.Errorf("none of the last %d orders has this sales rep any more", maxRepLookups)
	}
	return err
}

func (g *gatherer) input(lookUp string) ordercheck.SendGatheredInput {
	return ordercheck.SendGatheredInput{
		Receiver: g.receiver, Message: g.state.Sending.Collection, LookUp: lookUp,
	}
}

// latestOrders returns the orders of the message, the latest first.
func (g *gatherer) latestOrders() []string {
	var ids []string
	for _, n := range slices.Backward(g.state.Sending.Notices) {
		if !slices.Contains(ids, n.SalesOrderID) && len(ids) < maxRepLookups {
			ids = append(ids, n.SalesOrderID)
		}
	}
	return ids
}

func (g *gatherer) giveUp(ctx workflow.Context, err error) {
	workflow.GetLogger(ctx).Error("gave up a message with gathered notices: it could not be sent",
		"receiver", g.receiver, "notices", g.state.Sending.Count(), "error", err)
	if g.observer == nil || workflow.IsReplaying(ctx) {
		return
	}
	for i := range g.state.Sending.Notices {
		g.observer.NoticeGivenUp(g.state.Sending.Notices[i].Kind)
	}
}

// sendGathered sends one collective message.
var sendGathered = call.Activity[ordercheck.SendGatheredInput, ordercheck.SentGathered]{
	Name:    ordercheck.ActivitySendGathered,
	Options: notify.Options,
}
