package rules

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/ordercel"
	"error-check-gate/internal/rules/plaintext"
	"error-check-gate/internal/rules/table"
	ruleset "error-check-gate/rules"
)

// Default is the rule set that ships with the gate: it holds where no rule file is given.
func Default() *Set { return defaultOnce() }

var defaultOnce = sync.OnceValue(func() *Set {
	set, err := load(context.Background(), fsFiles{ruleset.Files}, []string{ruleset.DefaultFile})
	if err != nil {
		panic("rules: the default rule set is broken:\n" + err.Error())
	}
	return set
})

// Limits of one load.
const (
	// maxLoad bounds the sizes of all files together, in bytes.
	maxLoad = 64 << 20
	// maxTables bounds the tables of a rule set.
	maxTables = 100
	// loadTimeout is far above what the largest files take on a slow machine. It is for a
	// disk of the network that hangs.
	loadTimeout = 2 * time.Minute
)

var errLoadTimeout = fmt.Errorf("reading and compiling the rule files took longer than %v: look for very large files, and at the disk", loadTimeout)

// Load reads rule files from disk and compiles them into one set. A later file adds
// rules to the earlier ones, changes them or switches them off. The error is [Faults]
// with everything that is wrong, or that of ctx. Load returns when ctx ends, even if the
// disk hangs.
func Load(ctx context.Context, paths ...string) (*Set, error) {
	set, _, err := loadApart(ctx, paths)
	return set, err
}

// loadApart is loadLooking in a goroutine that nobody waits for once ctx has ended: a
// disk of the network can hang for ever.
func loadApart(ctx context.Context, paths []string) (set *Set, looked map[string]string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, loadTimeout, errLoadTimeout)
	type result struct {
		set    *Set
		looked map[string]string
		err    error
	}
	loaded := make(chan result, 1)
	go func() {
		defer cancel()
		var r result
		r.set, r.looked, r.err = loadLooking(ctx, diskFiles{}, paths)
		loaded <- r
	}()
	select {
	case r := <-loaded:
		return r.set, r.looked, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-loaded: // it had ended, and cancelled ctx itself
		return r.set, r.looked, r.err
	default:
		return nil, nil, context.Cause(ctx)
	}
}

func load(ctx context.Context, from files, paths []string) (*Set, error) {
	set, _, err := loadLooking(ctx, from, paths)
	return set, err
}

// loadLooking is load, and lists the files that were looked at, broken ones too, with
// the hashes of their contents. The hash of one that could not be read is empty.
func loadLooking(ctx context.Context, from files, paths []string) (set *Set, looked map[string]string, err error) {
	if len(paths) == 0 {
		return nil, nil, errors.New("no rule file is named")
	}
	l := &loader{
		ctx: ctx, from: from, left: maxLoad, faults: faultList{files: paths}, tables: map[string]*givenTable{},
		looked: map[string]string{}, conditions: map[*expression]*ordercel.Program{},
	}
	for _, path := range paths {
		l.read(path)
	}
	l.readTables()
	set = l.compile()
	if ctx.Err() != nil {
		return nil, l.looked, context.Cause(ctx) // what is missing is no fault of the files
	}
	if err := l.faults.err(); err != nil {
		return nil, l.looked, err
	}
	return set, l.looked, nil
}

// loader loads rule files.
type loader struct {
	ctx  context.Context //nolint:containedctx // lives as long as the call that it belongs to
	from files
	// left is how many bytes may still be read.
	left   int64
	faults faultList
	names  []string
	rules  []*mergedRule
	tables map[string]*givenTable
	env    *ordercel.Env
	// conditions are those that rules share.
	conditions map[*expression]*ordercel.Program
	// looked lists every file that was looked at, with its content's hash.
	looked map[string]string
}

// mergedRule is a rule with the changes that later files make to it.
type mergedRule struct {
	*ruleEntry
	defaults defaults
}

// givenTable is a table that rules may look up.
type givenTable struct {
	*tableEntry
	path string
	// table is nil where no file is given, or where it is faulty.
	table  *table.Table
	hash   string
	faulty bool
	faults *faultList
	// used are the columns that rules read; those with true become decimals.
	used map[string]bool
}

