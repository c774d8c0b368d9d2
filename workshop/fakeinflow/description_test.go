package fakeinflow_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// description is testdata/openapi.yaml: the part of InFlow's API that the gate uses.
type description struct {
	document *openapi3.T
	router   routers.Router
}

var readDescription = sync.OnceValues(func() (*description, error) {
	openapi3.DefineStringFormatValidator("uuid",
		openapi3.NewRegexpFormatValidator(openapi3.FormatOfStringForUUIDOfRFC4122))
	document, err := openapi3.NewLoader().LoadFromFile("testdata/openapi.yaml")
	if err != nil {
		return nil, err
	}
	if err := document.Validate(context.Background()); err != nil {
		return nil, err
	}
	router, err := legacy.NewRouter(document)
	return &description{document, router}, err
})

func loadDescription(t *testing.T) *description {
	t.Helper()
	d, err := readDescription()
	require.NoError(t, err)
	return d
}

// find returns a request with the operation that describes it. It does not check the request.
func (d *description) find(
	request *http.Request, body []byte,
) (*openapi3filter.RequestValidationInput, error) {
	request = request.Clone(context.WithoutCancel(request.Context()))
	request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	request.URL.Scheme, request.URL.Host = "", "" // the description's server is "/"
	route, params, err := d.router.FindRoute(request)
	if err != nil {
		return nil, err
	}
	return &openapi3filter.RequestValidationInput{
		Request: request, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			MultiError: true, IncludeResponseStatus: true, AuthenticationFunc: requireKey,
		},
	}, nil
}

// checkRequest returns an error if a request does not match the description. It also checks what
// the library ignores: parameters that are not described, and the version.
func (d *description) checkRequest(input *openapi3filter.RequestValidationInput) error {
	for name := range input.Request.URL.Query() {
		if input.Route.Operation.Parameters.GetByInAndName("query", name) == nil {
			return fmt.Errorf("the query parameter %q is not described", name)
		}
	}
	accept := input.Request.Header.Get("Accept")
	if want := "application/json;version=" + d.document.Info.Version; accept != want {
		return fmt.Errorf("the Accept header is %q instead of %q", accept, want)
	}
	return openapi3filter.ValidateRequest(input.Request.Context(), input)
}

// checkResponse returns an error if a response does not match the description.
func checkResponse(input *openapi3filter.RequestValidationInput, got response) error {
	return openapi3filter.ValidateResponse(input.Request.Context(),
		&openapi3filter.ResponseValidationInput{
			RequestValidationInput: input, Status: got.status, Header: got.header,
			Body: io.NopCloser(bytes.NewReader(got.body)), Options: input.Options,
		})
}

func requireKey(_ context.Context, input *openapi3filter.AuthenticationInput) error {
	authorization := input.RequestValidationInput.Request.Header.Get("Authorization")
	if key, ok := strings.CutPrefix(authorization, "Bearer "); !ok || key == "" {
		return errors.New("there is no key")
	}
	return nil
}

// checkingTransport compares every response with the description, and every request too if
// checkRequests is true.
type checkingTransport struct {
	t             *testing.T
	description   *description
	checkRequests bool

	mu   sync.Mutex
	seen map[string]bool // such as "getSalesOrder 200"
}

func newCheckingTransport(t *testing.T, checkRequests bool) *checkingTransport {
	return &checkingTransport{
		t: t, description: loadDescription(t), checkRequests: checkRequests, seen: map[string]bool{},
	}
}

// RoundTrip implements [http.RoundTripper].
func (c *checkingTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	var sent []byte
	if request.Body != nil {
		var err error
		if sent, err = io.ReadAll(request.Body); err != nil {
			return nil, err
		}
		request.Body = io.NopCloser(bytes.NewReader(sent))
	}
	received, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = received.Body.Close() }()
	body, err := io.ReadAll(received.Body)
	if err != nil {
		return nil, err
	}
	received.Body = io.NopCloser(bytes.NewReader(body))
	input, err := c.description.find(request, sent)
	if err != nil {
		return nil, err
	}
	operation := request.Method + " " + request.URL.RequestURI()
	if c.checkRequests {
		assert.NoError(c.t, c.description.checkRequest(input), operation)
	}
	got := response{status: received.StatusCode, header: received.Header, body: body}
	assert.NoError(c.t, checkResponse(input, got), operation)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[fmt.Sprintf("%s %d", input.Route.Operation.OperationID, got.status)] = true
	return received, nil
}
