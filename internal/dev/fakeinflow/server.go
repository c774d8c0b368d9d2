package fakeinflow

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// DefaultCompanyID is the company's id where [Options] names none.
const DefaultCompanyID = "c0ffee00-0000-4000-8000-000000000001"

// The API's routes, as [Request] and [Fault] name them.
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
	maxRequestBody = 4 << 20
	// maxLog bounds what is remembered of requests and of deliveries that have ended.
	maxLog = 100_000
	// firstVersion is where the account's rowversions start.
	firstVersion = 0x310AB6
)

// Options of a [Server]. The zero value is a company without an allowance of requests.
type Options struct {
	// CompanyID is the one company's id; empty is [DefaultCompanyID].
	CompanyID string
	// APIKey is the one key that is accepted; empty is a random one, see [Server.APIKey].
	APIKey string
	// RequestsPerMinute is the account's allowance, over any 60 seconds; 0 is without a limit.
	RequestsPerMinute int
	// PayloadForm is the form of the webhooks' bodies; empty is the form of the event's
	// name that the subscription has.
	PayloadForm PayloadForm
	// RetryDelays are the waits before each further attempt of a delivery that failed; after
	// the last it is given up. Nil is [DefaultRetryDelays]; empty is a single attempt.
	RetryDelays []time.Duration
	// RetryJitter is the most that is added at random to each of RetryDelays, as a share of
	// it; 0 is none.
	RetryJitter float64
	// DeliveryTimeout is how long the receiver of a delivery may take; 0 is 30 seconds.
	DeliveryTimeout time.Duration
	// DeliveriesAtOnce is how many are under way to one subscription; 0 is [DefaultDeliveriesAtOnce].
	DeliveriesAtOnce int
	// SwitchOffAfter is how many deliveries in a row are given up before a subscription is
	// switched off, until it is PUT again; 0 is never.
	SwitchOffAfter int
	// RetryAfter says when a 429 names the wait; empty is always.
	RetryAfter RetryAfter
	// StateFile keeps orders, customers, products and subscriptions with their secrets from
	// one server to the next, and the API key where none is given; empty is in memory only.
	// A subscription is in the file before it is answered for, all else within a second of
	// its change, or as soon as a large state can be written. What was sent is not kept.
	StateFile string
	// Transport sends the deliveries; nil is a copy of [http.DefaultTransport] that keeps
	// as many connections as there are deliveries at once.
	Transport http.RoundTripper
	// Logger gets what happens to deliveries; nil is silence.
	Logger *slog.Logger
	// Clock tells the time of events and of the allowance; nil is [time.Now].
	Clock func() time.Time
}

// RetryAfter says when the answer 429 has the header of that name.
type RetryAfter string

// When a 429 has a Retry-After.
const (
	RetryAfterAlways    RetryAfter = "always"
	RetryAfterNever     RetryAfter = "never"
	RetryAfterSometimes RetryAfter = "sometimes" // by turns
)

// ParseRetryAfter reads one of the names.
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
	stopping context.Context // ends deliveries when the server is closed
	stop     context.CancelFunc
	running  sync.WaitGroup

	restored bool
	saving   sync.Mutex    // held while the state file is written
	unsaved  chan struct{} // has one where the state changed

	mu            sync.Mutex
	apiKey        string
	store         store
	subscriptions []*subscription
	allowance     allowance
	faults        []*Fault
	requests      []Request
	deliveries    deliveries
}

// Request is one request to the API, in the order in which the answers ended.
type Request struct {
	Method string `json:"method"`
	Route  string `json:"route"` // such as [RouteGetSalesOrder]; empty where no route fits
	// SalesOrderID is the id in the path or, of an order that was written, in the body.
	SalesOrderID string    `json:"salesOrderId,omitempty"`
	Start        time.Time `json:"start"`
	End          time.Time `json:"end"`
	Status       int       `json:"status"` // 0 where the connection was cut
	// OrderVersion is the version of the one order in the answer, if any.
	OrderVersion string `json:"orderVersion,omitempty"`
}

// New makes a server without orders and subscriptions. [Server.Close] ends it.
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
		allowance:  allowance{perMinute: o.RequestsPerMinute},
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
			err = s.save() // so that a place that cannot be written is found now
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
	if !companyIDForm.MatchString(o.CompanyID) || strings.HasPrefix(o.CompanyID, "_") {
		faults = append(
			faults,
			errors.New("the company id may have letters, digits, '.', '_' and '-', and starts with no '_'"),
		)
	}
	if strings.ContainsFunc(o.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		faults = append(
			faults,
			errors.New("the API key may have no blanks, and no characters outside ASCII"),
		)
	}
	if o.RequestsPerMinute < 0 {
		faults = append(
			faults,
			fmt.Errorf("requests per minute: %d is negative; 0 is without a limit", o.RequestsPerMinute),
		)
	}
	if o.DeliveryTimeout < 0 {
		faults = append(faults, fmt.Errorf("the delivery timeout %s is negative", o.DeliveryTimeout))
	}
	if o.RetryJitter < 0 || o.RetryJitter > 1 {
		faults = append(faults, fmt.Errorf("the retry jitter %g is not from 0 to 1", o.RetryJitter))
	}
	if o.DeliveriesAtOnce < 0 || o.SwitchOffAfter < 0 {
		faults = append(
			faults,
			fmt.Errorf(
				"deliveries at once (%d) and switch off after (%d) cannot be negative",
				o.DeliveriesAtOnce,
				o.SwitchOffAfter,
			),
		)
	}
	if _, err := ParseRetryAfter(string(o.RetryAfter)); err != nil {
		faults = append(faults, err)
	}
	for _, delay := range o.RetryDelays {
		if delay < 0 {
			faults = append(faults, fmt.Errorf("the retry delay %s is negative", delay))
		}
	}
	if _, err := ParsePayloadForm(string(o.PayloadForm)); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// CompanyID is the one company's id.
