// Package config reads the settings of each of the gate's processes from the
// environment, checks them, and tells every fault at once.
//
// A process's struct names what it uses and nothing else. A field's tags say it
// all: env is the variable, envDefault what holds where it is unset or empty,
// hint what a person should write.
package config

import (
	"log/slog"
	"net/netip"
	"time"

	"error-check-gate/internal/codec"
)

// Log says what is logged, and how.
type Log struct {
	LogLevel  slog.Level `env:"LOG_LEVEL" envDefault:"info" hint:"debug, info, warn or error"`
	LogFormat string     `env:"LOG_FORMAT" envDefault:"json" hint:"json or text"`
}

// Admin is the page for operators.
type Admin struct {
	// AdminAddr serves GET /metrics, /livez and /readyz. It has no authentication: keep it on a private address.
	AdminAddr string `env:"ADMIN_ADDR" envDefault:"127.0.0.1:9464" hint:"an address to listen on, such as 127.0.0.1:9464"`
}

// Signing holds the secrets that sign webhooks: exactly one of the two is set.
type Signing struct {
	// WebhookSecret holds one secret or, while one is being rotated, several
	// separated by commas; see [inflow.ParseSecrets].
	WebhookSecret Secret `env:"WEBHOOK_SECRET" file:"own" hint:"the secret that InFlow gave when the webhook was subscribed; several are separated by commas"`
	// WebhookSecretFile holds one secret a line; see [inflow.ParseSecretLines]. It was
	// readable and sound at the start; the ingress reads it again when it changes.
	WebhookSecretFile string `env:"WEBHOOK_SECRET_FILE" hint:"the path of a file with one secret a line"`
}

// Payloads says how Temporal's history is encrypted, in every process that talks to Temporal:
// at most one of the two is set, and neither encrypts nothing.
type Payloads struct {
	// PayloadKeys holds one key or several, see [codec.ParseKeys].
	PayloadKeys Secret `env:"PAYLOAD_KEYS" file:"own" hint:"keys as id:base64 of 32 random bytes, separated by commas; the first encrypts"`
	// PayloadKeysFile holds one key a line. It is read at the start.
	PayloadKeysFile string `env:"PAYLOAD_KEYS_FILE" hint:"the path of a file with one key a line"`
}

// Keys are those that the two settings name; none where neither is set.
func (c *Payloads) Keys() (*codec.Keys, error) {
	return codec.ReadKeys(string(c.PayloadKeys), c.PayloadKeysFile)
}

// Account is the company's account at InFlow.
type Account struct {
	InflowAPIURL     string `env:"INFLOW_API_URL" envDefault:"https://cloudapi.inflowinventory.com" hint:"an https:// URL such as https://cloudapi.inflowinventory.com"`
	InflowCompanyID  string `env:"INFLOW_COMPANY_ID" hint:"the company id that InFlow shows beside its API keys"`
	InflowAPIKey     Secret `env:"INFLOW_API_KEY" hint:"an API key made in InFlow's integration settings"`
	InflowAPIVersion string `env:"INFLOW_API_VERSION" envDefault:"2025-06-24" hint:"a version of InFlow's API, such as 2025-06-24"`
}

// Settle is how long an order must be left alone before it is checked.
type Settle struct {
	// SettleQuiet is the time without a delivery before an order is fetched; 0 fetches at once.
	SettleQuiet time.Duration `env:"SETTLE_QUIET" envDefault:"2s" hint:"a duration such as 2s"`
	// SettleMax bounds the settling, from the first delivery on.
	SettleMax time.Duration `env:"SETTLE_MAX" envDefault:"30s" hint:"a duration such as 30s"`
}

// Sweep is when the gate looks for orders whose webhook never came.
type Sweep struct {
	// SweepEvery is the time between two sweeps; 0 is none.
	SweepEvery time.Duration `env:"SWEEP_EVERY" envDefault:"15m" hint:"a duration such as 15m, or 0 for none"`
	// SweepDays is how old, by their order date, the orders are at most.
	SweepDays int `env:"SWEEP_DAYS" envDefault:"30" hint:"a number of days, 1 or more"`
}

// Stop is how a worker ends.
type Stop struct {
	// StopTimeout is how long activities under way may take to end; 0 gives them no time.
	StopTimeout time.Duration `env:"WORKER_STOP_TIMEOUT" envDefault:"20s" hint:"a duration such as 20s"`
}

