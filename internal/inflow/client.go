package inflow

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
)

const (
	// DefaultBaseURL is InFlow's own service, as in its API description.
	DefaultBaseURL = "https://cloudapi.inflowinventory.com"
	// DefaultAPIVersion is the version of InFlow's API that the types of this package follow.
	DefaultAPIVersion = "2025-06-24"
	// DefaultTimeout limits one request, including reading the response body.
	DefaultTimeout = 15 * time.Second
	// MaxResponseSize is the largest response that is read, in bytes after decompression.
	MaxResponseSize = 16 << 20
)

// Options holds what a [Client] needs to reach one company's account at InFlow. Formatting and
// logging it masks the API key.
type Options struct {
	// BaseURL is an http or https URL. It may have a path, if a proxy needs one. Empty means
	// [DefaultBaseURL].
	BaseURL string
	// CompanyID is InFlow's id for the company's account. Required.
	CompanyID string
	// APIKey is a key of that account. It needs access to sales orders and webhooks. Required.
	APIKey string `json:"-"`
	// APIVersion is sent in the Accept header. Empty means [DefaultAPIVersion].
	APIVersion string
	// Timeout limits one request, including reading the response body. 0 means [DefaultTimeout].
	Timeout time.Duration
	// Transport makes the requests. Nil means a copy of [http.DefaultTransport] that opens a
	// new connection for each request.
	Transport http.RoundTripper
	// MeterProvider counts the requests. Nil means that they are not counted.
	MeterProvider metric.MeterProvider
}

// String masks the API key.
func (o Options) String() string {
	return fmt.Sprintf("{BaseURL:%s CompanyID:%s APIKey:%s APIVersion:%s Timeout:%s}",
		o.BaseURL, o.CompanyID, Secret(o.APIKey), o.APIVersion, o.Timeout)
}

// GoString masks the API key in %#v.
func (o Options) GoString() string { return "inflow.Options" + o.String() }

// LogValue masks the API key in logs.
func (o Options) LogValue() slog.Value {
	return slog.GroupValue(slog.String("baseURL", o.BaseURL), slog.String("companyID", o.CompanyID),
		slog.String("apiKey", Secret(o.APIKey).String()), slog.String("apiVersion", o.APIVersion),
		slog.Duration("timeout", o.Timeout))
}

// Client calls InFlow for one company's account. It is safe for concurrent use. It does not
// retry and does not limit its rate; callers do both.
type Client struct {
	options Options // without the API key
	company string  // URL of the company's account, without a trailing slash
	// authorization returns the value of the Authorization header. It is a function because
	// fmt prints the fields of any struct that holds a client, but not what a closure captures.
	authorization func() string
	transport     http.RoundTripper
	requests      metric.Int64Counter
	http          http.Client
}

// NewClient checks the options. The error lists every option that is wrong. NewClient makes no
// request.
func NewClient(o Options) (*Client, error) {
	o.BaseURL = strings.TrimRight(cmp.Or(o.BaseURL, DefaultBaseURL), "/")
	o.APIVersion = cmp.Or(o.APIVersion, DefaultAPIVersion)
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	if err := o.Faults().Err(); err != nil {
		return nil, fmt.Errorf("inflow: %w", err)
	}
	if o.Transport == nil {
		o.Transport = defaultTransport()
	}
	requests, err := newRequestCounter(o.MeterProvider)
	if err != nil {
		return nil, err
	}
	header := "Bearer " + o.APIKey
	o.APIKey = ""
	return &Client{
		options:       o,
		company:       o.BaseURL + "/" + url.PathEscape(o.CompanyID),
		authorization: func() string { return header },
		transport:     o.Transport,
		requests:      requests,
		http: http.Client{
			Transport: otelhttp.NewTransport(o.Transport,
				otelhttp.WithSpanNameFormatter(spanName),
				// InFlow belongs to another company, so send trace ids but no baggage.
				otelhttp.WithPropagators(propagation.TraceContext{}),
			),
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		},
	}, nil
}

// maxHeaderSize is the largest response header, in bytes.
const maxHeaderSize = 256 << 10

func defaultTransport() http.RoundTripper {
	shared, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	transport := shared.Clone()
	// When a reused connection breaks, net/http silently sends a GET again. InFlow's rate limit
	// counts both requests, but we would count one. A TLS handshake per request costs less.
	transport.DisableKeepAlives = true
	transport.MaxResponseHeaderBytes = maxHeaderSize
	return transport
}

// String describes the account without the API key.
func (c *Client) String() string { return "inflow.Client" + c.options.String() }

// GoString is the same as String.
func (c *Client) GoString() string { return c.String() }

// LogValue describes the account without the API key.
func (c *Client) LogValue() slog.Value { return c.options.LogValue() }

// CloseIdleConnections closes connections that wait for later requests.
func (c *Client) CloseIdleConnections() {
	if transport, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		transport.CloseIdleConnections()
	}
}

