package backtest

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/checks"
)

// The two sides of a comparison, as indexes.
const (
	now = iota
	proposed
	sides
)

// tally counts what the sets find. Each worker has its own. Adding orders and merging tallies in
// any order gives the same result.
type tally struct {
	orders     int
	held       Counts
	incomplete Counts
	mails      Messages
	posts      Messages
	// heldExamples are orders that only the new set holds.
	heldExamples newest
	rules        []ruleTally
	// ordered is the span of the order dates, exported the span of the exports.
	ordered, exported span
	// results has the findings of each set in the current order.
	results [sides]found
}

// ruleTally counts what the sets find with one rule.
type ruleTally struct {
	orders            Counts
	sides             [sides]sideTally
	more, fewer, same newest
}

type sideTally struct {
	notEvaluated int
	err          sample
	skipped      int
	skip         sample
	unknown      map[string]int
}

// sample is an error or a reason from the newest order that has one.
type sample struct {
	text  string
	order Example
}

func (s *sample) add(text string, order *Example) {
	if s.text == "" || newer(order, &s.order) < 0 {
		s.text, s.order = text, *order
	}
}

// maxExamples is the maximum number of examples of a rule.
const maxExamples = 5

// newest keeps the newest examples, newest first.
type newest struct{ list []Example }

// takes reports whether the example would be among the newest.
func (n *newest) takes(e *Example) bool {
	return len(n.list) < maxExamples || newer(e, &n.list[len(n.list)-1]) < 0
}

// examples returns the examples. The list is not nil.
func (n *newest) examples() []Example { return append([]Example{}, n.list...) }

func (n *newest) add(e Example) {
	if !n.takes(&e) {
		return
	}
	i, _ := slices.BinarySearchFunc(n.list, e, func(a, b Example) int { return newer(&a, &b) })
	n.list = slices.Insert(n.list, i, e)
	n.list = n.list[:min(len(n.list), maxExamples)]
}

// newer sorts examples by order date, newest first, and then by their place in the file, so that no
// two orders are equal.
func newer(a, b *Example) int {
	if c := b.OrderDate.Compare(a.OrderDate); c != 0 {
		return c
	}
	return b.line - a.line
}

// found has the findings of a set in one order.
type found struct {
	held, warned, incomplete bool
	// first is the first error, if any.
	first *ordercheck.Finding
	rules []ruleFound
}

// ruleFound has the findings of one rule in one order.
type ruleFound struct {
	findings int
	message  string
	err      string
	skipped  *ordercheck.Skipped
}

// read fills f with the result of an evaluation. rows maps a rule's id to its index in f.rules.
func (f *found) read(
	checked *ordercheck.CheckedOrder, report *ordercheck.Report, rows map[string]int,
) {
	rule := func(id string) *ruleFound {
		row, known := rows[id]
		if !known { // ordercheck.OtherRules
			row = len(f.rules) - 1
		}
		return &f.rules[row]
	}
	clear(f.rules)
	f.first = nil
	f.held = report.Errors() > 0
	f.incomplete = report.Status == ordercheck.StatusIncomplete
	f.warned = report.Status == ordercheck.StatusWarning
	for finding := range report.All() {
		r := rule(finding.RuleID)
		if r.findings == 0 {
			r.message = finding.Message
		}
		r.findings += finding.Findings()
		if f.first == nil && finding.Severity == ordercheck.SeverityError {
			f.first = finding
		}
	}
	for i := range checked.RuleErrors {
		rule(checked.RuleErrors[i].RuleID).err = checked.RuleErrors[i].Error
	}
	for i := range checked.Skipped {
		rule(checked.Skipped[i].RuleID).skipped = &checked.Skipped[i]
	}
	for i := range checked.Shadow {
		s := &checked.Shadow[i]
		r := rule(s.RuleID)
		r.findings, r.err, r.message = s.Findings, s.Error, "on trial, so there is no message"
		if s.Skipped != "" {
			r.skipped = &ordercheck.Skipped{RuleID: s.RuleID, Reason: s.Skipped, Missing: s.Missing}
		}
	}
}

// add counts an order. t.results has its findings, line is its line in the file, and at is the time
// of its export.
func (t *tally) add(order *inflow.SalesOrder, line int, at time.Time, notices *Notices) {
	t.orders++
	t.ordered.add(order.OrderDate.Time)
	t.exported.add(at)
	about := Example{
		SalesOrderID: ordercheck.ShortID(order.SalesOrderID),
		OrderNumber:  ordercheck.Keyword(order.OrderNumber),
		OrderDate:    order.OrderDate.Time,
		line:         line,
	}
	if order.Customer != nil {
		about.Customer = ordercheck.Keyword(order.Customer.Name)
	}
	before, after := &t.results[now], &t.results[proposed]
	t.held.add(before.held, after.held)
	t.incomplete.add(before.incomplete, after.incomplete)
	if notices != nil {
		mails, posts := notices.Messages(order.SalesRepTeamMemberID != "")
		wasSent, isSent := notices.sent(before), notices.sent(after)
		t.mails.add(wasSent, isSent, mails)
		t.posts.add(wasSent, isSent, posts)
	}
	if after.held && !before.held && t.heldExamples.takes(&about) {
		e := about
		e.New, e.RuleID, e.Message = true, after.first.RuleID, oneLine(after.first.Message)
		e.Findings = after.findings()
		t.heldExamples.add(e)
	}
	for i := range t.rules {
		t.rules[i].add(&before.rules[i], &after.rules[i], order, &about)
	}
}

