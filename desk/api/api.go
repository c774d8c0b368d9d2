// Package api serves the desk's JSON API, for software that acts on held orders. openapi.json
// describes it.
package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"error-check-gate/desk/orders"
	"error-check-gate/internal/edge"
)

const (
	prefix     = "/api"
	ordersPath = prefix + "/v1/orders"
	// orderPath has the id or the number of an order as one segment.
	orderPath       = ordersPath + "/{id}"
	checkPath       = orderPath + "/check"
	overridePath    = orderPath + "/override"
	commentPath     = orderPath + "/comment"
	descriptionPath = prefix + "/openapi.json"
	// readTimeout limits reading a list or an order.
	readTimeout = 10 * time.Second
)

// description is the OpenAPI document. Tests check every answer against it.
//
//go:embed openapi.json
var description []byte

// Options configure a [Handler]. Orders is required.
type Options struct {
	Orders orders.Service
	// TokensFile is the path of the token file. The API is off if it is empty.
	TokensFile string
	// Peer returns the address of a request's client; nil means the other end of the connection.
	Peer func(*http.Request) netip.Addr
	// CheckTimeout limits the wait for a check; 0 means orders.CheckTimeout.
	CheckTimeout time.Duration
	Logger       *slog.Logger     // nil means slog.Default()
	Now          func() time.Time // nil means time.Now
}

// Handler answers requests to the API.
type Handler struct {
	orders   orders.Service
	tokens   *tokenFile // nil if the API is off
	peer     func(*http.Request) netip.Addr
	failures *edge.Table[rate.Limiter] // by subnet: requests without a valid token
	refused  rate.Sometimes            // limits log lines about them
	logger   *slog.Logger
	now      func() time.Time
	etag     string // of the description
	// checkTimeout limits the wait for a check.
	checkTimeout time.Duration
}

// New returns a handler. It returns an error if the token file cannot be used.
func New(o Options) (*Handler, error) {
	h := &Handler{
		orders: o.Orders, peer: o.Peer, logger: o.Logger, now: o.Now,
		refused:      rate.Sometimes{First: 1, Interval: time.Minute},
		checkTimeout: o.CheckTimeout,
	}
	if h.checkTimeout == 0 {
		h.checkTimeout = orders.CheckTimeout
	}
	if h.peer == nil {
		h.peer = func(r *http.Request) netip.Addr { return edge.Remote(r.RemoteAddr) }
	}
	if h.logger == nil {
		h.logger = slog.Default()
	}
	if h.now == nil {
		h.now = time.Now
	}
	if o.TokensFile != "" {
		var err error
		if h.tokens, err = openTokenFile(o.TokensFile, h.logger, h.now); err != nil {
			return nil, err
		}
	}
	h.failures = edge.NewTable(func() *rate.Limiter {
		return rate.NewLimiter(failureRate, failureBurst)
	})
	sum := sha256.Sum256(description)
	h.etag = `"` + hex.EncodeToString(sum[:16]) + `"`
	return h, nil
}

// Run follows the token file until ctx ends.
func (h *Handler) Run(ctx context.Context) {
	if h.tokens != nil {
		h.tokens.follow(ctx)
	}
}

// Owns reports whether a path belongs to the API. Call it before an [http.ServeMux] sees the
// request: a ServeMux answers with HTML if a path is not clean or unknown.
func Owns(path string) bool { return path == prefix || strings.HasPrefix(path, prefix+"/") }

// route is one operation of the API.
type route struct {
	method, pattern string // {id} in a pattern is one segment of the path
	public          bool   // needs no token
	acts            bool   // needs a token with permission to act
	handle          func(*Handler, http.ResponseWriter, *request) error
}

func routes() []route {
	return []route{
		{method: http.MethodGet, pattern: ordersPath, handle: (*Handler).list},
		{method: http.MethodGet, pattern: orderPath, handle: (*Handler).get},
		{method: http.MethodPost, pattern: checkPath, acts: true, handle: (*Handler).check},
		{method: http.MethodPost, pattern: overridePath, acts: true, handle: (*Handler).override},
		{method: http.MethodPost, pattern: commentPath, acts: true, handle: (*Handler).comment},
		{method: http.MethodGet, pattern: descriptionPath, public: true, handle: (*Handler).describe},
	}
}

// request is a request that matched a route and passed authentication.
type request struct {
	*http.Request
	name  string // of the order in the path: an id or a number
	token *token // nil for a public route
}

// ServeHTTP implements [http.Handler]. It answers every error with a [problem].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	defer func() {
		if panicked := recover(); panicked != nil {
			if panicked == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so too
				panic(panicked)
			}
			h.fail(w, r, fmt.Errorf("panic: %T", panicked)) // the value could quote an order
		}
	}()
	if err := h.serve(w, r); err != nil {
		h.fail(w, r, err)
	}
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	route, name, err := findRoute(r)
	if err != nil {
		return err
	}
	r.Pattern = route.pattern // for traces and metrics, as a ServeMux sets it
	matched := &request{Request: r, name: name}
	if !route.public {
		if matched.token, err = h.authenticate(r); err != nil {
			return err
		}
		if !matched.token.limiter.AllowN(h.now(), 1) {
			return &problem{Status: http.StatusTooManyRequests, retryAfter: 1, Detail: fmt.Sprintf(
				"This token has sent more than %d requests per second. Wait a second, then send fewer.",
				tokenRate)}
		}
		if route.acts && !matched.token.mayAct {
			return &problem{Status: http.StatusForbidden, Detail: "This token may only read. " +
				"Use a token with the permission 'act' in DESK_API_TOKENS_FILE."}
		}
	}
	return route.handle(h, w, matched)
}

// findRoute matches the escaped path, so an escaped slash is part of an order's name.
func findRoute(r *http.Request) (found route, name string, err error) {
	path := strings.Split(r.URL.EscapedPath(), "/")
	var allowed []string
	for _, route := range routes() {
		name, ok := matchPath(strings.Split(route.pattern, "/"), path)
		if !ok {
			continue
		}
		isHead := r.Method == http.MethodHead && route.method == http.MethodGet
		if r.Method == route.method || isHead {
			return route, name, nil
		}
		if allowed = append(allowed, route.method); route.method == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	if len(allowed) == 0 {
		return route{}, "", &problem{Status: http.StatusNotFound,
			Detail: "The API has no such address. GET " + descriptionPath + " lists all addresses."}
	}
	return route{}, "", &problem{
		Status: http.StatusMethodNotAllowed, allow: strings.Join(allowed, ", "),
		Detail: "This address accepts only " + strings.Join(allowed, " and ") + ".",
	}
}

func matchPath(pattern, path []string) (name string, ok bool) {
	return name, slices.EqualFunc(pattern, path, func(want, segment string) bool {
		if want != "{id}" {
			return want == segment
		}
		var err error
		name, err = url.PathUnescape(segment)
		return err == nil && name != ""
	})
}

// describe answers with the OpenAPI document. Caches may keep it, but must revalidate it.
func (h *Handler) describe(w http.ResponseWriter, r *request) error {
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", h.etag)
	w.Header().Set("Content-Type", "application/json")
	http.ServeContent(w, r.Request, "", time.Time{}, bytes.NewReader(description))
	return nil
}

// answer writes a value as JSON.
func answer(w http.ResponseWriter, status int, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails if the client is gone
	return nil
}
