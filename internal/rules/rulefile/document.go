package rulefile

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/ordercel"
	"error-check-gate/internal/rules/table"
)

const (
	maxFileSize = 1 << 20 // bytes
	maxRules    = 500
)

var (
	validID        = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	validParamName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
)

// document is a rule file as it is written.
type document struct {
	Version     version      `yaml:"version"`
	Name        text         `yaml:"name"`
	Description text         `yaml:"description"`
	Defaults    defaults     `yaml:"defaults"`
	Tables      tableEntries `yaml:"tables"`
	Rules       ruleEntries  `yaml:"rules"`

	file *file
}

// defaults apply to every rule that the file defines.
type defaults struct {
	When        *expression `yaml:"when"`
	Severity    *severity   `yaml:"severity"`
	Grace       *duration   `yaml:"grace"`
	HoldMax     *duration   `yaml:"holdMax"`
	RemindEvery *duration   `yaml:"remindEvery"`
	Overridable *boolean    `yaml:"overridable"`
}

// tableEntry is a table that a rule file names. File is empty if the entry only declares the
// columns that a company's own file must have.
type tableEntry struct {
	File    text       `yaml:"file"`
	Key     text       `yaml:"key"`
	Sheet   text       `yaml:"sheet"`
	Columns stringList `yaml:"columns"`

	file *file
	name string
	node *yaml.Node // the name
}

// ruleEntry is a rule in a rule file: a definition, or changes to a rule of an earlier file.
type ruleEntry struct {
	ID          text         `yaml:"id"`
	Scope       scope        `yaml:"scope"`
	Severity    *severity    `yaml:"severity"`
	Description text         `yaml:"description"`
	When        *expression  `yaml:"when"`
	Applies     *expression  `yaml:"applies"`
	Skip        *expression  `yaml:"skip"`
	WarnIf      *expression  `yaml:"warnIf"`
	Builtin     text         `yaml:"builtin"`
	Params      params       `yaml:"params"`
	Message     *expression  `yaml:"message"`
	Fix         *expression  `yaml:"fix"`
	Expected    *expression  `yaml:"expected"`
	Actual      *expression  `yaml:"actual"`
	Enabled     *boolean     `yaml:"enabled"`
	Shadow      *boolean     `yaml:"shadow"`
	Grace       *duration    `yaml:"grace"`
	HoldMax     *duration    `yaml:"holdMax"`
	RemindEvery *duration    `yaml:"remindEvery"`
	Overridable *boolean     `yaml:"overridable"`
	Requires    requirements `yaml:"requires"`
	Examples    examples     `yaml:"examples"`

	file *file
}

// defines reports whether the entry is a definition.
func (r *ruleEntry) defines() bool { return r.When != nil || r.Builtin.value != "" }

// param is a parameter of a rule.
type param struct {
	file  *file
	name  string
	key   *yaml.Node
	value *yaml.Node
}

// parse decodes a rule file. Faults go to the list.
func parse(path string, content []byte, faults *faultList) *document {
	d := &document{file: &file{
		path: path, faults: faults,
		lines: strings.Split(strings.ReplaceAll(string(content), "\r\n", "\n"), "\n"),
	}}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var root, second yaml.Node
	if err := decoder.Decode(&root); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("yaml: line 1: the file is empty: it must have version, name and rules")
		}
		d.file.notYAML(err)
		return d
	}
	if err := decoder.Decode(&second); err == nil {
		d.file.fault(&second, "the file has a second YAML document: write one file per rule set")
	} else if !errors.Is(err, io.EOF) {
		d.file.notYAML(err)
	}
	if root.Kind == yaml.DocumentNode && len(root.Content) == 1 {
		d.decode(root.Content[0])
	}
	return d
}

func (d *document) decode(node *yaml.Node) {
	f := d.file
	f.mapping(node, "a rule file", d)
	if node.Kind != yaml.MappingNode {
		return
	}
	if d.Version.node == nil {
		f.faultWithoutText(node, "version is missing: write version: 1")
	}
	if d.Name.value == "" {
		f.faultWithoutText(node, "name is missing: reports show it")
	}
	if d.Rules.node == nil {
		f.faultWithoutText(node, "rules is missing")
	}
}

var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// notYAML reports that the file is not YAML.
func (f *file) notYAML(err error) {
	fault := Fault{File: f.path, Line: 1, Column: 1, Message: "not YAML: " + err.Error()}
	if m := yamlError.FindStringSubmatch(err.Error()); m != nil {
		if line, err := strconv.Atoi(m[1]); err == nil && line >= 1 && line <= len(f.lines) {
			text := f.lines[line-1]
			fault.Line, fault.Column = line, len(text)-len(strings.TrimLeft(text, " \t"))+1
			fault.Text = strings.TrimSpace(text)
		}
		fault.Message = "not YAML: " + m[2]
	}
	if strings.Contains(fault.Text, ": !") {
		fault.Message += "; put the expression in quotes: \"!…\""
	}
	f.faults.add(fault)
}