func (f *found) findings() int {
	n := 0
	for i := range f.rules {
		n += f.rules[i].findings
	}
	return n
}

func (r *ruleTally) add(before, after *ruleFound, order *inflow.SalesOrder, about *Example) {
	r.orders.add(before.findings > 0, after.findings > 0)
	r.sides[now].add(before, order, about)
	r.sides[proposed].add(after, order, about)
	examples, of := &r.same, after
	switch {
	case before.findings == 0 && after.findings == 0:
		return
	case before.findings == 0:
		examples = &r.more
	case after.findings == 0:
		examples, of = &r.fewer, before
	}
	if !examples.takes(about) {
		return
	}
	e := *about
	e.Message, e.Findings = oneLine(of.message), of.findings
	e.Now, e.New = before.findings > 0, after.findings > 0
	examples.add(e)
}

func (s *sideTally) add(f *ruleFound, order *inflow.SalesOrder, about *Example) {
	if f.err != "" {
		s.notEvaluated++
		s.err.add(f.err, about)
	}
	if f.skipped == nil {
		return
	}
	s.skipped++
	s.skip.add(f.skipped.Reason, about)
	for _, need := range unknown(f.skipped, order) {
		if s.unknown == nil {
			s.unknown = map[string]int{}
		}
		s.unknown[need]++
	}
}

// unknown returns the data that a rule lacked because it is not in the file.
func unknown(s *ordercheck.Skipped, order *inflow.SalesOrder) []string {
	if len(s.Missing) > 0 {
		return s.Missing
	}
	switch lookup := rules.LookupLacking(s); {
	case lookup == "":
		return nil
	case lookup == ordercheck.LookupRecentOrders && checks.LookUpRecentOrders(order) == nil:
		return nil // the gate would not look them up either
	default:
		return []string{lookup}
	}
}

// merge adds the numbers of another tally.
func (t *tally) merge(other *tally) {
	t.orders += other.orders
	t.held.merge(&other.held)
	t.incomplete.merge(&other.incomplete)
	t.mails.merge(&other.mails)
	t.posts.merge(&other.posts)
	t.heldExamples.merge(&other.heldExamples)
	t.ordered.merge(other.ordered)
	t.exported.merge(other.exported)
	for i := range t.rules {
		t.rules[i].merge(&other.rules[i])
	}
}

func (r *ruleTally) merge(other *ruleTally) {
	r.orders.merge(&other.orders)
	r.more.merge(&other.more)
	r.fewer.merge(&other.fewer)
	r.same.merge(&other.same)
	for i := range r.sides {
		s, from := &r.sides[i], &other.sides[i]
		s.notEvaluated += from.notEvaluated
		s.skipped += from.skipped
		if from.err.text != "" {
			s.err.add(from.err.text, &from.err.order)
		}
		if from.skip.text != "" {
			s.skip.add(from.skip.text, &from.skip.order)
		}
		for need, n := range from.unknown {
			if s.unknown == nil {
				s.unknown = map[string]int{}
			}
			s.unknown[need] += n
		}
	}
}

func (n *newest) merge(other *newest) {
	for i := range other.list {
		n.add(other.list[i])
	}
}

func (m *Messages) merge(other *Messages) {
	m.Now += other.Now
	m.New += other.New
	m.More += other.More
	m.Fewer += other.Fewer
}

// add counts the messages of an order. now and proposed say which of the sets sends them.
func (m *Messages) add(now, proposed bool, messages int) {
	if now {
		m.Now += messages
	}
	if proposed {
		m.New += messages
	}
	switch {
	case proposed && !now:
		m.More += messages
	case now && !proposed:
		m.Fewer += messages
	}
}

// span holds the first and the last of several times.
type span struct{ from, to time.Time }

// add extends the span. A zero time is unknown.
func (s *span) add(t time.Time) {
	if t.IsZero() {
		return
	}
	if s.from.IsZero() || t.Before(s.from) {
		s.from = t
	}
	if t.After(s.to) {
		s.to = t
	}
}

func (s *span) merge(other span) {
	s.add(other.from)
	s.add(other.to)
}

// maxMessage is the maximum length of a message in an example, in characters.
const maxMessage = 300

// oneLine returns a text of an order as one line without control characters.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	return ordercheck.Cut(text, maxMessage)
}