// SalesOrder gets one sales order, with the related entities listed in include ([IncludeLines]
// and others). Errors are of type [*Error]; if InFlow does not know the id, the kind is
// [KindNotFound].
func (c *Client) SalesOrder(ctx context.Context, id string, include []string) (*SalesOrder, error) {
	const op = "get sales order"
	query := url.Values{}
	if list := includeList(include); list != "" {
		query.Set("include", list)
	}
	var order SalesOrder
	if err := c.getByID(ctx, call{op: op, route: "sales-order", path: "sales-orders", query: query,
		into: &order}, id); err != nil {
		return nil, err
	}
	if err := sameID("salesOrderId", order.SalesOrderID, id); err != nil {
		return nil, badResponse(op, http.StatusOK, err)
	}
	return &order, nil
}

// call is one request to InFlow.
type call struct {
	op     string // what the call does, for errors
	route  string // the kind of entity, without ids, for traces
	method string // empty means GET
	path   string // below the company's account, escaped
	query  url.Values
	body   []byte // JSON, or nil
	into   any    // receives the decoded response; nil ignores the body
	total  *int   // receives the length of the whole list, if InFlow sends it; may be nil
}

func (c *Client) getByID(ctx context.Context, request call, id string) error {
	path, err := pathWithID(request, id)
	if err != nil {
		return err
	}
	request.path = path
	return c.do(ctx, request)
}

// pathWithID rejects ids that would turn the path into the list's or its parent's. InFlow
// cannot have an entity with such an id.
func pathWithID(request call, id string) (string, error) {
	if id == "" || id == "." || id == ".." {
		return "", &Error{Kind: KindNotFound, Op: request.op,
			Err: fmt.Errorf("%q cannot be an id", id)}
	}
	return request.path + "/" + url.PathEscape(id), nil
}

// do makes a request and decodes a 2xx response. Errors are of type [*Error].
func (c *Client) do(ctx context.Context, request call) error {
	err := c.request(ctx, request)
	c.count(ctx, request.op, err)
	return err
}

func (c *Client) request(ctx context.Context, request call) error {
	limited, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	req, err := c.newRequest(limited, request)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return transportError(ctx, limited, request.op, 0, c.options.Timeout, err)
	}
	defer func() { _ = resp.Body.Close() }() // everything we need has been read by then
	if err := statusError(request.op, resp); err != nil || request.into == nil {
		return err
	}
	if n, err := strconv.Atoi(resp.Header.Get("X-listCount")); err == nil && request.total != nil {
		*request.total = max(n, 0)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxResponseSize+1))
	if err != nil {
		return transportError(ctx, limited, request.op, resp.StatusCode, c.options.Timeout, err)
	}
	if len(body) > MaxResponseSize {
		return &Error{
			Kind: KindTooLarge, Op: request.op, StatusCode: resp.StatusCode,
			Err: fmt.Errorf("the response is larger than %d MiB", MaxResponseSize>>20),
		}
	}
	if err := decodeJSON(body, request.into); err != nil {
		return badResponse(request.op, resp.StatusCode,
			fmt.Errorf("cannot read the response%s: %w; %s", mediaType(resp.Header), err,
				whatToCheck(err)))
	}
	return nil
}

func (c *Client) newRequest(ctx context.Context, request call) (*http.Request, error) {
	target := c.company + "/" + request.path
	if len(request.query) > 0 {
		target += "?" + request.query.Encode()
	}
	var body io.Reader
	if request.body != nil {
		body = bytes.NewReader(request.body)
	}
	ctx = context.WithValue(ctx, routeKey{}, request.route)
	req, err := http.NewRequestWithContext(ctx, cmp.Or(request.method, http.MethodGet), target,
		body)
	if err != nil {
		// NewClient checked the options, so this should not happen. err quotes the URL, so it is
		// not wrapped.
		return nil, &Error{Kind: KindBadResponse, Op: request.op,
			Err: errors.New("cannot build the request's URL: check INFLOW_API_URL")}
	}
	req.Header.Set("Authorization", c.authorization())
	req.Header.Set("Accept", "application/json;version="+c.options.APIVersion)
	req.Header.Set("Content-Type", "application/json") // InFlow requires it on every request
	req.Header.Set("User-Agent", "error-check-gate")
	return req, nil
}

func badResponse(op string, status int, err error) error {
	return &Error{Kind: KindBadResponse, Op: op, StatusCode: status, Err: err}
}

// sameID returns an error if the response is about another entity than the request. InFlow's ids
// are GUIDs, so their case doesn't matter.
func sameID(field, got, want string) error {
	switch {
	case got == "":
		return fmt.Errorf("the response has no %s; check INFLOW_API_URL and INFLOW_API_VERSION",
			field)
	case !strings.EqualFold(got, want):
		return fmt.Errorf("the response has another %s than the request", field)
	}
	return nil
}

// mediaType returns the response's media type in parentheses. It helps to recognize a proxy's
// error page.
func mediaType(header http.Header) string {
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || len(media) > 64 {
		return ""
	}
	return " (" + media + ")"
}

type routeKey struct{}

func spanName(_ string, req *http.Request) string {
	route, _ := req.Context().Value(routeKey{}).(string)
	return "inflow " + req.Method + " " + route
}
