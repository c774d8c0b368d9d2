package desk

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

	"error-check-gate/internal/edge"
)

const (
	apiPrefix  = "/api"
	ordersPath = apiPrefix + "/v1/orders"
	// orderPath has the id or the number of an order as a segment.
	orderPath    = ordersPath + "/{id}"
	describePath = apiPrefix + "/openapi.json"
	// apiReadWithin limits a list and a look at an order.
	apiReadWithin = 10 * time.Second
)

// openAPI describes the API. Tests hold every answer against it.
//
//go:embed openapi.json
var openAPI []byte

// api is the desk's JSON API.
type api struct {
	orders   Orders
	tokens   *tokenFile // nil if the API is off
	peer     func(*http.Request) netip.Addr
	failures *edge.Table[rate.Limiter] // by subnet: requests without a valid token
	refused  rate.Sometimes            // for the log
	logger   *slog.Logger
	now      func() time.Time
	etag     string // of openAPI
	// checkWithin limits the wait for a check.
	checkWithin time.Duration
}

// apiOptions configure the API.
type apiOptions struct {
	Orders Orders
	// TokensFile is DESK_API_TOKENS_FILE; empty turns the API off.
	TokensFile string
	// Peer returns the address that a request comes from; nil is the other end of its connection.
	Peer   func(*http.Request) netip.Addr
	Logger *slog.Logger
	Now    func() time.Time // nil is [time.Now]
}

// newAPI fails if the token file cannot be used.
func newAPI(o apiOptions) (*api, error) {
	a := &api{orders: o.Orders, peer: o.Peer, logger: o.Logger, now: o.Now, checkWithin: checkWithin}
	if a.peer == nil {
		a.peer = func(r *http.Request) netip.Addr { return edge.Remote(r.RemoteAddr) }
	}
	if a.now == nil {
		a.now = time.Now
	}
	if o.TokensFile != "" {
		var err error
		if a.tokens, err = openTokenFile(o.TokensFile, a.logger, a.now); err != nil {
			return nil, err
		}
	}
	a.failures = edge.NewTable(func() *rate.Limiter {
		return rate.NewLimiter(failureRate, failureBurst)
	})
	a.refused = rate.Sometimes{First: 1, Interval: time.Minute}
	sum := sha256.Sum256(openAPI)
	a.etag = `"` + hex.EncodeToString(sum[:16]) + `"`
	return a, nil
}

// follow looks at the token file until ctx ends.
func (a *api) follow(ctx context.Context) {
	if a.tokens != nil {
		a.tokens.follow(ctx)
	}
}

// intercept answers what is addressed to the API, and leaves the rest to pages. It comes before an
// [http.ServeMux], which answers with HTML when a path is not clean or has no handler.
func (a *api) intercept(pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path := r.URL.Path; path == apiPrefix || strings.HasPrefix(path, apiPrefix+"/") {
			a.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	})
}

// apiRoute is one operation of the API.
type apiRoute struct {
	method, pattern string // {id} in a pattern is one segment of the path
	public          bool   // needs no token
	acts            bool   // needs a token with permission to act
	handle          func(*api, http.ResponseWriter, *apiRequest) error
}

// apiRoutes returns all operations.
func apiRoutes() []apiRoute {
	return []apiRoute{
		{method: http.MethodGet, pattern: ordersPath, handle: (*api).list},
		{method: http.MethodGet, pattern: orderPath, handle: (*api).get},
		{method: http.MethodPost, pattern: orderPath + "/check", acts: true, handle: (*api).check},
		{method: http.MethodPost, pattern: orderPath + "/override", acts: true, handle: (*api).override},
		{method: http.MethodPost, pattern: orderPath + "/comment", acts: true, handle: (*api).comment},
		{method: http.MethodGet, pattern: describePath, public: true, handle: (*api).describe},
	}
}

// apiRequest is a request that may be answered.
type apiRequest struct {
	*http.Request
	name  string // of the order in the path: an id or a number
	token *token // nil for a public route
}

// ServeHTTP answers a request to the API. Every error is a [problem].
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	defer func() {
		if panicked := recover(); panicked != nil {
			if panicked == http.ErrAbortHandler { //nolint:errorlint // the value that net/http documents
				panic(panicked)
			}
			a.fail(w, r, fmt.Errorf("panic: %T", panicked)) // its value could quote an order
		}
	}()
	if err := a.serve(w, r); err != nil {
		a.fail(w, r, err)
	}
}

func (a *api) serve(w http.ResponseWriter, r *http.Request) error {
	route, name, err := findRoute(r)
	if err != nil {
		return err
	}
	r.Pattern = route.pattern // as a ServeMux has it, for traces and metrics
	request := &apiRequest{Request: r, name: name}
	if !route.public {
		if request.token, err = a.authenticate(r); err != nil {
			return err
		}
		if !request.token.limiter.AllowN(a.now(), 1) {
			return &problem{Status: http.StatusTooManyRequests, retryAfter: 1, Detail: fmt.Sprintf(
				"This token has sent over %d requests/s. Wait a second, then send fewer.", tokenRate)}
		}
		if route.acts && !request.token.mayAct {
			return &problem{Status: http.StatusForbidden, Detail: "This token may only read. " +
				"Use one whose line in DESK_API_TOKENS_FILE says act."}
		}
	}
	return route.handle(a, w, request)
}

// findRoute matches the path as it was sent, so that an escaped slash is part of an order's name.
func findRoute(r *http.Request) (route apiRoute, name string, err error) {
	path := strings.Split(r.URL.EscapedPath(), "/")
	var allowed []string
	for _, route := range apiRoutes() {
		name, ok := matchPath(strings.Split(route.pattern, "/"), path)
		if !ok {
			continue
		}
		if r.Method == route.method || r.Method == http.MethodHead && route.method == http.MethodGet {
			return route, name, nil
		}
		if allowed = append(allowed, route.method); route.method == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	if len(allowed) == 0 {
		return route, "", &problem{Status: http.StatusNotFound, Detail: "The API has no such address. " +
			"GET " + describePath + " describes those it has."}
	}
	return route, "", &problem{Status: http.StatusMethodNotAllowed, allow: strings.Join(allowed, ", "),
		Detail: "This address answers " + strings.Join(allowed, " and ") + " only."}
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

// describe answers with the API's description. It may be kept, and is asked for again with its
// ETag.
func (a *api) describe(w http.ResponseWriter, r *apiRequest) error {
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", a.etag)
	w.Header().Set("Content-Type", "application/json")
	http.ServeContent(w, r.Request, "", time.Time{}, bytes.NewReader(openAPI))
	return nil
}

// answer writes JSON.
func answer(w http.ResponseWriter, status int, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone
	return nil
}
