package backtest

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"error-check-gate/internal/ordercheck"
)

// WriteText writes the result for a terminal.
func (r *Result) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)\n", r.ordersText(), r.Orders.File)
	writeColumns(&b, 3, [][]string{
		{"now", r.Now.Name, r.Now.Source},
		{"new", r.New.Name, r.New.Source},
	})
	b.WriteString("\n")
	writeColumns(&b, 1, r.summary())
	if rows := r.ruleRows(); len(rows) > 1 {
		b.WriteString("\n")
		writeColumns(&b, 3, rows)
	}
	fmt.Fprintf(&b, "\n%s\n", r.quietText())
	writeExamples(&b, "orders that only the new rules hold", r.Held.Examples)
	for i := range r.Rules {
		r.Rules[i].writeText(&b)
	}
	if len(r.Notes) > 0 {
		b.WriteString("\n")
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// summary returns the rows of the table with the numbers of held orders and of messages.
func (r *Result) summary() [][]string {
	rows := [][]string{{"", "now", "new", "more", "fewer", "more in %"}}
	count := func(name string, c *Counts) {
		rows = append(rows, []string{name, fmt.Sprint(c.Now), fmt.Sprint(c.New), fmt.Sprint(c.More),
			fmt.Sprint(c.Fewer), percentText(c.MorePercent)})
	}
	count("orders held", &r.Held.Counts)
	if r.Incomplete.Now > 0 || r.Incomplete.New > 0 {
		count("orders not checked completely", &r.Incomplete)
	}
	if r.Messages == nil {
		return rows
	}
	message := func(name string, m *Messages) {
		rows = append(rows, []string{name, fmt.Sprint(m.Now), fmt.Sprint(m.New), fmt.Sprint(m.More),
			fmt.Sprint(m.Fewer), ""})
	}
	message("mails", &r.Messages.Mails)
	if r.Messages.Posts.Now > 0 || r.Messages.Posts.New > 0 {
		message("posts to chats and webhooks", &r.Messages.Posts)
	}
	return rows
}

// ruleRows returns the table of the rules that found something, or that differ.
func (r *Result) ruleRows() [][]string {
	rows := [][]string{{"rule", "severity", "change", "now", "new", "more", "fewer", "new in %"}}
	for i := range r.Rules {
		rule := &r.Rules[i]
		if !rule.shown() {
			continue
		}
		rows = append(rows, []string{
			rule.RuleID, string(rule.Severity()), rule.Change(),
			orDash(rule.Now.State, rule.Orders.Now), orDash(rule.New.State, rule.Orders.New),
			fmt.Sprint(rule.Orders.More), fmt.Sprint(rule.Orders.Fewer),
			percentText(rule.Orders.NewPercent),
		})
	}
	return rows
}

// orDash returns a number of orders, or a dash for a set that does not evaluate the rule.
func orDash(state State, orders int) string {
	if state == StateOff || state == StateNone {
		return "–"
	}
	return fmt.Sprint(orders)
}

func (r *RuleResult) writeText(b *strings.Builder) {
	if !r.shown() {
		return
	}
	if r.differs() {
		writeExamples(b, r.RuleID+": "+r.ExampleTitle(), r.Examples)
	}
	for _, text := range r.Problems() {
		fmt.Fprintf(b, "\n%s: %s\n", r.RuleID, text)
	}
}

// ExampleTitle returns the title of the rule's examples.
func (r *RuleResult) ExampleTitle() string {
	switch {
	case r.Orders.More > 0 && r.Orders.Fewer > 0:
		return "orders that break it in only one of the sets, + in the new one"
	case r.Orders.More > 0:
		return "orders that break it in the new set only"
	case r.Orders.Fewer > 0:
		return "orders that no longer break it"
	default:
		return "orders that break it"
	}
}

func writeExamples(b *strings.Builder, title string, examples []Example) {
	if len(examples) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", title)
	var rows [][]string
	for i := range examples {
		e := &examples[i]
		rows = append(rows, []string{"  " + e.Mark(), e.Name(), e.Day(), e.Customer, e.Text()})
	}
	writeColumns(b, len(rows[0]), rows)
}

// Mark returns "+" if only the new set finds the order, "-" if only the other set does, and " " if
// both do.
func (e *Example) Mark() string {
	switch {
	case e.New && !e.Now:
		return "+"
	case e.Now && !e.New:
		return "-"
	default:
		return " "
	}
}

// Name returns the order's number, or its id if it has none.
func (e *Example) Name() string {
	if e.OrderNumber == "" {
		return e.SalesOrderID
	}
	return e.OrderNumber
}

// Day returns the order date, such as 2026-01-31, or "" if there is none.
func (e *Example) Day() string {
	if e.OrderDate.IsZero() {
		return ""
	}
	return e.OrderDate.Format(time.DateOnly)
}

// Text returns the message, and the number of further findings.
func (e *Example) Text() string {
	if e.Findings <= 1 {
		return e.Message
	}
	return fmt.Sprintf("%s (and %d more)", e.Message, e.Findings-1)
}

// Severity returns the severity in the new set, or in the other if the new set lacks the rule.
func (r *RuleResult) Severity() ordercheck.Severity {
	if r.New.State == StateNone {
		return r.Now.Severity
	}
	return r.New.Severity
}

// Change says how the new set changes the rule itself, or that the rule is on trial. It returns ""
// if there is nothing to say.
func (r *RuleResult) Change() string {
	from, to := r.Now.State, r.New.State
	switch {
	case from == StateNone && to == StateTrial:
		return "new, on trial"
	case from == StateNone && to == StateOff:
		return "new, off"
	case from == StateNone:
		return "new"
	case to == StateNone:
		return "removed"
	case from == StateTrial && to == StateOn:
		return "no longer on trial"
	case from != to && to == StateTrial:
		return "now on trial"
	case from != to:
		return "switched " + string(to)
	case r.Now.Severity != r.New.Severity:
		return fmt.Sprintf("%s before", r.Now.Severity)
	case to == StateTrial:
		return "on trial"
	default:
		return ""
	}
}

// Problems says on which orders the rule could not be evaluated, and what the file lacks.
func (r *RuleResult) Problems() []string {
	var problems []string
	if n := r.New.NotEvaluated; n > 0 {
		problems = append(problems, fmt.Sprintf("could not be evaluated on %s, such as: %s",
			ordercheck.Plural(n, "order"), r.New.Error))
	}
	if n := r.Now.NotEvaluated; n > 0 && n != r.New.NotEvaluated {
		problems = append(problems, fmt.Sprintf("cannot be evaluated on %s now, such as: %s",
			ordercheck.Plural(n, "order"), r.Now.Error))
	}
	side := &r.New
	if side.State == StateNone {
		side = &r.Now
	}
	for _, u := range side.Unknown {
		problems = append(problems, fmt.Sprintf("not looked at on %s: the file does not have %s",
			ordercheck.Plural(u.Orders, "order"), needText(u.Needs)))
	}
	return problems
}

func needText(need string) string {
	switch need {
	case ordercheck.LookupBilled:
		return "the order as it was when it was invoiced"
	case ordercheck.LookupRecentOrders:
		return "the customer's other orders"
	default:
		return need
	}
}

// ordersText describes the orders: how many, from when, and exported when.
func (r *Result) ordersText() string {
	text := ordercheck.Plural(r.Orders.Count, "order")
	if !r.Orders.From.IsZero() {
		text += fmt.Sprintf(" of %s to %s",
			r.Orders.From.Format(time.DateOnly), r.Orders.To.Format(time.DateOnly))
	}
	if !r.Orders.ExportedTo.IsZero() {
		text += ", as exported at " + r.Orders.ExportedTo.UTC().Format("2006-01-02 15:04 UTC")
	}
	return text
}

// quietText counts the rules that are not in the table.
func (r *Result) quietText() string {
	quiet := 0
	for i := range r.Rules {
		if !r.Rules[i].shown() {
			quiet++
		}
	}
	return fmt.Sprintf("%s found nothing in either set", ordercheck.Plural(quiet, "other rule"))
}

func percentText(percent float64) string { return fmt.Sprintf("%.2f %%", percent) }

// writeColumns aligns the columns of a table: the first ones to the left, numbers to the right.
func writeColumns(b *strings.Builder, left int, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i >= left {
				cell = space + cell
			} else {
				cell += space
			}
			line += cell + "  "
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}
