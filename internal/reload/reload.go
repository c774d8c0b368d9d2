// Package reload follows files: it holds a value that is made from them, and makes it anew when
// they change. Secrets and certificates are rotated that way without a restart.
package reload

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
	"sync/atomic"
	"time"
)

const (
	// Interval is how often files are looked at, at most, and so how late a change is seen.
	Interval = time.Second
	// doubt is how young a file's last change may be for its time and size to say nothing: a second
	// change within the clock's grain would leave both as they are.
	doubt = 2 * time.Second
	// MaxFile is the largest file that is read, in bytes.
	MaxFile = 1 << 20
	// LookWithin is how long a look at the files may keep callers waiting. A network disk can hang for
	// ever.
	LookWithin = time.Second
)

// Value is made from files and made anew when they change. A change that cannot be used leaves the
// value as it is, and is logged once.
//
// The files are looked at when the value is asked for, instead of being watched: that needs no
// goroutine, misses no change, and sees a Kubernetes mount, where the change is in a symlink two
// directories above the file, like any other. No lock is held while looking. A look that takes
// longer than [LookWithin] keeps nobody waiting any more: until it ends, the value stays as it is.
type Value[T any] struct {
	what   string // for the log
	paths  []string
	parse  func(contents [][]byte) (T, error)
	logger *slog.Logger
	now    func() time.Time
	within time.Duration
	value  atomic.Pointer[T]

	mu      sync.Mutex
	looked  time.Time
	looking chan struct{} // closed when the look in progress ends; nil if there is none
	late    bool          // the look in progress takes too long

	// What follows belongs to the look in progress.
	files    []os.FileInfo
	doubtful bool // the files were so young when read that their times prove nothing
	digest   [sha256.Size]byte
	fault    string // of the last look; empty when all was well
}

// Files are what a value is made from.
type Files struct {
	What   string // names the value in logs and errors
	Paths  []string
	Logger *slog.Logger
	Now    func() time.Time // nil is [time.Now]
}

// Open makes a value from files, which it reads now. parse gets their contents in the order of the
// paths. Its errors are logged, so they must not quote a secret.
func Open[T any](from Files, parse func(contents [][]byte) (T, error)) (*Value[T], error) {
	what, paths := from.What, from.Paths
	r := &Value[T]{
		what: what, paths: paths, parse: parse, logger: from.Logger, now: from.Now, within: LookWithin,
	}
	if r.now == nil {
		r.now = time.Now
	}
	contents, files, err := readFiles(paths)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	value, err := parse(contents)
	if err != nil {
		return nil, fmt.Errorf("read %s from %s: %w", what, strings.Join(paths, " and "), err)
	}
	r.value.Store(&value)
	r.keep(contents, files)
	r.looked = r.now()
	return r, nil
}

// WaitAtMost replaces [LookWithin], before the value is used by several goroutines.
func (r *Value[T]) WaitAtMost(d time.Duration) { r.within = d }

// Get returns the value as the files have it now, or had it at most [Interval] ago. It waits for a
// look that has begun, so that nobody gets a value from before it, but no longer than [LookWithin].
func (r *Value[T]) Get() T {
	if look := r.lookIfDue(); look != nil {
		r.wait(look)
	}
	return *r.value.Load()
}

// lookIfDue returns the look to wait for; nil is none.
func (r *Value[T]) lookIfDue() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.looking == nil {
		now := r.now()
		if age := now.Sub(r.looked); age >= 0 && age < Interval {
			return nil
		}
		looking := make(chan struct{})
		r.looked, r.looking, r.late = now, looking, false
		go func() {
			defer close(looking)
			r.look()
			r.mu.Lock()
			defer r.mu.Unlock()
			r.looking = nil
		}()
	}
	if r.late {
		return nil
	}
	return r.looking
}

func (r *Value[T]) wait(look <-chan struct{}) {
	timer := time.NewTimer(r.within)
	defer timer.Stop()
	select {
	case <-look:
		return
	case <-timer.C:
	}
	r.mu.Lock()
	first := r.looking == look && !r.late
	if first {
		r.late = true
	}
	r.mu.Unlock()
	if first {
		r.logger.Error("files cannot be read in time: what they held before stays in force",
			"what", r.what, "files", r.paths)
	}
}

func (r *Value[T]) look() {
	defer func() {
		if panicked := recover(); panicked != nil {
			r.failed(fmt.Errorf("panic: %T", panicked)) // its value could quote a secret
		}
	}()
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
	r.value.Store(&value)
	r.keep(contents, files)
	r.fault = ""
	if same {
		r.logger.Info("changed files can be used again, and hold what is in force",
			"what", r.what, "files", r.paths)
	} else {
		r.logger.Info("changed files were read anew", "what", r.what, "files", r.paths)
	}
}

// failed logs a fault when it comes up, and not with every look.
func (r *Value[T]) failed(err error) {
	if fault := err.Error(); fault != r.fault {
		r.fault = fault
		r.logger.Error("changed files cannot be used: what they held before stays in force",
			"what", r.what, "files", r.paths, "error", fault)
	}
}

func (r *Value[T]) keep(contents [][]byte, files []os.FileInfo) {
	r.digest = digestOf(contents)
	r.keepFiles(files)
}

func (r *Value[T]) keepFiles(files []os.FileInfo) {
	r.files = files
	r.doubtful = false
	for _, file := range files {
		if time.Since(file.ModTime()) < doubt {
			r.doubtful = true
		}
	}
}

func (r *Value[T]) unchanged() bool {
	if len(r.files) != len(r.paths) {
		return false
	}
	for i, path := range r.paths {
		file, err := os.Stat(path)
		if err != nil || !os.SameFile(file, r.files[i]) ||
			file.Size() != r.files[i].Size() || !file.ModTime().Equal(r.files[i].ModTime()) {
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
	if content, err = io.ReadAll(io.LimitReader(file, MaxFile+1)); err != nil {
		return nil, nil, err
	}
	if len(content) > MaxFile {
		return nil, nil, fmt.Errorf("%s has over %d bytes", path, MaxFile)
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
