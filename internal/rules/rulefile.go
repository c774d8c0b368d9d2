package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/ordercel"
	"error-check-gate/internal/rules/table"
)

// Limits of a rule file.
const (
	maxRuleFile = 1 << 20
	// maxRuleNodes bounds the values looked at, each use of an alias counted anew.
	maxRuleNodes = 200_000
	maxRuleDepth = 64
	maxRules     = 500
)

// ruleFile is a rule file as it is written.
type ruleFile struct {
	path     string
	lines    []string
	faults   *faultList
	visited  int
	name     string
	defaults defaults
	tables   []*tableEntry
	rules    []*ruleEntry
}

// defaults hold for every rule that is defined in the file.
type defaults struct {
	when        *expression
	severity    ordercheck.Severity
	grace       *time.Duration
	holdMax     *time.Duration
	remindEvery *time.Duration
	overridable *bool
}

// tableEntry is a table as a rule file names it.
type tableEntry struct {
	in   *ruleFile
	node *yaml.Node
	name string
	// file is empty for a table that a company may give, and has not.
	file    string
	fileAt  *yaml.Node
	key     string
	sheet   string
	columns []string
}

// ruleEntry is a rule as a rule file has it: a definition, or changes to one of an earlier file.
type ruleEntry struct {
	in          *ruleFile
	node        *yaml.Node
	idNode      *yaml.Node
	id          string
	scope       ordercheck.Scope
	scopeNode   *yaml.Node
	severity    ordercheck.Severity
	description string
	when        *expression
	applies     *expression
	skip        *expression
	warnIf      *expression
	builtin     string
	builtinNode *yaml.Node
	params      []param
	message     *expression
	fix         *expression
	expected    *expression
	actual      *expression
	enabled     *bool
	shadow      *bool
	grace       *time.Duration
	holdMax     *time.Duration
	remindEvery *time.Duration
	overridable *bool
	requires    []string
	examples    []*Example
}

// expression is an expression of a rule file.
type expression struct {
	in   *ruleFile
	node *yaml.Node
	text string
}

// param is a parameter of a rule.
type param struct {
	in   *ruleFile
	key  *yaml.Node
	node *yaml.Node
	name string
}

var (
	ruleID    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	paramName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
	yamlLine  = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
)

// parseRuleFile reads the structure of a rule file. Faults go to the list.
func parseRuleFile(path string, content []byte, faults *faultList) *ruleFile {
	f := &ruleFile{path: path, lines: strings.Split(strings.ReplaceAll(string(content), "\r\n", "\n"), "\n"), faults: faults}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var document, second yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("yaml: line 1: the file is empty: it must have version, name and rules")
		}
		f.yamlFault(err)
		return f
	}
	if err := decoder.Decode(&second); err == nil {
		f.fault(&second, "the file has a second document: write one file for each rule set")
	} else if !errors.Is(err, io.EOF) {
		f.yamlFault(err)
	}
	if document.Kind == yaml.DocumentNode && len(document.Content) == 1 {
		f.top(document.Content[0])
	}
	return f
}

// yamlFault is a file that is not YAML.
func (f *ruleFile) yamlFault(err error) {
	m := yamlLine.FindStringSubmatch(err.Error())
	fault := Fault{File: f.path, Line: 1, Column: 1, Message: "not YAML: " + err.Error()}
	if m != nil {
		if line, err := strconv.Atoi(m[1]); err == nil && line >= 1 && line <= len(f.lines) {
			text := f.lines[line-1]
			fault.Line, fault.Column, fault.Text = line, len(text)-len(strings.TrimLeft(text, " \t"))+1, strings.TrimSpace(text)
		}
		fault.Message = "not YAML: " + m[2]
	}
	if strings.Contains(fault.Text, ": !") {
		fault.Message += "; put the expression in quotes: \"!…\""
	}
	f.faults.add(fault)
}

// fault reports a fault at a node.
func (f *ruleFile) fault(node *yaml.Node, format string, args ...any) {
	text := ""
	if node.Kind == yaml.ScalarNode {
		text = node.Value
	}
	f.faults.add(Fault{File: f.path, Line: node.Line, Column: node.Column, Text: text, Message: fmt.Sprintf(format, args...)})
}

