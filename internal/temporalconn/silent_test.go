package temporalconn_test

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/dev/temporalserver"
	"error-check-gate/internal/temporalconn"
)

// silencer is a TCP proxy that can silence its open connections without closing them, as if the
// machine behind them had lost power. Later connections work.
type silencer struct {
	listener net.Listener
	target   string
	silence  atomic.Int64 // connections with a lower number are silent
	accepted atomic.Int64
	running  sync.WaitGroup
}

func newSilencer(t *testing.T, target string) *silencer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // Close ends it
	require.NoError(t, err)
	s := &silencer{listener: listener, target: target}
	s.running.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			s.running.Go(func() { s.carry(near, s.accepted.Add(1)) })
		}
	})
	t.Cleanup(func() {
		assert.NoError(t, listener.Close())
		s.running.Wait()
	})
	return s
}

// silenceAll silences the connections that are open now.
func (s *silencer) silenceAll() { s.silence.Store(s.accepted.Load() + 1) }

func (s *silencer) carry(near net.Conn, number int64) {
	defer near.Close()
	far, err := net.Dial("tcp", s.target) //nolint:noctx // it is on this machine
	if err != nil {
		return
	}
	defer far.Close()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			defer way[1].Close()
			_, _ = io.Copy(writerFunc(func(p []byte) (int, error) {
				if number < s.silence.Load() {
					return len(p), nil
				}
				return way[1].Write(p)
			}), way[0]) // either end may close at any time
		})
	}
	both.Wait()
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestSilentConnection checks that the client replaces a connection that has gone silent. That
// takes 20 s, and 45 s with the SDK's defaults. The test does not measure it, because on a busy
// machine the times would overlap.
func TestSilentConnection(t *testing.T) {
	t.Parallel()
	server, err := temporalserver.Start(t.Context(), temporalserver.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Stop()) })
	proxy := newSilencer(t, server.Addr)
	c, err := temporalconn.Dial(t.Context(),
		temporalconn.Options{Address: proxy.listener.Addr().String()})
	require.NoError(t, err)
	defer c.Close()

	proxy.silenceAll()
	check := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.CheckHealth(ctx, &client.CheckHealthRequest{})
		return err
	}
	require.Error(t, check(), "the connection is silent")
	require.Eventually(t, func() bool { return check() == nil }, 5*time.Minute, 100*time.Millisecond)
}
