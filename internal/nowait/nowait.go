// Package nowait opens files without waiting for anybody.
package nowait

import (
	"io"
	"os"
	"syscall"
)

// Open opens a file to be read. A named pipe that nobody writes to is empty, where [os.Open] would
// wait for a writer, deaf to every context and signal that is caught.
func Open(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the caller's choice
}

// ReadFile reads a file that [Open] opens.
func ReadFile(path string) ([]byte, error) {
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	return io.ReadAll(file)
}