func (s *Server) CompanyID() string { return s.options.CompanyID }

// APIKey is the key that is accepted now.
func (s *Server) APIKey() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.apiKey
}

// SetAPIKey makes this the one key that is accepted.
func (s *Server) SetAPIKey(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apiKey = key
	s.changed()
}

// Handler serves InFlow's API and, under /_fake/, the fake's own pages.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve answers on the listener until ctx ends, then lets requests end, for 5 seconds
// at most. It closes the listener. It does not close the server.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      5 * time.Minute, // faults may hold an answer back
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
		_ = server.Close() // the time to be polite is over
		return fmt.Errorf("fake InFlow: stop serving: %w", err)
	}
	return nil
}

// Close ends every delivery, whether it was made or not, waits for that, and saves the state.
func (s *Server) Close() {
	s.mu.Lock()
	s.stop() // under the mutex: no delivery starts after it
	s.giveUp(func(*outgoing) bool { return true })
	s.mu.Unlock()
	s.running.Wait()
	if err := s.save(); err != nil {
		s.logger.Error("the state of before was kept", "error", err)
	}
	if transport, ok := s.options.Transport.(interface{ CloseIdleConnections() }); ok {
		transport.CloseIdleConnections()
	}
}

// Requests lists the requests to the API that have ended, the latest 100,000 at least.
func (s *Server) Requests() []Request { return s.latestRequests(-1) }

// latestRequests is the end of the log, or all of it where n is negative.
func (s *Server) latestRequests(n int) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(latest(s.requests, n))
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

// recorded is the way of every request to the API: it finds the route, applies faults,
// and remembers what was answered.
func (s *Server) recorded(api *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		record := Request{Method: r.Method, Start: time.Now()}
		_, record.Route = api.Handler(r)
		if record.Route == RouteGetSalesOrder {
			record.SalesOrderID = lastSegment(r.URL.Path)
		}
		answer := newAnswer()
		defer func() {
			record.End = time.Now()
			record.OrderVersion = answer.orderVersion
			record.SalesOrderID = cmp.Or(record.SalesOrderID, answer.salesOrderID)
			s.mu.Lock()
			s.requests = appendBounded(s.requests, record)
			s.mu.Unlock()
		}()
		if s.admit(answer, r) {
			r.Body = http.MaxBytesReader(w, r.Body, maxRequestBody)
			fault := s.takeFault(record.Route, record.SalesOrderID)
			if !fault.apply(s.stopping, answer, r) {
				api.ServeHTTP(answer, r)
			}
			record.Status = fault.send(s.stopping, w, r, answer)
			return
		}
		record.Status = answer.send(w)
	})
}

func lastSegment(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// admit says whether the request is one that the account answers.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) bool {
	key, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	company, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !isBearer || subtle.ConstantTimeCompare([]byte(key), []byte(s.apiKey)) != 1:
		w.Header().Set("WWW-Authenticate", "Bearer")
		writeError(w, http.StatusUnauthorized, "The API key is missing or not valid.")
	case !strings.EqualFold(company, s.options.CompanyID):
		writeError(w, http.StatusForbidden, "The API key does not give access to this company.")
	case !acceptsVersion(r.Header.Values("Accept")):
		writeError(
			w,
			http.StatusNotAcceptable,
			"The Accept header must name an API version: application/json;version=2025-06-24.",
		)
	default:
		if wait := s.allowance.take(s.options.Clock()); wait > 0 {
			s.allowance.refused++
			if s.options.RetryAfter != RetryAfterNever &&
				(s.options.RetryAfter != RetryAfterSometimes || s.allowance.refused%2 == 1) {
				w.Header().Set("Retry-After", strconv.FormatInt(wholeSeconds(wait), 10))
			}
			writeError(w, http.StatusTooManyRequests, "Too many requests.")
			return false
		}
		return true
	}
	return false
}

func wholeSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

var apiVersionForm = regexp.MustCompile(`^20\d\d-[01]\d-[0-3]\d$`)

// acceptsVersion takes every version that has the form of one: later ones than the
// description's were seen.
func acceptsVersion(accept []string) bool {
	for _, value := range strings.Split(strings.Join(accept, ","), ",") {
		media, params, err := mime.ParseMediaType(value)
		if err == nil && media == "application/json" && apiVersionForm.MatchString(params["version"]) {
			return true
		}
	}
	return false
}

// allowance counts requests over any 60 seconds.
type allowance struct {
	perMinute int
	taken     []time.Time // at most perMinute, ascending
	refused   int
}

// take is 0 where the request is within the allowance, and else how long to wait.
func (a *allowance) take(now time.Time) time.Duration {
	if a.perMinute <= 0 {
		return 0
	}
	since := now.Add(-time.Minute)
	for len(a.taken) > 0 && !a.taken[0].After(since) {
		a.taken = a.taken[1:]
	}
	if len(a.taken) >= a.perMinute {
		return a.taken[0].Sub(since)
	}
	a.taken = append(a.taken, now)
	return 0
}

// appendBounded forgets the oldest where the log is twice as long as it need be.
func appendBounded[T any](log []T, entry T) []T {
	if len(log) >= 2*maxLog {
		log = append([]T(nil), log[maxLog:]...)
	}
	return append(log, entry)
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(
			`{"message":"The answer could not be written as JSON."}`,
		)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the other side may be gone
}

func writeError(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, map[string]string{"message": message})
}