// Ingress is what 'gate ingress' uses.
type Ingress struct {
	Log
	Admin
	Temporal
	Signing
	Payloads
	// ListenAddr takes the webhooks.
	ListenAddr string `env:"LISTEN_ADDR" envDefault:":5000" hint:"an address to listen on, such as :5000"`
	// TrustedProxies are the peers whose X-Forwarded-For counts; none by default.
	TrustedProxies []netip.Prefix `env:"TRUSTED_PROXIES" hint:"addresses or networks separated by commas, such as 10.0.0.0/8"`
	// AllowedPeers are those that webhooks are taken from; none is everybody.
	AllowedPeers []netip.Prefix `env:"ALLOWED_PEERS" hint:"addresses or networks separated by commas, such as 203.0.113.0/24"`
	// TLSCertFile and TLSKeyFile are both set, or neither: then a proxy ends TLS.
	TLSCertFile string `env:"TLS_CERT_FILE" hint:"the path of a PEM certificate chain"`
	TLSKeyFile  string `env:"TLS_KEY_FILE" hint:"the path of the certificate's PEM key"`
	// AuditLog is [AuditOff], [AuditStdout] or a path.
	AuditLog string `env:"AUDIT_LOG" envDefault:"stdout" hint:"off, stdout or the path of a file"`
	// AuditLogMaxSize is in MiB; 0 is without a bound. AuditLogKeep is how many old files are kept.
	AuditLogMaxSize int `env:"AUDIT_LOG_MAX_SIZE" envDefault:"100" hint:"MiB, such as 100, or 0 where others put the file aside"`
	AuditLogKeep    int `env:"AUDIT_LOG_KEEP" envDefault:"10" hint:"how many old files are kept, 1 or more"`
	// RateLimit and PeerRateLimit are deliveries per second, over all peers and for each.
	RateLimit     int `env:"RATE_LIMIT" envDefault:"2000" hint:"deliveries per second, 1 or more"`
	PeerRateLimit int `env:"PEER_RATE_LIMIT" envDefault:"1000" hint:"deliveries per second from one peer, 1 or more"`
	// MaxConnections and PeerMaxConnections are open ones, of all peers and of each.
	MaxConnections     int `env:"MAX_CONNECTIONS" envDefault:"2000" hint:"open connections, 1 or more"`
	PeerMaxConnections int `env:"PEER_MAX_CONNECTIONS" envDefault:"500" hint:"open connections of one peer, 1 or more"`
	// PeerFailureLimit is refused requests per second of one peer that are recorded one by one.
	PeerFailureLimit int `env:"PEER_FAILURE_LIMIT" envDefault:"10" hint:"refused requests per second from one peer, 1 or more"`
}

// Values of AUDIT_LOG that are not a path.
const (
	AuditOff    = "off"
	AuditStdout = "stdout"
)

// Worker is what 'gate worker' uses.
type Worker struct {
	Log
	Admin
	Temporal
	Account
	Settle
	Hold
	Sweep
	Notify
	Digest
	DeskLinks
	Payloads
	// InflowRequestsPerMinute bounds the calls to InFlow over all workers together.
	InflowRequestsPerMinute int `env:"INFLOW_REQUESTS_PER_MINUTE" envDefault:"60" hint:"requests per minute, 1 or more; InFlow allows an account 60"`
	// RulesFile lists rule files, see [rules.Paths]; empty is the set that ships.
	RulesFile string `env:"RULES_FILE" hint:"paths of rule files separated by commas; later ones add to earlier ones"`
	Stop
	// CachedRuns is how many open runs a worker keeps in memory; 0 goes by the memory limit.
	CachedRuns int `env:"WORKER_CACHED_RUNS" envDefault:"0" hint:"a number of runs, or 0 to go by the memory limit"`
	// TemporalUIURL is Temporal's Web UI, for links to runs; empty is without links.
	TemporalUIURL string `env:"TEMPORAL_UI_URL" hint:"the http:// or https:// URL of Temporal's Web UI"`
	// WorkerDeployment and WorkerBuildID, both or neither, switch Temporal's worker versioning on.
	WorkerDeployment string `env:"WORKER_DEPLOYMENT" hint:"the name of the worker deployment, such as error-check-gate"`
	WorkerBuildID    string `env:"WORKER_BUILD_ID" hint:"the id of this build, such as its version"`
}

// Check is what 'gate check' uses, besides Temporal's own settings.
type Check struct {
	Temporal
	Payloads
	TemporalUIURL string `env:"TEMPORAL_UI_URL" hint:"the http:// or https:// URL of Temporal's Web UI"`
}

// Codec is what 'gate codec' uses.
type Codec struct {
	Log
	Payloads
	// CodecListenAddr is not on loopback only where there is a CodecToken.
	CodecListenAddr string `env:"CODEC_LISTEN_ADDR" envDefault:"127.0.0.1:5020" hint:"an address to listen on, such as 127.0.0.1:5020"`
	// CodecToken must come with each request, as "Authorization: Bearer TOKEN"; empty asks for none.
	CodecToken Secret `env:"CODEC_TOKEN" hint:"a random text of at least 16 bytes"`
	// CodecAllowedOrigins may ask from a browser, besides that of TemporalUIURL.
	CodecAllowedOrigins []string `env:"CODEC_ALLOWED_ORIGINS" hint:"origins separated by commas, such as https://temporal.example.com"`
	TemporalUIURL       string   `env:"TEMPORAL_UI_URL" hint:"the http:// or https:// URL of Temporal's Web UI"`
	// TLSCertFile and TLSKeyFile are both set, or neither: then a proxy ends TLS.
	TLSCertFile string `env:"TLS_CERT_FILE" hint:"the path of a PEM certificate chain"`
	TLSKeyFile  string `env:"TLS_KEY_FILE" hint:"the path of the certificate's PEM key"`
}

