package fakeinflow

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

// DefaultCompanyID is the company's id if [Options] has none.
const DefaultCompanyID = "c0ffee00-0000-4000-8000-000000000001"

// Routes of the API, as [Request] and [Fault] name them.
const (
	RouteGetSalesOrder   = "GET /{companyId}/sales-orders/{salesOrderId}"
	RouteListSalesOrders = "GET /{companyId}/sales-orders"
	RoutePutSalesOrder   = "PUT /{companyId}/sales-orders"
	RouteListWebhooks    = "GET /{companyId}/webhooks"
	RouteGetWebhook      = "GET /{companyId}/webhooks/{webHookId}"
	RoutePutWebhook      = "PUT /{companyId}/webhooks"
	RouteDeleteWebhook   = "DELETE /{companyId}/webhooks/{webHookId}"
)

const (
	maxRequestBody = 4 << 20 // bytes
	// maxLog is the minimum number of requests, and of ended deliveries, that the server keeps.
	maxLog = 100_000
	// firstVersion is the account's first rowversion.
	firstVersion = 0x310AB6
)

// Options of a [Server]. The zero value is a company without a request quota.
type Options struct {
	// CompanyID is the id of the only company; empty is [DefaultCompanyID].
	CompanyID string
	// APIKey is the only key that is accepted; empty is a random one, see [Server.APIKey].
	APIKey string
	// RequestsPerMinute is the account's quota, over any 60 seconds; 0 is no limit.
	RequestsPerMinute int
	// PayloadForm is the form of webhook bodies; empty is the form of the event's name in the
	// subscription.
	PayloadForm PayloadForm
	// RetryDelays are the delays before each retry of a delivery. After the last retry, the server
	// gives it up. Nil is [DefaultRetryDelays]; empty is a single attempt.
	RetryDelays []time.Duration
	// RetryJitter is the maximum random addition to a delay, as a share of it.
	RetryJitter float64
	// DeliveryTimeout is the time that a receiver has to answer a delivery; 0 is 30 seconds.
	DeliveryTimeout time.Duration
	// DeliveriesAtOnce limits the deliveries in flight per subscription; 0 is
	// [DefaultDeliveriesAtOnce].
	DeliveriesAtOnce int
	// SwitchOffAfter is the number of consecutive deliveries given up after which a subscription is
	// turned off, until it is PUT again; 0 is never.
	SwitchOffAfter int
	// RetryAfter says when a 429 has that header; empty is always.
	RetryAfter RetryAfter
	// StateFile keeps orders, customers, products, subscriptions with their secrets and a random
	// API key for the next server; empty keeps them in memory only. A subscription is saved before
	// the request for it is answered, everything else within a second, or as soon as a large state
	// can be written. Requests and deliveries are not kept.
	StateFile string
	// Transport sends the deliveries; nil is a copy of [http.DefaultTransport] that keeps a
	// connection for each delivery in flight.
	Transport http.RoundTripper
	// Logger gets the outcome of deliveries; nil discards it.
	Logger *slog.Logger
	// Clock tells the time of events and for the quota; nil is [time.Now].
	Clock func() time.Time
}

// RetryAfter says when a 429 has the header Retry-After.
type RetryAfter string

// Values of [RetryAfter].
const (
	RetryAfterAlways    RetryAfter = "always"
	RetryAfterNever     RetryAfter = "never"
	RetryAfterSometimes RetryAfter = "sometimes" // every second one
)

// ParseRetryAfter parses a name; empty is [RetryAfterAlways].
func ParseRetryAfter(name string) (RetryAfter, error) {
	switch when := RetryAfter(name); when {
	case "", RetryAfterAlways, RetryAfterNever, RetryAfterSometimes:
		return cmp.Or(when, RetryAfterAlways), nil
	}
	return "", fmt.Errorf("retry after: %q is none of always, never, sometimes", name)
}

// Server is a fake InFlow account. It is safe for use by several goroutines.
type Server struct {
	options  Options
	logger   *slog.Logger
	client   http.Client
	handler  http.Handler
	stopping context.Context // done when the server is closed
	stop     context.CancelFunc
	running  sync.WaitGroup

	restored bool
	saving   sync.Mutex    // held while the state file is written
	unsaved  chan struct{} // has a value if the state changed

	mu            sync.Mutex
	apiKey        string
	store         store
	subscriptions []*subscription
	quota         quota
	faults        faultQueue[Fault]
	requests      []Request
	deliveries    deliveries
}

