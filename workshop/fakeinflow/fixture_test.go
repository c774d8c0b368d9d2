// Package fakeinflow_test tests the stand-in for InFlow with a browser and an OpenAPI validator,
// which the product itself does not need.
package fakeinflow_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
)

const (
	apiKey         = "fake-key-of-the-test"
	subscriptionID = "7c0e4a52-0000-4000-8000-000000000001"
	unknownID      = "5b1d0000-0000-4000-8000-0000000000ff"
)

// account is a stand-in behind a real listener.
type account struct {
	*fakeinflow.Server
	t      *testing.T
	url    string
	client *http.Client
}

func newAccount(t *testing.T, options fakeinflow.Options) *account {
	t.Helper()
	options.APIKey = apiKey
	server, err := fakeinflow.New(options)
	require.NoError(t, err)
	listener := httptest.NewServer(server.Handler())
	t.Cleanup(func() {
		server.Close()
		listener.Close()
	})
	return &account{Server: server, t: t, url: listener.URL, client: http.DefaultClient}
}

func (a *account) add(document map[string]any) string {
	a.t.Helper()
	id, err := a.AddOrder(document)
	require.NoError(a.t, err)
	return id
}

func samples(t *testing.T) []fakeinflow.Sample {
	t.Helper()
	list, err := fakeinflow.Samples()
	require.NoError(t, err)
	return list
}

func (a *account) addSamples() {
	a.t.Helper()
	for _, sample := range samples(a.t) {
		a.add(sample.Order)
	}
}

// subscribe subscribes a URL to events, with a fixed id, and returns the response.
func (a *account) subscribe(url string, events ...string) response {
	a.t.Helper()
	body, err := json.Marshal(map[string]any{
		"url": url, "events": events,
		"webHookSubscriptionId": subscriptionID, "webHookSubscriptionRequestId": unknownID,
	})
	require.NoError(a.t, err)
	return a.api(http.MethodPut, "/webhooks", string(body))
}

// response is a response with its whole body.
type response struct {
	status int
	header http.Header
	body   []byte
}

func (r response) object(t *testing.T) (object map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(r.body, &object), "%s", r.body)
	return object
}

func (r response) list(t *testing.T) (list []map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(r.body, &list), "%s", r.body)
	return list
}

// api sends a request to a path below the company, with the headers that InFlow documents.
func (a *account) api(method, path, body string, change ...func(*http.Request)) response {
	a.t.Helper()
	return a.request(method, "/"+a.CompanyID()+path, body, change...)
}

func (a *account) request(method, path, body string, change ...func(*http.Request)) response {
	a.t.Helper()
	request, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path,
		strings.NewReader(body))
	require.NoError(a.t, err)
	request.Header.Set("Authorization", "Bearer "+apiKey)
	request.Header.Set("Accept", "application/json;version=2025-06-24")
	request.Header.Set("Content-Type", "application/json")
	for _, c := range change {
		c(request)
	}
	received, err := a.client.Do(request)
	require.NoError(a.t, err)
	defer func() { assert.NoError(a.t, received.Body.Close()) }()
	read, err := io.ReadAll(received.Body)
	require.NoError(a.t, err)
	return response{received.StatusCode, received.Header, read}
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// within returns the value in a document at a path of field names and list indexes.
func within[T any](t *testing.T, document any, path ...any) T {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object, ok := document.(map[string]any)
			require.True(t, ok, "no object at %q", step)
			document = object[step]
		case int:
			list, ok := document.([]any)
			require.True(t, ok && step < len(list), "no element %d", step)
			document = list[step]
		}
	}
	value, ok := document.(T)
	require.True(t, ok, "%v is a %T", path, document)
	return value
}
