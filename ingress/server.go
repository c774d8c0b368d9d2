// Package ingress is the gate's HTTP edge. It takes InFlow's webhooks: caps the
// body, verifies the signature over the raw bytes, and only then parses,
// decides and hands the delivery to Temporal. It answers 200 once Temporal has
// committed the delivery, and not before.
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

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"golang.org/x/time/rate"
	"google.golang.org/grpc/codes"

	"error-check-gate/internal/peers"
	"error-check-gate/internal/poll"
	"error-check-gate/internal/watchdog"
)

const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second // header and body
	idleTimeout       = 60 * time.Second
	// writeTimeout runs from the end of the header: a slow body, Temporal's time and the answer fit in.
	writeTimeout   = readTimeout + commitWithin + 6*time.Second
	maxHeaderBytes = 16 << 10
	// maxStreams bounds what one connection of HTTP/2 can have the server do at once.
	maxStreams = 16

	// drainWithin is how long a stopping server may take for what it has accepted.
	drainWithin = 25 * time.Second
)

// timeouts bound the parts of a request. Tests set their own, so that a busy machine changes no verdict.
type timeouts struct{ readHeader, read, write, idle time.Duration }

// Options are what a server needs and may be given.
type Options struct {
	// Temporal is usually a client.Client. Required.
	Temporal Temporal
	// Secrets verify the signatures: [FixedSecrets] or [SecretFile]. Required.
	Secrets Secrets
	// TrustedProxies are the addresses or CIDR ranges whose X-Forwarded-For and trace context
	// are believed; none by default.
	TrustedProxies []string
	// AllowedPeers are the addresses or CIDR ranges that webhooks are taken from, looked for among the
	// clients of trusted proxies; others get 403. None is everybody. The answers to GET stay everybody's.
	AllowedPeers []string
	// RateLimit is how many verified deliveries a second are taken, and PeerRateLimit how
	// many from one address; twice as many in a burst. 0 is no limit; see
	// [DefaultRateLimit] and [DefaultPeerRateLimit].
	RateLimit, PeerRateLimit float64
	// PeerFailureLimit is how many requests a second of one peer are written to audit log, log and traces one
	// by one though they are refused before their signature verified, ten times as many in a burst. Further ones are answered
	// alike, lose their connection, and are only counted: in gate.webhook.requests, not in HTTP's own metrics.
	// 0 is no limit; see [DefaultPeerFailureLimit].
	PeerFailureLimit float64
	// MaxConnections is how many connections are open at once, and PeerMaxConnections how many of one
	// address. Above, those that have kept the server waiting for longest are closed. 0 is no
	// limit; see [DefaultMaxConnections] and [DefaultPeerMaxConnections]. They hold in [Server.Serve].
	MaxConnections, PeerMaxConnections int
	// TLSCertFile and TLSKeyFile, in PEM, make [Server.Serve] speak TLS. They are
	// read again when they change. Both or neither.
	TLSCertFile, TLSKeyFile string
	// DrainNotice is how long a stopping server goes on accepting, while /readyz says
	// 503 and every answer closes its connection, so that load balancers and
	// clients with open connections go elsewhere before the door is shut. It is part of the 25 s of draining.
	DrainNotice time.Duration
	// Audit gets a line per webhook request; nil is none. The caller closes it, after Serve has returned.
	Audit *AuditLog
	// Watchdog learns of deliveries and questions that hang, and GET /livez asks it; nil is none.
	Watchdog *watchdog.Watchdog
	// Logger is slog.Default() where nil.
	Logger *slog.Logger
	// TracerProvider and MeterProvider are OpenTelemetry's global ones where nil.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	// Now is the clock of what is recorded and limited; nil is time.Now.
	Now func() time.Time
}

// Server is the HTTP edge of one process.
type Server struct {
	handler  http.Handler
	secrets  Secrets
	handover *handover
	health   *poll.Value[*client.CheckHealthResponse]
	watchdog *watchdog.Watchdog
	audit    *AuditLog
	metrics  *metrics
	logger   *slog.Logger
	now      func() time.Time

	proxies   peers.Networks // trusted
	allowed   peers.Networks // none is everybody
	limits    *limits
	strangers *strangers
	open      *connections
	large     chan struct{} // holds one for each large body that is being read

	timeouts    timeouts
	certificate *certificate // nil without TLS
	drainNotice time.Duration
	endNotice   <-chan struct{} // ends the notice early; nil outside tests
	drainWithin time.Duration
	draining    atomic.Bool

	unready rate.Sometimes
}

