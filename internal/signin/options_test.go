package signin_test

import (
	"context"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/signin"
)

func TestFaultsOfTheOptions(t *testing.T) {
	t.Parallel()
	complete := func(mode signin.Mode) signin.Options {
		return signin.Options{
			Mode: mode, Secrets: []string{secret}, People: []string{jane},
			BaseURL: &url.URL{Scheme: "https", Host: "desk.example.com"},
			Mail:    func(context.Context, string, string, string) error { return nil },
			UseOnce: func(context.Context, string) (bool, error) { return true, nil },
			OIDC: signin.OIDC{
				Issuer: "https://accounts.google.com", ClientID: "id", ClientSecret: "secret",
			},
			Render: func(http.ResponseWriter, *http.Request, int, string, any) {},
		}
	}
	parsed := func(text string) *url.URL {
		u, err := url.Parse(text)
		require.NoError(t, err)
		return u
	}
	type options = signin.Options
	for name, test := range map[string]struct {
		mode   signin.Mode
		change func(*options)
		want   string
	}{
		"no mode": {
			"", func(*options) {},
			`the mode is ""; use mail, oidc or none`,
		},
		"no pages": {
			signin.ModeNone, func(o *options) { o.Render = nil },
			"nothing renders the pages",
		},
		"no secret": {
			signin.ModeMail, func(o *options) { o.Secrets = nil },
			"there is no secret",
		},
		"a short secret": {
			signin.ModeMail, func(o *options) { o.Secrets = []string{secret, "short"} },
			"secret 2 of 2 has 5 bytes; it needs 32",
		},
		"nobody": {
			signin.ModeMail, func(o *options) { o.People = nil },
			"nobody may sign in",
		},
		"a name for a person": {
			signin.ModeMail, func(o *options) { o.People = []string{"Jane"} },
			`"Jane" is neither a mail address nor a domain`,
		},
		"a wildcard": {
			signin.ModeMail, func(o *options) { o.MayOverride = []string{"@"} },
			`"@" is neither`,
		},
		"no address": {
			signin.ModeMail, func(o *options) { o.BaseURL = nil },
			"the desk's own address is unknown",
		},
		"a relative address": {
			signin.ModeMail, func(o *options) { o.BaseURL = parsed("/desk") },
			"the desk's own address is unknown",
		},
		"an address with path": {
			signin.ModeMail, func(o *options) { o.BaseURL = parsed("https://example.com/desk") },
			"more than a scheme, a host and a port",
		},
		"an http address": {
			signin.ModeOIDC, func(o *options) { o.BaseURL = parsed("http://desk.example.com") },
			"use https",
		},
		"no mail": {
			signin.ModeMail, func(o *options) { o.Mail = nil },
			"needs a way to send mail",
		},
		"no memory": {
			signin.ModeMail, func(o *options) { o.UseOnce = nil },
			"to remember used links",
		},
		"no client": {
			signin.ModeOIDC, func(o *options) { o.OIDC.ClientSecret = "" },
			"the client of OpenID Connect is unknown",
		},
		"no issuer": {
			signin.ModeOIDC, func(o *options) { o.OIDC.Issuer = "google" },
			"not a URL",
		},
		"an http issuer": {
			signin.ModeOIDC, func(o *options) { o.OIDC.Issuer = "http://accounts.google.com" },
			"is not https",
		},
	} {
		o := complete(test.mode)
		test.change(&o)
		_, err := signin.New(t.Context(), o)
		assert.ErrorContains(t, err, "set up signing in: ", name)
		assert.ErrorContains(t, err, test.want, name)
	}
	for _, mode := range []signin.Mode{signin.ModeMail, signin.ModeOIDC, signin.ModeNone} {
		_, err := signin.New(t.Context(), complete(mode))
		require.NoError(t, err)
	}
	all := signin.Options{Mode: signin.ModeMail}
	_, err := signin.New(t.Context(), all)
	for _, part := range []string{"renders", "own address", "nobody may sign in", "no secret"} {
		assert.ErrorContains(t, err, part)
	}
	local := complete(signin.ModeMail)
	local.BaseURL = parsed("http://127.0.0.1:5030/")
	_, err = signin.New(t.Context(), local)
	require.NoError(t, err)
}
