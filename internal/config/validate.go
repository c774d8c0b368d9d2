package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"error-check-gate/internal/codec"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/nowait"
	"error-check-gate/internal/rules/rulefile"
)

func (c *Ingress) validate(f *Faults) {
	checkLog(f, c.LogFormat)
	checkAddr(f, "LISTEN_ADDR", c.ListenAddr)
	checkAddr(f, "ADMIN_ADDR", c.AdminAddr)
	checkApart(f, "LISTEN_ADDR", c.ListenAddr, "ADMIN_ADDR", c.AdminAddr)
	c.Signing.validate(f)
	c.Payloads.validate(f)
	checkTLS(f, c.TLSCertFile, c.TLSKeyFile)
	checkAuditLog(f, c.AuditLog)
	if c.AuditLogMaxSize < 0 || c.AuditLogMaxSize > maxAuditLogSize {
		f.add("AUDIT_LOG_MAX_SIZE", "%d is not a size: write MiB, at most %d, or 0 where others put the file aside", c.AuditLogMaxSize, maxAuditLogSize)
	}
	checkPositive(f, "AUDIT_LOG_KEEP", c.AuditLogKeep)
	checkPositive(f, "RATE_LIMIT", c.RateLimit)
	checkPositive(f, "PEER_RATE_LIMIT", c.PeerRateLimit)
	checkPositive(f, "MAX_CONNECTIONS", c.MaxConnections)
	checkPositive(f, "PEER_MAX_CONNECTIONS", c.PeerMaxConnections)
	checkPositive(f, "PEER_FAILURE_LIMIT", c.PeerFailureLimit)
}

func (c *Worker) validate(f *Faults) {
	checkLog(f, c.LogFormat)
	checkAddr(f, "ADMIN_ADDR", c.AdminAddr)
	c.Account.validate(f)
	c.Settle.validate(f)
	c.Hold.validate(f)
	c.Sweep.validate(f)
	c.Notify.validate(f)
	c.Digest.validate(f, &c.Notify)
	c.DeskLinks.validate(f)
	c.Payloads.validate(f)
	checkPositive(f, "INFLOW_REQUESTS_PER_MINUTE", c.InflowRequestsPerMinute)
	for _, path := range rulefile.Paths(c.RulesFile) {
		checkFile(f, "RULES_FILE", path)
	}
	c.Stop.validate(f)
	if c.CachedRuns < 0 {
		f.add("WORKER_CACHED_RUNS", "%d is negative: write 0 or more", c.CachedRuns)
	}
	checkLink(f, "TEMPORAL_UI_URL", c.TemporalUIURL)
	if (c.WorkerDeployment == "") != (c.WorkerBuildID == "") {
		f.add("WORKER_BUILD_ID", "WORKER_DEPLOYMENT and WORKER_BUILD_ID go together: set both or neither")
	}
}

func (c *Check) validate(f *Faults) {
	c.Payloads.validate(f)
	checkLink(f, "TEMPORAL_UI_URL", c.TemporalUIURL)
}

// minCodecToken is what guessing a random text over the network needs for ever, in bytes.
const minCodecToken = 16

func (c *Codec) validate(f *Faults) {
	checkLog(f, c.LogFormat)
	c.Payloads.validate(f)
	if c.PayloadKeys == "" && c.PayloadKeysFile == "" {
		f.add("PAYLOAD_KEYS", "is not set: write the keys that ingress and worker have, or name the file that holds them in PAYLOAD_KEYS_FILE")
	}
	checkAddr(f, "CODEC_LISTEN_ADDR", c.CodecListenAddr)
	checkTLS(f, c.TLSCertFile, c.TLSKeyFile)
	checkLink(f, "TEMPORAL_UI_URL", c.TemporalUIURL)
	for _, origin := range c.CodecAllowedOrigins {
		checkOrigin(f, "CODEC_ALLOWED_ORIGINS", origin)
	}
	switch {
	case c.CodecToken != "" && len(c.CodecToken) < minCodecToken:
		f.add("CODEC_TOKEN", "has %d bytes, and needs %d: make one with 'openssl rand -hex 32'", len(c.CodecToken), minCodecToken)
	case c.CodecToken == "" && isRemote(c.CodecListenAddr):
		f.add("CODEC_TOKEN", "is not set, and CODEC_LISTEN_ADDR=%s can be reached from other machines: who asks there reads every order; set a token, or listen on 127.0.0.1", c.CodecListenAddr)
	}
}