func (g *givenTable) columns() []string {
	if g.table != nil {
		return g.table.Columns()
	}
	return g.tableEntry.columns
}

// use notes that a rule reads a column, as decimals or as texts.
func (g *givenTable) use(column string, decimals bool) {
	if g.used == nil {
		g.used = map[string]bool{}
	}
	g.used[column] = g.used[column] || decimals
}

// check reports the cells that rules read and that show nothing that can be read.
func (g *givenTable) check() {
	if g.table == nil {
		return
	}
	for _, column := range g.table.Columns() {
		decimals, used := g.used[column]
		if !used {
			continue
		}
		faults := g.table.Check(column)
		if decimals {
			faults = append(faults, g.table.Numbers(column)...)
		}
		if len(faults) > 0 {
			g.fault(faults)
		}
	}
}

// fault reports what is wrong within the table's file.
func (g *givenTable) fault(err error) {
	g.faulty = true
	var all table.Faults
	if errors.As(err, &all) {
		for _, f := range all {
			g.fault(f)
		}
		return
	}
	var in *table.Fault
	if errors.As(err, &in) && in.Line > 0 {
		g.faults.add(Fault{File: g.path, Line: in.Line, Column: in.Column, Text: in.Text, Message: in.Message})
		return
	}
	g.in.faults.add(Fault{File: g.in.path, Line: g.fileAt.Line, Column: g.fileAt.Column, Text: g.file, Message: err.Error()})
}

// readFile reads a file and remembers it, by its hash, so that a change is noticed.
func (l *loader) readFile(path string, limit int64) (content []byte, hash string, err error) {
	l.looked[path] = ""
	if content, err = l.from.read(l.ctx, path, min(limit, l.left)); err != nil {
		if l.left < limit {
			err = fmt.Errorf("%w: all files together have at most %d", err, int64(maxLoad))
		}
		return nil, "", err
	}
	l.left -= int64(len(content))
	hash = hashOf(content)
	l.looked[path] = hash
	return content, hash, nil
}

func hashOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func (l *loader) read(path string) {
	content, _, err := l.readFile(path, maxRuleFile)
	if err != nil {
		l.faults.add(Fault{File: path, Message: "cannot be read: " + fileError(err)})
		return
	}
	text, err := plaintext.UTF8(content)
	if err != nil {
		l.faults.add(Fault{File: path, Message: "cannot be read: " + err.Error()})
		return
	}
	f := parseRuleFile(path, text, &l.faults)
	l.names = append(l.names, f.name)
	for _, t := range f.tables {
		if earlier, found := l.tables[t.name]; found && t.file == "" {
			f.fault(t.node, "this table is declared in %s already: give its file, or leave it out", earlier.in.path)
			continue
		}
		columns := t.columns
		if earlier, found := l.tables[t.name]; found && len(columns) == 0 {
			columns = earlier.tableEntry.columns
		}
		t.columns = columns
		if len(l.tables) >= maxTables {
			f.fault(t.node, "there are too many tables: at most %d are read", maxTables)
			return
		}
		l.tables[t.name] = &givenTable{tableEntry: t, faults: &l.faults}
	}
	for _, entry := range f.rules {
		l.merge(f, entry)
	}
}

