// Package config reads the settings of the gate's processes from environment variables.
//
// Each process has a struct, whose fields are its settings. Each variable is declared once, in a
// small struct that the processes embed. The tags of its field say everything about it: env is the
// variable, envDefault its default, and hint what to write.
//
// A value is parsed once, when it is read, into the type that its user works with. The packages
// that use the settings say what is wrong with them. This package reports all faults together,
// each with the name of its variable.
package config

import (
	"log/slog"
	"net/netip"
	"net/url"
	"time"

	"error-check-gate/ingress"
	"error-check-gate/internal/edge"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/orderlife"
	"error-check-gate/internal/telemetry"
	"error-check-gate/worker"
)

// Secret is a text that formatting, logging and encoding mask. string(s) is the text.
type Secret = inflow.Secret

// Log configures the log.
type Log struct {
	LogLevel  slog.Level          `env:"LOG_LEVEL"  envDefault:"info" hint:"debug, info, warn or error"`
	LogFormat telemetry.LogFormat `env:"LOG_FORMAT" envDefault:"json" hint:"json or text"`
}

// Admin is the page for operators: GET /metrics, /livez and /readyz. It has no authentication.
type Admin struct {
	AdminAddr string `env:"ADMIN_ADDR" envDefault:"127.0.0.1:9464" hint:"an address to listen on, such as 127.0.0.1:9464"`
}

// Listen holds the address that the ingress listens on.
type Listen struct {
	ListenAddr string `env:"LISTEN_ADDR" envDefault:":5000" hint:"an address to listen on, such as :5000"`
}

// TLS names a certificate and its key. Both are set, or neither if a proxy ends TLS.
type TLS struct {
	TLSCertFile string `env:"TLS_CERT_FILE" hint:"the path of a PEM certificate chain"`
	TLSKeyFile  string `env:"TLS_KEY_FILE"  hint:"the path of the certificate's PEM key"`
}

// Proxies lists the peers whose X-Forwarded-For we believe; none by default.
type Proxies struct {
	TrustedProxies []netip.Prefix `env:"TRUSTED_PROXIES" hint:"addresses or networks separated by commas, such as 10.0.0.0/8"`
}

// TemporalUI is the address of Temporal's Web UI, for links to runs. Nil makes no links.
type TemporalUI struct {
	TemporalUIURL *url.URL `env:"TEMPORAL_UI_URL" hint:"the http:// or https:// URL of Temporal's Web UI"`
}

// Credentials identify the company's account at InFlow.
type Credentials struct {
	InflowCompanyID string `env:"INFLOW_COMPANY_ID" hint:"the company id that InFlow shows next to its API keys"`
	InflowAPIKey    Secret `env:"INFLOW_API_KEY"    hint:"an API key made in InFlow's integration settings"`
}

// Account is the company's account at InFlow.
type Account struct {
	Credentials
	InflowAPIURL     string `env:"INFLOW_API_URL"     envDefault:"https://cloudapi.inflowinventory.com" hint:"an https:// URL such as https://cloudapi.inflowinventory.com"`
	InflowAPIVersion string `env:"INFLOW_API_VERSION" envDefault:"2025-06-24"                           hint:"a version of InFlow's API, such as 2025-06-24"`
}

// InflowRate limits the calls to InFlow by all workers together.
type InflowRate struct {
	InflowRequestsPerMinute int `env:"INFLOW_REQUESTS_PER_MINUTE" envDefault:"60" hint:"requests per minute, 1 or more; InFlow allows an account 60"`
}

// Settle says how long an order must be quiet before it is checked.
type Settle struct {
	// SettleQuiet is the time without a delivery before an order is fetched; 0 fetches at once.
	SettleQuiet time.Duration `env:"SETTLE_QUIET" envDefault:"2s"  hint:"a duration such as 2s"`
	// SettleMax is the maximum time from the first delivery until the order is fetched.
	SettleMax time.Duration `env:"SETTLE_MAX"   envDefault:"30s" hint:"a duration such as 30s"`
}

