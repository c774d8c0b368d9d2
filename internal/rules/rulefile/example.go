package rulefile

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
)

// examples are the examples of a rule, in the order of the file.
type examples []*example

// example is an example in a rule file: an order in a file or written out, with changes.
type example struct {
	Name    text    `yaml:"name"`
	From    text    `yaml:"from"`
	Order   plain   `yaml:"order"`
	Change  plain   `yaml:"change"`
	Lookups plain   `yaml:"lookups"`
	Params  params  `yaml:"params"`
	Now     *moment `yaml:"now"`
	Expect  expect  `yaml:"expect"`

	file   *file
	node   *yaml.Node
	broken bool
}

// expect has the expected findings of an example.
type expect struct {
	Findings *ordinal `yaml:"findings"`
	Line     *ordinal `yaml:"line"`
	Expected text     `yaml:"expected"`
	Actual   text     `yaml:"actual"`
	Message  text     `yaml:"message"`
	Fix      text     `yaml:"fix"`

	node *yaml.Node // nil if the key is absent
}

func (e *expect) decode(f *file, key string, node *yaml.Node) bool {
	e.node = node
	f.mapping(node, key, e)
	return true
}

func (e *examples) decode(f *file, key string, node *yaml.Node) bool {
	var lists struct {
		Broken exampleList `yaml:"broken"`
		Fine   exampleList `yaml:"fine"`
	}
	f.mapping(node, key, &lists)
	for _, example := range lists.Broken {
		example.broken = true
	}
	for _, example := range lists.Fine {
		if at := example.Expect.node; at != nil {
			f.faultWithoutText(at, "only a broken example has expect: a fine one has no finding")
		}
	}
	*e = append(examples(lists.Broken), lists.Fine...)
	slices.SortStableFunc(*e, func(a, b *example) int {
		return cmp.Or(a.node.Line-b.node.Line, a.node.Column-b.node.Column)
	})
	return true
}

type exampleList []*example

func (l *exampleList) decode(f *file, key string, node *yaml.Node) bool {
	for i, item := range f.items(node, key) {
		e := &example{file: f, node: item}
		e.decode(f, item)
		if e.Name.value == "" {
			e.Name.value = fmt.Sprintf("%s %d", key, i+1)
		}
		*l = append(*l, e)
	}
	return true
}

func (e *example) decode(f *file, node *yaml.Node) {
	if node.Kind == yaml.ScalarNode {
		e.From.decode(f, "an example", node)
		e.Name = e.From
		return
	}
	f.mapping(node, "an example", e)
	if (e.From.value == "") == (e.Order.value == nil) {
		f.fault(node, "an example has either from, the file of an order, or order, the order itself")
	}
}

// compiled returns the example for the rule set. Its files are read when it is tested.
func (e *example) compiled(from files) *rules.Example {
	x := &e.Expect
	out := &rules.Example{
		Name:   e.Name.value,
		Place:  fmt.Sprintf("%s:%d:%d", e.file.path, e.node.Line, e.node.Column),
		Broken: e.broken,
		Want: rules.Expectation{
			Expected: x.Expected.value, Actual: x.Actual.value,
			Message: x.Message.value, Fix: x.Fix.value,
		},
		Read: func(ctx context.Context) (*inflow.SalesOrder, ordercheck.Lookups, error) {
			return e.read(ctx, from)
		},
	}
	if e.Now != nil {
		out.Now = time.Time(*e.Now)
	}
	if x.Findings != nil {
		out.Want.Findings = int(*x.Findings)
	}
	if x.Line != nil {
		out.Want.Line = int(*x.Line)
	}
	return out
}

const maxExampleFile = 4 << 20 // bytes

// read returns the example's order and look-ups.
func (e *example) read(
	ctx context.Context, from files,
) (*inflow.SalesOrder, ordercheck.Lookups, error) {
	var lookups ordercheck.Lookups
	tree := e.Order.value
	if e.From.value != "" {
		var err error
		if tree, err = readJSON(ctx, from, from.resolve(e.file.path, e.From.value)); err != nil {
			return nil, lookups, err
		}
	}
	if e.Change.value != nil {
		changed, err := patched(tree, e.Change.value)
		if err != nil {
			return nil, lookups, fmt.Errorf("change: %w", err)
		}
		tree = changed
	}
	var order inflow.SalesOrder
	if err := convert(tree, &order); err != nil {
		return nil, lookups, fmt.Errorf("the example is not a sales order: %w", err)
	}
	if e.Lookups.value != nil {
		if err := convert(e.Lookups.value, &lookups); err != nil {
			return nil, lookups, fmt.Errorf("lookups: %w", err)
		}
	}
	return &order, lookups, nil
}

// readJSON reads a file with one JSON document. Numbers stay as they are written.
func readJSON(ctx context.Context, from files, path string) (tree any, err error) {
	content, err := readText(ctx, from, path, maxExampleFile)
	if err != nil {
		return nil, fmt.Errorf("the example %s cannot be read: %s", path, fileError(err))
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		return nil, fmt.Errorf("the example %s is not JSON: %w", path, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the example %s has more than one JSON document", path)
	}
	return tree, nil
}

// convert turns a tree of JSON values into a struct.
func convert(tree, into any) error {
	text, err := json.Marshal(tree)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// patched returns target with a change. A mapping changes the keys that it names, and removes the
// keys that it sets to null. To change a list, the keys of the mapping are the numbers of entries,
// from 1; the number after the last adds an entry. Any other change replaces target.
func patched(target, change any) (any, error) {
	changes, ok := change.(map[string]any)
	if !ok {
		return change, nil
	}
	switch t := target.(type) {
	case []any:
		return patchedList(t, changes)
	case map[string]any:
		out := maps.Clone(t)
		for _, key := range slices.Sorted(maps.Keys(changes)) {
			value := changes[key]
			if value == nil {
				delete(out, key)
				continue
			}
			var err error
			if out[key], err = patched(out[key], value); err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
		}
		return out, nil
	}
	return change, nil
}

func patchedList(list []any, changes map[string]any) (any, error) {
	out := slices.Clone(list)
	numbers := make([]int, 0, len(changes))
	for _, key := range slices.Sorted(maps.Keys(changes)) {
		n, err := strconv.Atoi(key)
		// 01 would be a second key for entry 1.
		if err != nil || n < 1 || strconv.Itoa(n) != key {
			return nil, fmt.Errorf(
				"to change a list, use the numbers of its entries as keys, from 1, not %q", key)
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	var removed []int
	for _, n := range numbers {
		value := changes[strconv.Itoa(n)]
		switch {
		case n > len(out)+1:
			return nil, fmt.Errorf("the list has %d entries: there is no entry %d", len(out), n)
		case n == len(out)+1:
			out = append(out, value)
		case value == nil:
			removed = append(removed, n)
		default:
			entry, err := patched(out[n-1], value)
			if err != nil {
				return nil, fmt.Errorf("%d: %w", n, err)
			}
			out[n-1] = entry
		}
	}
	for _, n := range slices.Backward(removed) {
		out = slices.Delete(out, n-1, n)
	}
	return out, nil
}
