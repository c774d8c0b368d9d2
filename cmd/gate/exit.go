package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/temporal"
)

// Exit statuses of gate's commands.
const (
	exitErrorsFound = 1 // the order has errors, or the command failed
	exitFault       = 1
	exitNotChecked  = 2 // there is no report, or the configuration is wrong
	exitUsage       = 2 // a wrong flag or argument; 'gate webhooks' and 'gate orders' exit with 1
)

// exitError ends the process with status code. If err is nil, it prints nothing.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

var errWaited = errors.New("waited long enough")

// waitAtMost returns a context for the calls of a command that waits for a run. It has no
// deadline, because the SDK would send the deadline with each call, and the server could end the
// call first with an error of its own.
func waitAtMost(ctx context.Context, wait time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(wait, func() { cancel(errWaited) })
	return ctx, func() {
		timer.Stop()
		cancel(context.Canceled)
	}
}

// notDone explains in one line why a run has no result: its failure, tooLong if the time of
// [waitAtMost] is over, or the client's error.
func notDone(ctx context.Context, err error, tooLong string) error {
	var application *temporal.ApplicationError
	switch {
	case errors.As(err, &application):
		return fmt.Errorf("%s: %s", application.Type(), application.Message())
	case errors.Is(context.Cause(ctx), errWaited):
		return errors.New(tooLong)
	default:
		return err
	}
}

// exactArgs is like [cobra.ExactArgs], but its error starts with message.
func exactArgs(n int, message string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		err := fmt.Errorf("%s; see '%s --help'", message, cmd.CommandPath())
		return &exitError{code: exitUsage, err: err}
	}
}
