package rulefile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/checks"
	"error-check-gate/internal/rules/ordercel"
)

// compile compiles the rules into a set. It continues after faults, to find all of them.
func (l *loader) compile() *rules.Set {
	env, err := ordercel.NewEnv(l.celTables())
	if err != nil {
		l.faults.add(Fault{File: l.faults.files[0], Message: err.Error()})
		return nil
	}
	l.env = env
	var all []*rules.Rule
	for _, r := range l.rules {
		if l.ctx.Err() != nil {
			return nil
		}
		compiled := l.compileRule(r)
		compiled.Enabled = r.Enabled == nil || bool(*r.Enabled)
		compiled.Examples = l.examples(r)
		all = append(all, compiled)
	}
	hashes := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(l.tables)) {
		hashes[name] = l.tables[name].hash
		l.tables[name].checkCells()
	}
	return rules.NewSet(strings.Join(l.names, "+"), all, hashes)
}

// examples returns the examples of a rule. An example with parameters gets its own variant of the
// rule.
func (l *loader) examples(r *mergedRule) []*rules.Example {
	var out []*rules.Example
	for _, e := range r.Examples {
		compiled := e.compiled(l.from)
		if len(e.Params) > 0 && l.ctx.Err() == nil {
			entry := *r.ruleEntry
			entry.Params = entry.Params.with(e.Params)
			compiled.Variant = l.compileRule(&mergedRule{&entry, r.defaults})
		}
		out = append(out, compiled)
	}
	return out
}

// compileRule compiles one rule. The result is usable only if there are no faults.
func (l *loader) compileRule(r *mergedRule) *rules.Rule {
	out := &rules.Rule{Info: rules.Info{
		ID: r.ID.value, Scope: r.Scope.value, Description: r.Description.value,
		Shadow: r.Shadow != nil && bool(*r.Shadow), Requires: slices.Clone(r.Requires),
	}}
	if s := cmp.Or(r.Severity, r.defaults.Severity); s != nil {
		out.Severity = ordercheck.Severity(*s)
	} else {
		r.file.fault(r.ID.node,
			"the rule has no severity: write severity: error or severity: warning")
	}
	out.Terms = r.terms()
	out.Written = rules.Written{
		When: r.When.source(), Message: r.Message.source(), Fix: r.Fix.source(),
		Expected: r.Expected.source(), Actual: r.Actual.source(),
		SkipFor: r.Skip.source(), WarnIf: r.WarnIf.source(),
	}
	env := l.env
	if r.Builtin.value != "" {
		l.builtin(out, r)
	} else {
		env = l.expressions(out, r)
	}
	l.compileCondition(out, r, env)
	if r.Skip != nil {
		out.SkipFor = l.compileExpression(out, env, r.Skip, ordercel.OrderScope, ordercel.Text)
	}
	slices.Sort(out.Requires)
	out.Requires = slices.Compact(out.Requires)
	return out
}

// terms returns the file's settings for the rule's findings: grace period, hold, reminders, and
// whether people may override them. It returns nil if the file has none.
func (r *mergedRule) terms() *ordercheck.Terms {
	terms := ordercheck.Terms{
		Grace:       (*time.Duration)(cmp.Or(r.Grace, r.defaults.Grace)),
		HoldMax:     (*time.Duration)(cmp.Or(r.HoldMax, r.defaults.HoldMax)),
		RemindEvery: (*time.Duration)(cmp.Or(r.RemindEvery, r.defaults.RemindEvery)),
	}
	if overridable := cmp.Or(r.Overridable, r.defaults.Overridable); overridable != nil {
		terms.NotOverridable = !bool(*overridable)
	}
	if terms == (ordercheck.Terms{}) {
		return nil
	}
	terms.RuleID = r.ID.value
	return &terms
}

