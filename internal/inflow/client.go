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
	// DefaultBaseURL is InFlow's own service, as its API description names it.
	DefaultBaseURL = "https://cloudapi.inflowinventory.com"
	// DefaultAPIVersion is the version of InFlow's API that the types of this package follow.
	DefaultAPIVersion = "2025-06-24"
	// DefaultTimeout is how long one request may take, the answer's body included.
	DefaultTimeout = 15 * time.Second
	// MaxResponseSize is the largest answer read, in bytes after decompression.
	MaxResponseSize = 16 << 20
)

// Options say how to reach one company's account at InFlow. Formatting and logging
// them masks the key.
type Options struct {
	// BaseURL is an http or https URL, with a path where a proxy needs one; empty is [DefaultBaseURL].
	BaseURL string
	// CompanyID is InFlow's id of the company's account. Required.
	CompanyID string
	// APIKey is a key of that account; reading sales orders and webhooks is enough. Required.
	APIKey string `json:"-"`
	// APIVersion is sent in the Accept header; empty is [DefaultAPIVersion].
	APIVersion string
	// Timeout of one request, the answer's body included; 0 is [DefaultTimeout].
	Timeout time.Duration
	// Transport makes the requests; nil is a copy of [http.DefaultTransport] with a connection
	// for each request.
	Transport http.RoundTripper
	// MeterProvider takes the count of requests; nil counts nothing.
	MeterProvider metric.MeterProvider
}

// String masks the key.
func (o Options) String() string {
	return fmt.Sprintf("{BaseURL:%s CompanyID:%s APIKey:%s APIVersion:%s Timeout:%s}",
		o.BaseURL, o.CompanyID, Secret(o.APIKey), o.APIVersion, o.Timeout)
}

// GoString masks the key in %#v.
func (o Options) GoString() string { return "inflow.Options" + o.String() }

// LogValue masks the key in logs.
func (o Options) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("baseURL", o.BaseURL),
		slog.String("companyID", o.CompanyID),
		slog.String("apiKey", Secret(o.APIKey).String()),
		slog.String("apiVersion", o.APIVersion),
		slog.Duration("timeout", o.Timeout),
	)
}

// Client calls InFlow for one company's account. It is safe for use by several
// goroutines. It neither retries nor limits its rate: whoever calls it does.
type Client struct {
	options Options // with the key taken out
	company string  // URL of the company's account, without a slash at its end
	// authorization gives the header's value. A function, because fmt prints the fields
	// of a struct that holds a client, but cannot look into one.
	authorization func() string
	transport     http.RoundTripper
	requests      metric.Int64Counter
	http          http.Client
}

// NewClient checks the options, and names every one that is wrong. It makes no request.
func NewClient(o Options) (*Client, error) {
	o.BaseURL = strings.TrimRight(cmp.Or(o.BaseURL, DefaultBaseURL), "/")
	o.APIVersion = cmp.Or(o.APIVersion, DefaultAPIVersion)
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	if err := o.validate(); err != nil {
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
				// InFlow is another company's: it gets the trace's ids, but no baggage.
				otelhttp.WithPropagators(propagation.TraceContext{}),
			),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// maxHeaderSize is the largest header of an answer, in bytes.
const maxHeaderSize = 256 << 10

func defaultTransport() http.RoundTripper {
	shared, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	transport := shared.Clone()
	// Where a connection that was used before breaks, net/http sends a GET again by itself.
	// InFlow's allowance counts both, and nobody here would: a handshake a second costs less.
	transport.DisableKeepAlives = true
	transport.MaxResponseHeaderBytes = maxHeaderSize
	return transport
}

func (o Options) validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	switch u, err := url.Parse(o.BaseURL); {
	case err != nil:
		fault("the base URL (INFLOW_API_URL) cannot be read as a URL")
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		fault("the base URL (INFLOW_API_URL) must be an https:// or http:// URL with a host, such as %s", DefaultBaseURL)
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		fault("the base URL (INFLOW_API_URL) must have no user, query or fragment")
	}
	switch {
	case o.CompanyID == "":
		fault("the company id (INFLOW_COMPANY_ID) is missing: InFlow shows it at https://app.inflowinventory.com/options/integrations")
	case !isPlainToken(o.CompanyID):
		fault("the company id (INFLOW_COMPANY_ID) has characters outside A-Z a-z 0-9 . _ -")
	}
	switch {
	case o.APIKey == "":
		fault("the API key (INFLOW_API_KEY) is missing: create one at https://app.inflowinventory.com/options/integrations")
	case !isVisibleASCII(o.APIKey):
		fault("the API key (INFLOW_API_KEY) has a blank, a line break or another character that no key has: was it copied whole?")
	}
	if !isPlainToken(o.APIVersion) {
		fault("the API version (INFLOW_API_VERSION) must be a date such as %s", DefaultAPIVersion)
	}
	if o.Timeout < 0 {
		fault("the timeout is negative: %s", o.Timeout)
	}
	return errors.Join(faults...)
}