// Health is what 'gate health' uses.
type Health struct {
	Admin
}

// Webhooks is what 'gate webhooks send', 'sign' and 'verify' use.
type Webhooks struct {
	Signing
}

// Subscriptions is what 'gate webhooks list', 'get', 'subscribe', 'unsubscribe' and 'rotate' use.
type Subscriptions struct {
	Account
	// WebhookSecretFile is where rotate puts the new secret. It need not exist yet.
	WebhookSecretFile string `env:"WEBHOOK_SECRET_FILE" hint:"the path of a file with one secret a line"`
}

// FakeInflow is what 'gate fake-inflow' uses.
type FakeInflow struct {
	LogLevel  slog.Level `env:"LOG_LEVEL" envDefault:"info" hint:"debug, info, warn or error"`
	LogFormat string     `env:"LOG_FORMAT" envDefault:"text" hint:"json or text"`
	DevInflow
	// InflowCompanyID and InflowAPIKey are what its callers must give; empty is the stand-in's own choice.
	InflowCompanyID string `env:"INFLOW_COMPANY_ID" hint:"any company id"`
	InflowAPIKey    Secret `env:"INFLOW_API_KEY" hint:"any API key"`
}

// DevInflow is where the stand-in for InFlow listens.
type DevInflow struct {
	DevInflowAddr string `env:"DEV_INFLOW_ADDR" envDefault:"127.0.0.1:5010" hint:"an address to listen on, such as 127.0.0.1:5010"`
}

// Dev is what 'gate dev' uses. A person reads its log, so that it is text by default.
type Dev struct {
	LogLevel  slog.Level `env:"LOG_LEVEL" envDefault:"info" hint:"debug, info, warn or error"`
	LogFormat string     `env:"LOG_FORMAT" envDefault:"text" hint:"json or text"`
	Admin
	Settle
	Stop
	DevInflow
	Payloads
	// CodecListenAddr is where the codec server listens, where there are keys.
	CodecListenAddr string `env:"CODEC_LISTEN_ADDR" envDefault:"127.0.0.1:5020" hint:"an address to listen on, such as 127.0.0.1:5020"`
	ListenAddr      string `env:"LISTEN_ADDR" envDefault:":5000" hint:"an address to listen on, such as :5000"`
	// DeskAddr is on loopback, because nobody signs in.
	DeskAddr string `env:"DESK_ADDR" envDefault:"127.0.0.1:5030" hint:"an address to listen on, such as 127.0.0.1:5030"`
	// InflowRequestsPerMinute is both what the stand-in allows and what the worker keeps to: more
	// than InFlow allows, so that nobody waits for the samples.
	InflowRequestsPerMinute int `env:"INFLOW_REQUESTS_PER_MINUTE" envDefault:"600" hint:"requests per minute, 1 or more"`
	// Ports of the Temporal development server, on 127.0.0.1.
	DevTemporalPort   int `env:"DEV_TEMPORAL_PORT" envDefault:"7233" hint:"a port from 1 to 65535"`
	DevTemporalUIPort int `env:"DEV_TEMPORAL_UI_PORT" envDefault:"8233" hint:"a port from 1 to 65535"`
	// DevSMTPPort takes the mail, on 127.0.0.1; DevMailAddr shows it.
	DevSMTPPort int    `env:"DEV_SMTP_PORT" envDefault:"1025" hint:"a port from 1 to 65535"`
	DevMailAddr string `env:"DEV_MAIL_ADDR" envDefault:"127.0.0.1:5025" hint:"an address to listen on, such as 127.0.0.1:5025"`
	// GracePeriod is short, so that nobody waits to see an error confirmed.
	GracePeriod time.Duration `env:"GRACE_PERIOD" envDefault:"20s" hint:"a duration such as 20s"`
	HoldMax     time.Duration `env:"HOLD_MAX" envDefault:"720h" hint:"a duration such as 720h"`
	RemindEvery time.Duration `env:"REMIND_EVERY" envDefault:"0" hint:"a duration such as 24h, or 0 for none"`
	// NotifyWarnings tells of orders that have only warnings, as [Notify.NotifyWarnings] does.
	NotifyWarnings bool `env:"NOTIFY_WARNINGS" envDefault:"false" hint:"true or false"`
	// SweepEvery is short, so that nobody waits to see a missed webhook found.
	SweepEvery time.Duration `env:"SWEEP_EVERY" envDefault:"1m" hint:"a duration such as 1m, or 0 for none"`
	SweepDays  int           `env:"SWEEP_DAYS" envDefault:"30" hint:"a number of days, 1 or more"`
	// DevDir keeps Temporal's database and the logs. It is made where it does not exist.
	DevDir    string `env:"DEV_DIR" envDefault:".gate" hint:"the path of a folder"`
	RulesFile string `env:"RULES_FILE" hint:"paths of rule files separated by commas; later ones add to earlier ones"`
}