// builtin sets up a rule that uses a built-in check.
func (l *loader) builtin(out *rules.Rule, r *mergedRule) {
	name := r.Builtin.value
	b, found := checks.Find(name)
	if !found {
		r.file.fault(r.Builtin.node,
			"there is no built-in rule of this name%s; gate rules list --builtins lists them",
			ordercel.Suggestion(name, checks.Names()))
		return
	}
	if r.Scope.value != "" && r.Scope.value != b.Scope {
		r.file.fault(r.Scope.node, "the scope of %s is %s", name, b.Scope)
	}
	source := newCheckParams(r.ruleEntry, l.tables)
	known := b.Configure(out, source)
	source.refuseUnknown(known)
	for _, x := range []*expression{r.Message, r.Fix, r.Expected, r.Actual, r.WarnIf} {
		if x != nil {
			x.file.fault(x.node, "a built-in rule has its own message, fix, expected, actual and warnIf")
		}
	}
}

// expressions compiles a rule that is written in expressions. It returns the environment that has
// the rule's parameters.
func (l *loader) expressions(out *rules.Rule, r *mergedRule) *ordercel.Env {
	scope := ordercel.OrderScope
	switch r.Scope.value {
	case ordercheck.ScopeLine:
		scope = ordercel.LineScope
		out.Requires = append(out.Requires, inflow.IncludeLines)
	case "":
		r.file.fault(r.ID.node, "the rule has no scope: write scope: order or scope: line")
	}
	out.Written.Settings = map[string]string{}
	for i := range r.Params {
		out.Written.Settings[r.Params[i].name] = nodeText(r.Params[i].value)
	}
	env, err := l.env.WithParams(celParams(r.Params))
	if err != nil {
		r.file.fault(r.ID.node, "%v", err)
		return l.env
	}
	if r.Message == nil {
		r.file.fault(r.ID.node, "the rule has no message: say what is wrong, such as "+
			`message: "'The order has no remark'"`)
	}
	x := &rules.Expressions{}
	for _, part := range []struct {
		from *expression
		kind ordercel.Kind
		to   **ordercel.Program
	}{
		{r.When, ordercel.Bool, &x.When},
		{r.Message, ordercel.Text, &x.Message},
		{r.Fix, ordercel.Text, &x.Fix},
		{r.Expected, ordercel.TextOrDecimal, &x.Expected},
		{r.Actual, ordercel.TextOrDecimal, &x.Actual},
		{r.WarnIf, ordercel.Bool, &x.WarnIf},
	} {
		if part.from != nil {
			*part.to = l.compileExpression(out, env, part.from, scope, part.kind)
		}
	}
	if out.Description == "" && r.Message != nil {
		out.Description = ordercel.Shorten(r.Message.text)
	}
	out.Check = x.Check
	return env
}

// nodeText returns a parameter's value in the form that goes into the digest.
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

// compileExpression compiles an expression of a rule. It returns nil if the expression has a
// fault.
func (l *loader) compileExpression(
	out *rules.Rule, env *ordercel.Env, x *expression, scope ordercel.Scope, kind ordercel.Kind,
) *ordercel.Program {
	program, problems := env.Compile(x.text, scope, kind)
	if len(problems) > 0 {
		x.faults(problems)
		return nil
	}
	l.require(out, program)
	return program
}

// require adds the includes, tables and columns that an expression reads to the rule's
// requirements.
func (l *loader) require(out *rules.Rule, program *ordercel.Program) {
	out.Requires = append(out.Requires, program.Includes()...)
	for _, use := range program.Columns() {
		if t := l.tables[use.Table]; t != nil {
			t.use(use.Column, use.Decimals)
		}
	}
	for _, name := range program.Tables() {
		if t := l.tables[name]; t != nil && t.File.value == "" {
			out.Unavailable = fmt.Sprintf("table %s is not given", name)
		}
	}
}

// compileCondition compiles the condition that decides whether the rule is evaluated. This is the
// rule's own condition, or else the default condition of its file, which is compiled once for all
// rules.
func (l *loader) compileCondition(out *rules.Rule, r *mergedRule, env *ordercel.Env) {
	x := r.Applies
	if x == nil {
		if x = r.defaults.When; x == nil {
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
	l.require(out, program)
	out.Applies, out.AppliesText = program, strings.TrimSpace(x.text)
}
