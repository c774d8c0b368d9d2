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
	// minShownWait is the shortest wait for InFlow that is shown right away.
	minShownWait = 5 * time.Second
)

// exportProgress shows the progress of an export: as a bar on a terminal, and as lines elsewhere.
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

// timeLeft estimates the remaining time from the speed so far. It returns "" before the second
// page.
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

// clearLineOn returns the escape sequence that removes a progress line, or "" if standard error
// is not a terminal.
func clearLineOn(cmd *cobra.Command) string {
	if newProgress(cmd.ErrOrStderr(), "").terminal {
		return clearLine
	}
	return ""
}
