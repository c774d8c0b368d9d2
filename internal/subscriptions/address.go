package subscriptions

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"error-check-gate/internal/localonly"
)

// WebhookPath is the path at which the gate accepts webhooks.
const WebhookPath = "/webhook/inflow"

// CheckURL parses a URL that InFlow should call. The error lists everything that is wrong with it.
// Warnings describe unusual parts that may be intended. apiURL is the URL of InFlow's API.
func CheckURL(text, apiURL string) (address string, warnings []string, err error) {
	u, err := url.Parse(text)
	if err != nil { // err quotes the URL, which may contain a password
		return "", nil, errors.New("the URL is not valid: write one such as " +
			"https://gate.example.com" + WebhookPath)
	}
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf(format, args...))
	}
	warn := func(format string, args ...any) {
		warnings = append(warnings, fmt.Sprintf(format, args...))
	}

	local := localonly.Host(u.Host)
	switch {
	case u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return "", nil, errors.New("the URL must begin with https:// and have a host, such as " +
			"https://gate.example.com" + WebhookPath)
	case u.Scheme == "http" && !local:
		fault("the URL begins with http://, but %s is another machine: write https://, so nobody "+
			"on the way can read or drop deliveries", u.Host)
	case local && !isLocal(apiURL):
		warn("%s is this machine, which InFlow's servers cannot reach: use the address of a "+
			"tunnel or a public host", u.Host)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			fault("%s is not a port: write a number from 1 to 65535, or no port", port)
		}
	}
	if strings.ContainsFunc(u.Host, func(r rune) bool { return r > '~' }) {
		fault("the host has a letter outside ASCII: write it in its xn-- form")
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil &&
		(ip.IsPrivate() || ip.IsLinkLocalUnicast()) && !isLocal(apiURL) {
		warn("%s is in a private network, which InFlow's servers cannot reach", ip)
	}
	if u.User != nil {
		fault("the URL has a user or password: remove them; the signature proves that a delivery " +
			"comes from InFlow")
	}
	if u.Fragment != "" || strings.HasSuffix(text, "#") {
		fault("the URL has a fragment (the part after #), which is never sent: remove it")
	}
	if u.Path != WebhookPath {
		warn("the path is %q, but the gate accepts webhooks at %s: this only works if a proxy "+
			"changes the path", u.EscapedPath(), WebhookPath)
	}
	if err := errors.Join(faults...); err != nil {
		return "", nil, err
	}
	u.Host = strings.TrimSuffix(strings.ToLower(u.Host), ":")
	return u.String(), warnings, nil
}

func isLocal(address string) bool {
	u, err := url.Parse(address)
	return err == nil && localonly.Host(u.Host)
}

// sameURL reports whether two URLs are equal. It ignores the case of the host, the scheme's default
// port and a trailing slash.
func sameURL(one, other string) bool {
	a, errA := url.Parse(one)
	b, errB := url.Parse(other)
	if errA != nil || errB != nil {
		return one == other
	}
	return normal(a) == normal(b)
}

func normal(u *url.URL) string {
	host, port := strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(host, port) + strings.TrimRight(u.EscapedPath(),
		"/") + "?" + u.RawQuery
}
