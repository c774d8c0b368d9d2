package main

import (
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/config"
	"error-check-gate/internal/gate"
	"error-check-gate/internal/rules/rulefile"
	"error-check-gate/internal/telemetry"
	"error-check-gate/internal/temporalconn"
)

// nonsense is wrong for every variable that is not free text.
const nonsense = "5 parsecs"

var badValues = []string{
	nonsense, "://", "-1", "NaN", "99999999999999999999", "1e309", "true,false", "http://", "[::1",
	"host:notaport",
	"%zz", "/nonexistent/file", "\u202Ea\tb", "postgres://user@host/db", strings.Repeat("x", 5000),
}

// freeText lists variables that accept any text, and variables that no production process reads.
var freeText = []string{
	"SMTP_USERNAME", "SMTP_PASSWORD", "DESK_OIDC_CLIENT_ID", "DESK_OIDC_CLIENT_SECRET",
	"WORKER_DEPLOYMENT", "WORKER_BUILD_ID", "DEV_DIR", "OTEL_EXPORTER_OTLP_ENDPOINT", "AUDIT_LOG",
}

// companions returns settings that go together with others, because some variables are refused if
// they are set alone.
func companions(t *testing.T) map[string]string {
	t.Helper()
	environment := sound()
	maps.Copy(environment, map[string]string{
		"SMTP_ADDR": "127.0.0.1:25", "SMTP_TLS": "none", "MAIL_FROM": "gate@example.com",
		"MAIL_TO":       "sales@example.com",
		"SMTP_USERNAME": "gate", "SMTP_PASSWORD": "hush-mail", "WORKER_DEPLOYMENT": "gate",
		"WORKER_BUILD_ID": "1",
		"PAYLOAD_KEYS":    "k1:" + strings.Repeat("A", 43) + "=", "CODEC_LISTEN_ADDR": "127.0.0.1:5020",
		"DEV_INFLOW_ADDR": "127.0.0.1:5010",
		"DESK_SECRET":     strings.Repeat("s", 32), "DESK_ADDR": "127.0.0.1:5030",
		"DESK_PEOPLE":      "jane@example.com",
		"DESK_OIDC_ISSUER": "https://accounts.example.com", "DESK_OIDC_CLIENT_ID": "gate",
		"DESK_OIDC_CLIENT_SECRET": "hush-oidc",
	})
	return environment
}

// variables returns every variable of .env.example, and Temporal's own that the example does not
// name.
func variables(t *testing.T) []string {
	t.Helper()
	content, err := os.ReadFile("../../.env.example")
	require.NoError(t, err)
	names := []string{
		"TEMPORAL_TLS_DISABLE_HOST_VERIFICATION", "TEMPORAL_TLS_SERVER_NAME", "TEMPORAL_CLIENT_AUTHORITY",
		"TEMPORAL_CONFIG_FILE",
		"TEMPORAL_PROFILE", "TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_CERT_DATA",
		"TEMPORAL_TLS_CLIENT_KEY_PATH",
		"TEMPORAL_TLS_CLIENT_KEY_DATA", "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
		"TEMPORAL_TLS_SERVER_CA_CERT_DATA",
	}
	for _, match := range regexp.MustCompile(
		`(?m)^#?([A-Z][A-Z0-9_]*)=`).FindAllStringSubmatch(string(content), -1) {
		names = append(names, match[1])
	}
	require.Greater(t, len(names), 60)
	return names
}

