package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// refuseEmptyFlags returns an error for each flag that was given without a value. A script passes
// such a flag if a variable is not set, and expects more than the default: --fail-above "$LIMIT"
// must not let everything pass.
func refuseEmptyFlags(cmd *cobra.Command) error {
	var errs []error
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		value := flag.Value.String()
		if flag.Value.Type() == "string" && value == "" ||
			flag.Value.Type() == "stringSlice" && value == "[]" {
			errs = append(errs, fmt.Errorf("--%s is empty: give it a value, or leave it out", flag.Name))
		}
	})
	if len(errs) == 0 {
		return nil
	}
	return cmd.FlagErrorFunc()(cmd, errors.Join(errs...))
}