// merge adds a rule, or applies its changes to the one of an earlier file.
func (l *loader) merge(f *ruleFile, entry *ruleEntry) {
	i := slices.IndexFunc(l.rules, func(r *mergedRule) bool { return r.id == entry.id })
	if i < 0 {
		if entry.when == nil && entry.builtin == "" {
			f.fault(entry.idNode, "the rule has neither when nor builtin, and no earlier file has a rule of this id")
			return
		}
		l.rules = append(l.rules, &mergedRule{entry, f.defaults})
		return
	}
	earlier := l.rules[i]
	if entry.when != nil || entry.builtin != "" {
		// A new definition takes the old one's place.
		l.rules[i] = &mergedRule{entry, f.defaults}
		return
	}
	merged := *earlier.ruleEntry
	change(&merged.severity, entry.severity, entry.severity != "")
	change(&merged.description, entry.description, entry.description != "")
	change(&merged.applies, entry.applies, entry.applies != nil)
	change(&merged.skip, entry.skip, entry.skip != nil)
	change(&merged.warnIf, entry.warnIf, entry.warnIf != nil)
	change(&merged.message, entry.message, entry.message != nil)
	change(&merged.fix, entry.fix, entry.fix != nil)
	change(&merged.expected, entry.expected, entry.expected != nil)
	change(&merged.actual, entry.actual, entry.actual != nil)
	change(&merged.enabled, entry.enabled, entry.enabled != nil)
	change(&merged.shadow, entry.shadow, entry.shadow != nil)
	change(&merged.grace, entry.grace, entry.grace != nil)
	change(&merged.holdMax, entry.holdMax, entry.holdMax != nil)
	change(&merged.remindEvery, entry.remindEvery, entry.remindEvery != nil)
	change(&merged.overridable, entry.overridable, entry.overridable != nil)
	merged.requires = append(slices.Clone(merged.requires), entry.requires...)
	merged.examples = append(slices.Clone(merged.examples), entry.examples...)
	merged.params = withParams(merged.params, entry.params)
	if entry.scopeNode != nil && entry.scope != earlier.scope && earlier.scope != "" {
		f.fault(entry.scopeNode, "the scope of an earlier file's rule cannot be changed: write the rule anew, with when or builtin")
	}
	l.rules[i] = &mergedRule{&merged, earlier.defaults}
}

// withParams is params with some of them replaced or added.
func withParams(params, changes []param) []param {
	out := slices.Clone(params)
	for _, p := range changes {
		if i := slices.IndexFunc(out, func(q param) bool { return q.name == p.name }); i >= 0 {
			out[i] = p
		} else {
			out = append(out, p)
		}
	}
	return out
}

func change[T any](to *T, value T, given bool) {
	if given {
		*to = value
	}
}

// readTables reads the tables that have files.
func (l *loader) readTables() {
	for _, name := range slices.Sorted(maps.Keys(l.tables)) {
		g := l.tables[name]
		if g.file == "" || l.ctx.Err() != nil {
			continue
		}
		g.path = l.from.beside(g.in.path, g.file)
		l.faults.files = append(l.faults.files, g.path)
		content, hash, err := l.readFile(g.path, table.MaxFileSize)
		if err != nil {
			g.fault(fmt.Errorf("the table cannot be read: %s", fileError(err)))
			continue
		}
		g.hash = hash
		t, err := table.Read(l.ctx, g.path, content, g.key, g.sheet)
		if err != nil {
			g.fault(err)
			continue
		}
		for _, column := range g.tableEntry.columns {
			if !slices.Contains(t.Columns(), column) {
				g.fault(fmt.Errorf("the table has no column %q; it has %s", column, strings.Join(t.Columns(), ", ")))
			}
		}
		g.table = t
	}
}

// compile makes the set. It goes on after faults, so that all of them are found.
func (l *loader) compile() *Set {
	env, err := ordercel.NewEnv(l.celTables())
	if err != nil {
		l.faults.add(Fault{File: l.faults.files[0], Message: err.Error()})
		return nil
	}
	l.env = env
	set := &Set{name: strings.Join(l.names, "+")}
	for _, r := range l.rules {
		if l.ctx.Err() != nil {
			return nil
		}
		compiled := l.rule(env, r)
		for _, e := range r.examples {
			if len(e.params) > 0 && l.ctx.Err() == nil {
				entry := *r.ruleEntry
				entry.params = withParams(entry.params, e.params)
				e.variant = l.rule(env, &mergedRule{&entry, r.defaults})
			}
		}
		set.order = append(set.order, compiled)
		if compiled.Enabled = r.enabled == nil || *r.enabled; compiled.Enabled {
			set.rules = append(set.rules, compiled)
		}
	}
	hashes := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(l.tables)) {
		hashes[name] = l.tables[name].hash
		l.tables[name].check()
	}
	set.seal(hashes)
	return set
}

