package config

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"error-check-gate/internal/localonly"
	"error-check-gate/internal/nowait"
	"error-check-gate/internal/temporalconn"
)

// Temporal marks a process that connects to Temporal by the TEMPORAL_* variables.
type Temporal struct{}

// connectsToTemporal implements [temporalProcess].
func (Temporal) connectsToTemporal() {}

type temporalProcess interface{ connectsToTemporal() }

func checkTemporal(f *Faults, e Environment) { f.addAll(temporalconn.Faults(e), nil) }

// ingressVariables maps each field of [ingress.Options] to the variable that sets it.
var ingressVariables = map[string]string{
	"RateLimit": "RATE_LIMIT", "PeerRateLimit": "PEER_RATE_LIMIT",
	"PeerFailureLimit": "PEER_FAILURE_LIMIT", "MaxConnections": "MAX_CONNECTIONS",
	"PeerMaxConnections": "PEER_MAX_CONNECTIONS",
	"TLSCertFile":        "TLS_CERT_FILE", "TLSKeyFile": "TLS_KEY_FILE",
}

// auditVariables maps each field of [ingress.AuditOptions] to the variable that sets it.
var auditVariables = map[string]string{"Target": "AUDIT_LOG", "Keep": "AUDIT_LOG_KEEP"}

// maxAuditLogSize is 1 TiB, in MiB. A larger number was most likely meant in bytes.
const maxAuditLogSize = 1 << 20

func (c *Ingress) validate(f *Faults) {
	checkAddr(f, "LISTEN_ADDR", c.ListenAddr)
	checkAddr(f, "ADMIN_ADDR", c.AdminAddr)
	checkPortClash(f, "LISTEN_ADDR", c.ListenAddr, "ADMIN_ADDR", c.AdminAddr)
	c.Signing.validate(f)
	c.Payloads.validate(f)
	options, audit := c.Options(), c.AuditOptions()
	f.addAll(options.Faults(), ingressVariables)
	f.addAll(audit.Faults(), auditVariables)
	if c.AuditLogMaxSize < 0 || c.AuditLogMaxSize > maxAuditLogSize {
		f.add("AUDIT_LOG_MAX_SIZE", "%d is not a size: write MiB, at most %d, "+
			"or 0 if another program rotates the file", c.AuditLogMaxSize, maxAuditLogSize)
	}
}

// workerVariables maps each field of [worker.Options] to the variable that sets it.
var workerVariables = map[string]string{
	"SettleQuiet": "SETTLE_QUIET", "SettleMax": "SETTLE_MAX", "GracePeriod": "GRACE_PERIOD",
	"HoldMax": "HOLD_MAX", "RemindEvery": "REMIND_EVERY", "Sweep.Every": "SWEEP_EVERY",
	"Sweep.Days": "SWEEP_DAYS", "InflowRequestsPerMinute": "INFLOW_REQUESTS_PER_MINUTE",
	"StopTimeout": "WORKER_STOP_TIMEOUT", "CachedRuns": "WORKER_CACHED_RUNS",
	"Deployment": "WORKER_DEPLOYMENT", "BuildID": "WORKER_BUILD_ID",
}

func (c *Worker) validate(f *Faults) {
	checkAddr(f, "ADMIN_ADDR", c.AdminAddr)
	c.Account.validate(f)
	options := c.Options()
	f.addAll(options.Faults(), workerVariables)
	c.Notify.validate(f)
	c.Digest.validate(f, &c.Notify)
	c.HoldMarks.validate(f, &c.Zone)
	c.DeskLinks.validate(f)
	c.Payloads.validate(f)
	checkFiles(f, "RULES_FILE", c.RulesFiles)
}

// accountVariables maps each field of [inflow.Options] to the variable that sets it.
var accountVariables = map[string]string{
	"BaseURL": "INFLOW_API_URL", "CompanyID": "INFLOW_COMPANY_ID", "APIKey": "INFLOW_API_KEY",
	"APIVersion": "INFLOW_API_VERSION",
}

func (c *Account) validate(f *Faults) {
	options := c.Options()
	f.addAll(options.Faults(), accountVariables)
}

func (c *Check) validate(f *Faults) { c.Payloads.validate(f) }

func (c *Health) validate(f *Faults) { checkAddr(f, "ADMIN_ADDR", c.AdminAddr) }

func (c *Webhooks) validate(f *Faults) { c.Signing.validate(f) }

func (c *Subscriptions) validate(f *Faults) { c.Account.validate(f) }

// checkAddr checks an address to listen on. Port 0 is any free port.
func checkAddr(f *Faults, variable, addr string) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		f.add(variable, "%q is not an address to listen on: "+
			"write host:port, or :port for every interface", addr)
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		f.add(variable, "%q is not a port: write 0 to 65535", port)
	}
	if strings.ContainsAny(host, "/ ") {
		f.add(variable, "%q is not a host: write a name or an address, not a URL", host)
	}
}

// checkPortClash finds two listeners of one process that need the same port.
func checkPortClash(f *Faults, variable, addr, otherVariable, otherAddr string) {
	host, port, err := net.SplitHostPort(addr)
	otherHost, otherPort, otherErr := net.SplitHostPort(otherAddr)
	if err != nil || otherErr != nil || port != otherPort || port == "0" {
		return
	}
	if host == otherHost || isWildcard(host) || isWildcard(otherHost) {
		f.add(otherVariable, "%s and %s=%s need the same port: choose another",
			otherAddr, variable, addr)
	}
}

func isWildcard(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "" || err == nil && addr.IsUnspecified()
}

// isRemote reports whether other machines can reach an address that a process listens on.
func isRemote(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && !localonly.Host(host)
}

func checkFiles(f *Faults, variable string, paths []string) {
	for _, path := range paths {
		checkFile(f, variable, path)
	}
}

// checkFile accepts an empty path.
func checkFile(f *Faults, variable, path string) {
	if path == "" {
		return
	}
	if err := nowait.CheckReadable(path); err != nil {
		f.add(variable, "%v", err)
	}
}