// isPlainToken holds for what a path segment and a header parameter take as it is.
func isPlainToken(text string) bool {
	for i := range len(text) {
		c := text[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return text != "" && text != "." && text != ".."
}

func isVisibleASCII(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// String names the account, without the key.
func (c *Client) String() string { return "inflow.Client" + c.options.String() }

// GoString is the same as String.
func (c *Client) GoString() string { return c.String() }

// LogValue names the account, without the key.
func (c *Client) LogValue() slog.Value { return c.options.LogValue() }

// CloseIdleConnections closes connections that are open for later requests.
func (c *Client) CloseIdleConnections() {
	if transport, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		transport.CloseIdleConnections()
	}
}

// SalesOrder gets one sales order with the related entities that include names
// ([IncludeLines] and others). An id that InFlow does not know is an [*Error] of
// [KindNotFound], as is every other failure one of its kind.
func (c *Client) SalesOrder(ctx context.Context, id string, include []string) (*SalesOrder, error) {
	const op = "get sales order"
	query := url.Values{}
	if list := includeList(include); list != "" {
		query.Set("include", list)
	}
	var order SalesOrder
	if err := c.getByID(ctx, call{op: op, route: "sales-order", path: "sales-orders", query: query, into: &order}, id); err != nil {
		return nil, err
	}
	if err := sameID("salesOrderId", order.SalesOrderID, id); err != nil {
		return nil, badResponse(op, http.StatusOK, err)
	}
	return &order, nil
}

// call is one request to InFlow.
type call struct {
	op     string // for errors: what is being done
	route  string // for traces: the kind of entity, without ids
	method string // empty is GET
	path   string // under the company's account, escaped
	query  url.Values
	body   []byte // JSON, or nil
	into   any    // where the answer goes; nil where it has no body that matters
	total  *int   // where the number of entries of the whole list goes, if it was asked for; nil is nowhere
}

func (c *Client) getByID(ctx context.Context, request call, id string) error {
	path, err := pathWithID(request, id)
	if err != nil {
		return err
	}
	request.path = path
	return c.do(ctx, request)
}

// pathWithID refuses an id that would make the path another resource's: the list's, or
// its parent's. InFlow can have no entity of such an id.
func pathWithID(request call, id string) (string, error) {
	if id == "" || id == "." || id == ".." {
		return "", &Error{Kind: KindNotFound, Op: request.op, Err: fmt.Errorf("%q cannot be an id", id)}
	}
	return request.path + "/" + url.PathEscape(id), nil
}

// do makes a request and decodes a 2xx answer. Its errors are of type [*Error].
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
	defer func() { _ = resp.Body.Close() }() // nothing of the answer is used after this
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
			Err: fmt.Errorf("the answer is over %d MiB", MaxResponseSize>>20),
		}
	}
	if err := decodeJSON(body, request.into); err != nil {
		return badResponse(request.op, resp.StatusCode,
			fmt.Errorf("the answer%s cannot be used: %w; %s", mediaType(resp.Header), err, whatToCheck(err)))
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
	req, err := http.NewRequestWithContext(ctx, cmp.Or(request.method, http.MethodGet), target, body)
	if err != nil {
		// Its text would quote the URL; the options were checked, so that it does not happen.
		return nil, &Error{Kind: KindBadResponse, Op: request.op, Err: errors.New("the request's URL cannot be made: check INFLOW_API_URL")}
	}
	req.Header.Set("Authorization", c.authorization())
	req.Header.Set("Accept", "application/json;version="+c.options.APIVersion)
	req.Header.Set("Content-Type", "application/json") // InFlow asks for it on every request
	req.Header.Set("User-Agent", "error-check-gate")
	return req, nil
}

func badResponse(op string, status int, err error) error {
	return &Error{Kind: KindBadResponse, Op: op, StatusCode: status, Err: err}
}

// sameID refuses an answer about another entity than was asked for. InFlow's ids are
// GUIDs, whose case means nothing.
func sameID(field, got, want string) error {
	switch {
	case got == "":
		return fmt.Errorf("the answer has no %s; check INFLOW_API_URL and INFLOW_API_VERSION", field)
	case !strings.EqualFold(got, want):
		return fmt.Errorf("the answer is about another %s than was asked for", field)
	}
	return nil
}

// mediaType tells a proxy's error page from an answer of InFlow's.
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
