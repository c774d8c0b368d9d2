package ingress

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Sizes that suit a small machine: at most 1.1 GiB, about four million lines.
const (
	DefaultAuditMaxSize = 100 << 20 // bytes
	DefaultAuditKeep    = 10        // rotated files
)

const (
	// auditLookInterval is the time between checks that the path still leads to the open file.
	auditLookInterval = time.Second
	// rotationRetry is the delay after a rotation that failed.
	rotationRetry = time.Minute
)

// auditFile is a file that is appended to, and rotated to path.1, path.2 … when it reaches its
// maximum size. If another program, such as logrotate, renames or removes it, a new file is
// created.
//
// We don't use lumberjack: after a failed rotation it refuses every write, it never notices that
// another program renamed the file, and it leaks a goroutine. A failed rotation must not lose
// lines.
type auditFile struct {
	path    string
	maxSize int64 // bytes; 0 means no limit
	keep    int   // rotated files, 1 or more
	now     func() time.Time
	// reportFault gets faults that didn't prevent lines from being written.
	reportFault func(error)

	file     *os.File
	info     os.FileInfo // of file
	size     int64
	lastLook time.Time
	retryAt  time.Time // no rotation before it
}

func (f *auditFile) open() error {
	// Without O_NONBLOCK, opening a pipe would wait forever for its reader.
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	if errors.Is(err, syscall.ENXIO) {
		return fmt.Errorf("%s is a pipe without a reader; start its reader first", f.path)
	}
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	previous := f.file
	f.file, f.info, f.size = file, info, info.Size()
	if previous != nil {
		return previous.Close()
	}
	return nil
}

// Write appends lines, which must be complete.
func (f *auditFile) Write(lines []byte) (int, error) {
	now := f.now()
	if age := now.Sub(f.lastLook); age < 0 || age >= auditLookInterval {
		f.look(now)
	}
	if f.full(lines) && !now.Before(f.retryAt) {
		f.look(now) // another process may have rotated it
		if f.full(lines) {
			f.rotate(now)
		}
	}
	n, err := f.file.Write(lines)
	f.size += int64(n)
	return n, err
}

func (f *auditFile) full(lines []byte) bool {
	return f.maxSize > 0 && f.info.Mode().IsRegular() && f.size > 0 &&
		f.size+int64(len(lines)) > f.maxSize
}

// look opens the path again if it no longer leads to the open file.
func (f *auditFile) look(now time.Time) {
	f.lastLook = now
	if info, err := os.Stat(f.path); err == nil && os.SameFile(info, f.info) {
		f.size = info.Size()
		return
	}
	if err := f.open(); err != nil {
		f.reportFault(fmt.Errorf("reopen: %w", err))
	}
}

func (f *auditFile) rotate(now time.Time) {
	// Rename the file, not a link to it.
	path, err := filepath.EvalSymlinks(f.path)
	if err == nil {
		err = shiftFiles(path, f.keep)
	}
	if err != nil {
		f.retryAt = now.Add(rotationRetry)
		f.reportFault(fmt.Errorf("rotate: %w", err))
	}
	f.look(now)
}

// shiftFiles renames path to path.1, after renaming path.1 to path.2 and so on up to path.keep. It
// removes files with higher numbers, which remain if more files were kept before.
func shiftFiles(path string, keep int) error {
	old := func(i int) string { return path + "." + strconv.Itoa(i) }
	for i := keep; i > 1; i-- {
		if err := os.Rename(old(i-1), old(i)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(path, old(1)); err != nil {
		return err
	}
	for i := keep + 1; ; i++ {
		switch err := os.Remove(old(i)); {
		case errors.Is(err, os.ErrNotExist):
			return nil
		case err != nil:
			return err
		}
	}
}
