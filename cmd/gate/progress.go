package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progressEvery is the time between two lines of progress on a pipe.
const progressEvery = 10 * time.Second

// progress shows how far a command has come: a bar with the time left on a terminal, a line now and then
// elsewhere. It writes to standard error, so that output can be piped.
type progress struct {
	out   io.Writer
	label string
	bar   *progressbar.ProgressBar // nil writes lines
	last  time.Time
}

func newProgress(out io.Writer, label string) *progress {
	p := &progress{out: out, label: label, last: time.Now()}
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) { //nolint:gosec // a file descriptor fits an int
		p.bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(label),
			progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetWidth(20))
	}
	return p
}

// set shows that done of total are done; a total of 0 is not known.
func (p *progress) set(done, total int) {
	if p.bar != nil {
		if total > 0 && p.bar.GetMax() != total {
			p.bar.ChangeMax(total)
		}
		_ = p.bar.Set(min(done, max(total, done))) // a terminal that cannot be written to is nobody's loss
		return
	}
	if time.Since(p.last) < progressEvery {
		return
	}
	p.last = time.Now()
	if total > 0 {
		fmt.Fprintf(p.out, "gate: %s: %d of %d\n", p.label, done, total)
	} else {
		fmt.Fprintf(p.out, "gate: %s: %d\n", p.label, done)
	}
}

// end clears the bar.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish() // see set
	}
}
