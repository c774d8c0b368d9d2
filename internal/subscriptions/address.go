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

// WebhookPath is where the gate takes webhooks.
const WebhookPath = "/webhook/inflow"

// CheckURL reads a URL that InFlow is to call. The error names everything that is wrong
// with it; warnings are about what may be meant so. apiURL is where InFlow's API is.
func CheckURL(text, apiURL string) (address string, warnings []string, err error) {
	u, err := url.Parse(text)
	if err != nil { // its text would quote the URL, which may hold a password
		return "", nil, errors.New("the URL cannot be read: write it whole, such as https://gate.example.com" + WebhookPath)
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	warn := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }

	local := localonly.Host(u.Host)
	switch {
	case u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return "", nil, errors.New("the URL must begin with https:// and have a host, such as https://gate.example.com" + WebhookPath)
	case u.Scheme == "http" && !local:
		fault("the URL begins with http://, and %s is not this machine: order ids would travel unprotected, and anybody on the way could drop them; write https://", u.Host)
	case local && !isLocal(apiURL):
		warn("%s is this machine, which InFlow's servers cannot reach: give the address of a tunnel or of a public host", u.Host)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			fault("%s is not a port: write 1 to 65535, or none", port)
		}
	}
	if strings.ContainsFunc(u.Host, func(r rune) bool { return r > '~' }) {
		fault("the host has a letter outside ASCII: write it in its xn-- form")
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && (ip.IsPrivate() || ip.IsLinkLocalUnicast()) && !isLocal(apiURL) {
		warn("%s is an address of a private network, which InFlow's servers cannot reach", ip)
	}
	if u.User != nil {
		fault("the URL has a user or password before the host: leave them out; the signature is what proves that a delivery is InFlow's")
	}
	if u.Fragment != "" || strings.HasSuffix(text, "#") {
		fault("the URL has a fragment, what follows #, which is never sent: leave it out")
	}
	if u.Path != WebhookPath {
		warn("the path is %q, and the gate takes webhooks at %s: right only where a proxy in front changes the path", u.EscapedPath(), WebhookPath)
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

// sameURL compares what two URLs name: case of the host, the scheme's own port and a slash at
// the end make no difference.
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
	return u.Scheme + "://" + net.JoinHostPort(host, port) + strings.TrimRight(u.EscapedPath(), "/") + "?" + u.RawQuery
}