// version is the version of the file's format. node is nil if the key is absent.
type version struct{ node *yaml.Node }

func (v *version) decode(f *file, _ string, node *yaml.Node) bool {
	v.node = node
	if node.Value != "1" {
		f.fault(node, "this gate reads only version 1 of rule files")
	}
	return true
}

func (d *defaults) decode(f *file, key string, node *yaml.Node) bool {
	f.mapping(node, key, d)
	return true
}

type tableEntries []*tableEntry

func (t *tableEntries) decode(f *file, key string, node *yaml.Node) bool { //nolint:unparam // as all
	if isEmpty(node) {
		return true
	}
	for _, p := range f.pairs(node, key) {
		entry := &tableEntry{file: f, name: p.name, node: p.key}
		entry.decode(f, p.value)
		*t = append(*t, entry)
	}
	return true
}

func (t *tableEntry) decode(f *file, node *yaml.Node) {
	if !validID.MatchString(t.name) {
		f.fault(t.node,
			"a table's name may have only letters, digits, dots, dashes and underscores")
	}
	f.mapping(node, "a table", t)
	t.Key.value = table.ColumnName(t.Key.value)
	for i, column := range t.Columns {
		t.Columns[i] = table.ColumnName(column)
	}
	if t.Key.value == "" {
		f.fault(t.node,
			"the table has no key: name the column that rows are looked up by, such as key: Product")
	}
	if t.File.node == nil && len(t.Columns) == 0 {
		f.fault(t.node, "the table has neither file nor columns: "+
			"name its file, or the columns that its file must have")
	}
	if len(t.Columns) > 0 && t.Key.value != "" && !slices.Contains(t.Columns, t.Key.value) {
		f.fault(t.node, "the key %q is not one of the columns", t.Key.value)
	}
}

// isEmpty reports whether a key has nothing below it, for example because somebody removed the last
// entry or made it a comment.
func isEmpty(node *yaml.Node) bool { return node.Tag == "!!null" && node.Value == "" }

// ruleEntries are the rules of a file. node is nil if the key is absent.
type ruleEntries struct {
	list []*ruleEntry
	node *yaml.Node
}

func (r *ruleEntries) decode(f *file, key string, node *yaml.Node) bool { //nolint:unparam // as all
	r.node = node
	if isEmpty(node) {
		return true
	}
	for _, item := range f.items(node, key) {
		if len(r.list) >= maxRules {
			f.fault(item, "a rule file has at most %d rules", maxRules)
			return true
		}
		entry := &ruleEntry{file: f}
		if !entry.decode(f, item) {
			continue
		}
		i := slices.IndexFunc(r.list, func(other *ruleEntry) bool {
			return other.ID.value == entry.ID.value
		})
		if i >= 0 {
			f.fault(entry.ID.node, "duplicate id; line %d has it too", r.list[i].ID.node.Line)
			continue
		}
		r.list = append(r.list, entry)
	}
	return true
}

// decode returns false if the rule has no id.
func (r *ruleEntry) decode(f *file, node *yaml.Node) bool {
	if node.Kind != yaml.MappingNode {
		f.fault(node, "a rule must be a mapping that starts with its id")
		return false
	}
	f.mapping(node, "a rule", r)
	if r.ID.value == "" {
		f.faultWithoutText(node, "the rule has no id")
		return false
	}
	if !validID.MatchString(r.ID.value) {
		f.fault(r.ID.node,
			"an id may have at most 64 letters, digits, dots, dashes and underscores")
	}
	if r.When != nil && r.Builtin.value != "" {
		f.fault(r.Builtin.node, "a rule has either when or builtin, not both")
	}
	return true
}

type params []param

func (p *params) decode(f *file, key string, node *yaml.Node) bool {
	for _, pair := range f.pairs(node, key) {
		if !validParamName.MatchString(pair.name) {
			f.fault(pair.key, "a parameter's name may have only letters, digits and underscores")
			continue
		}
		*p = append(*p, param{file: f, name: pair.name, key: pair.key, value: pair.value})
	}
	return true
}

// with returns the parameters with changes: some are replaced, others added.
func (p params) with(changes params) params {
	out := slices.Clone(p)
	for _, change := range changes {
		same := func(other param) bool { return other.name == change.name }
		if i := slices.IndexFunc(out, same); i >= 0 {
			out[i] = change
		} else {
			out = append(out, change)
		}
	}
	return out
}

type requirements []string

func (r *requirements) decode(f *file, key string, node *yaml.Node) bool {
	for _, item := range f.items(node, key) {
		name := f.str(item, "each of "+key)
		if name != "" && !slices.Contains(rules.Requirements, name) {
			f.fault(item, "unknown requirement%s", ordercel.SuggestionOr(name, rules.Requirements))
			continue
		}
		*r = append(*r, name)
	}
	return true
}

type stringList []string

func (l *stringList) decode(f *file, key string, node *yaml.Node) bool {
	for _, text := range f.strs(node, key) {
		if text != "" {
			*l = append(*l, text)
		}
	}
	return true
}
