package workflows

import (
	"slices"

	"go.temporal.io/sdk/workflow"
)

// sender sends messages of one kind, one after the other.
type sender struct {
	waiting func() bool // reports whether there is a message to send
	// send sends the first message. Its context is cancelled if the next run is about to take over.
	send func(workflow.Context)

	busy      bool // a message is on its way
	interrupt workflow.CancelFunc
}

// senders work in the background of a run, so that a mail server that is down holds nothing up. A
// sender has a coroutine only while it sends: a worker keeps thousands of held orders in memory,
// and nearly all of them have nothing to send.
type senders struct {
	all    []*sender
	paused bool // the next run is about to take over
}

// run starts each sender that has a message to send, for as long as the run is open.
func (s *senders) run(ctx workflow.Context) {
	due := func(one *sender) bool { return !one.busy && one.waiting() }
	for {
		err := workflow.Await(ctx, func() bool { return !s.paused && slices.ContainsFunc(s.all, due) })
		if err != nil {
			return
		}
		for _, one := range s.all {
			if due(one) {
				one.busy = true
				workflow.Go(ctx, func(ctx workflow.Context) { s.sendAll(ctx, one) })
			}
		}
	}
}

// sendAll sends messages until none is left.
func (s *senders) sendAll(ctx workflow.Context, one *sender) {
	for !s.paused && one.waiting() {
		var sendCtx workflow.Context
		sendCtx, one.interrupt = workflow.WithCancel(ctx)
		one.send(sendCtx)
		one.interrupt()
	}
	one.busy = false
}

// busy reports whether a message is on its way.
func (s *senders) busy() bool {
	return slices.ContainsFunc(s.all, func(one *sender) bool { return one.busy })
}

// pause leaves the messages on their way, and those after them, to the next run. It waits for an
// attempt that has begun, at most for a minute, so that nobody gets a message twice.
func (s *senders) pause(ctx workflow.Context) error {
	s.paused = true
	for _, one := range s.all {
		if one.busy && one.interrupt != nil {
			one.interrupt()
		}
	}
	return workflow.Await(ctx, func() bool { return !s.busy() })
}

// resume lets the senders go on after a pause, if the run goes on after all.
func (s *senders) resume() { s.paused = false }
