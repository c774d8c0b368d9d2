package ingress

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	// reloadInterval is how often files are looked at, at most, and so how late a
	// change is seen.
	reloadInterval = time.Second
	// reloadDoubt is how young a file's last change may be for its time and size to
	// say nothing: a second change within the clock's grain would leave both as they are.
	reloadDoubt = 2 * time.Second
	// maxReloadedFile bounds what is read of a file, in bytes.
	maxReloadedFile = 1 << 20
)

// reloaded is a value made from files and made anew when they change. A change that
// cannot be used leaves the value as it is, and is logged once.
//
// The files are looked at when the value is asked for, instead of being watched: that needs
// no goroutine, misses no change, and sees a Kubernetes mount, where the change is
// in a symlink two directories above the file, like any other.
type reloaded[T any] struct {
	what   string // for the log
	paths  []string
	parse  func(contents [][]byte) (T, error)
	logger *slog.Logger
	now    func() time.Time

	mu       sync.Mutex
	looked   time.Time
	files    []os.FileInfo
	doubtful bool // the files were so young when read that their times prove nothing
	digest   [sha256.Size]byte
	value    T
	fault    string // of the last look; empty when all was well
}

// newReloaded fails where the first reading does.
func newReloaded[T any](what string, paths []string, parse func([][]byte) (T, error), logger *slog.Logger, now func() time.Time) (*reloaded[T], error) {
	r := &reloaded[T]{what: what, paths: paths, parse: parse, logger: logger, now: now}
	contents, files, err := readFiles(paths)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	if r.value, err = parse(contents); err != nil {
		return nil, fmt.Errorf("read %s from %s: %w", what, strings.Join(paths, " and "), err)
	}
	r.keep(contents, files)
	r.looked = now()
	return r, nil
}

// get is the value as the files have it now, or had it at most reloadInterval ago.
func (r *reloaded[T]) get() T {
	r.mu.Lock() // held while looking, so that nobody gets a value from before a look that has begun
	defer r.mu.Unlock()
	if now := r.now(); now.Sub(r.looked) >= reloadInterval || now.Before(r.looked) {
		r.looked = now
		r.look()
	}
	return r.value
}

func (r *reloaded[T]) look() {
	if !r.doubtful && r.unchanged() {
		return
	}
	contents, files, err := readFiles(r.paths)
	if err != nil {
		r.files = nil // look again next time
		r.failed(err)
		return
	}
	same := digestOf(contents) == r.digest
	if same && r.fault == "" {
		r.keep(contents, files)
		return
	}
	value, err := r.parse(contents)
	if err != nil {
		r.keepFiles(files)
		r.failed(err)
		return
	}
	r.value = value
	r.keep(contents, files)
	r.fault = ""
	if same {
		r.logger.Info("changed files can be used again, and hold what is in force", "what", r.what, "files", r.paths)
	} else {
		r.logger.Info("changed files were read anew", "what", r.what, "files", r.paths)
	}
}

// failed logs a fault when it comes up, and not with every look.
func (r *reloaded[T]) failed(err error) {
	if fault := err.Error(); fault != r.fault {
		r.fault = fault
		r.logger.Error("changed files cannot be used: what they held before stays in force", "what", r.what, "files", r.paths, "error", fault)
	}
}

func (r *reloaded[T]) keep(contents [][]byte, files []os.FileInfo) {
	r.digest = digestOf(contents)
	r.keepFiles(files)
}

func (r *reloaded[T]) keepFiles(files []os.FileInfo) {
	r.files = files
	r.doubtful = false
	for _, file := range files {
		if time.Since(file.ModTime()) < reloadDoubt {
			r.doubtful = true
		}
	}
}

func (r *reloaded[T]) unchanged() bool {
	if len(r.files) != len(r.paths) {
		return false
	}
	for i, path := range r.paths {
		file, err := os.Stat(path)
		if err != nil || !os.SameFile(file, r.files[i]) || file.Size() != r.files[i].Size() || !file.ModTime().Equal(r.files[i].ModTime()) {
			return false
		}
	}
	return true
}

func readFiles(paths []string) ([][]byte, []os.FileInfo, error) {
	contents := make([][]byte, len(paths))
	files := make([]os.FileInfo, len(paths))
	for i, path := range paths {
		var err error
		if contents[i], files[i], err = readFile(path); err != nil {
			return nil, nil, err
		}
	}
	return contents, files, nil
}

// readFile reads a small regular file; a pipe could hold the reader up for ever.
func readFile(path string) (content []byte, info os.FileInfo, err error) {
	if info, err = os.Stat(path); err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is not a regular file", path)
	}
	file, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	// Of the file that was opened: the path may lead to another by now.
	if info, err = file.Stat(); err != nil {
		return nil, nil, err
	}
	if content, err = io.ReadAll(io.LimitReader(file, maxReloadedFile+1)); err != nil {
		return nil, nil, err
	}
	if len(content) > maxReloadedFile {
		return nil, nil, fmt.Errorf("%s has over %d bytes", path, maxReloadedFile)
	}
	return content, info, nil
}

func digestOf(contents [][]byte) [sha256.Size]byte {
	// Lengths first, so that no two lists of contents are alike.
	var all bytes.Buffer
	for _, content := range contents {
		fmt.Fprintf(&all, "%d ", len(content))
	}
	for _, content := range contents {
		all.Write(content)
	}
	return sha256.Sum256(all.Bytes())
}
