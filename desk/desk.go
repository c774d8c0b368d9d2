// Package desk serves the people who act on held orders: a page that lists them, a page for each
// order, and an API for other software. It needs Temporal and nothing else. What it shows comes from
// the runs of orders, and every action is an update of a run.
package desk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"golang.org/x/net/netutil"

	"error-check-gate/internal/desklink"
	"error-check-gate/internal/edge"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/poll"
	"error-check-gate/internal/signin"
	"error-check-gate/internal/watchdog"
)

const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second // header and body
	// writeTimeout leaves room for a check, which a request may wait for; see checkWithin.
	writeTimeout   = readTimeout + checkWithin + 10*time.Second
	idleTimeout    = time.Minute
	maxHeaderBytes = 32 << 10
	// maxConnections is far more than the people of one company need.
	maxConnections = 1000
	// stopWithin is how long a stopping server waits for its requests. Checks go on without it.
	stopWithin = 20 * time.Second
)

// Options are what a server needs.
type Options struct {
	// Temporal and Namespace are where the runs are. Both are required.
	Temporal  client.Client
	Namespace string
	// Converter decodes memos; nil is the SDK's default.
	Converter converter.DataConverter
	// SignIn says who may sign in, and how. The desk itself sets Render, UseOnce, Logger and Now.
	SignIn signin.Options
	// Links verifies the links in mails; nil takes none.
	Links *desklink.Signer
	// APITokensFile names the callers of the API, one a line; empty switches the API off.
	APITokensFile string
	// TrustedProxies are the peers whose X-Forwarded-For counts, for the limits of each client.
	TrustedProxies edge.Networks
	// TemporalUIURL is for operators' links to runs; nil shows none.
	TemporalUIURL *url.URL
	// Location is the time zone of the dates that people read and write; nil is the machine's.
	Location *time.Location
	// Watchdog learns of questions that hang; nil is nobody.
	Watchdog *watchdog.Watchdog
	// Logger is slog.Default() if nil.
	Logger *slog.Logger
	// TracerProvider and MeterProvider are OpenTelemetry's global ones if nil.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	// Now is the clock of pages; nil is time.Now.
	Now func() time.Time
}

// Server is the desk of one process.
type Server struct {
	orders   Orders
	board    *board
	runs     *runs
	signIn   *signin.Service
	links    *desklink.Signer
	health   *poll.Value[*client.CheckHealthResponse]
	watchdog *watchdog.Watchdog
	pages    *pages
	rules    *ruleList
	// timeline returns what happened to an order, oldest first.
	timeline func(context.Context, *Order) ([]ordercheck.TimelineEntry, error)
	api      *api
	uiURL    *url.URL
	space    string
	location *time.Location
	open     bool // nobody has to sign in
	logger   *slog.Logger
	now      func() time.Time
	handler  http.Handler
}

// New fails if a required option is missing.
func New(o Options) (*Server, error) {
	if o.Temporal == nil || o.Namespace == "" {
		return nil, errors.New("set up the desk: Temporal and its namespace are required")
	}
	if o.Converter == nil {
		o.Converter = converter.GetDefaultDataConverter()
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{
		links: o.Links, open: o.SignIn.Mode == signin.ModeNone, watchdog: o.Watchdog, uiURL: o.TemporalUIURL,
		space: o.Namespace, location: o.Location, logger: o.Logger, now: o.Now,
		health: poll.TemporalHealth(o.Temporal, o.Watchdog, o.Now),
		board:  newBoard(o.Temporal, o.Converter, o.Logger, o.Watchdog, o.Now),
		rules:  &ruleList{temporal: o.Temporal},
	}
	s.runs = &runs{
		temporal: o.Temporal, board: s.board,
		batches: &batches{temporal: o.Temporal, converter: o.Converter},
	}
	s.orders, s.timeline = s.runs, s.runs.timeline
	var err error
	if s.pages, err = newPages(s); err != nil {
		return nil, fmt.Errorf("set up the desk: %w", err)
	}
	o.SignIn.Logger, o.SignIn.Now, o.SignIn.UseOnce = o.Logger, o.Now, s.useLinkOnce
	o.SignIn.Peer = func(r *http.Request) string { return edge.Subnet(o.TrustedProxies.Client(r)).String() }
	o.SignIn.Render = func(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
		s.render(w, r, status, name, "", data)
	}
	if s.signIn, err = signin.New(context.Background(), o.SignIn); err != nil {
		return nil, fmt.Errorf("set up the desk: %w", err)
	}
	mux := http.NewServeMux()
	s.routes(mux)
	if s.api, err = newAPI(apiOptions{
		Orders: s.orders, TokensFile: o.APITokensFile, Peer: o.TrustedProxies.Client, Logger: o.Logger, Now: o.Now,
	}); err != nil {
		return nil, fmt.Errorf("set up the desk: %w", err)
	}
	s.handler = otelhttp.NewHandler(s.recovered(s.api.intercept(mux)), "desk",
		otelhttp.WithTracerProvider(o.TracerProvider), otelhttp.WithMeterProvider(o.MeterProvider),
		otelhttp.WithPublicEndpointFn(func(*http.Request) bool { return true }),
		otelhttp.WithFilter(traced))
	return s, nil
}

// traced leaves out probes, and addresses that are secrets themselves: the links that sign people in.
func traced(r *http.Request) bool {
	return r.URL.Path != "/livez" && r.URL.Path != "/readyz" && !strings.HasPrefix(r.URL.Path, "/sign-in/")
}

// Handler answers the desk's routes.
func (s *Server) Handler() http.Handler { return s.handler }

// Ready returns an error while Temporal cannot be reached.
func (s *Server) Ready(context.Context) error {
	_, err := s.health.Get()
	return err
}

// Run keeps what the handler reads up to date until ctx ends. Serve calls it.
func (s *Server) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { s.health.Run(ctx) })
	running.Go(func() { s.board.run(ctx) })
	running.Go(func() { s.signIn.Run(ctx) })
	running.Go(func() { s.api.follow(ctx) })
	running.Wait()
}

// Serve answers requests on listener until ctx ends, then waits for those that have begun.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:    slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { s.Run(background) })
	defer running.Wait()
	defer stop()
	served := make(chan error, 1)
	go func() { served <- server.Serve(netutil.LimitListener(listener, maxConnections)) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off after %v: %w", stopWithin, err), server.Close())
	}
	return nil
}
