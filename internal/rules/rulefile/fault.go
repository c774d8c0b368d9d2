package rulefile

import (
	"fmt"
	"slices"
	"strings"

	"error-check-gate/internal/rules/ordercel"
)

// Fault is something wrong with a rule file, or with a table that it names.
type Fault struct {
	File string `json:"file"`
	// Line and Column count from 1, columns in characters. They are 0 if the fault is with the
	// file as a whole.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Text is the faulty text, shortened.
	Text string `json:"text,omitempty"`
	// Message says what is wrong and what to write instead.
	Message string `json:"message"`
}

// String returns file:line:column: message: text.
func (f Fault) String() string {
	out := f.File
	if f.Line > 0 {
		out = fmt.Sprintf("%s:%d:%d", f.File, f.Line, max(f.Column, 1))
	}
	out += ": " + f.Message
	if f.Text != "" {
		out += fmt.Sprintf(": %q", f.Text)
	}
	return out
}

// Faults lists everything wrong with rule files, sorted by file and line.
type Faults []Fault

// Error lists the faults, one per line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].String()
	}
	return strings.Join(lines, "\n")
}

// maxFaults is the maximum number of faults that one load reports.
const maxFaults = 200

// faultList collects the faults of one load.
type faultList struct {
	files  []string // in the order of loading
	faults []Fault
}

func (l *faultList) add(f Fault) {
	f.Text = ordercel.Shorten(f.Text)
	if len(l.faults) < maxFaults && !slices.Contains(l.faults, f) {
		l.faults = append(l.faults, f)
	}
}

// err returns the faults in order, or nil.
func (l *faultList) err() error {
	if len(l.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(l.faults, func(a, b Fault) int {
		if a.File != b.File {
			return slices.Index(l.files, a.File) - slices.Index(l.files, b.File)
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return Faults(l.faults)
}
