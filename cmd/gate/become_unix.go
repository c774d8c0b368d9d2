//go:build unix

package main

import (
	"fmt"
	"os"
	"syscall"
)

// become replaces this process with a program, so signals and the exit status are the program's.
func become(path string, argv []string) error {
	err := syscall.Exec(path, argv, os.Environ()) //nolint:gosec // our own program
	return fmt.Errorf("start %s: %w", path, err)
}