func (l *loader) celTables() []ordercel.Table {
	var out []ordercel.Table
	for _, name := range slices.Sorted(maps.Keys(l.tables)) {
		g := l.tables[name]
		t := ordercel.Table{Name: name, Columns: g.columns(), Row: func(string) ([]string, bool) { return nil, false }}
		if g.table != nil {
			t.Keys, t.Row = g.table.Keys(), g.table.Row
		}
		out = append(out, t)
	}
	return out
}

// rule compiles one rule. What it answers is of use only where there were no faults.
func (l *loader) rule(env *ordercel.Env, r *mergedRule) *rule {
	out := &rule{Description: Description{ID: r.id, Severity: r.severity, Scope: r.scope, Description: r.description}, examples: r.examples}
	if out.Severity == "" {
		out.Severity = r.defaults.severity
	}
	if out.Severity == "" {
		r.in.fault(r.idNode, "the rule has no severity: write severity: error or severity: warning")
	}
	out.Requires = slices.Clone(r.requires)
	out.Shadow = r.shadow != nil && *r.shadow
	out.terms = r.terms()
	if r.builtin != "" {
		l.builtin(out, r)
	} else {
		env = l.expressions(env, out, r)
	}
	l.applies(out, r, env)
	if r.skip != nil {
		out.skipFor = l.compileFor(out, env, r.skip, ordercel.OrderScope, ordercel.Text)
	}
	slices.Sort(out.Requires)
	out.Requires = slices.Compact(out.Requires)
	out.needsProducts = slices.Contains(out.Requires, inflow.IncludeLinesProduct)
	out.identify(r)
	return out
}

// terms are what the file says of the life of the rule's findings, or nil.
func (r *mergedRule) terms() *ordercheck.Terms {
	terms := ordercheck.Terms{
		Grace:       cmp.Or(r.grace, r.defaults.grace),
		HoldMax:     cmp.Or(r.holdMax, r.defaults.holdMax),
		RemindEvery: cmp.Or(r.remindEvery, r.defaults.remindEvery),
	}
	if overridable := cmp.Or(r.overridable, r.defaults.overridable); overridable != nil {
		terms.NotOverridable = !*overridable
	}
	if terms == (ordercheck.Terms{}) {
		return nil
	}
	terms.RuleID = r.id
	return &terms
}

// identify fills in what goes into the digest.
func (out *rule) identify(r *mergedRule) {
	text := func(x *expression) string {
		if x == nil {
			return ""
		}
		return x.text
	}
	id := &out.identity
	id.ID, id.Severity, id.Scope, id.Builtin = out.ID, string(out.Severity), string(out.Scope), r.builtin
	id.When, id.Message, id.Fix, id.Expected, id.Actual = text(r.when), text(r.message), text(r.fix), text(r.expected), text(r.actual)
	id.SkipFor, id.WarnIf = text(r.skip), text(r.warnIf)
	id.Applies, id.Skip, id.Requires, id.Shadow = out.appliesText, out.skip, out.Requires, out.Shadow
	id.Terms = out.terms
	if r.builtin == "" {
		id.Settings = map[string]string{}
		for i := range r.params {
			id.Settings[r.params[i].name] = nodeText(r.params[i].node)
		}
	}
}

// nodeText is a value as it goes into the digest.
func nodeText(node *yaml.Node) string {
	if node.Kind == yaml.ScalarNode {
		return node.Tag + " " + node.Value
	}
	var out strings.Builder
	for _, child := range node.Content {
		fmt.Fprintf(&out, "%q,", child.Tag+" "+child.Value)
	}
	return out.String()
}

