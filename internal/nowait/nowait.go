// Package nowait reads files, and does not wait for a writer if a file is a named pipe.
package nowait

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// Open opens a file for reading. A named pipe without a writer reads as empty. [os.Open] would wait
// for a writer, and neither a context nor a caught signal would interrupt it.
func Open(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the caller's path
}

// ReadFile reads a whole file.
func ReadFile(path string) ([]byte, error) {
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	return io.ReadAll(file)
}

// MaxSmallFile is the largest file that [ReadSmallFile] reads, in bytes.
const MaxSmallFile = 64 << 10

// ReadSmallFile reads a file of keys, secrets or settings. A larger file is an error, because the
// path is then most likely wrong.
func ReadSmallFile(path string) ([]byte, error) {
	file, err := Open(path)
	if err != nil {
		return nil, fmt.Errorf("the file cannot be read: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	content, err := io.ReadAll(io.LimitReader(file, MaxSmallFile+1))
	if err != nil {
		return nil, fmt.Errorf("the file cannot be read: %w", err)
	}
	if len(content) > MaxSmallFile {
		return nil, fmt.Errorf("%s has more than %d bytes: is it the right file?", path, MaxSmallFile)
	}
	return content, nil
}

// CheckReadable returns an error if a file cannot be read or is a folder.
func CheckReadable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("the file cannot be read: %w", err)
	}
	if info.IsDir() {
		return fmt.Errorf("%s is a folder: write the path of a file", path)
	}
	file, err := Open(path)
	if err != nil {
		return fmt.Errorf("the file cannot be read: %w", err)
	}
	return file.Close()
}
