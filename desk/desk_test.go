package desk_test

import (
	"log/slog"
	"net"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"error-check-gate/desk"
	"error-check-gate/internal/signin"
)

// closedPort returns an address that refuses connections.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

// options returns options for a desk whose Temporal cannot be reached.
func options(t *testing.T) desk.Options {
	t.Helper()
	temporal, err := client.NewLazyClient(client.Options{
		HostPort: closedPort(t), Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	return desk.Options{
		Temporal: temporal, Namespace: "default", Logger: slog.New(slog.DiscardHandler),
		SignIn: signin.Options{
			Mode: signin.ModeOIDC, Secrets: []string{"a secret of the desk, long enough"},
			BaseURL: &url.URL{Scheme: "https", Host: "desk.example.com"},
			People:  []string{"@example.com"},
			OIDC: signin.OIDC{
				Issuer: "https://accounts.google.com", ClientID: "id", ClientSecret: "secret",
			},
		},
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	server, err := desk.New(options(t))
	require.NoError(t, err)
	const html, text = "text/html; charset=utf-8", "text/plain; charset=utf-8"
	for _, test := range []struct {
		method, path, contentType string
		status                    int
	}{
		{"GET", "/livez", "application/json", 200},
		{"GET", "/readyz", "application/json", 503},
		{"HEAD", "/livez", "application/json", 200},
		{"POST", "/livez", text, 405},
		{"GET", "/livez/", html, 404},
		{"GET", "/sign-in", html, 200},
		{"GET", "/", html, 303},
		{"GET", "/nothing", html, 404},
		{"GET", "/api", "application/problem+json", 404},
		{"GET", "/api/v1/orders", "application/problem+json", 401},
		{"GET", "/api/openapi.json", "application/json", 200},
	} {
		request := httptest.NewRequestWithContext(t.Context(), test.method, test.path, nil)
		got := httptest.NewRecorder()
		server.Handler().ServeHTTP(got, request)
		assert.Equal(t, test.status, got.Code, "%s %s", test.method, test.path)
		assert.Equal(t, test.contentType, got.Header().Get("Content-Type"),
			"%s %s", test.method, test.path)
	}
	assert.Error(t, server.Ready(t.Context()))
}

func TestFaultsOfTheOptions(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*desk.Options){
		"Temporal and its namespace are required": func(o *desk.Options) { o.Namespace = "" },
		"is not a way to sign in":                 func(o *desk.Options) { o.SignIn.Mode = "" },
		"API tokens":                              func(o *desk.Options) { o.APITokensFile = "no/such/file" },
	} {
		o := options(t)
		change(&o)
		_, err := desk.New(o)
		assert.ErrorContains(t, err, "set up the desk: ")
		assert.ErrorContains(t, err, want)
	}
}
