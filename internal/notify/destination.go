package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"error-check-gate/internal/localonly"
)

// Destination is a chat or a webhook that notices are posted to. Printing it does not show its URL.
type Destination struct {
	name string
	// poster creates the poster for the URL. The URL is in a closure because fmt prints
	// unexported fields, but cannot look into a function.
	poster func(transport http.RoundTripper) poster
}

// String returns the destination's name: the service and a few digits of the URL's digest.
func (d Destination) String() string { return d.name }

// poster posts a message once. The error is an [Error] without a target, unless ctx is done.
type poster interface {
	post(ctx context.Context, m message) error
}

var (
	nextURL    = regexp.MustCompile(`[\s,]+[A-Za-z][A-Za-z0-9+.-]*://`)
	separators = " \t\r\n,"
)

// splitURLs splits a list at commas and white space. A comma without a scheme after it is part of
// the URL, because some chat services have lists in their URLs.
func splitURLs(list string) []string {
	var urls []string
	list = strings.Trim(list, separators)
	for list != "" {
		end := len(list)
		if at := nextURL.FindStringIndex(list); at != nil {
			end = at[0]
		}
		urls = append(urls, strings.Trim(list[:end], separators))
		list = strings.TrimLeft(list[end:], separators)
	}
	return urls
}

// ParseDestinations parses URLs separated by commas or white space. An https:// URL (or http:// on
// this machine) gets the whole notice as JSON. URLs of shoutrrr's chat services (slack://,
// teams://, discord://, …) get a short text. The error lists every fault with the URL's position in
// the list, but does not quote any URL.
func ParseDestinations(list string) ([]Destination, error) {
	urls := splitURLs(list)
	var destinations []Destination
	var errs []error
	for i, text := range urls {
		parsed, err := parseDestination(text)
		if err == nil && slices.Contains(urls[:i], text) {
			err = errors.New("is listed twice")
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
		return nil, errors.New("is not a URL: write a space as %20 and a % as %25")
	}
	if u.Scheme == "https" || u.Scheme == "http" {
		if u.Hostname() == "" {
			return nil, errors.New("has no host after ://")
		}
		if u.Scheme == "http" && !localonly.Host(u.Hostname()) {
			return nil, errors.New("begins with http://, but its host is another machine: write " +
				"https://, so notices are encrypted on the way")
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

// destinationName returns a stable name for a URL. The digest is just long enough to distinguish a
// handful of URLs, too short to verify a guess of the URL.
func destinationName(service, text string) string { return service + ":" + digestOf(text, 3) }

// digestOf returns the first bytes of the text's SHA-256 in hex.
func digestOf(text string, bytes int) string {
	digest := sha256.Sum256([]byte(text))
	return hex.EncodeToString(digest[:bytes])
}