// Hold says how long errors may stand, and how often people are reminded of them.
type Hold struct {
	// GracePeriod is how long an error may stand before it is confirmed; 0 confirms at once.
	GracePeriod time.Duration `env:"GRACE_PERIOD" envDefault:"30m"  hint:"a duration such as 30m"`
	// HoldMax is the longest time an order is held, counted from its first confirmed error.
	HoldMax time.Duration `env:"HOLD_MAX"     envDefault:"720h" hint:"a duration such as 720h"`
	// RemindEvery is the time between reminders; 0 sends none.
	RemindEvery time.Duration `env:"REMIND_EVERY" envDefault:"0"    hint:"a duration such as 24h, or 0 for none"`
}

// Warnings says whether people get notices of orders that have only warnings. Warnings hold
// nothing.
type Warnings struct {
	NotifyWarnings bool `env:"NOTIFY_WARNINGS" envDefault:"false" hint:"true or false"`
}

// Sweep says how often the gate looks for orders whose webhook never came, and how far back.
type Sweep struct {
	// SweepEvery is the time between sweeps; 0 means no sweeps.
	SweepEvery time.Duration `env:"SWEEP_EVERY" envDefault:"15m" hint:"a duration such as 15m, or 0 for none"`
	// SweepDays is the maximum age of the orders, by their order date.
	SweepDays int `env:"SWEEP_DAYS"  envDefault:"30"  hint:"a number of days, 1 or more"`
}

// Rules lists the company's rule files. If it is empty, the rule set that ships is in force.
type Rules struct {
	RulesFiles []string `env:"RULES_FILE" hint:"paths of rule files separated by commas; later ones add to earlier ones"`
}

// Stop says how a worker stops.
type Stop struct {
	// StopTimeout is the time that a stopping worker gives activities in flight; 0 gives them
	// none.
	StopTimeout time.Duration `env:"WORKER_STOP_TIMEOUT" envDefault:"20s" hint:"a duration such as 20s"`
}

// Ingress holds the settings of 'gate ingress'.
type Ingress struct {
	Log
	Admin
	Temporal
	Signing
	Payloads
	Listen
	Proxies
	TLS
	// AllowedPeers lists the addresses that may send webhooks. If it is empty, everybody may.
	AllowedPeers []netip.Prefix `env:"ALLOWED_PEERS"        hint:"addresses or networks separated by commas, such as 203.0.113.0/24"`
	// AuditLog is off, stdout or a path.
	AuditLog string `env:"AUDIT_LOG"            hint:"off, stdout or the path of a file"                                 envDefault:"stdout"`
	// AuditLogMaxSize is in MiB; 0 never rotates. AuditLogKeep is the number of old files kept.
	AuditLogMaxSize int `env:"AUDIT_LOG_MAX_SIZE"   hint:"MiB, such as 100, or 0 if another program rotates the file"        envDefault:"100"`
	AuditLogKeep    int `env:"AUDIT_LOG_KEEP"       hint:"how many old files are kept, 1 or more"                            envDefault:"10"`
	// RateLimit and PeerRateLimit limit the deliveries per second from all peers and from each.
	RateLimit     int `env:"RATE_LIMIT"           hint:"deliveries per second, 1 or more"                                  envDefault:"2000"`
	PeerRateLimit int `env:"PEER_RATE_LIMIT"      hint:"deliveries per second from one peer, 1 or more"                    envDefault:"1000"`
	// MaxConnections and PeerMaxConnections limit the open connections of all peers and of each.
	MaxConnections     int `env:"MAX_CONNECTIONS"      hint:"open connections, 1 or more"                                       envDefault:"2000"`
	PeerMaxConnections int `env:"PEER_MAX_CONNECTIONS" hint:"open connections of one peer, 1 or more"                           envDefault:"500"`
	// PeerFailureLimit is the maximum number of refused requests per second and peer that are
	// logged one by one.
	PeerFailureLimit int `env:"PEER_FAILURE_LIMIT"   hint:"refused requests per second from one peer, 1 or more"              envDefault:"10"`
}

