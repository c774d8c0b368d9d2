package ingress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/client"
	"golang.org/x/time/rate"

	"error-check-gate/internal/edge"
	"error-check-gate/internal/poll"
	"error-check-gate/internal/reload"
	"error-check-gate/internal/watchdog"
)

const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second // header and body
	idleTimeout       = 60 * time.Second
	// writeTimeout starts when the header has been read. It covers a slow body, the commit and the
	// answer.
	writeTimeout   = readTimeout + commitWithin + 6*time.Second
	maxHeaderBytes = 16 << 10
	// maxStreams is the maximum number of concurrent requests on an HTTP/2 connection.
	maxStreams = 16

	// drainWithin limits the time that a stopping server takes to answer its accepted requests.
	drainWithin = 25 * time.Second
)

// timeouts holds the time limits for the parts of a request.
type timeouts struct{ readHeader, read, write, idle time.Duration }

// Server is the HTTP server of one ingress process.
type Server struct {
	handler   http.Handler
	secrets   Secrets
	committer *committer
	health    *poll.Value[*client.CheckHealthResponse]
	watchdog  *watchdog.Watchdog
	audit     *AuditLog
	metrics   *metrics
	logger    *slog.Logger
	now       func() time.Time

	allowed     edge.Networks // empty means everybody
	limits      *edge.RateLimits
	failures    *edge.FailureBudget
	refusals    *refusalCounts
	connections *edge.Connections
	largeBodies chan struct{} // holds one element for each large body that is being read

	timeouts    timeouts
	certificate *edge.Certificate // nil without TLS
	drainNotice time.Duration     // see [Options.DrainNotice]
	endNotice   <-chan struct{}   // ends the notice early; nil outside tests
	drainWithin time.Duration
	draining    atomic.Bool

	logUnready rate.Sometimes
}

// Handler serves the ingress's routes without the connection limits of [Server.Serve].
func (s *Server) Handler() http.Handler { return s.handler }

// Serve serves requests until ctx ends. It then drains: it answers every accepted request within
// 25 s. It returns nil after a full drain, and an error if the listener failed or requests were cut
// off. Call it only once.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	listener = s.connections.Listener(listener)
	server := s.httpServer(ctx)
	serve := func() error { return server.Serve(listener) }
	if s.certificate != nil {
		server.TLSConfig = s.certificate.TLSConfig()
		serve = func() error { return server.ServeTLS(listener, "", "") }
	}
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { s.health.Run(background) })
	running.Go(func() { reload.Follow(background, func() { s.countSecrets(background) }) })
	defer running.Wait()
	defer stopBackground()

	var serveErr error
	served := make(chan struct{})
	go func() {
		defer close(served)
		serveErr = serve()
	}()
	failed := false
	select {
	case <-ctx.Done():
	case <-served:
		failed = true
	}

	s.draining.Store(true)
	drainCtx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), s.drainWithin,
		fmt.Errorf("not drained within %v", s.drainWithin))
	defer cancel()
	if !failed {
		failed = s.giveNotice(served)
	}
	if failed {
		return errors.Join(fmt.Errorf("serve on %s: %w", listener.Addr(), serveErr),
			s.drain(drainCtx, server))
	}
	// Close the listener here and let drain call Shutdown once all connections are idle. Shutdown
	// drops a request without an answer if it arrives on an open connection meanwhile.
	err := listener.Close()
	<-served
	return errors.Join(err, s.drain(drainCtx, server))
}

func (s *Server) httpServer(ctx context.Context) *http.Server {
	return &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: s.timeouts.readHeader,
		ReadTimeout:       s.timeouts.read,
		WriteTimeout:      s.timeouts.write,
		IdleTimeout:       s.timeouts.idle,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
		ConnState:         s.connections.StateChanged,
		ConnContext:       edge.WithConnection,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		// Requests outlive ctx, whose end starts the drain.
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
}

// giveNotice waits until the drain notice has passed. It reports whether the listener failed
// meanwhile.
func (s *Server) giveNotice(served <-chan struct{}) (failed bool) {
	if s.drainNotice <= 0 {
		return false
	}
	notice := time.NewTimer(s.drainNotice)
	defer notice.Stop()
	select {
	case <-notice.C:
	case <-s.endNotice:
	case <-served:
		return true
	}
	return false
}

// drain waits until every accepted request has its answer and every call to Temporal has ended. It
// returns an error if ctx ends first. Close the listener before you call it.
func (s *Server) drain(ctx context.Context, server *http.Server) error {
	s.connections.WaitIdle(ctx)
	var errs []error
	if err := server.Shutdown(ctx); err != nil {
		errs = append(errs, fmt.Errorf("requests were cut off: %w", context.Cause(ctx)), server.Close())
	}
	s.refusals.summarize()
	// Calls may still be in flight for deliveries that timed out and got a 503.
	return errors.Join(append(errs, s.committer.close(ctx))...)
}
