package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Destination is a chat or a webhook that notices are posted to. Printing it does not show its URL.
type Destination struct {
	name string
	// poster makes what posts to it, and has the URL: fmt prints a struct's hidden fields, but no function's.
	poster func(transport http.RoundTripper) poster
}

// String is the destination's name: the service, and a few digits of the URL's digest.
func (d Destination) String() string { return d.name }

// poster posts a message once. The error is an [Error] without a target, except where ctx
// is done.
type poster interface {
	post(ctx context.Context, m message) error
}

// message is a notice as destinations get it.
type message struct {
	// id is the notice's key.
	id   string
	text string
	body any // the JSON for software: a webhookBody or a collectionBody
}

var (
	nextURL = regexp.MustCompile(`[\s,]+[A-Za-z][A-Za-z0-9+.-]*://`)
	around  = " \t\r\n,"
)

// splitURLs separates URLs at commas or white space. A comma that no scheme follows is a
// part of a URL: chat services take lists in theirs.
func splitURLs(list string) []string {
	var urls []string
	list = strings.Trim(list, around)
	for list != "" {
		end := len(list)
		if at := nextURL.FindStringIndex(list); at != nil {
			end = at[0]
		}
		urls = append(urls, strings.Trim(list[:end], around))
		list = strings.TrimLeft(list[end:], around)
	}
	return urls
}

// ParseDestinations reads URLs separated by commas or white space. An https:// URL gets the
// whole notice as JSON (http:// too, on this machine); those of shoutrrr's chat services
// (slack://, teams://, discord://, …) get a short text. Every fault is told at once, by
// the URL's place in the list: errors do not hold any of its text.
func ParseDestinations(list string) ([]Destination, error) {
	urls := splitURLs(list)
	var destinations []Destination
	var errs []error
	for i, text := range urls {
		parsed, err := parseDestination(text)
		if err == nil && slices.Contains(urls[:i], text) {
			err = errors.New("is there twice")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("URL %d of %d %w", i+1, len(urls), err))
			continue
		}
		destinations = append(destinations, parsed...)
	}
	return destinations, errors.Join(errs...)
}

func parseDestination(text string) ([]Destination, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("is not a URL: is there a space or a % in it that must be written %20 or %25?")
	}
	if u.Scheme == "https" || u.Scheme == "http" {
		if u.Hostname() == "" {
			return nil, errors.New("has no host after ://")
		}
		if u.Scheme == "http" && !isLoopback(u.Hostname()) {
			return nil, errors.New("begins with http:// and its host is another machine: the notice would travel unprotected; write https://")
		}
		return []Destination{{
			name:   destinationName("webhook", text),
			poster: func(transport http.RoundTripper) poster { return newWebhook(text, transport) },
		}}, nil
	}
	if err := checkChat(u); err != nil {
		return nil, err
	}
	service, _, _ := strings.Cut(u.Scheme, "+")
	if service == telegramService {
		return parseTelegram(u)
	}
	return []Destination{{
		name:   destinationName(service, text),
		poster: func(http.RoundTripper) poster { return newChat(service, text) },
	}}, nil
}

// destinationName tells destinations apart and stays the same for the same URL. The digest
// is cut to what a handful of URLs needs, so that it gives no guess at a URL away.
func destinationName(service, text string) string { return service + ":" + digestOf(text, 3) }

// digestOf returns the first bytes of a text's digest, as hex digits.
func digestOf(text string, bytes int) string {
	digest := sha256.Sum256([]byte(text))
	return hex.EncodeToString(digest[:bytes])
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && address.IsLoopback()
}