// TestWhatConfigAcceptsStartsAProcess tries each variable with each bad value: either 'gate
// config' reports the variable, or every process can start with the value.
func TestWhatConfigAcceptsStartsAProcess(t *testing.T) {
	base, names := companions(t), variables(t)
	t.Chdir(t.TempDir()) // so that no relative path exists
	_, errOut, err := runConfig(t, base)
	require.NoError(t, err, errOut)
	refused := 0
	for _, variable := range names {
		for _, value := range badValues {
			environment := maps.Clone(base)
			environment[variable] = value
			switch variable { // a secret and the file for it exclude each other
			case "SMTP_PASSWORD_FILE", "PAYLOAD_KEYS_FILE", "INFLOW_API_KEY_FILE", "TEMPORAL_API_KEY_FILE",
				"WEBHOOK_SECRET_FILE", "CODEC_TOKEN_FILE", "DESK_SECRET_FILE",
				"DESK_OIDC_CLIENT_SECRET_FILE":
				delete(environment, strings.TrimSuffix(variable, "_FILE"))
			}
			_, errOut, err := runConfig(t, environment)
			assert.NotContains(t, errOut, "hush", "%s: a secret is shown", variable)
			if err != nil {
				refused++
				family, _, _ := strings.Cut(variable, "_")
				assert.Regexp(
					t, variable+`|`+family+`_\*|(LISTEN|ADMIN)_ADDR|SETTLE_QUIET|TLS_(CERT|KEY)_FILE|WORKER_BUILD_ID|TEMPORAL_TLS_CLIENT_`, errOut,
					"%s=%q: the fault does not name the variable", variable, value)
				continue
			}
			assert.NoError(t, putTogether(t), "%s=%q: config accepts it, and a process does not", variable,
				value)
			assert.False(t, value == nonsense && !slices.Contains(freeText, variable), "%s=%q is accepted",
				variable, value)
		}
	}
	t.Logf("%d values refused", refused)
}

// putTogether sets up each process from the environment, as far as the process does before it
// serves.
func putTogether(t *testing.T) error {
	t.Helper()
	ingress, err := config.LoadIngress(config.OS())
	if err != nil {
		return err
	}
	telemetry, err := telemetry.Start(t.Context(),
		telemetry.Options{Service: "gate-test", LogLevel: ingress.LogLevel, LogFormat: ingress.LogFormat,
			LogWriter: io.Discard})
	if err != nil {
		return err
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	defer func() { _ = telemetry.Shutdown(stopped) }() // nothing was recorded
	temporal, err := temporalconn.Lazy(temporalconn.Options{Telemetry: telemetry})
	if err != nil {
		return err
	}
	temporal.Close()
	if _, err := webhookSecrets(ingress.Signing, telemetry); err != nil {
		return err
	}
	worker, err := config.LoadWorker(config.OS())
	if err != nil {
		return err
	}
	if _, err := newInflowClient(&worker.Account, telemetry.MeterProvider); err != nil {
		return err
	}
	if _, err := newNotifier(worker, "default", telemetry); err != nil {
		return err
	}
	if paths := worker.RulesFiles; len(paths) > 0 {
		if _, err := rulefile.Load(t.Context(), paths...); err != nil {
			return err
		}
	}
	desk, err := config.LoadDesk(config.OS())
	if err != nil {
		return err
	}
	options, err := deskOptions(desk)
	if err != nil {
		return err
	}
	g := gate.Gate{Temporal: temporal, Namespace: "default", Telemetry: telemetry}
	if _, err := g.NewDesk(options); err != nil {
		return err
	}
	if _, err := config.LoadCodec(config.OS()); err != nil {
		return err
	}
	_, err = config.LoadFakeInflow(config.OS())
	return err
}

func TestConfigCompilesTheRules(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ours.yaml")
	require.NoError(t, os.WriteFile(path,
		[]byte("version: 1\nname: ours\nrules:\n- id: a\n  scope: order\n  severity: error\n  when: "+
			"order.total >\n"), 0o600))
	environment := sound()
	environment["RULES_FILE"] = path
	_, errOut, err := runConfig(t, environment)
	require.Error(t, err)
	assert.Contains(t, errOut, "RULES_FILE: ")
	assert.Contains(t, errOut, "ours.yaml:7:")
}

func TestConfigLooksAtWhatIsSet(t *testing.T) {
	environment := sound()
	environment["CODEC_LISTEN_ADDR"], environment["DEV_SMTP_PORT"] = "0.0.0.0:5020", "99999"
	_, errOut, err := runConfig(t, environment)
	require.Error(t, err)
	assert.Contains(t, errOut, "CODEC_TOKEN: is not set")
	assert.Contains(t, errOut, "DEV_SMTP_PORT: 99999 is not a port")
}
