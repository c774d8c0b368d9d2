//go:build unix

package main

import (
	"fmt"
	"os"
	"syscall"
)

// execProgram replaces this process with a program, so signals and the exit status are the
// program's.
func execProgram(path string, argv []string) error {
	err := syscall.Exec(path, argv, os.Environ()) //nolint:gosec // our own program
	return fmt.Errorf("start %s: %w", path, err)
}