// builtin prepares a built-in rule with its settings.
func (l *loader) builtin(out *rule, r *mergedRule) {
	b, found := builtinByName(r.builtin)
	if !found {
		r.in.fault(r.builtinNode, "there is no built-in rule of this name%s; gate rules list --builtins shows them", ordercel.Suggestion(r.builtin, builtinNames()))
		return
	}
	if r.scope != "" && r.scope != b.Scope {
		r.in.fault(r.scopeNode, "the scope of %s is %s", r.builtin, b.Scope)
	}
	out.Scope = b.Scope
	if out.Description.Description == "" {
		out.Description.Description = b.Description
	}
	s := newSettings(r.ruleEntry, l.tables)
	out.check = b.prepare(s)
	s.finish()
	out.skip = s.skip
	out.Requires = append(out.Requires, b.requires...)
	out.wants, out.partial = b.wants, b.partial
	out.identity.Settings = s.values
	for _, x := range []*expression{r.message, r.fix, r.expected, r.actual, r.warnIf} {
		if x != nil {
			r.in.fault(x.node, "a built-in rule has its own message, fix, expected, actual and warnIf")
		}
	}
}

// expressions compiles a rule that is written in expressions.
func (l *loader) expressions(env *ordercel.Env, out *rule, r *mergedRule) *ordercel.Env {
	scope := ordercel.OrderScope
	switch r.scope {
	case ordercheck.ScopeLine:
		scope = ordercel.LineScope
		out.Requires = append(out.Requires, inflow.IncludeLines)
	case "":
		r.in.fault(r.idNode, "the rule has no scope: write scope: order or scope: line")
	}
	withParams, err := env.WithParams(celParams(r.params))
	if err != nil {
		r.in.fault(r.idNode, "%v", err)
		return env
	}
	env = withParams
	x := &expressionRule{scope: r.scope, id: r.id}
	if r.message == nil {
		r.in.fault(r.idNode, "the rule has no message: say what is wrong, such as message: \"'The order has no remark'\"")
	}
	for _, part := range []struct {
		of      *expression
		kind    ordercel.Kind
		program **ordercel.Program
	}{
		{r.when, ordercel.Bool, &x.when},
		{r.message, ordercel.Text, &x.message},
		{r.fix, ordercel.Text, &x.fix},
		{r.expected, ordercel.TextOrDecimal, &x.expected},
		{r.actual, ordercel.TextOrDecimal, &x.actual},
		{r.warnIf, ordercel.Bool, &x.warnIf},
	} {
		if part.of != nil {
			*part.program = l.compileFor(out, env, part.of, scope, part.kind)
		}
	}
	if out.Description.Description == "" && r.message != nil {
		out.Description.Description = shorten(r.message.text)
	}
	out.check = x.check
	return env
}

// compileFor compiles an expression of a rule. It returns nil if that has a fault.
func (l *loader) compileFor(out *rule, env *ordercel.Env, x *expression, scope ordercel.Scope, kind ordercel.Kind) *ordercel.Program {
	program, problems := env.Compile(x.text, scope, kind)
	if len(problems) > 0 {
		x.faults(problems)
		return nil
	}
	l.needs(out, program)
	return program
}

// needs takes over what an expression reads.
func (l *loader) needs(out *rule, program *ordercel.Program) {
	out.Requires = append(out.Requires, program.Includes()...)
	for _, use := range program.Columns() {
		if g := l.tables[use.Table]; g != nil {
			g.use(use.Column, use.Decimals)
		}
	}
	for _, name := range program.Tables() {
		if g := l.tables[name]; g != nil && g.file == "" {
			out.skip = fmt.Sprintf("table %s is not given", name)
		}
	}
}

// applies compiles the condition under which a rule is looked at. One that a file
// gives all its rules is compiled once.
func (l *loader) applies(out *rule, r *mergedRule, env *ordercel.Env) {
	x := r.ruleEntry.applies
	if x == nil {
		if x = r.defaults.when; x == nil {
			return
		}
		env = l.env
	}
	program, compiled := l.conditions[x]
	if !compiled {
		var problems []ordercel.Problem
		program, problems = env.Compile(x.text, ordercel.OrderScope, ordercel.Bool)
		if len(problems) > 0 {
			x.faults(problems)
		}
		l.conditions[x] = program
	}
	if program == nil {
		return
	}
	l.needs(out, program)
	out.applies, out.appliesText = program, strings.TrimSpace(x.text)
}