// New fails on options that are missing or cannot be used, all at once.
func New(options Options) (*Server, error) {
	s := &Server{
		secrets:     options.Secrets,
		audit:       options.Audit,
		watchdog:    options.Watchdog,
		logger:      options.Logger,
		now:         options.Now,
		timeouts:    timeouts{readHeaderTimeout, readTimeout, writeTimeout, idleTimeout},
		drainNotice: options.DrainNotice,
		drainWithin: drainWithin,
		unready:     rate.Sometimes{First: 1, Interval: 10 * time.Second},
	}
	if s.logger == nil {
		s.logger = slog.Default()
	}
	if s.now == nil {
		s.now = time.Now
	}
	tracers, meters := options.TracerProvider, options.MeterProvider
	if tracers == nil {
		tracers = otel.GetTracerProvider()
	}
	if meters == nil {
		meters = otel.GetMeterProvider()
	}

	var errs []error
	if options.Temporal == nil {
		errs = append(errs, errors.New("no Temporal client"))
	}
	if options.Secrets == nil {
		errs = append(errs, errors.New("no webhook secrets"))
	}
	if options.RateLimit < 0 || options.PeerRateLimit < 0 || options.PeerFailureLimit < 0 {
		errs = append(errs, errors.New("a rate limit is negative; 0 is no limit"))
	}
	if options.MaxConnections < 0 || options.PeerMaxConnections < 0 {
		errs = append(errs, errors.New("a number of connections is negative; 0 is no limit"))
	}
	if options.DrainNotice < 0 || options.DrainNotice >= drainWithin {
		errs = append(errs, fmt.Errorf("the drain notice of %v is not between 0 and the %v of draining", options.DrainNotice, drainWithin))
	}
	var err error
	s.proxies, err = peers.ParseNetworks("trusted proxy", options.TrustedProxies)
	errs = append(errs, err)
	s.allowed, err = peers.ParseNetworks("allowed peer", options.AllowedPeers)
	errs = append(errs, err)
	switch {
	case options.TLSCertFile != "" && options.TLSKeyFile != "":
		s.certificate, err = openCertificate(options.TLSCertFile, options.TLSKeyFile, s.logger, time.Now)
		errs = append(errs, err)
	case options.TLSCertFile != "" || options.TLSKeyFile != "":
		errs = append(errs, errors.New("TLS needs both a certificate file and a key file"))
	}
	s.metrics, err = newMetrics(meters)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("set up the ingress: %w", err)
	}

	s.limits = newLimits(options.RateLimit, options.PeerRateLimit)
	s.strangers = newStrangers(options.PeerFailureLimit, s.audit, s.logger, s.now)
	s.open = newConnections(options.MaxConnections, options.PeerMaxConnections, s.proxies, s.metrics, s.logger)
	s.large = make(chan struct{}, maxLargeBodies)
	s.health = poll.TemporalHealth(options.Temporal, s.watchdog, s.now)
	if err := s.metrics.observe(meters, s.unreachable); err != nil {
		return nil, err
	}
	s.handover = newHandover(options.Temporal, s.logger, tracers.Tracer(scopeName), s.metrics, s.watchdog, s.unreachable)
	s.handler = s.identified(otelhttp.NewHandler(s.newEngine(), "ingress",
		otelhttp.WithTracerProvider(tracers),
		otelhttp.WithMeterProvider(meters),
		// What a flood brings is counted only: its spans would fill the collector, its quick answers
		// would hide slow ones to others, and it would cost about as much as the gate's own part of a refusal.
		otelhttp.WithFilter(func(r *http.Request) bool { return !isProbe(r.URL.Path) && !originOf(r.Context()).quiet }),
		// A stranger's trace context is linked to, not believed: it could force sampling.
		otelhttp.WithPublicEndpointFn(func(r *http.Request) bool { return !originOf(r.Context()).proxied }),
	))
	return s, nil
}

// Handler answers the ingress's routes, without the limits that [Server.Serve] puts on connections.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve answers requests on a listener until ctx ends, then drains: every request that was accepted
// is answered, within 25 s. It returns nil after a full drain, and an error where the
// listener failed or requests were cut off. A Server serves once.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	listener = s.open.listener(listener)
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: s.timeouts.readHeader,
		ReadTimeout:       s.timeouts.read,
		WriteTimeout:      s.timeouts.write,
		IdleTimeout:       s.timeouts.idle,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
		ConnState:         s.open.stateChanged,
		ConnContext:       withConnection,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		// Requests outlive ctx: it is what starts the drain.
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	serve := func() error { return server.Serve(listener) }
	if s.certificate != nil {
		server.TLSConfig = s.certificate.config()
		serve = func() error { return server.ServeTLS(listener, "", "") }
	}
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { s.health.Run(background) })
	running.Go(func() { s.followSecrets(background) })
	defer running.Wait()
	defer stopBackground()
	var stopped error
	served := make(chan struct{})
	go func() {
		defer close(served)
		stopped = serve()
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
	if !failed && s.drainNotice > 0 {
		notice := time.NewTimer(s.drainNotice)
		defer notice.Stop()
		select {
		case <-notice.C:
		case <-s.endNotice:
		case <-served:
			failed = true
		}
	}
	if failed {
		return errors.Join(fmt.Errorf("serve on %s: %w", listener.Addr(), stopped), s.drain(drainCtx, server))
	}
	// Shutdown would close the listener too, and from then on drop, unanswered, what connections
	// already accepted send. So the door is shut first, and they are heard out.
	closed := listener.Close()
	<-served
	return errors.Join(closed, s.drain(drainCtx, server))
}

