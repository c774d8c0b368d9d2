package e2e_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// link is a TCP proxy to a server that can be cut, stalled and restored. While it is cut, it
// refuses connections and closes open ones. While it is stalled, it accepts connections but
// forwards nothing.
type link struct {
	t      *testing.T
	addr   string
	target string

	running  sync.WaitGroup
	listener net.Listener
	cutOff   context.CancelFunc
	flow     sync.RWMutex // write-locked while stalled
}

func startLink(t *testing.T, target string) *link {
	t.Helper()
	l := &link{t: t, target: target, addr: localAddress(freePort(t))}
	l.restore()
	t.Cleanup(l.cut)
	return l
}

func (l *link) restore() {
	l.t.Helper()
	var lc net.ListenConfig
	var err error
	l.listener, err = lc.Listen(l.t.Context(), "tcp", l.addr)
	require.NoError(l.t, err)
	var ctx context.Context
	ctx, l.cutOff = context.WithCancel(context.Background())
	listener := l.listener
	l.running.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			l.running.Go(func() { l.carry(ctx, near) })
		}
	})
}

// cut closes open connections and refuses new ones. It may be called more than once.
func (l *link) cut() {
	_ = l.listener.Close()
	l.cutOff()
	l.running.Wait()
}

// stall stops forwarding until resume is called.
func (l *link) stall() (resume func()) {
	l.flow.Lock()
	resume = sync.OnceFunc(l.flow.Unlock)
	l.t.Cleanup(resume)
	return resume
}

// pass copies until one side closes.
func (l *link) pass(to io.Writer, from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		l.flow.RLock()
		_, err = to.Write(buffer[:n])
		l.flow.RUnlock()
		if err != nil {
			return
		}
	}
}

func (l *link) carry(ctx context.Context, near net.Conn) {
	defer near.Close()
	var dialer net.Dialer
	far, err := dialer.DialContext(ctx, "tcp", l.target)
	if err != nil {
		return
	}
	defer far.Close()
	closeBoth := func() {
		_ = near.Close()
		_ = far.Close()
	}
	defer context.AfterFunc(ctx, closeBoth)()
	var back sync.WaitGroup
	back.Go(func() {
		defer closeBoth()
		l.pass(near, far)
	})
	l.pass(far, near)
	closeBoth()
	back.Wait()
}
