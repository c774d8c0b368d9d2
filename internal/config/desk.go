package config

import (
	"net/url"

	"error-check-gate/internal/signin"
)

// DeskListen holds the address that the desk listens on.
type DeskListen struct {
	DeskAddr string `env:"DESK_ADDR" envDefault:"127.0.0.1:5030" hint:"an address to listen on, such as 127.0.0.1:5030"`
}

// Desk holds the settings of 'gate desk'.
type Desk struct {
	Log
	Admin
	Temporal
	TemporalUI
	Payloads
	DeskLinks
	MailServer
	Zone
	DeskListen
	Proxies
	// DeskPeople lists who may sign in. DeskMayOverride lists which of them may override errors.
	// Nil means everybody in DeskPeople.
	DeskPeople      []string `env:"DESK_PEOPLE" hint:"e-mail addresses, or domains such as @example.com, separated by commas"`
	DeskMayOverride []string `env:"DESK_MAY_OVERRIDE" hint:"e-mail addresses, or domains such as @example.com, separated by commas"`
	// DeskSignIn may be empty. [Desk.SignIn] then chooses by the other settings.
	DeskSignIn           signin.Mode `env:"DESK_SIGN_IN" hint:"mail, oidc or none"`
	DeskOIDCIssuer       string      `env:"DESK_OIDC_ISSUER" hint:"the provider's https:// URL, such as https://accounts.google.com"`
	DeskOIDCClientID     string      `env:"DESK_OIDC_CLIENT_ID" hint:"the client id that the provider gave you"`
	DeskOIDCClientSecret Secret      `env:"DESK_OIDC_CLIENT_SECRET" hint:"the client secret that the provider gave you"`
	// DeskAPITokensFile names the callers of the API. Empty switches the API off.
	DeskAPITokensFile string `env:"DESK_API_TOKENS_FILE" hint:"the path of a file with lines such as name:read:token or name:act:token"`
}

// LoadDesk reads the settings of 'gate desk'.
func LoadDesk(e Environment) (Desk, error) { return load[Desk](e) }

// SignIn returns how people sign in. Without DESK_SIGN_IN it is OpenID Connect if there is a
// provider, or else a mailed link if there is a mail server. Otherwise nobody has to sign in.
func (c *Desk) SignIn() signin.Mode {
	switch {
	case c.DeskSignIn != "":
		return c.DeskSignIn
	case c.DeskOIDCIssuer != "":
		return signin.ModeOIDC
	case c.SMTPAddr != "":
		return signin.ModeMail
	}
	return signin.ModeNone
}

// BaseURL returns the address at which people open the desk: DESK_URL if it is set, or else
// DESK_ADDR over http.
func (c *Desk) BaseURL() *url.URL {
	if c.DeskURL != nil {
		return c.DeskURL
	}
	return &url.URL{Scheme: "http", Host: c.DeskAddr}
}

// SignInOptions returns the options for package signin.
func (c *Desk) SignInOptions() signin.Options {
	o := signin.Options{
		Mode: c.SignIn(), Secrets: c.secrets, BaseURL: c.BaseURL(),
		People: c.DeskPeople, MayOverride: c.DeskMayOverride,
		OIDC: signin.OIDC{
			Issuer: c.DeskOIDCIssuer, ClientID: c.DeskOIDCClientID,
			ClientSecret: string(c.DeskOIDCClientSecret),
		},
	}
	if o.Mode == signin.ModeMail {
		o.Mail = c.SMTP().SendText
	}
	return o
}

// signInVariables maps each field of [signin.Options] to the variable that sets it.
var signInVariables = map[string]string{
	"Mode": "DESK_SIGN_IN", "Secrets": "DESK_SECRET", "BaseURL": "DESK_URL", "People": "DESK_PEOPLE",
	"MayOverride": "DESK_MAY_OVERRIDE", "OIDC.Issuer": "DESK_OIDC_ISSUER",
	"OIDC.ClientID": "DESK_OIDC_CLIENT_ID", "OIDC.ClientSecret": "DESK_OIDC_CLIENT_SECRET",
}

func (c *Desk) validate(f *Faults) {
	checkAddr(f, "DESK_ADDR", c.DeskAddr)
	checkAddr(f, "ADMIN_ADDR", c.AdminAddr)
	checkPortClash(f, "DESK_ADDR", c.DeskAddr, "ADMIN_ADDR", c.AdminAddr)
	c.Payloads.validate(f)
	c.DeskLinks.validate(f)
	if len(c.secrets) == 0 && !f.has("DESK_SECRET") {
		f.add("DESK_SECRET", "is not set: write 32 random bytes or more; "+
			"make them with 'openssl rand -hex 32'")
	}
	checkFile(f, "DESK_API_TOKENS_FILE", c.DeskAPITokensFile)
	c.validateSignIn(f)
}

func (c *Desk) validateSignIn(f *Faults) {
	switch mode := c.SignIn(); {
	case mode == signin.ModeNone && isRemote(c.DeskAddr):
		f.add("DESK_SIGN_IN", "nobody would have to sign in, and other machines can reach DESK_ADDR=%s: "+
			"set SMTP_ADDR and DESK_PEOPLE, or DESK_OIDC_ISSUER, or listen on 127.0.0.1", c.DeskAddr)
	case mode == signin.ModeMail && c.SMTPAddr == "":
		f.add("SMTP_ADDR", "is not set, and people sign in by mail: write the mail server's host:port")
	case mode == signin.ModeMail:
		server := c.SMTP()
		f.addAll(server.Faults(), notifyVariables)
	}
	if c.SignIn() != signin.ModeNone && c.DeskURL == nil && isRemote(c.DeskAddr) {
		f.add("DESK_URL",
			"is not set: write the address that people open, such as https://gate.example.com")
	}
	options := c.SignInOptions()
	f.addAll(options.Faults(), signInVariables)
}
