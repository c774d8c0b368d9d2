// Package desk serves the people and the programs that act on held orders. It needs no service
// but Temporal.
//
// It puts three packages together: orders reads and changes orders through their runs in Temporal,
// pages shows them to people, and api serves them to programs.
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

	"error-check-gate/desk/api"
	"error-check-gate/desk/orders"
	"error-check-gate/desk/pages"
	"error-check-gate/internal/desklink"
	"error-check-gate/internal/edge"
	"error-check-gate/internal/poll"
	"error-check-gate/internal/signin"
	"error-check-gate/internal/watchdog"
)

const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second // header and body
	// writeTimeout leaves time for a check, which a request may wait for.
	writeTimeout   = readTimeout + orders.CheckTimeout + 10*time.Second
	idleTimeout    = time.Minute
	maxHeaderBytes = 32 << 10
	// maxConnections is far more than the people of one company need.
	maxConnections = 1000
	// stopTimeout limits the wait of a stopping server for requests in flight. Checks go on
	// without the server.
	stopTimeout = 20 * time.Second
)

// Options configure a [Server].
type Options struct {
	// Temporal and Namespace lead to the runs of the orders. Both are required.
	Temporal  client.Client
	Namespace string
	// Converter decodes memos; nil means the SDK's default.
	Converter converter.DataConverter
	// SignIn says who may sign in, and how. It is required. New sets UseOnce, and the pages set
	// Render, Peer, Logger and Now.
	SignIn signin.Options
	// Links verifies links from mails; nil refuses them all.
	Links *desklink.Signer
	// APITokensFile is the path of the API's token file. The API is off if it is empty.
	APITokensFile string
	// TrustedProxies lists the proxies whose X-Forwarded-For we believe, for limits per client.
	TrustedProxies edge.Networks
	// TemporalUIURL is the address of Temporal's Web UI, for links to runs. Nil leaves them out.
	TemporalUIURL *url.URL
	// Location is the time zone of dates on the pages; nil means the machine's.
	Location *time.Location
	// Watchdog reports calls that hang. It may be nil.
	Watchdog *watchdog.Watchdog
	// Logger is slog.Default() if nil.
	Logger *slog.Logger
	// TracerProvider and MeterProvider are OpenTelemetry's global ones if nil.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	// Now is time.Now if nil.
	Now func() time.Time
}

// Server serves the pages, the API and the probes.
type Server struct {
	orders   *orders.Runs
	pages    *pages.Handler
	api      *api.Handler
	health   *poll.Value[*client.CheckHealthResponse]
	watchdog *watchdog.Watchdog
	logger   *slog.Logger
	handler  http.Handler
}

// New returns a server. It returns an error if a required option is missing or an option has a
// fault.
func New(o Options) (*Server, error) {
	if o.Temporal == nil || o.Namespace == "" {
		return nil, errors.New("set up the desk: Temporal and its namespace are required")
	}
	if o.Converter == nil {
		o.Converter = converter.GetDefaultDataConverter()
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{
		orders: orders.NewRuns(orders.Options{
			Temporal: o.Temporal, Converter: o.Converter, Watchdog: o.Watchdog,
			Logger: o.Logger, Now: o.Now,
		}),
		health:   poll.TemporalHealth(o.Temporal, o.Watchdog, o.Now),
		watchdog: o.Watchdog, logger: o.Logger,
	}
	o.SignIn.UseOnce = func(ctx context.Context, linkID string) (bool, error) {
		return useLinkOnce(ctx, o.Temporal, linkID)
	}
	var err error
	if s.pages, err = pages.New(pages.Options{
		Orders: s.orders, SignIn: o.SignIn, Links: o.Links, TrustedProxies: o.TrustedProxies,
		TemporalUIURL: o.TemporalUIURL, Namespace: o.Namespace, Location: o.Location,
		Logger: o.Logger, Now: o.Now,
	}); err != nil {
		return nil, fmt.Errorf("set up the desk: %w", err)
	}
	if s.api, err = api.New(api.Options{
		Orders: s.orders, TokensFile: o.APITokensFile, Peer: o.TrustedProxies.Client,
		Logger: o.Logger, Now: o.Now,
	}); err != nil {
		return nil, fmt.Errorf("set up the desk: %w", err)
	}
	s.handler = otelhttp.NewHandler(s.routes(), "desk",
		otelhttp.WithTracerProvider(o.TracerProvider), otelhttp.WithMeterProvider(o.MeterProvider),
		otelhttp.WithPublicEndpointFn(func(*http.Request) bool { return true }),
		otelhttp.WithFilter(traced))
	return s, nil
}

func (s *Server) routes() http.Handler {
	probes := http.NewServeMux()
	probes.HandleFunc("GET /livez", probe(func(context.Context) error { return s.watchdog.Check() }))
	probes.HandleFunc("GET /readyz", probe(s.Ready))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case api.Owns(path):
			s.api.ServeHTTP(w, r)
		case path == "/livez" || path == "/readyz":
			probes.ServeHTTP(w, r)
		default:
			s.pages.ServeHTTP(w, r)
		}
	})
}

func probe(check func(context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := check(r.Context()); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(w, `{"status":"unavailable"}`)
			return
		}
		fmt.Fprintln(w, `{"status":"ok"}`)
	}
}

// traced reports whether a request gets a span. Probes get none. Sign-in links get none either,
// because their addresses contain a secret.
func traced(r *http.Request) bool {
	return r.URL.Path != "/livez" && r.URL.Path != "/readyz" &&
		!strings.HasPrefix(r.URL.Path, "/sign-in/")
}

// Handler returns the handler of all requests to the desk.
func (s *Server) Handler() http.Handler { return s.handler }

// Ready returns an error while Temporal cannot be reached.
func (s *Server) Ready(context.Context) error {
	_, err := s.health.Get()
	return err
}

// Run does the background work of the handler until ctx ends. Serve calls it.
func (s *Server) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { s.health.Run(ctx) })
	running.Go(func() { s.orders.Run(ctx) })
	running.Go(func() { s.pages.Run(ctx) })
	running.Go(func() { s.api.Run(ctx) })
	running.Wait()
}

// Serve answers requests on listener until ctx ends. Then it waits for the requests in flight,
// for at most 20 s. It returns an error if the listener fails or requests were cut off.
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
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		return errors.Join(
			fmt.Errorf("requests were cut off after %v: %w", stopTimeout, err), server.Close())
	}
	return nil
}
