package notify

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"
)

// maxAddress is the maximum length of an address in SMTP, in bytes: the limit of RFC 5321,
// 4.5.3.1.3, without the angle brackets.
const maxAddress = 254

// ParseAddress parses one e-mail address, with or without a name: jane@example.com or
// Jane Doe <jane@example.com>. It only accepts ASCII addresses, which work with every mail server.
func ParseAddress(text string) (mail.Address, error) {
	address, err := mail.ParseAddress(text)
	if err != nil {
		return mail.Address{}, fmt.Errorf("%q is not an e-mail address: write jane@example.com "+
			"or Jane Doe <jane@example.com>", text)
	}
	return *address, checkAddress(address.Address)
}

// ParseAddresses parses a comma-separated list of e-mail addresses. The error lists every fault.
func ParseAddresses(list string) ([]mail.Address, error) {
	parsed, err := mail.ParseAddressList(list)
	if err != nil {
		return nil, fmt.Errorf("%q is not a list of e-mail addresses: separate them with commas, "+
			"as in jane@example.com, Jim Doe <jim@example.com>", list)
	}
	addresses := make([]mail.Address, 0, len(parsed))
	var errs []error
	for _, address := range parsed {
		if err := checkAddress(address.Address); err != nil {
			errs = append(errs, err)
			continue
		}
		addresses = append(addresses, *address)
	}
	return addresses, errors.Join(errs...)
}

func checkAddress(address string) error {
	for _, r := range address {
		switch {
		case r > '~':
			return fmt.Errorf("the address %q has a letter outside ASCII, which some mail "+
				"servers reject: write the domain in its xn-- form", address)
		case r <= ' ', strings.ContainsRune(`"(),:;<>[\]`, r):
			return fmt.Errorf("the address %q has a character that needs quotes, which some mail "+
				"servers reject", address)
		}
	}
	if len(address) > maxAddress {
		return fmt.Errorf("the address that begins with %q has %d bytes, but SMTP allows only %d",
			address[:20], len(address), maxAddress)
	}
	return nil
}

// domain returns the domain of a valid address.
func domain(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }
