package rulefile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"error-check-gate/internal/reload"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/ordercel"
	"error-check-gate/internal/rules/plaintext"
	shippedrules "error-check-gate/rules"
)

const (
	// maxLoad is the maximum size of all files of a load together, in bytes.
	maxLoad   = 64 << 20
	maxTables = 100
	// LoadTimeout is the time limit of a load. The largest files take far less, even on a slow
	// machine. The limit ends a load from a network disk that hangs.
	LoadTimeout = 2 * time.Minute
)

var errTimeout = fmt.Errorf("reading and compiling the rule files took longer than %v: "+
	"look for very large files, and check the disk", LoadTimeout)

// Default returns the rule set that ships with the gate. It is used if no rule file is given.
func Default() *rules.Set { return defaultOnce() }

var defaultOnce = sync.OnceValue(func() *rules.Set {
	loaded, err := load(context.Background(),
		fsFiles{shippedrules.Files}, []string{shippedrules.DefaultFile})
	if err != nil {
		panic("rulefile: the default rule set is broken:\n" + err.Error())
	}
	return loaded.Set
})

// Paths returns the paths in a comma-separated list of rule files, such as the value of RULES_FILE.
func Paths(list string) []string {
	var out []string
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// Load reads rule files from disk and compiles them into one set. A later file adds rules to the
// earlier ones, changes them, or switches them off. The error is [Faults], with everything that is
// wrong, or the error of ctx. Load returns when ctx ends, even if the disk hangs.
func Load(ctx context.Context, paths ...string) (*rules.Set, error) {
	loaded, err := LoadFiles(ctx, paths)
	return loaded.Set, err
}

// Loaded is the result of a load.
type Loaded struct {
	// Set is nil if the load failed.
	Set *rules.Set
	// Files maps each file that the load tried to read to the [reload.Digest] of its content. The
	// digest is empty if the file could not be read.
	Files map[string]string
}

// LoadBlocking is [LoadFiles], but it returns only when the load has ended. If the disk hangs, that
// may be long after ctx has ended.
func LoadBlocking(ctx context.Context, paths []string) (Loaded, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, LoadTimeout, errTimeout)
	defer cancel()
	return load(ctx, diskFiles{}, paths)
}

// LoadFiles is [Load], but it also returns the files that it tried to read.
func LoadFiles(ctx context.Context, paths []string) (Loaded, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, LoadTimeout, errTimeout)
	type result struct {
		loaded Loaded
		err    error
	}
	// A network disk can hang forever, so nobody waits for the goroutine once ctx has ended.
	ended := make(chan result, 1)
	go func() {
		defer cancel()
		loaded, err := load(ctx, diskFiles{}, paths)
		ended <- result{loaded, err}
	}()
	select {
	case r := <-ended:
		return r.loaded, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-ended: // it ended first, and its cancel ended ctx
		return r.loaded, r.err
	default:
		return Loaded{}, context.Cause(ctx)
	}
}

func load(ctx context.Context, from files, paths []string) (Loaded, error) {
	if len(paths) == 0 {
		return Loaded{}, errors.New("no rule file is named")
	}
	l := &loader{
		ctx: ctx, from: from, remaining: maxLoad, faults: faultList{files: paths},
		tables:     map[string]*ruleTable{},
		looked:     map[string]string{},
		conditions: map[*expression]*ordercel.Program{},
	}
	for _, path := range paths {
		if d := l.readDocument(path); d != nil {
			l.add(d)
		}
	}
	l.readTables()
	set := l.compile()
	if ctx.Err() != nil {
		// A file that could not be read in time is not faulty.
		return Loaded{Files: l.looked}, context.Cause(ctx)
	}
	if err := l.faults.err(); err != nil {
		return Loaded{Files: l.looked}, err
	}
	return Loaded{Set: set, Files: l.looked}, nil
}

// loader loads rule files: it reads and merges them, then compiles the rules.
type loader struct {
	ctx       context.Context //nolint:containedctx // belongs to one call
	from      files
	remaining int64 // bytes that may still be read
	faults    faultList
	names     []string // of the files
	rules     []*mergedRule
	tables    map[string]*ruleTable
	env       *ordercel.Env
	// conditions caches the compiled conditions that rules share.
	conditions map[*expression]*ordercel.Program
	// looked becomes [Loaded.Files].
	looked map[string]string
}