// expressionFaults reports what is wrong with an expression, where it is written.
func (x *expression) faults(problems []ordercel.Problem) {
	var places []place
	if len(x.text) <= 4*ordercel.MaxExpression {
		places = placesIn(x.in.lines, x.node)
	}
	for _, p := range problems {
		at := place{x.node.Line, x.node.Column}
		if i := runeOffset(x.text, p.Line, p.Column); i >= 0 && i < len(places) {
			at = places[i]
		}
		x.in.faults.add(Fault{File: x.in.path, Line: at.line, Column: at.column, Text: p.Text, Message: p.Message})
	}
}

// runeOffset is the index in text of a line and column, from 1; -1 where there is none.
func runeOffset(text string, line, column int) int {
	at, offset := 1, 0
	for _, r := range text {
		if at == line {
			break
		}
		offset++
		if r == '\n' {
			at++
		}
	}
	if at != line {
		return -1
	}
	return offset + column - 1
}

// resolve follows aliases. It answers nil once too much was looked at.
func (f *ruleFile) resolve(node *yaml.Node) *yaml.Node {
	for depth := 0; ; depth++ {
		if f.visited++; f.visited > maxRuleNodes || depth > maxRuleDepth {
			f.faults.add(Fault{File: f.path, Line: node.Line, Column: node.Column, Message: fmt.Sprintf("the file is too large, its aliases counted as often as they are used: at most %d values are read", maxRuleNodes)})
			return nil
		}
		if node.Kind != yaml.AliasNode {
			return withoutTag(node)
		}
		node = node.Alias
	}
}

// withoutTag returns an unquoted text that begins with "!" as it was written. YAML takes its first word,
// such as that of !order.isCancelled, for a tag, and rule files have none.
func withoutTag(node *yaml.Node) *yaml.Node {
	tagged := strings.HasPrefix(node.Tag, "!") && !strings.HasPrefix(node.Tag, "!!")
	if node.Kind != yaml.ScalarNode || !tagged || node.Style != yaml.TaggedStyle {
		return node
	}
	text := *node
	text.Tag, text.Style = "!!str", 0
	text.Value = strings.TrimSpace(node.Tag + " " + node.Value)
	return &text
}

// pair is a key of a mapping with its value.
type pair struct {
	name       string
	key, value *yaml.Node
}

// pairs reads a mapping. Its keys are texts, each once.
func (f *ruleFile) pairs(node *yaml.Node, what string) []pair {
	node = f.resolve(node)
	if node == nil {
		return nil
	}
	if node.Kind != yaml.MappingNode {
		f.fault(node, "%s must be a mapping of keys to values", what)
		return nil
	}
	var out []pair
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := f.resolve(node.Content[i]), f.resolve(node.Content[i+1])
		if key == nil || value == nil {
			return out
		}
		if key.Kind != yaml.ScalarNode {
			f.fault(key, "a key must be a text")
			continue
		}
		if seen[key.Value] {
			f.fault(key, "this key is here twice")
			continue
		}
		seen[key.Value] = true
		out = append(out, pair{key.Value, key, value})
	}
	return out
}

// fields reads a mapping with the known keys, calling each one's reader.
func (f *ruleFile) fields(node *yaml.Node, what string, known map[string]func(key, value *yaml.Node)) {
	for _, p := range f.pairs(node, what) {
		read, ok := known[p.name]
		if !ok {
			f.unknownKey(p.key, what, known)
			continue
		}
		read(p.key, p.value)
	}
}

func (f *ruleFile) unknownKey(key *yaml.Node, what string, known map[string]func(key, value *yaml.Node)) {
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	f.fault(key, "unknown key of %s%s", what, ordercel.SuggestionOr(key.Value, names))
}

func (f *ruleFile) items(node *yaml.Node, what string) []*yaml.Node {
	if node.Kind != yaml.SequenceNode {
		f.fault(node, "%s must be a list", what)
		return nil
	}
	var out []*yaml.Node
	for _, item := range node.Content {
		resolved := f.resolve(item)
		if resolved == nil {
			return out
		}
		out = append(out, resolved)
	}
	return out
}

func (f *ruleFile) text(node *yaml.Node, what string) string {
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" || strings.TrimSpace(node.Value) == "" {
		f.fault(node, "%s must be a text", what)
		return ""
	}
	return node.Value
}

func (f *ruleFile) texts(node *yaml.Node, what string) []string {
	var out []string
	for _, item := range f.items(node, what) {
		if text := f.text(item, "each of "+what); text != "" {
			out = append(out, text)
		}
	}
	return out
}

