package config

import (
	"net/mail"
	"net/netip"
	"net/url"
	"strings"

	"error-check-gate/internal/notify"
)

// Values of DESK_SIGN_IN.
const (
	SignInMail = "mail" // a link that is sent by mail
	SignInOIDC = "oidc" // OpenID Connect
	SignInNone = "none" // nobody has to; on loopback only
)

// Desk is what 'gate desk' uses.
type Desk struct {
	Log
	Admin
	Temporal
	Payloads
	DeskLinks
	MailServer
	Zone
	// DeskAddr serves the pages and the API.
	DeskAddr string `env:"DESK_ADDR" envDefault:"127.0.0.1:5030" hint:"an address to listen on, such as 127.0.0.1:5030"`
	// TrustedProxies are the peers whose X-Forwarded-For counts; none by default.
	TrustedProxies []netip.Prefix `env:"TRUSTED_PROXIES" hint:"addresses or networks separated by commas, such as 10.0.0.0/8"`
	// DeskPeople may sign in, and DeskMayOverride may take responsibility; none is DeskPeople.
	DeskPeople      []string `env:"DESK_PEOPLE" hint:"e-mail addresses, or domains such as @example.com, separated by commas"`
	DeskMayOverride []string `env:"DESK_MAY_OVERRIDE" hint:"e-mail addresses, or domains such as @example.com, separated by commas"`
	// DeskSignIn is one of the SignIn constants; empty goes by what else is set: see [Desk.SignIn].
	DeskSignIn string `env:"DESK_SIGN_IN" hint:"mail, oidc or none"`
	// The provider of OpenID Connect.
	DeskOIDCIssuer       string `env:"DESK_OIDC_ISSUER" hint:"the provider's https:// URL, such as https://accounts.google.com"`
	DeskOIDCClientID     string `env:"DESK_OIDC_CLIENT_ID" hint:"the client id that the provider gave"`
	DeskOIDCClientSecret Secret `env:"DESK_OIDC_CLIENT_SECRET" hint:"the client secret that the provider gave"`
	// DeskAPITokensFile names the callers of the API; empty switches the API off.
	DeskAPITokensFile string `env:"DESK_API_TOKENS_FILE" hint:"the path of a file with name:read:token or name:act:token a line"`
	TemporalUIURL     string `env:"TEMPORAL_UI_URL" hint:"the http:// or https:// URL of Temporal's Web UI"`
}

// LoadDesk reads the settings of 'gate desk'.
func LoadDesk(e Environment) (Desk, error) { return load[Desk](e) }

// SignIn is how people sign in: what DESK_SIGN_IN says or, if it is empty, by OpenID Connect if
// there is a provider, else by mail if there is a mail server, else not at all.
func (c *Desk) SignIn() string {
	switch {
	case c.DeskSignIn != "":
		return c.DeskSignIn
	case c.DeskOIDCIssuer != "":
		return SignInOIDC
	case c.SMTPAddr != "":
		return SignInMail
	}
	return SignInNone
}

// BaseURL is the desk's address as people reach it.
func (c *Desk) BaseURL() *url.URL {
	if u, err := url.Parse(c.DeskURL); err == nil && c.DeskURL != "" {
		return u
	}
	return &url.URL{Scheme: "http", Host: c.DeskAddr}
}

// SMTP is the mail server that sends links to sign in with. The settings have no fault.
func (c *Desk) SMTP() notify.SMTP {
	var f Faults
	return c.smtp(&f)
}

func (c *Desk) validate(f *Faults) {
	checkLog(f, c.LogFormat)
	checkAddr(f, "DESK_ADDR", c.DeskAddr)
	checkAddr(f, "ADMIN_ADDR", c.AdminAddr)
	checkApart(f, "DESK_ADDR", c.DeskAddr, "ADMIN_ADDR", c.AdminAddr)
	c.Payloads.validate(f)
	c.DeskLinks.validate(f)
	if c.DeskSecret == "" && c.DeskSecretFile == "" && !f.has("DESK_SECRET") {
		f.add("DESK_SECRET", "is not set: write 32 random bytes or more; make them with 'openssl rand -hex 32'")
	}
	checkLink(f, "TEMPORAL_UI_URL", c.TemporalUIURL)
	checkPeople(f, "DESK_PEOPLE", c.DeskPeople)
	checkPeople(f, "DESK_MAY_OVERRIDE", c.DeskMayOverride)
	c.location(f)
	if c.DeskAPITokensFile != "" {
		checkFile(f, "DESK_API_TOKENS_FILE", c.DeskAPITokensFile)
	}
	c.validateSignIn(f)
}

func (c *Desk) validateSignIn(f *Faults) {
	how := c.SignIn()
	switch how {
	case SignInNone:
		if isRemote(c.DeskAddr) {
			f.add("DESK_SIGN_IN", "nobody would have to sign in, and DESK_ADDR=%s can be reached from other machines: "+
				"set SMTP_ADDR and DESK_PEOPLE, or DESK_OIDC_ISSUER, or listen on 127.0.0.1", c.DeskAddr)
		}
		return
	case SignInMail:
		if c.SMTPAddr == "" {
			f.add("SMTP_ADDR", "is not set, and people sign in by mail: write the mail server's host:port")
		} else {
			c.smtp(f)
		}
	case SignInOIDC:
		c.validateOIDC(f)
	default:
		f.add("DESK_SIGN_IN", "%s is not a way to sign in: write mail, oidc or none", quoteShort(c.DeskSignIn))
		return
	}
	if len(c.DeskPeople) == 0 {
		f.add("DESK_PEOPLE", "is not set, so nobody could sign in: write addresses, or domains such as @example.com")
	}
	if c.DeskURL == "" && isRemote(c.DeskAddr) {
		f.add("DESK_URL", "is not set: write the address that people open, such as https://gate.example.com")
	}
}

func (c *Desk) validateOIDC(f *Faults) {
	if c.DeskOIDCIssuer == "" {
		f.add("DESK_OIDC_ISSUER", "is not set: write the provider's URL, such as https://accounts.google.com")
	} else if u, ok := checkURL(f, "DESK_OIDC_ISSUER", c.DeskOIDCIssuer); ok && u.Scheme != "https" && !isLoopback(u.Hostname()) {
		f.add("DESK_OIDC_ISSUER", "is not an https:// URL")
	}
	if c.DeskOIDCClientID == "" {
		f.add("DESK_OIDC_CLIENT_ID", "is not set: write the client id that the provider gave")
	}
	if c.DeskOIDCClientSecret == "" {
		f.add("DESK_OIDC_CLIENT_SECRET", "is not set: write the client secret that the provider gave")
	}
}

func checkPeople(f *Faults, variable string, people []string) {
	for _, person := range people {
		person = strings.TrimSpace(person)
		address := person
		if strings.HasPrefix(person, "@") {
			address = "anybody" + person
		}
		parsed, err := mail.ParseAddress(address)
		if err != nil || parsed.Address != address {
			f.add(variable, "%s is neither an address nor a domain: write jane@example.com or @example.com", quoteShort(person))
		}
	}
}
