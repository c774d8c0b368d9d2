package rules

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// Example is an order that a rule file gives to show what a rule finds, or does not.
type Example struct {
	// Name is what the file calls it.
	Name string
	// Broken tells that the rule must have a finding. Without it, it must have none,
	// and must have been able to judge.
	Broken bool

	in            *ruleFile
	line, column  int
	from          string
	order, change any
	lookups       any
	now           time.Time
	expect        expectation
	// params take the place of the rule's own in variant, the rule as the example tries it.
	params  []param
	variant *rule
}

// expectation is what an example says of the findings. Zero values say nothing.
type expectation struct {
	findings                       int
	line                           int
	expected, actual, message, fix string
}

// ExampleResult is how a rule did on one of its examples.
type ExampleResult struct {
	RuleID  string `json:"ruleId"`
	Example string `json:"example"`
	Broken  bool   `json:"broken"`
	// Place is where the example is in its rule file: file:line:column.
	Place string `json:"place"`
	// Problem says what differed; it is empty where nothing did.
	Problem string `json:"problem,omitempty"`
}

// Examples counts the examples of a rule that break it, and those that do not.
func (s *Set) Examples(ruleID string) (broken, fine int) {
	for _, r := range s.order {
		if r.ID != ruleID {
			continue
		}
		for _, e := range r.examples {
			if e.Broken {
				broken++
			} else {
				fine++
			}
		}
	}
	return broken, fine
}

// Test runs every rule, those that are switched off or on trial too, on its examples.
// Files that examples name are read from disk.
func (s *Set) Test(ctx context.Context) []ExampleResult { return s.test(ctx, diskFiles{}) }

func (s *Set) test(ctx context.Context, from files) []ExampleResult {
	var out []ExampleResult
	for _, r := range s.order {
		for _, e := range r.examples {
			result := ExampleResult{
				RuleID: r.ID, Example: e.Name, Broken: e.Broken,
				Place: fmt.Sprintf("%s:%d:%d", e.in.path, e.line, e.column),
			}
			if err := e.run(ctx, r, from); err != nil {
				result.Problem = err.Error()
			}
			out = append(out, result)
		}
	}
	return out
}

// run says how the rule's outcome differs from what the example promises.
func (e *Example) run(ctx context.Context, r *rule, from files) error {
	order, lookups, err := e.read(ctx, from)
	if err != nil {
		return err
	}
	if e.variant != nil {
		r = e.variant
	}
	now := e.now
	if now.IsZero() {
		now = exampleNow(order)
	}
	result, err := r.evaluate(ctx, newSubject(order, now, lookups))
	switch {
	case err != nil:
		return fmt.Errorf("the rule could not be evaluated: %w", err)
	case e.Broken && result.skipped != "":
		return fmt.Errorf("must break the rule, but it was skipped: %s", result.skipped)
	case e.Broken && len(result.findings) == 0:
		return errors.New("must break the rule, but there is no finding")
	case !e.Broken && len(result.findings) > 0:
		return fmt.Errorf("must not break the rule, but: %s", result.findings[0].Message)
	case !e.Broken && result.skipped != "" && !result.deliberate:
		return fmt.Errorf("must not break the rule, but nothing was looked at: %s", result.skipped)
	case e.Broken:
		return e.expect.differs(result.findings)
	}
	return nil
}

func (x *expectation) differs(findings []ordercheck.Finding) error {
	if x.findings > 0 && len(findings) != x.findings {
		return fmt.Errorf("%d findings expected, but there are %d", x.findings, len(findings))
	}
	f := findings[0]
	for _, part := range []struct{ name, want, got string }{
		{"expected", x.expected, f.Expected},
		{"actual", x.actual, f.Actual},
		{"message", x.message, f.Message},
		{"fix", x.fix, f.Fix},
	} {
		if part.want != "" && part.want != part.got {
			return fmt.Errorf("%s is %q, but must be %q", part.name, part.got, part.want)
		}
	}
	if x.line > 0 && f.LineNumber != x.line {
		return fmt.Errorf("the finding is on line %d, but must be on line %d", f.LineNumber, x.line)
	}
	return nil
}

// exampleNow is noon (UTC) of the order's day, or of 1 January 2026 where it has none.
func exampleNow(order *inflow.SalesOrder) time.Time {
	day := order.OrderDate.Time
	if day.IsZero() {
		day = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return day.UTC().Truncate(24 * time.Hour).Add(12 * time.Hour)
}

const maxExampleFile = 4 << 20

// read makes the example's order and look-ups.
func (e *Example) read(ctx context.Context, from files) (*inflow.SalesOrder, ordercheck.Lookups, error) {
	var lookups ordercheck.Lookups
	tree := e.order
	if e.from != "" {
		path := from.beside(e.in.path, e.from)
		content, err := readText(ctx, from, path, maxExampleFile)
		if err != nil {
			return nil, lookups, fmt.Errorf("the example %s cannot be read: %s", path, fileError(err))
		}
		decoder := json.NewDecoder(bytes.NewReader(content))
		decoder.UseNumber()
		if err := decoder.Decode(&tree); err != nil {
			return nil, lookups, fmt.Errorf("the example %s is not JSON: %w", path, err)
		}
		if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
			return nil, lookups, fmt.Errorf("the example %s has more than one JSON document", path)
		}
	}
	if e.change != nil {
		changed, err := patched(tree, e.change)
		if err != nil {
			return nil, lookups, fmt.Errorf("change: %w", err)
		}
		tree = changed
	}
	var order inflow.SalesOrder
	if err := reread(tree, &order); err != nil {
		return nil, lookups, fmt.Errorf("the example is no sales order: %w", err)
	}
	if e.lookups != nil {
		if err := reread(e.lookups, &lookups); err != nil {
			return nil, lookups, fmt.Errorf("lookups: %w", err)
		}
	}
	return &order, lookups, nil
}

func reread(tree, into any) error {
	text, err := json.Marshal(tree)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// patched is target with a change: a mapping changes the keys that it names and takes
// away those that it sets to null; a mapping of numbers, from 1, changes the entries of
// a list, the number after the last adds one. Anything else takes target's place.
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
		if err != nil || n < 1 || strconv.Itoa(n) != key { // 01 would be a second spelling of 1
			return nil, fmt.Errorf("a list is changed by the numbers of its entries, from 1, not by %q", key)
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	var removed []int
	for _, n := range numbers {
		value := changes[strconv.Itoa(n)]
		switch {
		case n > len(out)+1:
			return nil, fmt.Errorf("the list has %d entries: there is no %d", len(out), n)
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
