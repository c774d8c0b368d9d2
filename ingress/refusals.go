package ingress

import (
	"log/slog"
	"sync"
	"time"
)

const (
	// summaryInterval is the time between two summaries of refused requests in the audit log.
	summaryInterval = 10 * time.Second
	// maxSummaries limits the peers with their own lines per interval. Further peers share a few
	// lines.
	maxSummaries = 500
	// otherPeers is the peer of the shared lines.
	otherPeers = "others"
)

// refusalCounts counts the refused requests of peers that are over their failure budget. The audit
// log gets a line for many of them instead of one each, so a flood fills neither the disk nor the
// log.
type refusalCounts struct {
	audit  *AuditLog
	logger *slog.Logger
	now    func() time.Time

	mu     sync.Mutex
	counts map[refusal]int
	since  time.Time // of the first request in counts
}

// refusal holds the values that the requests of one audit line share.
type refusal struct {
	peer   string
	status int
	reason string
}

func newRefusalCounts(audit *AuditLog, logger *slog.Logger, now func() time.Time) *refusalCounts {
	return &refusalCounts{audit: audit, logger: logger, now: now, counts: map[refusal]int{}}
}

func (c *refusalCounts) count(r refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.counts[r]; !ok && len(c.counts) >= maxSummaries {
		r.peer = otherPeers
	}
	if len(c.counts) == 0 {
		c.since = c.now()
		time.AfterFunc(summaryInterval, c.summarize)
	}
	c.counts[r]++
}

// summarize writes the counts to the audit log and resets them.
func (c *refusalCounts) summarize() {
	c.mu.Lock()
	counts, since := c.counts, c.since
	c.counts = map[refusal]int{}
	c.mu.Unlock()
	if len(counts) == 0 {
		return
	}
	requests := 0
	for r, n := range counts {
		requests += n
		c.audit.record(&auditRecord{
			Time: c.now().UTC(), Peer: r.peer, Route: webhookPath, Status: r.status, Reason: r.reason,
			Requests: n, Since: since.UTC(),
		})
	}
	c.logger.Warn("many requests were refused; the audit log counts them",
		"requests", requests, "since", since.UTC())
}
