package ingress

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"

	"error-check-gate/internal/edge"
	"error-check-gate/internal/poll"
	"error-check-gate/internal/watchdog"
)

// Limits that suit an InFlow account and a process with a few hundred MiB of memory.
const (
	DefaultRateLimit          = 2000 // verified deliveries per second, over all peers
	DefaultPeerRateLimit      = 1000 // verified deliveries per second and address
	DefaultPeerFailureLimit   = 10   // refused requests per second and peer that get their own record
	DefaultMaxConnections     = 2000 // open connections
	DefaultPeerMaxConnections = 500  // open connections per address
)

// Options configure a [Server].
type Options struct {
	// Temporal is usually a client.Client. Required.
	Temporal Temporal
	// Secrets verify the signatures: [FixedSecrets] or [SecretFile]. Required.
	Secrets Secrets
	// TrustedProxies lists the peers whose X-Forwarded-For and trace context we believe; none by
	// default.
	TrustedProxies edge.Networks
	// AllowedPeers lists the clients that may send webhooks; others get 403. Behind a trusted
	// proxy, the client is the one that the proxy names. Empty means everybody. GET is open to
	// everybody.
	AllowedPeers edge.Networks
	// RateLimit is the maximum rate of verified deliveries per second, PeerRateLimit the maximum
	// for one address. Bursts may be twice as large. 0 means no limit.
	RateLimit, PeerRateLimit float64
	// PeerFailureLimit limits the requests that we refuse before their signature is verified,
	// per peer and second. The audit log, the log and the traces record each request within the
	// limit. Bursts may be ten times as large. Requests over the limit get the same answer and
	// lose their connection, but are only counted, in gate.webhook.requests and not in HTTP's
	// own metrics. 0 means no limit.
	PeerFailureLimit float64
	// MaxConnections is the maximum number of open connections, PeerMaxConnections the maximum for
	// one address; see [edge.Connections]. 0 means no limit. Only [Server.Serve] enforces them.
	MaxConnections, PeerMaxConnections int
	// TLSCertFile and TLSKeyFile, in PEM, make [Server.Serve] speak TLS. They are read again when
	// they change. Set both or neither.
	TLSCertFile, TLSKeyFile string
	// DrainNotice is how long a stopping server goes on accepting connections. Meanwhile /readyz
	// answers 503 and every answer closes its connection, so that load balancers and clients with
	// open connections move on. It counts towards the 25 s that a stop may take.
	DrainNotice time.Duration
	// Audit gets a line per webhook request; nil means no audit log. The caller closes it after
	// Serve has returned.
	Audit *AuditLog
	// Watchdog watches deliveries and health checks, and answers GET /livez. It may be nil.
	Watchdog *watchdog.Watchdog
	// Logger is slog.Default() if nil.
	Logger *slog.Logger
	// TracerProvider and MeterProvider are OpenTelemetry's global ones if nil.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	// Now is the clock for records and limits; nil means time.Now.
	Now func() time.Time
}

func (o *Options) setDefaults() {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.TracerProvider == nil {
		o.TracerProvider = otel.GetTracerProvider()
	}
	if o.MeterProvider == nil {
		o.MeterProvider = otel.GetMeterProvider()
	}
}

func (o *Options) validate() error {
	var errs []error
	if o.Temporal == nil {
		errs = append(errs, errors.New("no Temporal client"))
	}
	if o.Secrets == nil {
		errs = append(errs, errors.New("no webhook secrets"))
	}
	if o.RateLimit < 0 || o.PeerRateLimit < 0 || o.PeerFailureLimit < 0 {
		errs = append(errs, errors.New("a rate limit is negative; 0 means no limit"))
	}
	if o.MaxConnections < 0 || o.PeerMaxConnections < 0 {
		errs = append(errs, errors.New("a number of connections is negative; 0 means no limit"))
	}
	if o.DrainNotice < 0 || o.DrainNotice >= drainWithin {
		errs = append(errs, fmt.Errorf("the drain notice of %v is not between 0 and %v",
			o.DrainNotice, drainWithin))
	}
	if (o.TLSCertFile == "") != (o.TLSKeyFile == "") {
		errs = append(errs, errors.New("TLS needs both a certificate file and a key file"))
	}
	return errors.Join(errs...)
}

// New returns a server. The error names every option that is missing or invalid.
func New(o Options) (*Server, error) {
	o.setDefaults()
	errs := []error{o.validate()}
	var certificate *edge.Certificate
	if o.TLSCertFile != "" && o.TLSKeyFile != "" {
		var err error
		certificate, err = edge.OpenCertificate(o.TLSCertFile, o.TLSKeyFile, o.Logger, time.Now)
		errs = append(errs, err)
	}
	m, err := newMetrics(o.MeterProvider)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("set up the ingress: %w", err)
	}

	s := &Server{
		secrets:  o.Secrets,
		audit:    o.Audit,
		watchdog: o.Watchdog,
		metrics:  m,
		logger:   o.Logger,
		now:      o.Now,

		allowed:  o.AllowedPeers,
		limits:   edge.NewRateLimits(o.RateLimit, o.PeerRateLimit),
		failures: edge.NewFailureBudget(o.PeerFailureLimit),
		refusals: newRefusalCounts(o.Audit, o.Logger, o.Now),
		connections: edge.NewConnections(edge.ConnectionOptions{
			Max: o.MaxConnections, PeerMax: o.PeerMaxConnections, TrustedProxies: o.TrustedProxies,
			Opened: m.connectionOpened, Evicted: m.connectionEvicted, Logger: o.Logger,
		}),
		largeBodies: make(chan struct{}, maxLargeBodies),

		timeouts:    timeouts{readHeaderTimeout, readTimeout, writeTimeout, idleTimeout},
		certificate: certificate,
		drainNotice: o.DrainNotice,
		drainWithin: drainWithin,
		logUnready:  rate.Sometimes{First: 1, Interval: 10 * time.Second},
	}
	s.health = poll.TemporalHealth(o.Temporal, o.Watchdog, o.Now)
	if err := m.observe(o.MeterProvider, s.temporalError); err != nil {
		return nil, fmt.Errorf("set up the ingress: %w", err)
	}
	s.committer = newCommitter(committerOptions{
		Temporal: o.Temporal, Logger: o.Logger, Tracer: o.TracerProvider.Tracer(scopeName),
		Metrics: m, Watchdog: o.Watchdog, TemporalError: s.temporalError,
	})
	s.handler = edge.Identify(s.instrumented(o), o.TrustedProxies, s.failures, o.Now)
	return s, nil
}

// instrumented returns the routes with OpenTelemetry's traces and metrics of HTTP.
func (s *Server) instrumented(o Options) http.Handler {
	return otelhttp.NewHandler(s.routes(), "ingress",
		otelhttp.WithTracerProvider(o.TracerProvider),
		otelhttp.WithMeterProvider(o.MeterProvider),
		// A flood is only counted. Its spans would fill the collector, its quick answers would hide
		// slow ones in the histograms, and recording it would cost about as much as refusing it.
		otelhttp.WithFilter(func(r *http.Request) bool {
			return !isProbe(r.URL.Path) && !edge.OriginOf(r.Context()).Flooding
		}),
		// We link to the trace context of an unknown sender but don't adopt it: it could force
		// sampling.
		otelhttp.WithPublicEndpointFn(func(r *http.Request) bool {
			return !edge.OriginOf(r.Context()).ViaProxy
		}),
	)
}
