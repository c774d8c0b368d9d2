//go:build !unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// execProgram runs a program to its end and exits with its status. The terminal sends an
// interrupt to the program too.
func execProgram(path string, argv []string) error {
	program := exec.Command(path, argv[1:]...) //nolint:gosec,noctx // our own program; it ends by itself
	program.Stdin, program.Stdout, program.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := program.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &exitError{code: exit.ExitCode()}
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", path, err)
	}
	return nil
}