// isRemote says whether other machines reach an address to listen on.
func isRemote(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && !isLoopback(host)
}

func (c *Payloads) validate(f *Faults) {
	_, err := c.Keys()
	var fault *codec.VariableError
	if errors.As(err, &fault) {
		f.add(fault.Variable, "%v", fault.Err)
	}
}

func (c *Health) validate(f *Faults) { checkAddr(f, "ADMIN_ADDR", c.AdminAddr) }

func (c *FakeInflow) validate(f *Faults) {
	checkLog(f, c.LogFormat)
	checkAddr(f, "DEV_INFLOW_ADDR", c.DevInflowAddr)
	if c.InflowCompanyID != "" {
		checkCompanyID(f, c.InflowCompanyID)
	}
	if c.InflowAPIKey != "" {
		checkAPIKey(f, c.InflowAPIKey)
	}
}

func (c *Dev) validate(f *Faults) {
	checkLog(f, c.LogFormat)
	checkPositive(f, "INFLOW_REQUESTS_PER_MINUTE", c.InflowRequestsPerMinute)
	c.Settle.validate(f)
	c.Stop.validate(f)
	c.Payloads.validate(f)
	hold := Hold{GracePeriod: c.GracePeriod, HoldMax: c.HoldMax, RemindEvery: c.RemindEvery}
	hold.validate(f)
	sweep := Sweep{SweepEvery: c.SweepEvery, SweepDays: c.SweepDays}
	sweep.validate(f)
	for _, path := range rulefile.Paths(c.RulesFile) {
		checkFile(f, "RULES_FILE", path)
	}
	if isRemote(c.CodecListenAddr) {
		f.add("CODEC_LISTEN_ADDR", "%s can be reached from other machines, and 'gate dev' asks nobody for a token: write 127.0.0.1:port", c.CodecListenAddr)
	}
	if isRemote(c.DeskAddr) {
		f.add("DESK_ADDR", "%s can be reached from other machines, and nobody signs in to 'gate dev': write 127.0.0.1:port", c.DeskAddr)
	}
	if info, err := os.Stat(c.DevDir); err == nil && !info.IsDir() {
		f.add("DEV_DIR", "%s is not a folder", c.DevDir)
	}
	type listener struct{ variable, addr string }
	var listeners []listener
	for _, l := range []listener{
		{"LISTEN_ADDR", c.ListenAddr},
		{"ADMIN_ADDR", c.AdminAddr},
		{"DEV_INFLOW_ADDR", c.DevInflowAddr},
		{"DEV_MAIL_ADDR", c.DevMailAddr},
		{"CODEC_LISTEN_ADDR", c.CodecListenAddr},
	} {
		checkAddr(f, l.variable, l.addr)
		listeners = append(listeners, l)
	}
	for _, port := range []struct {
		variable string
		port     int
	}{{"DEV_TEMPORAL_PORT", c.DevTemporalPort}, {"DEV_TEMPORAL_UI_PORT", c.DevTemporalUIPort}, {"DEV_SMTP_PORT", c.DevSMTPPort}} {
		if port.port < 1 || port.port > 65535 {
			f.add(port.variable, "%d is not a port: write 1 to 65535", port.port)
			continue
		}
		listeners = append(listeners, listener{port.variable, net.JoinHostPort("127.0.0.1", strconv.Itoa(port.port))})
	}
	for i, l := range listeners {
		for _, earlier := range listeners[:i] {
			checkApart(f, earlier.variable, earlier.addr, l.variable, l.addr)
		}
	}
}

func (c *Webhooks) validate(f *Faults) { c.Signing.validate(f) }

func (c *Subscriptions) validate(f *Faults) { c.Account.validate(f) }

