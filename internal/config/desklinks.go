package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"error-check-gate/internal/desklink"
)

// DeskLinks says where the desk is, and what signs the links to it.
type DeskLinks struct {
	// DeskURL is the desk's address as people reach it; empty makes no links to it.
	DeskURL string `env:"DESK_URL" hint:"the desk's http:// or https:// URL, such as https://gate.example.com"`
	// DeskSecret holds one secret or, while one is being rotated, several separated by commas. The
	// first signs, all verify.
	DeskSecret Secret `env:"DESK_SECRET" file:"own" hint:"a random text of 32 bytes or more; several are separated by commas"`
	// DeskSecretFile holds one secret a line.
	DeskSecretFile string `env:"DESK_SECRET_FILE" hint:"the path of a file with one secret a line"`
	// DeskLinkValid is how long the link in a mail opens the order's page.
	DeskLinkValid time.Duration `env:"DESK_LINK_VALID" envDefault:"720h" hint:"a duration such as 720h"`
}

// Secrets returns the secrets, the one that signs first. There are none if neither setting is set.
func (c *DeskLinks) Secrets() ([]string, error) {
	var f Faults
	secrets := c.secrets(&f)
	if len(f) > 0 {
		return nil, f
	}
	return secrets, nil
}

// Signer returns what signs and verifies links; nil if there is no secret.
func (c *DeskLinks) Signer() (*desklink.Signer, error) {
	secrets, err := c.Secrets()
	if err != nil || len(secrets) == 0 {
		return nil, err
	}
	return desklink.New(secrets, c.DeskLinkValid)
}

func (c *DeskLinks) validate(f *Faults) {
	if c.DeskURL != "" {
		if u, ok := checkURL(f, "DESK_URL", c.DeskURL); ok && (u.RawQuery != "" || u.Fragment != "") {
			f.add("DESK_URL", "has a query or a fragment: leave out what follows ? or #")
		}
	}
	if c.DeskLinkValid <= 0 {
		f.add("DESK_LINK_VALID", "%v is no time at all: write how long a link in a mail is good, such as 720h", c.DeskLinkValid)
	}
	if secrets := c.secrets(f); c.DeskURL != "" && len(secrets) == 0 && !f.has("DESK_SECRET") {
		f.add("DESK_SECRET", "is not set, and DESK_URL is: write the desk's secret, which signs the links in mails; "+
			"make one with 'openssl rand -hex 32'")
	}
}

func (c *DeskLinks) secrets(f *Faults) []string {
	const variable, fileVariable = "DESK_SECRET", "DESK_SECRET" + FileSuffix
	switch {
	case c.DeskSecret != "" && c.DeskSecretFile != "":
		f.add(variable, "%s is set too: keep one of them", fileVariable)
		return nil
	case c.DeskSecretFile != "":
		content, err := readSmallFile(c.DeskSecretFile)
		var secrets []string
		if err == nil {
			secrets, err = deskSecrets(strings.TrimPrefix(string(content), "\ufeff"), "\n", "line")
		}
		if err != nil {
			f.add(fileVariable, "%v", err)
		}
		return secrets
	case c.DeskSecret != "":
		secrets, err := deskSecrets(string(c.DeskSecret), ",", "secret")
		if err != nil {
			f.add(variable, "%v", err)
		}
		return secrets
	default:
		return nil
	}
}

// deskSecrets reads secrets between separators. The error names none.
func deskSecrets(list, separator, place string) ([]string, error) {
	var secrets []string
	n := 0
	for text := range strings.SplitSeq(list, separator) {
		n++
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		if len(text) < desklink.MinSecret {
			return nil, fmt.Errorf("%s %d has %d bytes, and needs %d: make one with 'openssl rand -hex 32'",
				place, n, len(text), desklink.MinSecret)
		}
		secrets = append(secrets, text)
	}
	if len(secrets) == 0 {
		return nil, errors.New("there is no secret in it")
	}
	return secrets, nil
}
