package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"error-check-gate/internal/orderexport"
)

const (
	barWidth = 20 // characters
	// minShownWait is the shortest wait that a pipe gets a line about.
	minShownWait = 5 * time.Second
)

// exportProgress shows how far an export is: a bar on a terminal, lines elsewhere.
type exportProgress struct {
	progress
	began time.Time // when the first page came; zero before it
	first int       // orders read by then
}

func newExportProgress(out io.Writer) *exportProgress {
	return &exportProgress{progress: *newProgress(out, "orders")}
}

func (p *exportProgress) set(now orderexport.Progress) {
	if p.began.IsZero() || now.Read < p.first {
		p.began, p.first = time.Now(), now.Read
	}
	line := fmt.Sprintf("gate: %d new or changed orders", now.Fetched)
	if now.Total > 0 {
		read := min(now.Read, now.Total)
		share := read * 100 / now.Total
		line = fmt.Sprintf("gate: orders: %d of %d (%d %%)", read, now.Total, share)
		if p.terminal {
			filled := read * barWidth / now.Total
			line = fmt.Sprintf("gate: [%s%s] %d %%, %d of %d orders", strings.Repeat("#", filled),
				strings.Repeat("-", barWidth-filled), share, read, now.Total)
		}
		line += p.timeLeft(read, now.Total)
	}
	if now.Wait > 0 {
		line += fmt.Sprintf(", waiting %v for InFlow", now.Wait.Round(time.Second))
	}
	p.show(line, now.Wait >= minShownWait)
}

// timeLeft returns an estimate by the speed so far; nothing before there is one.
func (p *exportProgress) timeLeft(read, total int) string {
	done := read - p.first
	if done <= 0 || read >= total {
		return ""
	}
	left := time.Since(p.began) * time.Duration(total-read) / time.Duration(done)
	if left < time.Minute {
		return ", under a minute left"
	}
	return fmt.Sprintf(", about %d min left", int(left.Round(time.Minute).Minutes()))
}

// clearLineOn returns what removes a progress line from the terminal of standard error, if it is
// one.
func clearLineOn(cmd *cobra.Command) string {
	if newProgress(cmd.ErrOrStderr(), "").terminal {
		return clearLine
	}
	return ""
}
