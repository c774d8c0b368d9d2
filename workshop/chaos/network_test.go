package chaos_test

import (
	"context"
	"io"
	"net"
	"sync"
)

// network is a TCP proxy that can stall: connections stay open, but no bytes pass.
type network struct {
	listener net.Listener
	target   string

	mu      sync.Mutex
	stalls  int           // stalls that have not ended
	flowing chan struct{} // closed while bytes flow
	running sync.WaitGroup
	ctx     context.Context
	cut     context.CancelFunc
}

func newNetwork(listener net.Listener, target string) *network {
	n := &network{listener: listener, target: target, flowing: make(chan struct{})}
	close(n.flowing)
	n.ctx, n.cut = context.WithCancel(context.Background())
	n.running.Go(n.accept)
	return n
}

func (n *network) stall() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stalls++; n.stalls == 1 {
		n.flowing = make(chan struct{})
	}
}

func (n *network) flow() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stalls--; n.stalls == 0 {
		close(n.flowing)
	}
}

// wait waits until bytes may flow. It returns false if the network is closed.
func (n *network) wait() bool {
	n.mu.Lock()
	flowing := n.flowing
	n.mu.Unlock()
	select {
	case <-flowing:
		return true
	case <-n.ctx.Done():
		return false
	}
}

func (n *network) close() {
	n.cut()
	_ = n.listener.Close()
	n.running.Wait()
}

func (n *network) accept() {
	for {
		near, err := n.listener.Accept()
		if err != nil {
			return
		}
		n.running.Go(func() { n.carry(near) })
	}
}

func (n *network) carry(near net.Conn) {
	defer near.Close()
	if !n.wait() {
		return
	}
	var dialer net.Dialer
	far, err := dialer.DialContext(n.ctx, "tcp", n.target)
	if err != nil {
		return
	}
	defer far.Close()
	defer context.AfterFunc(n.ctx, func() {
		_ = near.Close()
		_ = far.Close()
	})()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			defer way[1].Close()
			_, _ = io.Copy(way[1], stalling{n, way[0]}) // either end may close at any time
		})
	}
	both.Wait()
}

// stalling is a reader that holds back its bytes while the network stalls.
type stalling struct {
	network *network
	from    io.Reader
}

func (s stalling) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	if !s.network.wait() {
		return 0, io.ErrClosedPipe
	}
	return n, err
}
