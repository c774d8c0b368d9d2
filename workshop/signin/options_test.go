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

// completeOptions returns options that New accepts, for any way to sign in.
func completeOptions(mode signin.Mode) signin.Options {
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

func address(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		panic(err)
	}
	return u
}

// faultyOptions changes complete options so that New refuses them.
var faultyOptions = map[string]struct {
	mode   signin.Mode
	change func(*signin.Options)
	want   string
}{
	"no mode": {
		"", func(*signin.Options) {},
		`Mode: "" is not a way to sign in: write mail, oidc or none`,
	},
	"no pages": {
		signin.ModeNone, func(o *signin.Options) { o.Render = nil },
		"Render: is not set",
	},
	"no secret": {
		signin.ModeMail, func(o *signin.Options) { o.Secrets = nil },
		"Secrets: is not set",
	},
	"a short secret": {
		signin.ModeMail, func(o *signin.Options) { o.Secrets = []string{secret, "short"} },
		"secret 2 of 2 has 5 bytes and needs 32",
	},
	"nobody": {
		signin.ModeMail, func(o *signin.Options) { o.People = nil },
		"People: is not set, so nobody could sign in",
	},
	"a name for a person": {
		signin.ModeMail, func(o *signin.Options) { o.People = []string{"Jane"} },
		`"Jane" is neither a mail address nor a domain`,
	},
	"a wildcard": {
		signin.ModeMail, func(o *signin.Options) { o.MayOverride = []string{"@"} },
		`"@" is neither`,
	},
	"no address": {
		signin.ModeMail, func(o *signin.Options) { o.BaseURL = nil },
		"BaseURL: is not the desk's address",
	},
	"a relative address": {
		signin.ModeMail, func(o *signin.Options) { o.BaseURL = address("/desk") },
		"BaseURL: is not the desk's address",
	},
	"an address with path": {
		signin.ModeMail, func(o *signin.Options) { o.BaseURL = address("https://example.com/desk") },
		"more than a scheme, a host and a port",
	},
	"an http address": {
		signin.ModeOIDC, func(o *signin.Options) { o.BaseURL = address("http://desk.example.com") },
		"write https",
	},
	"no mail": {
		signin.ModeMail, func(o *signin.Options) { o.Mail = nil },
		"needs both Mail and UseOnce",
	},
	"no UseOnce": {
		signin.ModeMail, func(o *signin.Options) { o.UseOnce = nil },
		"needs both Mail and UseOnce",
	},
	"no client": {
		signin.ModeOIDC, func(o *signin.Options) { o.OIDC.ClientSecret = "" },
		"OIDC.ClientSecret: is not set",
	},
	"no issuer": {
		signin.ModeOIDC, func(o *signin.Options) { o.OIDC.Issuer = "google" },
		"OIDC.Issuer: is not a URL",
	},
	"an http issuer": {
		signin.ModeOIDC, func(o *signin.Options) { o.OIDC.Issuer = "http://accounts.google.com" },
		"OIDC.Issuer: is not an https:// URL",
	},
}

func TestFaultsOfTheOptions(t *testing.T) {
	t.Parallel()
	for name, test := range faultyOptions {
		o := completeOptions(test.mode)
		test.change(&o)
		_, err := signin.New(o)
		assert.ErrorContains(t, err, "set up signing in: ", name)
		assert.ErrorContains(t, err, test.want, name)
	}
}

func TestEveryFaultOfTheOptionsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := signin.New(signin.Options{Mode: signin.ModeMail})
	for _, part := range []string{"Render: ", "BaseURL: ", "People: ", "Secrets: "} {
		assert.ErrorContains(t, err, part)
	}
}

func TestCompleteOptions(t *testing.T) {
	t.Parallel()
	for _, mode := range []signin.Mode{signin.ModeMail, signin.ModeOIDC, signin.ModeNone} {
		_, err := signin.New(completeOptions(mode))
		require.NoError(t, err)
	}
	local := completeOptions(signin.ModeMail)
	local.BaseURL = address("http://127.0.0.1:5030/")
	_, err := signin.New(local)
	require.NoError(t, err)
}