func (c *Signing) validate(f *Faults) {
	switch {
	case c.WebhookSecret != "" && c.WebhookSecretFile != "":
		f.add("WEBHOOK_SECRET", "WEBHOOK_SECRET_FILE is set too: keep one of them")
	case c.WebhookSecretFile != "":
		content, err := readSmallFile(c.WebhookSecretFile)
		if err == nil {
			_, err = inflow.ParseSecretLines(content)
		}
		if err != nil {
			f.add("WEBHOOK_SECRET_FILE", "%v", err)
		}
	case c.WebhookSecret != "":
		if _, err := inflow.ParseSecrets(string(c.WebhookSecret)); err != nil {
			f.add("WEBHOOK_SECRET", "%v", err)
		}
	default:
		f.add("WEBHOOK_SECRET", "is not set: write the secret that InFlow gave when the webhook was subscribed, or name a file that holds it in WEBHOOK_SECRET_FILE")
	}
}

func (c *Account) validate(f *Faults) {
	c.checkURL(f)
	if c.InflowCompanyID == "" {
		f.add("INFLOW_COMPANY_ID", "is not set: write the company id that InFlow shows beside its API keys")
	} else {
		checkCompanyID(f, c.InflowCompanyID)
	}
	if c.InflowAPIKey == "" {
		f.add("INFLOW_API_KEY", "is not set: write an API key made in InFlow's integration settings, or name a file that holds it in INFLOW_API_KEY_FILE")
	} else {
		checkAPIKey(f, c.InflowAPIKey)
	}
	if _, err := time.Parse(time.DateOnly, c.InflowAPIVersion); err != nil {
		f.add("INFLOW_API_VERSION", "%q is not a version of InFlow's API: write a date such as %s", c.InflowAPIVersion, inflow.DefaultAPIVersion)
	}
}

func (c *Account) checkURL(f *Faults) {
	const variable = "INFLOW_API_URL"
	u, ok := checkURL(f, variable, c.InflowAPIURL)
	if !ok {
		return
	}
	if u.RawQuery != "" || u.Fragment != "" {
		f.add(variable, "has a query or a fragment: write it without what follows ? or #")
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		f.add(variable, "begins with http:// and %s is another machine: the API key would travel unprotected; write https://", u.Host)
	}
}

func (c *Settle) validate(f *Faults) {
	checkNotNegative(f, "SETTLE_QUIET", c.SettleQuiet)
	checkNotNegative(f, "SETTLE_MAX", c.SettleMax)
	if c.SettleQuiet > c.SettleMax {
		f.add("SETTLE_QUIET", "%v is longer than SETTLE_MAX, %v: the quiet time could never be reached", c.SettleQuiet, c.SettleMax)
	}
}

// minSweepEvery is the shortest time that Temporal's schedules catch up with.
const minSweepEvery = 10 * time.Second

func (c *Sweep) validate(f *Faults) {
	checkNotNegative(f, "SWEEP_EVERY", c.SweepEvery)
	if 0 < c.SweepEvery && c.SweepEvery < minSweepEvery {
		f.add("SWEEP_EVERY", "%v is too short: write 0 for none, or %v or more", c.SweepEvery, minSweepEvery)
	}
	checkPositive(f, "SWEEP_DAYS", c.SweepDays)
}

func (c *Stop) validate(f *Faults) { checkNotNegative(f, "WORKER_STOP_TIMEOUT", c.StopTimeout) }

func checkTLS(f *Faults, certFile, keyFile string) {
	switch {
	case certFile == "" && keyFile == "":
	case keyFile == "":
		f.add("TLS_KEY_FILE", "is not set, and TLS_CERT_FILE is: set both, or neither where a proxy ends TLS")
	case certFile == "":
		f.add("TLS_CERT_FILE", "is not set, and TLS_KEY_FILE is: set both, or neither where a proxy ends TLS")
	default:
		certificate, certErr := readSmallFile(certFile)
		if certErr != nil {
			f.add("TLS_CERT_FILE", "%v", certErr)
		}
		key, keyErr := readSmallFile(keyFile)
		if keyErr != nil {
			f.add("TLS_KEY_FILE", "%v", keyErr)
		}
		if certErr != nil || keyErr != nil {
			return
		}
		if _, err := tls.X509KeyPair(certificate, key); err != nil {
			f.add("TLS_CERT_FILE", "does not make a pair with TLS_KEY_FILE: %v", err)
		}
	}
}

func checkLog(f *Faults, format string) {
	if format != "json" && format != "text" {
		f.add("LOG_FORMAT", "%q is not a format: write json or text", format)
	}
}

func checkPositive(f *Faults, variable string, n int) {
	if n < 1 {
		f.add(variable, "%d is too small: write 1 or more", n)
	}
}

