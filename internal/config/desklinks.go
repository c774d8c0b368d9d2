package config

import (
	"net/url"
	"time"

	"error-check-gate/internal/desklink"
)

// DeskLinks holds the desk's public address and the secrets that sign links to it.
type DeskLinks struct {
	// DeskURL is the address at which people open the desk. If it is nil, mails have no links to
	// it.
	DeskURL *url.URL `env:"DESK_URL" hint:"the desk's http:// or https:// URL, such as https://gate.example.com"`
	// The first secret signs, all of them verify.
	DeskSecret     Secret `env:"DESK_SECRET" file:"lines" hint:"a random text of 32 bytes or more; separate several with commas"`
	DeskSecretFile string `env:"DESK_SECRET_FILE" hint:"the path of a file with one secret per line"`
	// DeskLinkValid is the time for which the link in a mail opens the order's page.
	DeskLinkValid time.Duration `env:"DESK_LINK_VALID" envDefault:"720h" hint:"a duration such as 720h"`

	secrets []string
}

// Secrets returns the desk's secrets, the one that signs first. There are none if neither setting
// is set.
func (c *DeskLinks) Secrets() []string { return c.secrets }

// Signer returns the signer and verifier of links, or nil if there is no secret.
func (c *DeskLinks) Signer() (*desklink.Signer, error) {
	if len(c.secrets) == 0 {
		return nil, nil //nolint:nilnil // no links are signed
	}
	return desklink.New(c.secrets, c.DeskLinkValid)
}

func (c *DeskLinks) validate(f *Faults) {
	if u := c.DeskURL; u != nil && (u.RawQuery != "" || u.Fragment != "") {
		f.add("DESK_URL", "has a query or a fragment: remove everything from ? or # on")
	}
	if c.DeskLinkValid <= 0 {
		f.add("DESK_LINK_VALID", "%v is too short: write how long a link in a mail works, such as 720h",
			c.DeskLinkValid)
	}
	const variable = "DESK_SECRET"
	set := readList(f, variable, c.DeskSecret, c.DeskSecretFile, &c.secrets,
		desklink.ParseSecrets, desklink.ParseSecretLines)
	if c.DeskURL != nil && !set {
		f.add(variable, "is not set, and DESK_URL is: write the desk's secret, which signs the links in "+
			"mails; make one with 'openssl rand -hex 32'")
	}
}