// mergedRule is a rule with the changes of later files.
type mergedRule struct {
	*ruleEntry
	defaults *defaults // of the file that defines the rule
}

// readFile reads a file and keeps its hash, so that a change can be noticed.
func (l *loader) readFile(path string, limit int64) (content []byte, hash string, err error) {
	l.looked[path] = ""
	if content, err = l.from.read(l.ctx, path, min(limit, l.remaining)); err != nil {
		if l.remaining < limit {
			err = fmt.Errorf("%w: all files together have at most %d", err, int64(maxLoad))
		}
		return nil, "", err
	}
	l.remaining -= int64(len(content))
	hash = reload.Digest(content)
	l.looked[path] = hash
	return content, hash, nil
}

// readDocument returns nil if the file cannot be read.
func (l *loader) readDocument(path string) *document {
	content, _, err := l.readFile(path, maxFileSize)
	if err != nil {
		l.faults.add(Fault{File: path, Message: "cannot be read: " + fileError(err)})
		return nil
	}
	text, err := plaintext.UTF8(content)
	if err != nil {
		l.faults.add(Fault{File: path, Message: "cannot be read: " + err.Error()})
		return nil
	}
	return parse(path, text, &l.faults)
}

// add merges a file into the files before it.
func (l *loader) add(d *document) {
	l.names = append(l.names, d.Name.value)
	for _, t := range d.Tables {
		earlier, found := l.tables[t.name]
		if found && t.File.value == "" {
			d.file.fault(t.node, "this table is already declared in %s: name its file, or leave it out",
				earlier.file.path)
			continue
		}
		if found && len(t.Columns) == 0 {
			t.Columns = earlier.Columns
		}
		if len(l.tables) >= maxTables {
			d.file.fault(t.node, "there are too many tables: at most %d are read", maxTables)
			return
		}
		l.tables[t.name] = &ruleTable{tableEntry: t, faults: &l.faults}
	}
	for _, entry := range d.Rules.list {
		l.addRule(d, entry)
	}
}

// addRule adds a rule, or merges changes into the rule of an earlier file.
func (l *loader) addRule(d *document, entry *ruleEntry) {
	i := slices.IndexFunc(l.rules, func(r *mergedRule) bool {
		return r.ID.value == entry.ID.value
	})
	switch {
	case i >= 0 && entry.defines():
		// A new definition takes the place of the earlier one.
		l.rules[i] = &mergedRule{entry, &d.Defaults}
	case i >= 0:
		earlier := l.rules[i]
		l.rules[i] = &mergedRule{earlier.with(entry), earlier.defaults}
		if entry.Scope.node != nil && entry.Scope.value != earlier.Scope.value &&
			earlier.Scope.value != "" {
			d.file.fault(entry.Scope.node, "the scope of an earlier file's rule cannot be changed: "+
				"define the rule again, with when or builtin")
		}
	case entry.defines():
		l.rules = append(l.rules, &mergedRule{entry, &d.Defaults})
	default:
		d.file.fault(entry.ID.node,
			"the rule has neither when nor builtin, and no earlier file has a rule of this id")
	}
}

// with returns the rule with the changes of a later file.
func (r *ruleEntry) with(changes *ruleEntry) *ruleEntry {
	merged := *r
	change(&merged.Severity, changes.Severity)
	change(&merged.Applies, changes.Applies)
	change(&merged.Skip, changes.Skip)
	change(&merged.WarnIf, changes.WarnIf)
	change(&merged.Message, changes.Message)
	change(&merged.Fix, changes.Fix)
	change(&merged.Expected, changes.Expected)
	change(&merged.Actual, changes.Actual)
	change(&merged.Enabled, changes.Enabled)
	change(&merged.Shadow, changes.Shadow)
	change(&merged.Grace, changes.Grace)
	change(&merged.HoldMax, changes.HoldMax)
	change(&merged.RemindEvery, changes.RemindEvery)
	change(&merged.Overridable, changes.Overridable)
	if changes.Description.value != "" {
		merged.Description = changes.Description
	}
	merged.Requires = slices.Concat(r.Requires, changes.Requires)
	merged.Examples = slices.Concat(r.Examples, changes.Examples)
	merged.Params = r.Params.with(changes.Params)
	return &merged
}

func change[T any](to **T, value *T) {
	if value != nil {
		*to = value
	}
}
