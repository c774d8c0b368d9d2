// Command gate-dev runs the whole gate on one machine, with a stand-in for InFlow in place of the
// real one. It is for trials and development: it forges InFlow's webhooks, so it is not part of the
// program that runs in production.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitFault = 1
	exitUsage = 2 // a wrong flag, argument or setting
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	root := newDevCommand()
	root.AddCommand(newFakeInflowCommand())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(root.ErrOrStderr(), "gate-dev:", err)
	if usage := (*usageError)(nil); errors.As(err, &usage) {
		return exitUsage
	}
	return exitFault
}

// usageError reports a wrong flag, argument or setting.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &usageError{fmt.Errorf("%s takes no arguments; see '%[1]s --help'", cmd.CommandPath())}
}
