package signin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"error-check-gate/internal/ordercheck"
)

const (
	// providerTimeout limits one call to the provider.
	providerTimeout = 10 * time.Second
	// maxProviderAnswer is the maximum size of an answer, in bytes. Metadata, keys and tokens are far
	// smaller.
	maxProviderAnswer = 1 << 20
)

// provider is the OpenID Connect provider. The desk reads its metadata when the first person signs
// in, not when it starts, and tries again after a failure.
type provider struct {
	settings  OIDC
	name      string // for people
	insecure  bool   // an issuer on loopback, whose addresses may be http
	redirect  string
	states    *sealer
	client    *http.Client
	now       func() time.Time
	asking    singleflight.Group
	connected atomic.Pointer[connection]
}

// connection is ready to use the endpoints in the provider's metadata.
type connection struct {
	provider *oidc.Provider
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
}

func newProvider(o *Options, s *Service) (*provider, error) {
	issuer, err := url.Parse(o.OIDC.Issuer)
	if err != nil {
		return nil, err
	}
	states, err := newSealer(o.Secrets, "OpenID Connect state")
	if err != nil {
		return nil, err
	}
	return &provider{
		settings: o.OIDC, name: providerName(issuer.Hostname()), insecure: isLocalHTTP(issuer),
		redirect: s.baseURL + "/sign-in/oidc/callback", states: states, now: o.Now,
		client: &http.Client{
			Timeout: providerTimeout, Transport: boundedTransport{http.DefaultTransport},
			// A redirect could take the client's secret elsewhere. No provider needs one.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func providerName(host string) string {
	switch {
	case host == "accounts.google.com":
		return "Google"
	case microsoftHosts[host]:
		return "Microsoft"
	}
	return host
}

// connect returns the connection. It reads the provider's metadata if necessary; concurrent callers
// share one read.
func (p *provider) connect(ctx context.Context) (*connection, error) {
	if c := p.connected.Load(); c != nil {
		return c, nil
	}
	result := p.asking.DoChan("", func() (any, error) {
		// The read goes on for the other callers when one of them leaves.
		ctx, cancel := context.WithTimeout(p.context(context.WithoutCancel(ctx)), providerTimeout)
		defer cancel()
		c, err := p.discover(ctx)
		if err == nil {
			p.connected.Store(c)
		}
		return c, err
	})
	select {
	case r := <-result:
		c, _ := r.Val.(*connection)
		return c, r.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *provider) context(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, p.client)
}

func (p *provider) discover(ctx context.Context) (*connection, error) {
	found, err := oidc.NewProvider(ctx, p.settings.Issuer)
	if err != nil {
		return nil, fmt.Errorf("read the metadata of %s: %w", p.settings.Issuer, shortened{err})
	}
	var metadata struct {
		Keys string `json:"jwks_uri"`
	}
	if err := found.Claims(&metadata); err != nil {
		return nil, fmt.Errorf("read the metadata of %s: %w", p.settings.Issuer, shortened{err})
	}
	endpoint := found.Endpoint()
	for name, address := range map[string]string{
		"authorization_endpoint": endpoint.AuthURL, "token_endpoint": endpoint.TokenURL,
		"jwks_uri": metadata.Keys,
	} {
		if !p.trusted(address) {
			return nil, fmt.Errorf("the metadata of %s has a %s that is not https",
				p.settings.Issuer, name)
		}
	}
	return &connection{
		provider: found,
		oauth: oauth2.Config{
			ClientID: p.settings.ClientID, ClientSecret: p.settings.ClientSecret,
			Endpoint: endpoint, RedirectURL: p.redirect, Scopes: []string{oidc.ScopeOpenID, "email"},
		},
		verifier: found.Verifier(&oidc.Config{ClientID: p.settings.ClientID, Now: p.now}),
	}, nil
}

// trusted reports whether we may send secrets to an endpoint.
func (p *provider) trusted(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Host != "" &&
		(u.Scheme == "https" || p.insecure && isLocalHTTP(u))
}

// boundedTransport cuts off answers at maxProviderAnswer.
type boundedTransport struct{ http.RoundTripper }

func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, maxProviderAnswer), response.Body}
	return response, nil
}

// maxErrorText is the maximum length of an error of the provider's, in characters.
const maxErrorText = 200

// shortened cuts the text of an error that may quote a long answer of the provider's.
type shortened struct{ error }

func (e shortened) Unwrap() error { return e.error }

func (e shortened) Error() string { return ordercheck.Cut(e.error.Error(), maxErrorText) }
