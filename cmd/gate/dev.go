package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"
)

// devProgram is the program that runs a trial gate and the stand-in for InFlow. It is separate
// because it can forge InFlow's webhooks, which the production program must not.
const devProgram = "gate-dev"

func newDevCommand() *cobra.Command {
	return newDevProgramCommand("dev",
		"Run everything on this machine, with a stand-in for InFlow and sample orders")
}

func newFakeInflowCommand() *cobra.Command {
	return newDevProgramCommand("fake-inflow", "Run a stand-in for InFlow's API, with sample orders",
		"fake-inflow")
}

// newDevProgramCommand returns a command that becomes [devProgram] with the given arguments,
// followed by its own.
func newDevProgramCommand(name, short string, args ...string) *cobra.Command {
	return &cobra.Command{
		Use:   name,
		Short: short,
		Long: short + ".\n\nThis starts the program " + devProgram + ", which has its own help: gate " +
			name + " --help",
		DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, more []string) error {
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find the folder of gate: %w", err)
			}
			path, err := findDevProgram(filepath.Dir(self))
			if err != nil {
				return err
			}
			return execProgram(path, append(append([]string{devProgram}, args...), more...))
		},
	}
}

// findDevProgram looks for [devProgram] in the folder of gate, then on the PATH.
func findDevProgram(folder string) (string, error) {
	// LookPath adds .exe on Windows. The path contains a separator, so it does not search the PATH.
	if path, err := exec.LookPath(filepath.Join(folder, devProgram)); err == nil {
		return path, nil
	}
	path, err := exec.LookPath(devProgram)
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf(
			"the program %s is neither in %s nor on the PATH; build it with 'make build', or with "+
				"'go build -o %s ./cmd/%[1]s' in a checkout", devProgram, folder,
			filepath.Join(folder, devProgram))
	}
	if err != nil {
		return "", fmt.Errorf("look for the program %s: %w", devProgram, err)
	}
	return path, nil
}
