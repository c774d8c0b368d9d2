package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// Exit statuses of gate's commands.
const (
	exitErrorsFound = 1 // the order has errors, or the command failed
	exitFault       = 1
	exitNotChecked  = 2 // no report could be had, or the configuration is wrong
	exitUsage       = 2
)

// exitError ends the process with a status. A nil err ends it silently: all has been said.
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

// exactArgs is cobra.ExactArgs with words for what is missing.
func exactArgs(n int, message string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return &exitError{code: exitUsage, err: errors.New(message + "; see '" + cmd.CommandPath() + " --help'")}
	}
}