func (f *ruleFile) truth(node *yaml.Node, what string) *bool {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!bool" {
		value := strings.EqualFold(node.Value, "true")
		return &value
	}
	f.fault(node, "%s must be true or false", what)
	return nil
}

// longestGrace keeps a typing error from confirming nothing for ever.
const longestGrace = 90 * 24 * time.Hour

func (f *ruleFile) duration(node *yaml.Node, what string) *time.Duration {
	d, err := time.ParseDuration(node.Value)
	if node.Kind != yaml.ScalarNode || err != nil || d < 0 || d > longestGrace {
		f.fault(node, "%s must be a time from 0s to %s, such as 30m or 2h", what, "2160h")
		return nil
	}
	return &d
}

func (f *ruleFile) expression(node *yaml.Node, what string) *expression {
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		f.fault(node, "%s must be an expression", what)
		return nil
	}
	return &expression{in: f, node: node, text: node.Value}
}

func (f *ruleFile) severity(node *yaml.Node) ordercheck.Severity {
	switch s := ordercheck.Severity(node.Value); {
	case node.Kind == yaml.ScalarNode && (s == ordercheck.SeverityError || s == ordercheck.SeverityWarning):
		return s
	default:
		f.fault(node, "severity must be error or warning")
		return ordercheck.SeverityError
	}
}

func (f *ruleFile) top(node *yaml.Node) {
	hasVersion, hasRules := false, false
	f.fields(node, "a rule file", map[string]func(key, value *yaml.Node){
		"version": func(_, value *yaml.Node) {
			hasVersion = true
			if value.Value != "1" {
				f.fault(value, "this gate reads version 1 of rule files")
			}
		},
		"name":        func(_, value *yaml.Node) { f.name = f.text(value, "name") },
		"description": func(_, value *yaml.Node) { f.text(value, "description") },
		"defaults": func(_, value *yaml.Node) {
			f.fields(value, "defaults", map[string]func(key, value *yaml.Node){
				"when":     func(_, value *yaml.Node) { f.defaults.when = f.expression(value, "when") },
				"severity": func(_, value *yaml.Node) { f.defaults.severity = f.severity(value) },
				"grace":    func(_, value *yaml.Node) { f.defaults.grace = f.duration(value, "grace") },
				"holdMax":  func(_, value *yaml.Node) { f.defaults.holdMax = f.duration(value, "holdMax") },
				"remindEvery": func(_, value *yaml.Node) {
					f.defaults.remindEvery = f.duration(value, "remindEvery")
				},
				"overridable": func(_, value *yaml.Node) {
					f.defaults.overridable = f.truth(value, "overridable")
				},
			})
		},
		"tables": func(_, value *yaml.Node) {
			for _, p := range f.pairs(value, "tables") {
				f.table(p)
			}
		},
		"rules": func(_, value *yaml.Node) {
			hasRules = true
			for _, item := range f.items(value, "rules") {
				if len(f.rules) >= maxRules {
					f.fault(item, "a rule file has at most %d rules", maxRules)
					return
				}
				f.rule(item)
			}
		},
	})
	start := &yaml.Node{Line: node.Line, Column: node.Column}
	if !hasVersion && node.Kind == yaml.MappingNode {
		f.fault(start, "version is missing: write version: 1")
	}
	if f.name == "" && node.Kind == yaml.MappingNode {
		f.fault(start, "name is missing: reports show it")
	}
	if !hasRules && node.Kind == yaml.MappingNode {
		f.fault(start, "rules is missing")
	}
}

func (f *ruleFile) table(p pair) {
	t := &tableEntry{in: f, node: p.key, name: p.name}
	if !ruleID.MatchString(p.name) {
		f.fault(p.key, "the name of a table is made of letters, digits, dots, dashes and underscores")
	}
	f.fields(p.value, "a table", map[string]func(key, value *yaml.Node){
		"file":  func(_, value *yaml.Node) { t.file, t.fileAt = f.text(value, "file"), value },
		"key":   func(_, value *yaml.Node) { t.key = table.ColumnName(f.text(value, "key")) },
		"sheet": func(_, value *yaml.Node) { t.sheet = f.text(value, "sheet") },
		"columns": func(_, value *yaml.Node) {
			for _, name := range f.texts(value, "columns") {
				t.columns = append(t.columns, table.ColumnName(name))
			}
		},
	})
	if t.key == "" {
		f.fault(p.key, "the table has no key: write key: and the column that rows are looked up by")
	}
	if t.fileAt == nil && len(t.columns) == 0 {
		f.fault(p.key, "the table has neither a file nor columns: give its file, or the columns that a file must have")
	}
	if len(t.columns) > 0 && t.key != "" && !slices.Contains(t.columns, t.key) {
		f.fault(p.key, "the key %q is not among the columns", t.key)
	}
	f.tables = append(f.tables, t)
}

