package signin

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"
)

// maxAddress is the longest address that SMTP carries, in bytes: RFC 5321, 4.5.3.1.3.
const maxAddress = 254

var errAddress = errors.New("not a mail address")

// parseAddress reads a bare mail address and turns its ASCII letters into lower case. It allows
// ASCII alone: Unicode has letters that only look like ASCII ones, and some of them have an ASCII
// letter as their lower case.
func parseAddress(text string) (string, error) {
	text = strings.TrimSpace(text)
	if len(text) > maxAddress || strings.Count(text, "@") != 1 {
		return "", errAddress
	}
	for _, r := range text {
		if r <= ' ' || r > '~' || strings.ContainsRune(`"(),:;<>[\]`, r) {
			return "", errAddress
		}
	}
	parsed, err := mail.ParseAddress(text)
	if err != nil || parsed.Address != text {
		return "", errAddress
	}
	return strings.ToLower(text), nil
}

// people is a list of mail addresses and domains.
type people struct {
	addresses map[string]bool
	domains   map[string]bool
}

func parsePeople(entries []string) (people, error) {
	p := people{addresses: map[string]bool{}, domains: map[string]bool{}}
	var faults []error
	for _, entry := range entries {
		text := strings.TrimSpace(entry)
		isDomain := strings.HasPrefix(text, "@")
		if isDomain {
			text = "anybody" + text
		}
		address, err := parseAddress(text)
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("%q is neither a mail address nor a domain: "+
				"write jane@example.com or @example.com", entry))
		case isDomain:
			p.domains[domain(address)] = true
		default:
			p.addresses[address] = true
		}
	}
	return p, errors.Join(faults...)
}

// match looks up an address that parseAddress returned. named is true if the list contains the
// address itself and not only its domain.
func (p people) match(address string) (known, named bool) {
	named = p.addresses[address]
	return named || p.domains[domain(address)], named
}

func domain(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

// mailbox cuts off the tag of jane+tag@example.com, which most mail servers deliver to Jane.
func mailbox(address string) string {
	local, domain, _ := strings.Cut(address, "@")
	local, _, _ = strings.Cut(local, "+")
	return local + "@" + domain
}
