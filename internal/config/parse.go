package config

import (
	"errors"
	"net/mail"
	"net/netip"
	"net/url"
	"reflect"
	"strings"

	"github.com/caarlos0/env/v11"

	"error-check-gate/internal/notify"
)

// parsers read the values of types that the library does not know, and that do not implement
// [encoding.TextUnmarshaler].
var parsers = map[reflect.Type]env.ParserFunc{
	reflect.TypeFor[[]netip.Prefix]():       hinted(parsePrefixes),
	reflect.TypeFor[[]string]():             parser(splitList),
	reflect.TypeFor[url.URL]():              parser(parseURL),
	reflect.TypeFor[mail.Address]():         parser(notify.ParseAddress),
	reflect.TypeFor[[]mail.Address]():       parser(notify.ParseAddresses),
	reflect.TypeFor[[]notify.Destination](): parser(notify.ParseDestinations),
}

// invalidError is an error that says what to write, so the setting's hint is not needed.
type invalidError struct{ error }

// parser is for a parse function whose errors say what to write.
func parser[T any](parse func(string) (T, error)) env.ParserFunc {
	return func(text string) (any, error) {
		value, err := parse(text)
		if err != nil {
			return value, &invalidError{err}
		}
		return value, nil
	}
}

// hinted is for a parse function whose errors do not say what to write.
func hinted[T any](parse func(string) (T, error)) env.ParserFunc {
	return func(text string) (any, error) { return parse(text) }
}

// parsePrefixes reads addresses and networks separated by commas.
func parsePrefixes(list string) ([]netip.Prefix, error) {
	texts, _ := splitList(list)
	prefixes := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			var addr netip.Addr
			if addr, err = netip.ParseAddr(text); err != nil {
				return nil, err
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		prefixes[i] = prefix.Masked()
	}
	return prefixes, nil
}

// splitList splits at commas. It never fails.
func splitList(list string) ([]string, error) {
	var texts []string
	for text := range strings.SplitSeq(list, ",") {
		if text = strings.TrimSpace(text); text != "" {
			texts = append(texts, text)
		}
	}
	return texts, nil
}

// parseURL reads the URL of a page.
func parseURL(text string) (url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil: // its text would quote the value, which may hold a password
		return url.URL{}, errors.New("is not a URL: write one that starts with https:// and has a host")
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return url.URL{}, errors.New("is not an http:// or https:// URL with a host")
	case u.User != nil:
		return url.URL{}, errors.New("has a user or password before the host: remove it")
	}
	return *u, nil
}
