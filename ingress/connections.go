package ingress

import (
	"container/list"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"error-check-gate/internal/peers"
)

// Numbers of open connections that suit a process with a few hundred MiB.
const (
	DefaultMaxConnections     = 2000
	DefaultPeerMaxConnections = 500
)

// connectionPatience is how long a connection may hold its place, when places are short, without
// bringing a request that verifies.
const connectionPatience = time.Second

// connections are the open ones of a server, and bound their number. Where one too many comes,
// it gets the place of the one that has kept the server waiting for longest, so that thousands
// of slow senders only push each other out: a limit that refused newcomers, or let
// them wait, would let the slow ones shut out everybody. A connection whose
// request is being answered, after its signature verified, keeps its place.
type connections struct {
	max      int // 0 is no bound
	perPeer  int // of one subnet; 0 is no bound
	patience time.Duration
	proxies  peers.Networks
	metrics  *metrics
	logger   *slog.Logger
	scarce   rate.Sometimes

	mu     sync.Mutex
	open   list.List // of *connection, oldest first
	peers  map[netip.Addr]int
	busy   int           // those with a request under way, or about to send their first
	quiet  chan struct{} // made by who waits for none to be busy, closed then
	change chan struct{} // holds one when a place may have become free
}

// connection is one of a server's. Its owner's lock guards what is below.
type connection struct {
	net.Conn
	owner *connections
	peer  netip.Addr // its subnet; the zero address for one that is not counted

	place     *list.Element // nil once closed
	since     time.Time     // it was accepted, or its latest request was answered
	busy      bool
	vouched   bool // it has brought a request that verified
	answering bool // to a request that verified
}

func newConnections(maxOpen, perPeer int, proxies peers.Networks, m *metrics, logger *slog.Logger) *connections {
	return &connections{
		max: maxOpen, perPeer: perPeer, patience: connectionPatience, proxies: proxies, metrics: m, logger: logger,
		scarce: rate.Sometimes{First: 1, Interval: time.Minute},
		peers:  map[netip.Addr]int{},
		change: make(chan struct{}, 1),
	}
}

// listener accepts connections into c.
func (c *connections) listener(l net.Listener) net.Listener {
	return &boundedListener{Listener: l, connections: c, closed: make(chan struct{})}
}

type boundedListener struct {
	net.Listener
	connections *connections
	once        sync.Once
	closed      chan struct{}
}

// Accept holds a connection back while every place is taken by one that may keep it.
func (l *boundedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.connections.admit(conn, l.closed), nil
}

func (l *boundedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// admit returns when the connection has a place, or closed is: who was let in is heard out.
func (c *connections) admit(accepted net.Conn, closed <-chan struct{}) *connection {
	conn := &connection{Conn: accepted, owner: c, since: time.Now()}
	// A proxy's connections are those of all its clients.
	if address := peers.Remote(accepted.RemoteAddr().String()); !c.proxies.Contain(address) {
		conn.peer = peers.Subnet(address)
	}
	c.mu.Lock()
	conn.place = c.open.PushBack(conn)
	if conn.peer.IsValid() {
		c.peers[conn.peer]++
	}
	var evicted *connection
	if c.perPeer > 0 && c.peers[conn.peer] > c.perPeer {
		evicted, _ = c.slowest(conn, conn.peer)
	}
	c.mu.Unlock()
	c.metrics.open(1)
	c.evict(evicted)

	for {
		c.mu.Lock()
		if c.max <= 0 || c.open.Len() <= c.max {
			c.mu.Unlock()
			return conn
		}
		evicted, patience := c.slowest(conn, netip.Addr{})
		c.mu.Unlock()
		if evicted != nil {
			c.evict(evicted)
			continue
		}
		timer := time.NewTimer(patience)
		select {
		case <-c.change:
		case <-timer.C:
		case <-closed:
			timer.Stop()
			return conn
		}
		timer.Stop()
	}
}

// slowest is whose place a newcomer gets, of a peer or, for the zero address, of all: those that nothing has
// vouched for first, the oldest of them. Where there is none, it says when there may be one. It
// is called with mu held.
func (c *connections) slowest(newcomer *connection, peer netip.Addr) (*connection, time.Duration) {
	var second *connection
	now, patience := time.Now(), c.patience
	for place := c.open.Front(); place != nil; place = place.Next() {
		conn, _ := place.Value.(*connection)
		if conn == newcomer || conn.answering || peer.IsValid() && conn.peer != peer {
			continue
		}
		if left := c.patience - now.Sub(conn.since); left > 0 {
			patience = min(patience, left)
			continue
		}
		if !conn.vouched {
			return conn, 0
		}
		if second == nil {
			second = conn
		}
	}
	return second, patience
}

// evict closes a connection, if there is one.
func (c *connections) evict(conn *connection) {
	if conn == nil {
		return
	}
	_ = conn.Close() // nobody is told, and nothing was to be written
	c.metrics.evicted()
	c.scarce.Do(func() {
		c.logger.Warn("connections are short: those that bring no delivery are closed for others", "max", c.max, "maxOfAPeer", c.perPeer)
	})
}

// Close gives the place up.
func (conn *connection) Close() error {
	c := conn.owner
	c.mu.Lock()
	if conn.place != nil {
		c.open.Remove(conn.place)
		conn.place = nil
		if conn.peer.IsValid() {
			if c.peers[conn.peer]--; c.peers[conn.peer] == 0 {
				delete(c.peers, conn.peer)
			}
		}
		c.metrics.open(-1)
		c.changed()
	}
	c.mu.Unlock()
	return conn.Conn.Close()
}

// CloseWrite lets net/http part from a sender whose request it did not read to its end.
func (conn *connection) CloseWrite() error {
	if half, ok := conn.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return conn.Close()
}

// changed is called with mu held.
func (c *connections) changed() {
	select {
	case c.change <- struct{}{}:
	default:
	}
}

type connectionKey struct{}

// withConnection is an http.Server's ConnContext.
func withConnection(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, bounded(conn))
}

// bounded finds what a server's listener accepted; nil for what another's did.
func bounded(conn net.Conn) *connection {
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	found, _ := conn.(*connection)
	return found
}

// vouch keeps the place of the connection that a verified request came over.
func vouch(ctx context.Context) {
	conn, _ := ctx.Value(connectionKey{}).(*connection)
	if conn == nil {
		return
	}
	conn.owner.mu.Lock()
	defer conn.owner.mu.Unlock()
	conn.vouched, conn.answering = true, true
}

// stateChanged is an http.Server's ConnState.
func (c *connections) stateChanged(of net.Conn, state http.ConnState) {
	conn := bounded(of)
	if conn == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == http.StateIdle {
		conn.answering, conn.since = false, time.Now()
		c.changed()
	}
	busy := state == http.StateNew || state == http.StateActive
	switch {
	case busy && !conn.busy:
		c.busy++
	case !busy && conn.busy:
		if c.busy--; c.busy == 0 && c.quiet != nil {
			close(c.quiet)
			c.quiet = nil
		}
	}
	conn.busy = busy
}

// wait returns when no connection is busy, or ctx ends.
func (c *connections) wait(ctx context.Context) {
	c.mu.Lock()
	if c.busy == 0 {
		c.mu.Unlock()
		return
	}
	quiet := make(chan struct{})
	c.quiet = quiet
	c.mu.Unlock()
	select {
	case <-quiet:
	case <-ctx.Done():
	}
}
