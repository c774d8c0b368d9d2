package rulefile

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/ordercel"
)

const (
	// maxNodes is the maximum number of values in a file. Each use of an alias counts.
	maxNodes = 200_000
	maxDepth = 64 // levels of nesting
	// longestDuration keeps a typing error from leaving findings unconfirmed forever.
	longestDuration = 90 * 24 * time.Hour
)

// file is a rule file while it is decoded. Faults of its values go to a list, so that one load
// reports all of them.
type file struct {
	path    string
	lines   []string
	faults  *faultList
	visited int // values read so far
}

// decodable is a value that decodes itself from a node of a rule file. key names the value in
// faults. decode returns false if the node has no usable value.
type decodable interface {
	decode(f *file, key string, node *yaml.Node) (ok bool)
}

// mapping decodes a mapping into the fields of a struct. A field's tag names its key. A pointer
// field stays nil if the key is absent, or its value unusable. what names the mapping in faults.
func (f *file) mapping(node *yaml.Node, what string, into any) {
	value := reflect.ValueOf(into).Elem()
	keys := keysOf(value.Type())
	for _, p := range f.pairs(node, what) {
		index, known := keys[p.name]
		if !known {
			names := slices.Sorted(maps.Keys(keys))
			f.fault(p.key, "unknown key of %s%s", what, ordercel.SuggestionOr(p.name, names))
			continue
		}
		field := value.Field(index)
		if field.Kind() != reflect.Pointer {
			decodeInto(field.Addr(), f, p)
		} else if decoded := reflect.New(field.Type().Elem()); decodeInto(decoded, f, p) {
			field.Set(decoded)
		}
	}
}

func decodeInto(pointer reflect.Value, f *file, p pair) (ok bool) {
	//nolint:errcheck // every field with a tag is decodable
	return pointer.Interface().(decodable).decode(f, p.name, p.value)
}

// knownKeys caches the results of keysOf, by struct type.
var knownKeys sync.Map

// keysOf returns the keys of a struct type, with the indexes of their fields.
func keysOf(t reflect.Type) map[string]int {
	if keys, known := knownKeys.Load(t); known {
		return keys.(map[string]int) //nolint:errcheck // nothing else is in it
	}
	keys := map[string]int{}
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("yaml"); key != "" {
			keys[key] = i
		}
	}
	knownKeys.Store(t, keys)
	return keys
}

// fault reports a fault at a node.
func (f *file) fault(node *yaml.Node, format string, args ...any) {
	text := ""
	if node.Kind == yaml.ScalarNode {
		text = node.Value
	}
	f.faults.add(Fault{
		File: f.path, Line: node.Line, Column: node.Column, Text: text,
		Message: fmt.Sprintf(format, args...),
	})
}

// faultWithoutText reports a fault at the place of a node, without quoting the node.
func (f *file) faultWithoutText(node *yaml.Node, format string, args ...any) {
	f.fault(&yaml.Node{Line: node.Line, Column: node.Column}, format, args...)
}

// resolve follows aliases. It returns nil once too many values were read.
func (f *file) resolve(node *yaml.Node) *yaml.Node {
	for depth := 0; ; depth++ {
		if f.visited++; f.visited > maxNodes || depth > maxDepth {
			f.faultWithoutText(node, "the file is too large: at most %d values are read, "+
				"and each use of an alias counts", maxNodes)
			return nil
		}
		if node.Kind != yaml.AliasNode {
			return withoutTag(node)
		}
		node = node.Alias
	}
}

// withoutTag returns an unquoted string that begins with "!" as it was written. YAML takes its
// first word, such as !order.isCancelled, for a tag, and rule files have no tags.
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

// pair is a key of a mapping and its value.
type pair struct {
	name       string
	key, value *yaml.Node
}

// pairs reads a mapping. Its keys are strings and must be unique.
func (f *file) pairs(node *yaml.Node, what string) []pair {
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
			f.fault(key, "a key must be a string")
			continue
		}
		if seen[key.Value] {
			f.fault(key, "duplicate key")
			continue
		}
		seen[key.Value] = true
		out = append(out, pair{key.Value, key, value})
	}
	return out
}

func (f *file) items(node *yaml.Node, what string) []*yaml.Node {
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

// str reads a string that is not blank. It returns "" after a fault.
func (f *file) str(node *yaml.Node, what string) string {
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" || strings.TrimSpace(node.Value) == "" {
		f.fault(node, "%s must be a string that is not empty", what)
		return ""
	}
	return node.Value
}

// strs reads a list of strings. An entry with a fault is "".
func (f *file) strs(node *yaml.Node, what string) []string {
	var out []string
	for _, item := range f.items(node, what) {
		out = append(out, f.str(item, "each of "+what))
	}
	return out
}

