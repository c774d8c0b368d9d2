package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progress shows the progress of a command. On a terminal it overwrites one line. Elsewhere it
// writes a line from time to time. It writes to standard error, so that output can be piped.
type progress struct {
	out      io.Writer
	label    string
	terminal bool
	every    time.Duration // the time between two lines
	last     time.Time
}

func newProgress(out io.Writer, label string) *progress {
	p := &progress{out: out, label: label, every: 10 * time.Second, last: time.Now()}
	if file, ok := out.(*os.File); ok {
		info, err := file.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	if p.terminal {
		p.every = 100 * time.Millisecond
	}
	return p
}

// set shows that done of total are done. A total of 0 means unknown.
func (p *progress) set(done, total int) {
	line := fmt.Sprintf("gate: %s: %d", p.label, done)
	if total > 0 {
		line += fmt.Sprintf(" of %d", total)
	}
	p.show(line, false)
}

// show shows a line, unless the last one was shown a moment ago and it is not urgent.
func (p *progress) show(line string, urgent bool) {
	if !urgent && time.Since(p.last) < p.every {
		return
	}
	p.last = time.Now()
	if p.terminal {
		fmt.Fprint(p.out, clearLine+line)
		return
	}
	fmt.Fprintln(p.out, line)
}

// end removes the line from the terminal.
func (p *progress) end() {
	if p.terminal {
		fmt.Fprint(p.out, clearLine)
	}
}

// clearLine moves the cursor to the start of the line and erases the line.
const clearLine = "\r\x1b[K"
