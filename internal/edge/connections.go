package edge

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
)

// defaultMinAge is the age up to which a connection without a verified request is not evicted,
// even if there are too many connections.
const defaultMinAge = time.Second

// ConnectionOptions configure [NewConnections].
type ConnectionOptions struct {
	// Max is the maximum number of open connections, PeerMax the maximum for one subnet. 0 means no
	// limit.
	Max, PeerMax int
	// TrustedProxies lists peers that PeerMax does not limit, because their connections carry the
	// requests of many clients.
	TrustedProxies Networks
	// Opened is called with 1 for each connection that opens and -1 for each that closes.
	Opened func(change int)
	// Evicted is called for each connection that is closed to make room.
	Evicted func()
	Logger  *slog.Logger
}

// Connections limits the open connections of a server. When there is one too many, it closes the
// one that has kept the server waiting longest. So thousands of slow senders only push each other
// out. A limit that refused newcomers or made them wait would let slow senders shut out everybody.
// A connection whose verified request is being answered always keeps its place; see [MarkVerified].
//
// A server uses it in three places: [Connections.Listener], [WithConnection] as its ConnContext and
// [Connections.StateChanged] as its ConnState.
type Connections struct {
	options ConnectionOptions
	minAge  time.Duration
	logFull rate.Sometimes

	mu      sync.Mutex
	open    list.List // of *connection, oldest first
	peers   map[netip.Addr]int
	busy    int           // connections with a request in flight, or about to send their first
	allIdle chan struct{} // closed when busy drops to 0; nil unless somebody waits for that
	changed chan struct{} // holds one element when a place may have become free
}

// connection is one connection of a server. The lock of its owner guards the fields below peer.
type connection struct {
	net.Conn
	owner *Connections
	peer  netip.Addr // its subnet; the zero address if it doesn't count for a peer

	place     *list.Element // nil once closed
	since     time.Time     // it was accepted, or its latest request was answered
	busy      bool
	verified  bool // it has carried a verified request
	answering bool // a verified request is being answered
}

// NewConnections returns a limiter for the connections of one server.
func NewConnections(o ConnectionOptions) *Connections {
	return &Connections{
		options: o,
		minAge:  defaultMinAge,
		logFull: rate.Sometimes{First: 1, Interval: time.Minute},
		peers:   map[netip.Addr]int{},
		changed: make(chan struct{}, 1),
	}
}

// SetMinAge sets how long a connection without a verified request keeps its place: 1 s by default.
// Call it before the first connection.
func (c *Connections) SetMinAge(d time.Duration) { c.minAge = d }

// Count returns the number of open connections, and how many of them carried a verified request.
func (c *Connections) Count() (open, verified int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for place := c.open.Front(); place != nil; place = place.Next() {
		if conn, _ := place.Value.(*connection); conn.verified {
			verified++
		}
	}
	return c.open.Len(), verified
}

// Listener returns a listener that counts what it accepts from l.
func (c *Connections) Listener(l net.Listener) net.Listener {
	return &limitedListener{Listener: l, connections: c, closed: make(chan struct{})}
}

type limitedListener struct {
	net.Listener
	connections *Connections
	once        sync.Once
	closed      chan struct{}
}

// Accept holds back a new connection while no open connection may be evicted for it.
func (l *limitedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.connections.admit(conn, l.closed), nil
}

func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// admit returns when the connection has a place, or when the listener closes: an accepted
// connection is served even then.
func (c *Connections) admit(accepted net.Conn, closed <-chan struct{}) *connection {
	conn := c.add(accepted)
	for {
		evict, wait := c.pickEvicted(conn)
		switch {
		case evict != nil:
			c.evict(evict)
			continue
		case wait == 0:
			return conn
		}
		timer := time.NewTimer(wait)
		select {
		case <-c.changed:
		case <-timer.C:
		case <-closed:
			timer.Stop()
			return conn
		}
		timer.Stop()
	}
}

