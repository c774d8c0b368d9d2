package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/config"
)

// runConfig runs 'gate config' in an empty folder, with only this environment.
func runConfig(
	t *testing.T, environment map[string]string, args ...string,
) (stdout, stderr string, err error) {
	t.Helper()
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		t.Setenv(name, "")
	}
	t.Setenv("HOME", t.TempDir()) // without the developer's own profile of Temporal
	for name, value := range environment {
		t.Setenv(name, value)
	}
	var out, errOut bytes.Buffer
	cmd := newConfigCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetOut(&out)
	cmd.SetErr(&errOut)
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(t.Context())
	return out.String(), errOut.String(), err
}

func sound() map[string]string {
	return map[string]string{
		"WEBHOOK_SECRET": "hush-0123456789abcdef", "INFLOW_COMPANY_ID": "6f1c",
		"INFLOW_API_KEY":   "hush-key",
		"TEMPORAL_ADDRESS": "temporal.example:7233", "TEMPORAL_API_KEY": "hush-temporal",
		"OTEL_EXPORTER_OTLP_HEADERS": "authorization=hush",
	}
}

func TestConfigShowsWhatIsInEffect(t *testing.T) {
	out, errOut, err := runConfig(t, sound())
	require.NoError(t, err)
	assert.Empty(t, errOut)
	assert.NotContains(t, out, "hush")
	rows := map[string]string{}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		rows[fields[0]] = strings.Join(fields[1:], " ")
	}
	assert.Equal(t, "(set, 21 bytes) environment ingress, webhooks", rows["WEBHOOK_SECRET"])
	assert.Equal(t, "(set, 8 bytes) environment worker, subscriptions", rows["INFLOW_API_KEY"])
	assert.Equal(t, ":5000 default ingress", rows["LISTEN_ADDR"])
	assert.Equal(t, "(unset) ingress", rows["TRUSTED_PROXIES"])
	assert.Equal(t, "temporal.example:7233 environment ingress, worker, check",
		rows["TEMPORAL_ADDRESS"])
	assert.Equal(t, "default default ingress, worker, check", rows["TEMPORAL_NAMESPACE"])
	assert.Equal(t, "true environment ingress, worker, check", rows["TEMPORAL_TLS"])
	assert.Equal(t, "(set) environment ingress, worker, check", rows["TEMPORAL_API_KEY"])
	assert.Equal(t, "(set, 18 bytes) environment ingress, worker, check, webhooks, subscriptions",
		rows["OTEL_EXPORTER_OTLP_HEADERS"])
}

func TestConfigTellsEveryFault(t *testing.T) {
	out, errOut, err := runConfig(t,
		map[string]string{"LOG_FORMAT": "xml", "TEMPORAL_PROFILE": "nosuch"})
	var exit *exitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, 2, exit.code)
	assert.Empty(t, exit.Error(), "the faults are already printed")
	assert.Contains(t, out, "LISTEN_ADDR", "the table is printed too")
	for _, want := range []string{
		`gate: LOG_FORMAT: "xml" is not valid: write json or text (ingress, worker)`,
		"gate: WEBHOOK_SECRET: is not set",
		"gate: INFLOW_COMPANY_ID: is not set",
		"gate: INFLOW_API_KEY: is not set",
		"gate: TEMPORAL_*: ",
	} {
		assert.Contains(t, errOut, want)
	}
	assert.Equal(t, 5, strings.Count(errOut, "\n"), errOut)
}

func TestConfigOfOneProcess(t *testing.T) {
	_, errOut, err := runConfig(t, nil, "--process", "worker")
	require.Error(t, err)
	assert.NotContains(t, errOut, "WEBHOOK_SECRET")
	out, _, err := runConfig(t, nil, "--process", "dev")
	require.NoError(t, err, "gate dev needs no settings")
	assert.NotContains(t, out, "TEMPORAL_ADDRESS", "gate dev brings its own Temporal")
	_, _, err = runConfig(t, nil, "--process", "nosuch")
	require.ErrorContains(t, err, `process "nosuch" is unknown`)
	_, _, err = runConfig(t, nil, "ingress")
	require.ErrorContains(t, err, "takes no arguments")
}

func TestConfigReadsDotEnvForDevOnly(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile(filepath.Join(".", ".env"), []byte("SETTLE_QUIET=1s\n"), 0o600))
	out, _, err := runConfig(t, sound(), "--process", "worker,dev", "--json")
	require.NoError(t, err)
	var got configuration
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	assert.Contains(t, got.Settings,
		config.Setting{Variable: "SETTLE_QUIET", Value: "2s", Source: "default",
			Processes: []string{"worker"}})
	assert.Contains(t, got.Settings,
		config.Setting{Variable: "SETTLE_QUIET", Value: "1s", Source: ".env", Processes: []string{"dev"}})
	assert.Empty(t, got.Faults)
	assert.Contains(t, out, `"faults":[]`)
}

func TestConfigSaysWhatHoldMarksNeed(t *testing.T) {
	const note = "INFLOW_API_KEY must be allowed to write sales orders"
	environment := sound()
	out, _, err := runConfig(t, environment)
	require.NoError(t, err)
	assert.NotContains(t, out, note)
	environment["INFLOW_HOLD_FIELD"] = "custom10"
	out, errOut, err := runConfig(t, environment)
	require.NoError(t, err, errOut)
	assert.Contains(t, out, note)
	assert.Contains(t, out, "marks may stay in the former one")
	out, _, err = runConfig(t, environment, "--json")
	require.NoError(t, err)
	assert.Contains(t, out, note)
	out, _, err = runConfig(t, environment, "--process", "ingress")
	require.NoError(t, err)
	assert.NotContains(t, out, note)
}

func TestConfigTellsWhoAReceiverIs(t *testing.T) {
	environment := sound()
	environment["SMTP_ADDR"], environment["MAIL_FROM"],
		environment["MAIL_TO"] = "mail.example.com:587", "gate@example.com", "sales@example.com"
	environment["NOTIFY_URLS"] = "slack://hook:AAAAAAAAA-BBBBBBBBB-123456789123456789hushes@webhook"
	out, errOut, err := runConfig(t, environment, "--process", "worker")
	require.NoError(t, err, errOut)
	assert.Regexp(t, `mail:[0-9a-f]{6} +sales@example.com\n`, out)
	assert.Regexp(t, `slack:[0-9a-f]{6} +number 1 of NOTIFY_URLS\n`, out)
	assert.NotContains(t, out, "hush")
}
