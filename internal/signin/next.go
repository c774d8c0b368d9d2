package signin

import (
	"net/url"
	"path"
	"strings"
)

// maxNext is the maximum length of the path to return to after signing in, in bytes. It keeps links
// in mails short enough for mail programs.
const maxNext = 512

// LocalPath returns next if it is a path of the desk, with or without a query, and "/" otherwise. A
// browser that follows the result stays at the desk.
func LocalPath(next string) string {
	if len(next) > maxNext || !strings.HasPrefix(next, "/") {
		return "/"
	}
	for i := range len(next) {
		// Browsers drop control characters and treat \ as /, and a space ends an address in a mail.
		// Browsers always escape characters that are not ASCII.
		if c := next[i]; c <= ' ' || c > '~' || c == '\\' {
			return "/"
		}
	}
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil {
		return "/"
	}
	place, _, _ := strings.Cut(next, "?")
	place, _, _ = strings.Cut(place, "#")
	// http.Redirect cleans paths. Refuse paths that it would change.
	if place != "/" && path.Clean(place) != strings.TrimSuffix(place, "/") {
		return "/"
	}
	if isOwnPath(place) {
		return "/"
	}
	return next
}

// isOwnPath reports whether a path is for signing in or out. Nobody wants to return there.
func isOwnPath(place string) bool {
	return place == "/sign-out" || place == "/sign-in" || strings.HasPrefix(place, "/sign-in/")
}

// Path returns the address of the sign-in page, which leads back to next.
func Path(next string) string { return withNext("/sign-in", next) }

func withNext(address, next string) string {
	if next = LocalPath(next); next == "/" {
		return address
	}
	return address + "?next=" + url.QueryEscape(next)
}
