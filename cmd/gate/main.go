// Command gate is the Error Check Gate. It receives InFlow's webhooks, checks each sales order
// against the company's rules in a Temporal workflow, and holds orders with errors.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
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
	root := newRootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = &exitError{code: exitFault, err: err}
	}
	if text := exit.Error(); text != "" {
		printInTime(root.ErrOrStderr(), "gate: "+text)
	}
	return exit.code
}

// printInTime prints a line, and waits at most 1 s for that, because the process must end even if
// nobody reads its standard error.
func printInTime(out io.Writer, line string) {
	printed := make(chan struct{})
	go func() {
		defer close(printed)
		fmt.Fprintln(out, line)
	}()
	select {
	case <-printed:
	case <-time.After(logFlushTimeout):
	}
}

func newRootCommand() *cobra.Command {
	root := asGroup(&cobra.Command{
		Use:   "gate",
		Short: "Check InFlow sales orders against your rules, and hold the wrong ones",
		Long: `The Error Check Gate receives InFlow's webhooks. It fetches each sales order
that is created or updated, checks it against your company's rules, and holds
it if it has errors. Temporal keeps the state of every order.

To see it work on this machine, with a stand-in for InFlow:   gate dev
To run it:   gate ingress   and   gate worker   (see 'gate config' for their settings)`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return refuseEmptyFlags(cmd)
		},
	}, exitUsage)
	flagErrors(root, exitUsage)
	root.AddCommand(
		newDevCommand(),
		newIngressCommand(),
		newDeskCommand(),
		newWorkerCommand(),
		newCodecCommand(),
		newCheckCommand(),
		newOverrideCommand(),
		newRerunCommand(),
		newSweepCommand(),
		newMarksCommand(),
		newOrdersCommand(),
		newRulesCommand(),
		newWebhooksCommand(),
		newFakeInflowCommand(),
		newConfigCommand(),
		newHealthCommand(),
		newVersionCommand(),
	)
	return root
}