// drain is called when no more connections are accepted.
func (s *Server) drain(ctx context.Context, server *http.Server) error {
	s.open.wait(ctx)
	var errs []error
	if err := server.Shutdown(ctx); err != nil {
		errs = append(errs, fmt.Errorf("requests were cut off: %w", context.Cause(ctx)), server.Close())
	}
	s.strangers.summarize()
	// With the requests answered, what is left are calls whose deliveries ran out of time.
	return errors.Join(append(errs, s.handover.close(ctx))...)
}

const (
	webhookPath = "/webhook/inflow"
	livePath    = "/livez"
	readyPath   = "/readyz"
)

func isProbe(path string) bool { return path == livePath || path == readyPath }

func (s *Server) newEngine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false // a redirected webhook is a lost one
	engine.ForwardedByClientIP = false   // see originOf
	engine.Use(s.recovered, s.routed)
	engine.POST(webhookPath, s.takeWebhook)
	for path, handle := range map[string]gin.HandlerFunc{webhookPath: s.listening, livePath: s.alive, readyPath: s.ready} {
		engine.GET(path, handle)
		engine.HEAD(path, handle)
	}
	engine.NoRoute(func(c *gin.Context) {
		s.withinBudget(c)
		fail(c, http.StatusNotFound, "there is nothing here; webhooks go to "+webhookPath)
	})
	engine.NoMethod(s.refuseMethod)
	return engine
}

// fail answers with an error that a stranger may see.
func fail(c *gin.Context, status int, message string) {
	c.AbortWithStatusJSON(status, gin.H{"error": message})
}

// recovered turns a panic into a 500 and a line in the log.
func (s *Server) recovered(c *gin.Context) {
	defer func() {
		panicked := recover()
		if panicked == nil {
			return
		}
		if err, ok := panicked.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(panicked) // net/http's own way to drop a connection
		}
		s.logPanic(c.Request.Context(), panicked)
		if !c.Writer.Written() {
			fail(c, http.StatusInternalServerError, internalError)
		}
	}()
	c.Next()
}

// routed names the request's span and metrics after its route, and says where the connection ends with it.
func (s *Server) routed(c *gin.Context) {
	if route := c.FullPath(); route != "" {
		c.Request.Pattern = route
	}
	if len(c.Request.TransferEncoding) > 0 {
		// Its length may have been told in a second way, by which a proxy in front would see another
		// request in what follows. RFC 9112, 6.1 has the connection closed then; net/http hides that way, and goes on.
		c.Header("Connection", "close")
	}
	s.partIfDraining(c)
}

// partIfDraining lets the connection end with its answer.
func (s *Server) partIfDraining(c *gin.Context) {
	if s.draining.Load() {
		c.Header("Connection", "close")
	}
}

func (s *Server) listening(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"status": "listening"}) }

// alive fails if something hangs, and not for anything else that is away: a restart would not bring that back.
func (s *Server) alive(c *gin.Context) {
	if err := s.watchdog.Check(); err != nil {
		fail(c, http.StatusServiceUnavailable, err.Error())
		return
	}
	c.JSON(http.StatusOK, gin.H{"status": "alive"})
}

var (
	errDraining    = errors.New("shutting down")
	errUnreachable = errors.New("Temporal cannot be reached")
	errRefused     = errors.New("nothing may be sent to Temporal; the log says why")
)

// firstAnswer is how long a probe that comes right after the start waits for Temporal.
const firstAnswer = time.Second

// unreachable returns why Temporal's latest answer was none. It does not wait.
func (s *Server) unreachable() error {
	_, err := s.health.Get()
	return err
}

// Ready is what GET /readyz answers: nil, or why deliveries should go elsewhere.
func (s *Server) Ready(ctx context.Context) error {
	if s.draining.Load() {
		return errDraining
	}
	first, cancel := context.WithTimeout(ctx, firstAnswer)
	defer cancel()
	s.health.Wait(first)
	if err := s.unreachable(); err != nil {
		reason := errUnreachable
		if serviceerror.ToStatus(err).Code() == codes.PermissionDenied {
			reason = errRefused
		}
		s.unready.Do(func() {
			s.logger.WarnContext(ctx, "not ready: "+reason.Error(), "error", err)
		})
		return reason
	}
	return nil
}

func (s *Server) ready(c *gin.Context) {
	if err := s.Ready(c.Request.Context()); err != nil {
		fail(c, http.StatusServiceUnavailable, err.Error())
		return
	}
	c.JSON(http.StatusOK, gin.H{"status": "ready"})
}
