package workflows

import "go.temporal.io/sdk/workflow"

// sender sends messages beside the rest of a run, so a mail server that is down holds nothing up.
type sender struct {
	busy      bool // a message is on its way
	paused    bool // the next run is about to take over
	interrupt workflow.CancelFunc
}

// loop sends one message after the other whenever waiting returns true. The context of send is
// cancelled when the sender is paused.
func (s *sender) loop(ctx workflow.Context, waiting func() bool, send func(workflow.Context)) {
	for {
		err := workflow.Await(ctx, func() bool { return waiting() && !s.paused })
		if err != nil {
			return
		}
		var sendCtx workflow.Context
		sendCtx, s.interrupt = workflow.WithCancel(ctx)
		s.busy = true
		send(sendCtx)
		s.busy = false
		s.interrupt()
	}
}

// pause leaves the message on its way, and those after it, to the next run. It waits for an attempt
// that has begun, at most for a minute, so that nobody gets the message twice.
func (s *sender) pause(ctx workflow.Context) error {
	s.paused = true
	s.interrupt()
	return workflow.Await(ctx, func() bool { return !s.busy })
}
