package ingress

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"error-check-gate/internal/peers"
)

// DefaultPeerFailureLimit is how many refused requests a second of one peer are recorded
// one by one; ten times as many in a burst.
const DefaultPeerFailureLimit = 10

const (
	// failureBurst is in seconds of the limit. It fits in [peers.Idle].
	failureBurst = 10
	// overallFailures is the limit over all peers, in limits of one: who has many addresses has no more than this.
	overallFailures = 20
	// summaryInterval is how long requests are counted before a line tells of them.
	summaryInterval = 10 * time.Second
	// maxSummaries bounds the lines that tell of one interval, but for a few for the peers left over.
	maxSummaries = 500
	// otherPeers stands in a line for those that got none of their own.
	otherPeers = "others"
)

// strangers are those whose requests are refused before anything vouches for them.
// Each peer has a budget of such requests that is apart from its deliveries'. A peer
// over it is answered as before, since the real sender may share its address; but its
// connection ends with the answer, and its requests are no longer written down one by one:
// lines tell how many there were. So a flood fills neither disk, log nor collector of traces.
type strangers struct {
	audit  *AuditLog
	logger *slog.Logger
	now    func() time.Time

	overall *rate.Limiter              // nil is no limit
	peers   *peers.Table[rate.Limiter] // by subnet; nil is no limit

	mu     sync.Mutex
	counts map[refusal]int
	since  time.Time // of the first in counts
}

// refusal is what the requests of one line have in common.
type refusal struct {
	peer   string
	status int
	reason string
}

func newStrangers(perPeer float64, audit *AuditLog, logger *slog.Logger, now func() time.Time) *strangers {
	s := &strangers{audit: audit, logger: logger, now: now, counts: map[refusal]int{}}
	if perPeer > 0 {
		s.overall = newLimiter(overallFailures*perPeer, overallFailures*failureBurst*perPeer)
		s.peers = peers.NewTable(func() *rate.Limiter { return newLimiter(perPeer, failureBurst*perPeer) })
	}
	return s
}

// charge takes a refused request from the budget of its peer, and says whether it was within it.
func (s *strangers) charge(peer netip.Addr, now time.Time) bool {
	if s.peers == nil {
		return true
	}
	return s.peers.Get(peers.Subnet(peer), now).AllowN(now, 1) && s.overall.AllowN(now, 1)
}

// overBudget says whether another refused request of the peer would be over its budget. It never is
// for a peer of whom lately none was refused, whatever others do.
func (s *strangers) overBudget(peer netip.Addr, now time.Time) bool {
	if s.peers == nil {
		return false
	}
	budget := s.peers.Look(peers.Subnet(peer))
	return budget != nil && (budget.TokensAt(now) < 1 || s.overall.TokensAt(now) < 1)
}

// count keeps a request for a line of the next summary.
func (s *strangers) count(r refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.counts[r]; !ok && len(s.counts) >= maxSummaries {
		r.peer = otherPeers
	}
	if len(s.counts) == 0 {
		s.since = s.now()
		time.AfterFunc(summaryInterval, s.summarize)
	}
	s.counts[r]++
}

// summarize writes what has been counted.
func (s *strangers) summarize() {
	s.mu.Lock()
	counts, since := s.counts, s.since
	s.counts = map[refusal]int{}
	s.mu.Unlock()
	if len(counts) == 0 {
		return
	}
	requests := 0
	for r, n := range counts {
		requests += n
		s.audit.record(&auditRecord{
			Time: s.now().UTC(), Peer: r.peer, Route: webhookPath, Status: r.status, Reason: r.reason, Requests: n, Since: since.UTC(),
		})
	}
	s.logger.Warn("many requests were refused: the audit log counts them", "requests", requests, "since", since.UTC())
}