func (f *ruleFile) rule(node *yaml.Node) {
	r := &ruleEntry{in: f, node: node, idNode: node}
	if node.Kind != yaml.MappingNode {
		f.fault(node, "a rule must be a mapping that starts with its id")
		return
	}
	f.fields(node, "a rule", map[string]func(key, value *yaml.Node){
		"id": func(_, value *yaml.Node) {
			r.idNode = value
			if r.id = f.text(value, "id"); r.id != "" && !ruleID.MatchString(r.id) {
				f.fault(value, "an id is made of at most 64 letters, digits, dots, dashes and underscores")
			}
		},
		"scope": func(_, value *yaml.Node) {
			r.scopeNode = value
			switch s := ordercheck.Scope(value.Value); s {
			case ordercheck.ScopeOrder, ordercheck.ScopeLine:
				r.scope = s
			default:
				f.fault(value, "scope must be order or line")
			}
		},
		"severity":    func(_, value *yaml.Node) { r.severity = f.severity(value) },
		"description": func(_, value *yaml.Node) { r.description = f.text(value, "description") },
		"when":        func(_, value *yaml.Node) { r.when = f.expression(value, "when") },
		"applies":     func(_, value *yaml.Node) { r.applies = f.expression(value, "applies") },
		"skip":        func(_, value *yaml.Node) { r.skip = f.expression(value, "skip") },
		"warnIf":      func(_, value *yaml.Node) { r.warnIf = f.expression(value, "warnIf") },
		"builtin":     func(_, value *yaml.Node) { r.builtin, r.builtinNode = f.text(value, "builtin"), value },
		"params":      func(_, value *yaml.Node) { r.params = f.params(value) },
		"message":     func(_, value *yaml.Node) { r.message = f.expression(value, "message") },
		"fix":         func(_, value *yaml.Node) { r.fix = f.expression(value, "fix") },
		"expected":    func(_, value *yaml.Node) { r.expected = f.expression(value, "expected") },
		"actual":      func(_, value *yaml.Node) { r.actual = f.expression(value, "actual") },
		"enabled":     func(_, value *yaml.Node) { r.enabled = f.truth(value, "enabled") },
		"shadow":      func(_, value *yaml.Node) { r.shadow = f.truth(value, "shadow") },
		"grace":       func(_, value *yaml.Node) { r.grace = f.duration(value, "grace") },
		"holdMax":     func(_, value *yaml.Node) { r.holdMax = f.duration(value, "holdMax") },
		"remindEvery": func(_, value *yaml.Node) { r.remindEvery = f.duration(value, "remindEvery") },
		"overridable": func(_, value *yaml.Node) {
			r.overridable = f.truth(value, "overridable")
		},
		"requires": func(_, value *yaml.Node) {
			for _, item := range f.items(value, "requires") {
				name := f.text(item, "each of requires")
				if name != "" && !slices.Contains(requirements, name) {
					f.fault(item, "unknown requirement%s", ordercel.SuggestionOr(name, requirements))
					continue
				}
				r.requires = append(r.requires, name)
			}
		},
		"examples": func(_, value *yaml.Node) {
			f.fields(value, "examples", map[string]func(key, value *yaml.Node){
				"broken": func(_, value *yaml.Node) { r.examples = append(r.examples, f.exampleList(value, true)...) },
				"fine":   func(_, value *yaml.Node) { r.examples = append(r.examples, f.exampleList(value, false)...) },
			})
		},
	})
	if r.id == "" {
		f.fault(&yaml.Node{Line: node.Line, Column: node.Column}, "the rule has no id")
		return
	}
	if r.when != nil && r.builtin != "" {
		f.fault(r.builtinNode, "a rule has either when or builtin, not both")
	}
	if i := slices.IndexFunc(f.rules, func(other *ruleEntry) bool { return other.id == r.id }); i >= 0 {
		f.fault(r.idNode, "this id is used twice; first in line %d", f.rules[i].idNode.Line)
		return
	}
	f.rules = append(f.rules, r)
}

