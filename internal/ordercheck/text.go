package ordercheck

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteText writes the report for a terminal. Control characters in texts of the order are
// replaced.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	name := r.OrderNumber
	if name == "" {
		name = r.SalesOrderID
	}
	fmt.Fprintf(&b, "%s  %s  %s\n", printable(name), strings.ToUpper(string(r.Status)),
		printable(r.Customer))
	if r.Note != "" {
		fmt.Fprintf(&b, "  %s\n", printable(r.Note))
	}
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for i := range r.Findings {
		f := &r.Findings[i]
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", f.Severity, f.Place(), f.RuleID, printable(f.Message))
		if f.Fix != "" {
			fmt.Fprintf(table, "\t\t\t→ %s\n", printable(f.Fix))
		}
		if state := f.stateText(r.CheckedAt); state != "" {
			fmt.Fprintf(table, "\t\t\t(%s)\n", printable(state))
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if r.FindingsOmitted > 0 {
		fmt.Fprintf(&b, "  not listed: %s\n", Plural(r.FindingsOmitted, "more finding"))
		for i := range r.Omitted {
			fmt.Fprintf(&b, "  %s  %d more of rule %s\n", r.Omitted[i].Severity, r.Omitted[i].Findings(),
				r.Omitted[i].RuleID)
		}
	}
	for i := range r.RuleErrors {
		fmt.Fprintf(&b, "  rule %s could not be evaluated: %s\n", r.RuleErrors[i].RuleID,
			printable(r.RuleErrors[i].Error))
	}
	r.writeSkipped(&b)
	if !r.CheckedAt.IsZero() {
		fmt.Fprintf(&b, "  checked %s with rule set %s\n", r.CheckedAt.Format(time.RFC3339),
			r.RuleSet.Name)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// textTime is a time format for people: to the second, with the zone.
const textTime = "2 Jan 2006 15:04:05 MST"

// stateText describes the state of a finding. It returns "" for a warning and for a new error.
func (f *Finding) stateText(checkedAt time.Time) string {
	switch {
	case f.Override != nil:
		return fmt.Sprintf("overridden by %s until %s: %s", f.Override.By,
			f.Override.Until.Local().Format(textTime), f.Override.Reason)
	case f.Severity != SeverityError:
		return ""
	case f.State == FindingPending:
		return "pending until " + f.ConfirmAt.Local().Format(textTime)
	case f.FirstSeen.Before(checkedAt) && !f.FirstSeen.IsZero():
		return "since " + f.FirstSeen.Local().Format(textTime)
	default:
		return ""
	}
}

// maxSkippedNames limits the skipped rules that a line names.
const maxSkippedNames = 5

// writeSkipped writes a line for each kind of data that rules lacked, and one line for all other
// skipped rules. Most of these never have a table or setting.
func (r *Report) writeSkipped(b *strings.Builder) {
	lacking := map[string]int{}
	var others []string
	for i := range r.Skipped {
		if s := &r.Skipped[i]; len(s.Missing) > 0 {
			lacking[s.Reason]++
		} else {
			others = append(others, s.RuleID)
		}
	}
	for i := range r.Skipped {
		s := &r.Skipped[i]
		if n := lacking[s.Reason]; n > 0 {
			fmt.Fprintf(b, "  %s skipped: %s\n", countRules(n, s.RuleID), printable(s.Reason))
			lacking[s.Reason] = 0
		}
	}
	switch n := len(others); {
	case n == 1:
		i := slices.IndexFunc(r.Skipped, func(s Skipped) bool { return s.RuleID == others[0] })
		fmt.Fprintf(b, "  rule %s skipped: %s\n", others[0], printable(r.Skipped[i].Reason))
	case n > maxSkippedNames:
		fmt.Fprintf(b, "  %d rules skipped: %s and %d more; --json says why\n", n,
			strings.Join(others[:maxSkippedNames], ", "), n-maxSkippedNames)
	case n > 0:
		fmt.Fprintf(b, "  %d rules skipped: %s; --json says why\n", n, strings.Join(others, ", "))
	}
}

func countRules(n int, id string) string {
	if n == 1 {
		return "rule " + id
	}
	return fmt.Sprintf("%d rules", n)
}

// WriteText writes the result of the sweep for a terminal. Control characters in texts of orders
// are replaced.
func (s *Sweep) WriteText(w io.Writer) error {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for i := range s.Orders {
		fmt.Fprintf(table, "%s\t%s\tmissed, is checked now\n", printable(s.Orders[i].OrderNumber),
			printable(s.Orders[i].SalesOrderID))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write what the sweep found: %w", err)
	}
	if more := s.Missed - len(s.Orders); more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	fmt.Fprintf(
		&b,
		"orders since %s: %d listed, %d changed since the last sweeps, %d of these missed, "+
			"%d with a check in progress\n",
		s.From.Format(time.DateOnly),
		s.Listed,
		s.Changed,
		s.Missed,
		s.AlreadyRunning,
	)
	if s.Terminated > 0 {
		fmt.Fprintf(&b, "%s checked again, because somebody terminated the run\n",
			Plural(s.Terminated, "order"))
	}
	if s.Unreadable > 0 {
		fmt.Fprintf(
			&b,
			"%d entries of InFlow's list could not be read, and their orders were not compared; "+
				"the worker's log names them\n",
			s.Unreadable,
		)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write what the sweep found: %w", err)
	}
	return nil
}

// printable replaces control characters, which could move the terminal's cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

// maxMarkdown limits a text in Markdown, in characters.
const maxMarkdown = 500

// markdownEscapes keep text from an order from becoming markup or breaking a table row.
var markdownEscapes = strings.NewReplacer("\\", "\\\\", "|", "\\|", "*", "\\*", "_", "\\_", "`",
	"\\`", "[", "\\[", "]", "\\]", "<", "\\<", ">", "\\>", "&", "\\&", "\r", " ", "\n", " ")

// Markdown returns text as plain text in Markdown, cut to 500 characters.
func Markdown(text string) string { return markdownEscapes.Replace(Cut(text, maxMarkdown)) }

// Place says which part of the order the finding is about: "line 2" or "order".
func (f *Finding) Place() string {
	if f.LineNumber > 0 {
		return fmt.Sprintf("line %d", f.LineNumber)
	}
	return "order"
}

// Plural returns a count such as "1 error" or "3 errors".
func Plural(n int, singular string) string {
	if n == 1 {
		return "1 " + singular
	}
	return fmt.Sprintf("%d %ss", n, singular)
}

// Moment formats a time for people, in UTC and to the second.
func Moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