// add counts a connection. If its peer has too many, it closes the slowest of that peer.
func (c *Connections) add(accepted net.Conn) *connection {
	conn := &connection{Conn: accepted, owner: c, since: time.Now()}
	if address := Remote(accepted.RemoteAddr().String()); !c.options.TrustedProxies.Contain(address) {
		conn.peer = Subnet(address)
	}
	c.mu.Lock()
	conn.place = c.open.PushBack(conn)
	if conn.peer.IsValid() {
		c.peers[conn.peer]++
	}
	var evict *connection
	if limit := c.options.PeerMax; limit > 0 && c.peers[conn.peer] > limit {
		evict, _ = c.slowest(conn, conn.peer)
	}
	c.mu.Unlock()
	c.options.Opened(1)
	c.evict(evict)
	return conn
}

// pickEvicted returns the connection to close for a newcomer, or how long to wait until there may
// be one. It returns neither if the newcomer has a place.
func (c *Connections) pickEvicted(newcomer *connection) (evict *connection, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.options.Max <= 0 || c.open.Len() <= c.options.Max {
		return nil, 0
	}
	return c.slowest(newcomer, netip.Addr{})
}

// slowest returns the connection to close for a newcomer: the oldest without a verified request, or
// else the oldest. The peer limits the choice to its own connections, unless it is the zero
// address. If no connection may be closed yet, it returns how long to wait. The caller holds mu.
func (c *Connections) slowest(
	newcomer *connection, peer netip.Addr,
) (evict *connection, wait time.Duration) {
	var second *connection
	now, wait := time.Now(), max(c.minAge, time.Millisecond)
	for place := c.open.Front(); place != nil; place = place.Next() {
		conn, _ := place.Value.(*connection)
		if conn == newcomer || conn.answering || peer.IsValid() && conn.peer != peer {
			continue
		}
		if remaining := c.minAge - now.Sub(conn.since); remaining > 0 {
			wait = min(wait, remaining)
			continue
		}
		if !conn.verified {
			return conn, 0
		}
		if second == nil {
			second = conn
		}
	}
	return second, wait
}

// evict closes a connection, if any.
func (c *Connections) evict(conn *connection) {
	if conn == nil {
		return
	}
	_ = conn.Close() // nothing was going to be written
	c.options.Evicted()
	c.logFull.Do(func() {
		c.options.Logger.Warn(
			"too many connections: closing connections without a delivery to make room",
			"max", c.options.Max, "maxOfAPeer", c.options.PeerMax)
	})
}

// Close gives up the connection's place.
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
		c.options.Opened(-1)
		c.signalChange()
	}
	c.mu.Unlock()
	return conn.Conn.Close()
}

// CloseWrite lets net/http end a connection whose request it didn't read to the end.
func (conn *connection) CloseWrite() error {
	if half, ok := conn.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return conn.Close()
}

// signalChange is called with mu held.
func (c *Connections) signalChange() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

type connectionKey struct{}

// WithConnection is a ConnContext for an [http.Server].
func WithConnection(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, limitedConnection(conn))
}

// limitedConnection returns the connection that a limited listener accepted, or nil if conn comes
// from another listener.
func limitedConnection(conn net.Conn) *connection {
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	found, _ := conn.(*connection)
	return found
}

// MarkVerified protects the connection of a request whose sender has been verified. It keeps its
// place until the answer, and is among the last to be closed from then on.
func MarkVerified(ctx context.Context) {
	conn, _ := ctx.Value(connectionKey{}).(*connection)
	if conn == nil {
		return
	}
	conn.owner.mu.Lock()
	defer conn.owner.mu.Unlock()
	conn.verified, conn.answering = true, true
}

// StateChanged is a ConnState for an [http.Server].
func (c *Connections) StateChanged(of net.Conn, state http.ConnState) {
	conn := limitedConnection(of)
	if conn == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == http.StateIdle {
		conn.answering, conn.since = false, time.Now()
		c.signalChange()
	}
	busy := state == http.StateNew || state == http.StateActive
	switch {
	case busy && !conn.busy:
		c.busy++
	case !busy && conn.busy:
		if c.busy--; c.busy == 0 && c.allIdle != nil {
			close(c.allIdle)
			c.allIdle = nil
		}
	}
	conn.busy = busy
}

// WaitIdle returns when no connection has a request in flight, or when ctx ends.
func (c *Connections) WaitIdle(ctx context.Context) {
	c.mu.Lock()
	if c.busy == 0 {
		c.mu.Unlock()
		return
	}
	allIdle := make(chan struct{})
	c.allIdle = allIdle
	c.mu.Unlock()
	select {
	case <-allIdle:
	case <-ctx.Done():
	}
}