// Options returns the options of the server.
func (c *Ingress) Options() ingress.Options {
	return ingress.Options{
		RateLimit:          float64(c.RateLimit),
		PeerRateLimit:      float64(c.PeerRateLimit),
		PeerFailureLimit:   float64(c.PeerFailureLimit),
		MaxConnections:     c.MaxConnections,
		PeerMaxConnections: c.PeerMaxConnections,
		TrustedProxies:     edge.NewNetworks(c.TrustedProxies),
		AllowedPeers:       edge.NewNetworks(c.AllowedPeers),
		TLSCertFile:        c.TLSCertFile,
		TLSKeyFile:         c.TLSKeyFile,
	}
}

// AuditOptions returns the options of the audit log.
func (c *Ingress) AuditOptions() ingress.AuditOptions {
	return ingress.AuditOptions{
		Target: c.AuditLog, MaxSize: int64(c.AuditLogMaxSize) << 20, Keep: c.AuditLogKeep,
	}
}

// Worker holds the settings of 'gate worker'.
type Worker struct {
	Log
	Admin
	Temporal
	TemporalUI
	Account
	InflowRate
	HoldMarks
	Settle
	Hold
	Sweep
	Notify
	Warnings
	Digest
	DeskLinks
	Payloads
	Rules
	Stop
	// CachedRuns is the number of open runs that a worker keeps in memory. 0 derives it from the
	// memory limit.
	CachedRuns int `env:"WORKER_CACHED_RUNS" envDefault:"0" hint:"a number of runs, or 0 to go by the memory limit"`
	// WorkerDeployment and WorkerBuildID turn on Temporal's worker versioning: both, or neither.
	WorkerDeployment string `env:"WORKER_DEPLOYMENT"                 hint:"the name of the worker deployment, such as error-check-gate"`
	WorkerBuildID    string `env:"WORKER_BUILD_ID"                   hint:"the id of this build, such as its version"`
}

// Options returns the options of the worker.
func (c *Worker) Options() worker.Options {
	return worker.Options{
		Settings:                orderSettings(c.Settle, c.Hold, c.Warnings),
		Sweep:                   sweep(c.Sweep, c.InflowCompanyID),
		Digest:                  c.schedule(&c.Zone),
		InflowRequestsPerMinute: c.InflowRequestsPerMinute,
		StopTimeout:             c.StopTimeout,
		Deployment:              c.WorkerDeployment,
		BuildID:                 c.WorkerBuildID,
		CachedRuns:              c.CachedRuns,
	}
}

func orderSettings(settle Settle, hold Hold, warnings Warnings) orderlife.Settings {
	return orderlife.Settings{
		SettleQuiet:    settle.SettleQuiet,
		SettleMax:      settle.SettleMax,
		GracePeriod:    hold.GracePeriod,
		HoldMax:        hold.HoldMax,
		RemindEvery:    hold.RemindEvery,
		NotifyWarnings: warnings.NotifyWarnings,
	}
}

func sweep(c Sweep, companyID string) worker.Sweep {
	return worker.Sweep{Every: c.SweepEvery, Days: c.SweepDays, Account: companyID}
}

// Options returns the options of the client of InFlow's API.
func (c *Account) Options() inflow.Options {
	return inflow.Options{
		BaseURL:    c.InflowAPIURL,
		CompanyID:  c.InflowCompanyID,
		APIKey:     string(c.InflowAPIKey),
		APIVersion: c.InflowAPIVersion,
	}
}

// Check holds the settings of 'gate check' and other commands that talk to Temporal.
type Check struct {
	Temporal
	Payloads
	TemporalUI
}

// Health holds the settings of 'gate health'.
type Health struct {
	Admin
}

// Webhooks holds the settings of 'gate webhooks send', 'sign' and 'verify'.
type Webhooks struct {
	Signing
}

// Subscriptions holds the settings of 'gate webhooks list', 'get', 'subscribe', 'unsubscribe' and
// 'rotate'.
type Subscriptions struct {
	Account
	SecretFile
}