// text is a string. node is nil if the key is absent.
type text struct {
	value string
	node  *yaml.Node
}

func (t *text) decode(f *file, key string, node *yaml.Node) bool {
	t.value, t.node = f.str(node, key), node
	return t.value != ""
}

type boolean bool

func (b *boolean) decode(f *file, key string, node *yaml.Node) bool {
	if node.Kind != yaml.ScalarNode || node.Tag != "!!bool" {
		f.fault(node, "%s must be true or false", key)
		return false
	}
	*b = boolean(strings.EqualFold(node.Value, "true"))
	return true
}

type duration time.Duration

func (d *duration) decode(f *file, key string, node *yaml.Node) bool {
	value, err := time.ParseDuration(node.Value)
	if node.Kind != yaml.ScalarNode || err != nil || value < 0 || value > longestDuration {
		f.fault(node, "%s must be a duration from 0s to %dh, such as 30m or 2h",
			key, longestDuration/time.Hour)
		return false
	}
	*d = duration(value)
	return true
}

// ordinal is a whole number from 1.
type ordinal int

func (o *ordinal) decode(f *file, key string, node *yaml.Node) bool {
	n, err := strconv.Atoi(node.Value)
	if err != nil || n < 1 {
		f.fault(node, "%s must be a whole number from 1", key)
		return false
	}
	*o = ordinal(n)
	return true
}

// moment is a day or a time.
type moment time.Time

func (m *moment) decode(f *file, key string, node *yaml.Node) bool {
	at, err := time.Parse(time.RFC3339, node.Value)
	if err != nil {
		at, err = time.Parse(time.DateOnly, node.Value)
	}
	if err != nil {
		f.fault(node, "%s must be a date such as 2026-01-31, or a time such as 2026-01-31T12:00:00Z",
			key)
		return false
	}
	*m = moment(at)
	return true
}

// severity decodes a faulty value as error, so that the rule does not get a second fault because it
// has no severity.
type severity ordercheck.Severity

func (s *severity) decode(f *file, _ string, node *yaml.Node) bool { //nolint:unparam // implements decodable
	*s = severity(node.Value)
	switch ordercheck.Severity(*s) {
	case ordercheck.SeverityError, ordercheck.SeverityWarning:
		return true
	}
	f.fault(node, "severity must be error or warning")
	*s = severity(ordercheck.SeverityError)
	return true
}

// scope is the value of the key scope. value is empty if the node has a fault. node is nil if the
// key is absent.
type scope struct {
	value ordercheck.Scope
	node  *yaml.Node
}

func (s *scope) decode(f *file, _ string, node *yaml.Node) bool {
	s.node = node
	switch value := ordercheck.Scope(node.Value); value {
	case ordercheck.ScopeOrder, ordercheck.ScopeLine:
		s.value = value
		return true
	}
	f.fault(node, "scope must be order or line")
	return false
}

// plain is any value, in the types of encoding/json. A number is a json.Number, as it was written.
type plain struct{ value any }

func (p *plain) decode(f *file, _ string, node *yaml.Node) bool {
	p.value = f.plainValue(node, 0)
	return p.value != nil
}

func (f *file) plainValue(node *yaml.Node, depth int) any {
	if node = f.resolve(node); node == nil {
		return nil
	}
	if depth > maxDepth {
		f.fault(node, "the value is nested too deeply: at most %d levels are read", maxDepth)
		return nil
	}
	switch node.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		for _, p := range f.pairs(node, "the value") {
			out[p.name] = f.plainValue(p.value, depth+1)
		}
		return out
	case yaml.SequenceNode:
		out := []any{}
		for _, item := range f.items(node, "the value") {
			out = append(out, f.plainValue(item, depth+1))
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

// expression is the text of an expression, with its place in the file. Compiler errors name the
// place.
type expression struct {
	file *file
	node *yaml.Node
	text string
}

func (x *expression) decode(f *file, key string, node *yaml.Node) bool {
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		f.fault(node, "%s must be an expression", key)
		return false
	}
	*x = expression{file: f, node: node, text: node.Value}
	return true
}

// source returns the text of an expression that may be nil.
func (x *expression) source() string {
	if x == nil {
		return ""
	}
	return x.text
}

// faults reports the faults within an expression, each at its place in the file.
func (x *expression) faults(problems []ordercel.Problem) {
	var places []place
	if len(x.text) <= 4*ordercel.MaxExpression {
		places = placesIn(x.file.lines, x.node)
	}
	for _, p := range problems {
		at := place{x.node.Line, x.node.Column}
		if i := runeOffset(x.text, p.Line, p.Column); i >= 0 && i < len(places) {
			at = places[i]
		}
		x.file.faults.add(Fault{
			File: x.file.path, Line: at.line, Column: at.column, Text: p.Text, Message: p.Message,
		})
	}
}
