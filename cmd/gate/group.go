package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// asGroup makes cmd a command that does nothing itself. Without arguments it shows its help. An
// unknown subcommand is an error with the exit status code, because cobra would show the help and
// exit with 0.
func asGroup(cmd *cobra.Command, code int) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return &exitError{code: code, err: errors.New(unknownCommand(cmd, args[0]))}
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

func unknownCommand(cmd *cobra.Command, name string) string {
	cmd.SuggestionsMinimumDistance = 2 // cobra's default for commands that it refuses itself
	text := fmt.Sprintf("%s has no command %q", cmd.CommandPath(), name)
	if similar := cmd.SuggestionsFor(name); len(similar) > 0 {
		text += "; did you mean " + strings.Join(similar, " or ") + "?"
	}
	return fmt.Sprintf("%s; see '%s --help'", text, cmd.CommandPath())
}

// flagErrors gives errors about flags the exit status code, for cmd and its subcommands.
func flagErrors(cmd *cobra.Command, code int) {
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return &exitError{code: code, err: err}
	})
}