func (f *ruleFile) params(node *yaml.Node) []param {
	var out []param
	for _, p := range f.pairs(node, "params") {
		if !paramName.MatchString(p.name) {
			f.fault(p.key, "the name of a parameter is made of letters, digits and underscores")
			continue
		}
		out = append(out, param{in: f, key: p.key, node: p.value, name: p.name})
	}
	return out
}

func (f *ruleFile) exampleList(node *yaml.Node, broken bool) []*Example {
	what := "fine"
	if broken {
		what = "broken"
	}
	var out []*Example
	for _, item := range f.items(node, what) {
		e := &Example{Broken: broken, in: f, line: item.Line, column: item.Column}
		out = append(out, e)
		if item.Kind == yaml.ScalarNode {
			e.from = f.text(item, "an example")
			e.Name = e.from
			continue
		}
		f.fields(item, "an example", map[string]func(key, value *yaml.Node){
			"name":    func(_, value *yaml.Node) { e.Name = f.text(value, "name") },
			"from":    func(_, value *yaml.Node) { e.from = f.text(value, "from") },
			"order":   func(_, value *yaml.Node) { e.order = f.plain(value, 0) },
			"change":  func(_, value *yaml.Node) { e.change = f.plain(value, 0) },
			"lookups": func(_, value *yaml.Node) { e.lookups = f.plain(value, 0) },
			"params":  func(_, value *yaml.Node) { e.params = f.params(value) },
			"now": func(_, value *yaml.Node) {
				at, err := time.Parse(time.RFC3339, value.Value)
				if err != nil {
					at, err = time.Parse(time.DateOnly, value.Value)
				}
				if err != nil {
					f.fault(value, "now must be a date such as 2026-01-31, or a time such as 2026-01-31T12:00:00Z")
				}
				e.now = at
			},
			"expect": func(_, value *yaml.Node) {
				f.fields(value, "expect", map[string]func(key, value *yaml.Node){
					"findings": func(_, value *yaml.Node) {
						n, err := strconv.Atoi(value.Value)
						if err != nil || n < 1 {
							f.fault(value, "findings must be a number from 1")
						}
						e.expect.findings = n
					},
					"expected": func(_, value *yaml.Node) { e.expect.expected = f.text(value, "expected") },
					"actual":   func(_, value *yaml.Node) { e.expect.actual = f.text(value, "actual") },
					"line": func(_, value *yaml.Node) {
						n, err := strconv.Atoi(value.Value)
						if err != nil || n < 1 {
							f.fault(value, "line must be a number from 1")
						}
						e.expect.line = n
					},
					"message": func(_, value *yaml.Node) { e.expect.message = f.text(value, "message") },
					"fix":     func(_, value *yaml.Node) { e.expect.fix = f.text(value, "fix") },
				})
				if !broken {
					f.fault(&yaml.Node{Line: value.Line, Column: value.Column}, "expect belongs to a broken example: a fine one has no finding")
				}
			},
		})
		if (e.from == "") == (e.order == nil) {
			f.fault(item, "an example has either from, the file of an order, or order, the order itself")
		}
		if e.Name == "" {
			e.Name = fmt.Sprintf("%s %d", what, len(out))
		}
	}
	return out
}

// plain is a value as JSON has it: numbers as they are written.
func (f *ruleFile) plain(node *yaml.Node, depth int) any {
	if node = f.resolve(node); node == nil {
		return nil
	}
	if depth > maxRuleDepth {
		f.fault(node, "the value is nested too deeply: at most %d levels are read", maxRuleDepth)
		return nil
	}
	switch node.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		for _, p := range f.pairs(node, "the value") {
			out[p.name] = f.plain(p.value, depth+1)
		}
		return out
	case yaml.SequenceNode:
		out := []any{}
		for _, item := range f.items(node, "the value") {
			out = append(out, f.plain(item, depth+1))
		}
		return out
	}
	switch node.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(node.Value, "true")
	case "!!int", "!!float":
		if json.Valid([]byte(node.Value)) {
			return json.Number(node.Value)
		}
	}
	return node.Value
}
