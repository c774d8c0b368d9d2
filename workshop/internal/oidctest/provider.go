// Package oidctest runs a real OpenID Connect provider in the process of a test.
package oidctest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/text/language"
)

// Account is a person who can sign in at the provider. The user name is the mail address.
type Account struct {
	Address  string
	Verified bool
}

// Password is the password of every account.
const Password = "correct horse"

// Provider is a provider that runs until its test ends.
type Provider struct {
	// Issuer is the http:// URL on loopback.
	Issuer string
	// ClientID and ClientSecret belong to the only client.
	ClientID, ClientSecret string

	down    atomic.Bool
	handler atomic.Pointer[http.Handler]
}

// Options configure a [Provider].
type Options struct {
	Accounts []Account
	// RedirectURI is the address that the provider sends people back to.
	RedirectURI string
	// ThinTokens keeps mail addresses out of ID tokens. Clients must ask for the user info.
	ThinTokens bool
}

// Start runs a provider until the test ends.
func Start(t testing.TB, o Options) *Provider {
	t.Helper()
	p := &Provider{ClientID: "desk", ClientSecret: "secret of the desk"}
	server := httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(server.Close)
	p.Issuer = server.URL

	users := accounts{}
	for _, account := range o.Accounts {
		users[account.Address] = &storage.User{
			ID: account.Address, Username: account.Address, Password: Password,
			Email: account.Address, EmailVerified: account.Verified,
		}
	}
	client := storage.WebClient(p.ClientID, p.ClientSecret, o.RedirectURI)
	kept := &store{
		Storage: storage.NewStorageWithClients(users, map[string]*storage.Client{p.ClientID: client}),
		thin:    o.ThinTokens,
	}
	provider, err := op.NewProvider(&op.Config{
		CryptoKey: sha256.Sum256([]byte(t.Name())), CryptoKeyId: "1", CodeMethodS256: true,
		SupportedUILocales: []language.Tag{language.English},
	}, kept, op.StaticIssuer(p.Issuer), op.WithAllowInsecure(),
		op.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/", provider)
	mux.HandleFunc("GET /login/username", func(w http.ResponseWriter, r *http.Request) {
		_ = loginPage.Execute(w, r.FormValue("authRequestID"))
	})
	mux.Handle("POST /login/username", op.NewIssuerInterceptor(provider.IssuerFromRequest).HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			id := r.FormValue("id")
			err := kept.CheckUsernamePassword(r.FormValue("username"), r.FormValue("password"), id)
			if err != nil {
				http.Error(w, err.Error(), http.StatusUnauthorized)
				return
			}
			http.Redirect(w, r, op.AuthCallbackURL(provider)(r.Context(), id), http.StatusFound)
		}))
	handler := http.Handler(mux)
	p.handler.Store(&handler)
	return p
}

// SetDown makes the provider break every connection, or serve again.
func (p *Provider) SetDown(down bool) { p.down.Store(down) }

func (p *Provider) serve(w http.ResponseWriter, r *http.Request) {
	handler := p.handler.Load()
	if p.down.Load() || handler == nil {
		panic(http.ErrAbortHandler)
	}
	(*handler).ServeHTTP(w, r)
}

var loginPage = template.Must(template.New("login").Parse(`<!doctype html>
<title>Provider</title>
<form method="post" action="/login/username">
<input type="hidden" name="id" value="{{.}}">
<label>Name <input name="username"></label>
<label>Password <input name="password" type="password"></label>
<button>Sign in</button>
</form>
`))

// accounts maps an ID to an account. The ID is also the user name.
type accounts map[string]*storage.User

func (a accounts) GetUserByID(id string) *storage.User         { return a[id] }
func (a accounts) GetUserByUsername(name string) *storage.User { return a[name] }
func (a accounts) ExampleClientID() string                     { return "service" }

type store struct {
	*storage.Storage
	thin bool
}

func (s *store) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	found, err := s.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("find the client: %w", err)
	}
	return &client{Client: found, thin: s.thin}, nil
}

type client struct {
	op.Client
	thin bool
}

func (c *client) IDTokenUserinfoClaimsAssertion() bool { return !c.thin }