// New returns a server without orders and subscriptions. Close it with [Server.Close].
func New(o Options) (*Server, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("fake InFlow: %w", err)
	}
	o.CompanyID = cmp.Or(o.CompanyID, DefaultCompanyID)
	o.DeliveriesAtOnce = cmp.Or(o.DeliveriesAtOnce, DefaultDeliveriesAtOnce)
	o.DeliveryTimeout = cmp.Or(o.DeliveryTimeout, 30*time.Second)
	if o.RetryDelays == nil {
		o.RetryDelays = DefaultRetryDelays()
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
		if transport, ok := o.Transport.(*http.Transport); ok {
			transport = transport.Clone()
			transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, o.DeliveriesAtOnce
			o.Transport = transport
		}
	}
	stopping, stop := context.WithCancel(context.Background())
	s := &Server{
		options: o,
		logger:  o.Logger,
		client: http.Client{
			Transport:     o.Transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		stopping:   stopping,
		stop:       stop,
		unsaved:    make(chan struct{}, 1),
		apiKey:     cmp.Or(o.APIKey, rand.Text()),
		store:      newStore(firstVersion),
		quota:      quota{perMinute: o.RequestsPerMinute},
		deliveries: newDeliveries(),
	}
	admin, err := s.admin()
	if err != nil {
		stop()
		return nil, fmt.Errorf("fake InFlow: %w", err)
	}
	s.handler = s.routes(admin)
	if o.StateFile != "" {
		err := s.restore()
		if err == nil {
			err = s.save() // finds out now whether the file can be written
		}
		if err != nil {
			stop()
			return nil, fmt.Errorf("fake InFlow: %w", err)
		}
		s.running.Go(s.keepSaving)
	}
	return s, nil
}

var companyIDForm = regexp.MustCompile(`^[A-Za-z0-9._-]*$`)

func (o Options) validate() error {
	var faults []error
	refuse := func(when bool, format string, args ...any) {
		if when {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	refuse(!companyIDForm.MatchString(o.CompanyID) || strings.HasPrefix(o.CompanyID, "_"),
		"the company id may have letters, digits, '.', '_' and '-', and may not start with '_'")
	refuse(strings.ContainsFunc(o.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }),
		"the API key may have no blanks, and no characters outside ASCII")
	refuse(o.RequestsPerMinute < 0,
		"requests per minute: %d is negative; 0 is no limit", o.RequestsPerMinute)
	refuse(o.DeliveryTimeout < 0, "the delivery timeout %s is negative", o.DeliveryTimeout)
	refuse(o.RetryJitter < 0 || o.RetryJitter > 1,
		"the retry jitter %g is not from 0 to 1", o.RetryJitter)
	refuse(o.DeliveriesAtOnce < 0 || o.SwitchOffAfter < 0,
		"deliveries at once (%d) and switch off after (%d) cannot be negative",
		o.DeliveriesAtOnce, o.SwitchOffAfter)
	_, err := ParseRetryAfter(string(o.RetryAfter))
	faults = append(faults, err)
	for _, delay := range o.RetryDelays {
		refuse(delay < 0, "the retry delay %s is negative", delay)
	}
	_, err = ParsePayloadForm(string(o.PayloadForm))
	return errors.Join(append(faults, err)...)
}

// CompanyID returns the id of the only company.
func (s *Server) CompanyID() string { return s.options.CompanyID }

// APIKey returns the only key that is accepted.
func (s *Server) APIKey() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.apiKey
}

// SetAPIKey replaces the only key that is accepted.
func (s *Server) SetAPIKey(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apiKey = key
	s.changed()
}

// Handler serves InFlow's API and, under /_fake/, the stand-in's own pages.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve answers on the listener until ctx is done, then gives requests in flight 5 seconds. It
// closes the listener, but not the server.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      5 * time.Minute, // a fault may delay the answer
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("fake InFlow: serve: %w", err)
	case <-ctx.Done():
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(limited); err != nil {
		_ = server.Close() // some requests have not ended in time
		return fmt.Errorf("fake InFlow: stop serving: %w", err)
	}
	return nil
}

// Close gives up every delivery that has not ended, waits for attempts in flight, and saves the
// state.
func (s *Server) Close() {
	s.mu.Lock()
	s.stop() // with the mutex held, so that no delivery starts after it
	s.giveUp(func(*outgoing) bool { return true })
	s.mu.Unlock()
	s.running.Wait()
	if err := s.save(); err != nil {
		s.logger.Error("kept the previous state, because the new one could not be saved", "error", err)
	}
	if transport, ok := s.options.Transport.(interface{ CloseIdleConnections() }); ok {
		transport.CloseIdleConnections()
	}
}

func (s *Server) routes(admin http.Handler) http.Handler {
	api := http.NewServeMux()
	api.HandleFunc(RouteGetSalesOrder, s.getSalesOrder)
	api.HandleFunc(RouteListSalesOrders, s.listSalesOrders)
	api.HandleFunc(RoutePutSalesOrder, s.putSalesOrder)
	api.HandleFunc(RouteListWebhooks, s.listWebhooks)
	api.HandleFunc(RouteGetWebhook, s.getWebhook)
	api.HandleFunc(RoutePutWebhook, s.putWebhook)
	api.HandleFunc(RouteDeleteWebhook, s.deleteWebhook)

	mux := http.NewServeMux()
	mux.Handle("/_fake/", admin)
	mux.Handle("/", s.recorded(api))
	return mux
}
