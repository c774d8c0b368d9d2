package config_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/config"
	"error-check-gate/internal/signin"
)

func TestHowPeopleSignIn(t *testing.T) {
	secret := "DESK_SECRET=" + strings.Repeat("s", 32)
	smtp := []string{"SMTP_ADDR=localhost:1025", "SMTP_TLS=none", "MAIL_FROM=gate@example.com"}
	oidc := []string{
		"DESK_OIDC_ISSUER=https://accounts.example.com", "DESK_OIDC_CLIENT_ID=gate",
		"DESK_OIDC_CLIENT_SECRET=hush",
	}
	people := "DESK_PEOPLE=jane@example.com,@example.org"
	for name, tc := range map[string]struct {
		env   []string
		want  string
		fault string
	}{
		"nothing set": {[]string{secret}, "none", ""},
		"nothing set, reachable from other machines": {[]string{secret, "DESK_ADDR=:5030"}, "",
			"DESK_SIGN_IN: nobody would have to sign in"},
		"none, reachable from other machines": {
			[]string{secret, "DESK_ADDR=:5030", "DESK_SIGN_IN=none"}, "",
			"DESK_SIGN_IN: nobody would",
		},
		"mail":                {append(smtp, secret, people), "mail", ""},
		"a provider and mail": {append(append(oidc, smtp...), secret, people), "oidc", ""},
		"mail without people": {append(smtp, secret), "",
			"DESK_PEOPLE: is not set, so nobody could sign in"},
		"mail without a server": {[]string{secret, people, "DESK_SIGN_IN=mail"}, "",
			"SMTP_ADDR: is not set"},
		"mail without a URL, reachable from other machines": {
			append(smtp, secret, people, "DESK_ADDR=:5030"), "",
			"DESK_URL: is not set",
		},
		"a provider without a client secret": {append(oidc[:2:2], secret, people), "",
			"DESK_OIDC_CLIENT_SECRET: is not set"},
		"a provider over http": {
			append(oidc[1:3:3], secret, people, "DESK_OIDC_ISSUER=http://accounts.example.com"), "",
			"DESK_OIDC_ISSUER: is not an https:// URL",
		},
		"a name with the address": {
			append(smtp, secret, "DESK_PEOPLE=Jane Doe <jane@example.com>"), "", "DESK_PEOPLE: ",
		},
		"an unknown mode": {[]string{secret, "DESK_SIGN_IN=ldap"}, "",
			`DESK_SIGN_IN: "ldap" is not a way to sign in`},
		"no secret":      {nil, "", "DESK_SECRET: is not set"},
		"a short secret": {[]string{"DESK_SECRET=hush"}, "", "DESK_SECRET: "},
	} {
		t.Run(name, func(t *testing.T) {
			settings, err := config.LoadDesk(environ(tc.env...))
			if tc.fault == "" {
				require.NoError(t, err)
				assert.Equal(t, signin.Mode(tc.want), settings.SignIn())
				return
			}
			require.ErrorContains(t, err, tc.fault)
			require.NotContains(t, err.Error(), "hush")
		})
	}
}
