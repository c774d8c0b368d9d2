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

// Sizes of an audit log that suit a small machine: 1.1 GiB at most, some four million lines.
const (
	DefaultAuditMaxSize = 100 << 20 // bytes
	DefaultAuditKeep    = 10        // old files
)

const (
	// auditLookInterval is how often it is asked whether the path still leads to the open file.
	auditLookInterval = time.Second
	// rotateAgain is how long a file that could not be put aside goes on growing.
	rotateAgain = time.Minute
)

// auditFile is appended to, and put aside as path.1, path.2 … when it has grown to
// its size. Where somebody else puts it aside, as logrotate does, or removes it, it is begun anew.
//
// It is our own since a rotation that fails must cost no line, and go on being said: lumberjack
// refuses each write from then on, never notices a file put aside by others, and
// leaves a goroutine behind.
type auditFile struct {
	path    string
	maxSize int64 // bytes; 0 is no bound
	keep    int   // old files, 1 or more
	now     func() time.Time
	fault   func(error) // is told what went wrong though lines were written

	file   *os.File
	info   os.FileInfo // of file
	size   int64
	looked time.Time
	retry  time.Time // no rotation before it
}

func (f *auditFile) open() error {
	// Without O_NONBLOCK, opening a pipe would wait for its reader for ever.
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	if errors.Is(err, syscall.ENXIO) {
		return fmt.Errorf("%s is a pipe that nobody reads: start its reader first", f.path)
	}
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	before := f.file
	f.file, f.info, f.size = file, info, info.Size()
	if before != nil {
		return before.Close()
	}
	return nil
}

// Write takes whole lines.
func (f *auditFile) Write(lines []byte) (int, error) {
	now := f.now()
	if age := now.Sub(f.looked); age < 0 || age >= auditLookInterval {
		f.look(now)
	}
	if f.full(lines) && !now.Before(f.retry) {
		f.look(now) // another process may have put it aside
		if f.full(lines) {
			f.rotate(now)
		}
	}
	n, err := f.file.Write(lines)
	f.size += int64(n)
	return n, err
}

func (f *auditFile) full(lines []byte) bool {
	return f.maxSize > 0 && f.info.Mode().IsRegular() && f.size > 0 && f.size+int64(len(lines)) > f.maxSize
}

// look opens the path again where it leads elsewhere by now.
func (f *auditFile) look(now time.Time) {
	f.looked = now
	if info, err := os.Stat(f.path); err == nil && os.SameFile(info, f.info) {
		f.size = info.Size()
		return
	}
	if err := f.open(); err != nil {
		f.fault(fmt.Errorf("open it anew: %w", err))
	}
}

func (f *auditFile) rotate(now time.Time) {
	// What is put aside is the file, not a link to it.
	path, err := filepath.EvalSymlinks(f.path)
	if err == nil {
		err = putAside(path, f.keep)
	}
	if err != nil {
		f.retry = now.Add(rotateAgain)
		f.fault(fmt.Errorf("rotate it: %w", err))
	}
	f.look(now)
}

// putAside renames path to path.1 after path.1 to path.2 and so on, up to path.keep. What
// has a higher number is left from a time when more were kept, and removed.
func putAside(path string, keep int) error {
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
