// Package nowait opens files without blocking.
package nowait

import (
	"io"
	"os"
	"syscall"
)

// Open opens a file for reading. A named pipe without a writer is empty. [os.Open] would wait for a
// writer, and neither a context nor a caught signal could end that.
func Open(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the caller's path
}

// ReadFile opens a file with [Open] and reads it to the end.
func ReadFile(path string) ([]byte, error) {
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	return io.ReadAll(file)
}