func checkNotNegative(f *Faults, variable string, d time.Duration) {
	if d < 0 {
		f.add(variable, "%v is negative: write 0 or more", d)
	}
}

// checkAddr: an address to listen on; port 0 is any free one.
func checkAddr(f *Faults, variable, addr string) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		f.add(variable, "%q is not an address to listen on: write host:port, or :port for every interface", addr)
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		f.add(variable, "%q is not a port: write 0 to 65535", port)
	}
	if strings.ContainsAny(host, "/ ") {
		f.add(variable, "%q is not a host: write a name or an address, and no URL", host)
	}
}

// checkApart: two listeners of one process must not take the same port.
func checkApart(f *Faults, variable, addr, otherVariable, otherAddr string) {
	host, port, err := net.SplitHostPort(addr)
	otherHost, otherPort, otherErr := net.SplitHostPort(otherAddr)
	if err != nil || otherErr != nil || port != otherPort || port == "0" {
		return
	}
	if host == otherHost || isWildcard(host) || isWildcard(otherHost) {
		f.add(otherVariable, "%s and %s=%s need the same port: choose another", otherAddr, variable, addr)
	}
}

func isWildcard(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "" || err == nil && addr.IsUnspecified()
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func checkURL(f *Faults, variable, text string) (*url.URL, bool) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		// The parser's error quotes the text, which may hold a password.
		f.add(variable, "is not a URL: write one that begins with https:// and has a host")
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		f.add(variable, "is not an http:// or https:// URL with a host")
	case u.User != nil:
		f.add(variable, "has a user or password before the host: leave them out")
	default:
		return u, true
	}
	return nil, false
}

func checkLink(f *Faults, variable, text string) {
	if text != "" {
		checkURL(f, variable, text)
	}
}

// checkOrigin: what a browser sends as Origin is scheme, host and port, and no more.
func checkOrigin(f *Faults, variable, text string) {
	if u, ok := checkURL(f, variable, text); ok && text != u.Scheme+"://"+u.Host {
		f.add(variable, "%s is not an origin: write %s", text, u.Scheme+"://"+u.Host)
	}
}

// maxCompanyID is more than twice the length of a UUID, which InFlow's company ids are.
const maxCompanyID = 100

func checkCompanyID(f *Faults, id string) {
	const others = "._-"
	wrong := func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && !strings.ContainsRune(others, r)
	}
	if len(id) > maxCompanyID || strings.ContainsFunc(id, wrong) || strings.Trim(id, others) == "" {
		f.add("INFLOW_COMPANY_ID", "%s is not a company id: write the id alone, as InFlow shows it beside its API keys", quoteShort(id))
	}
}

func checkAPIKey(f *Faults, key Secret) {
	if strings.ContainsFunc(string(key), func(r rune) bool { return r <= ' ' || r > '~' }) {
		f.add("INFLOW_API_KEY", "has a space, a control character or a letter outside ASCII: write the key alone")
	}
}

func checkFile(f *Faults, variable, path string) {
	if path == "" {
		return
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		f.add(variable, "the file cannot be read: %v", err)
	case info.IsDir():
		f.add(variable, "%s is a folder: write the path of a file", path)
	default:
		file, err := nowait.Open(path)
		if err != nil {
			f.add(variable, "the file cannot be read: %v", err)
			return
		}
		_ = file.Close() // nothing was written
	}
}

// maxAuditLogSize is 1 TiB, in MiB: what is more was meant in bytes.
const maxAuditLogSize = 1 << 20

// checkAuditLog only catches what is surely a mistake: a disk that fails later is
// counted, and stops nothing.
func checkAuditLog(f *Faults, value string) {
	if value == AuditOff || value == AuditStdout {
		return
	}
	if info, err := os.Stat(value); err == nil && info.IsDir() {
		f.add("AUDIT_LOG", "%s is a folder: write off, stdout or the path of a file", value)
		return
	}
	if folder := filepath.Dir(value); !isFolder(folder) {
		f.add("AUDIT_LOG", "the folder %s does not exist: make it, or write off, stdout or another path", folder)
	}
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// describeSecret is what the effective configuration shows of a secret.
func describeSecret(secret string) string { return fmt.Sprintf("(set, %d bytes)", len(secret)) }
