package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/config"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/telemetry"
	"error-check-gate/worker"
)

const secret = "whsec-0123456789abcdef"

func environ(variables ...string) config.Environment { return config.Environ(variables) }

// ingressEnv returns the settings that 'gate ingress' requires, and the given ones.
func ingressEnv(variables ...string) config.Environment {
	return environ(append([]string{"WEBHOOK_SECRET=" + secret}, variables...)...)
}

func workerEnv(variables ...string) config.Environment {
	return environ(
		append([]string{"INFLOW_COMPANY_ID=6f1c", "INFLOW_API_KEY=api-key-1"}, variables...)...)
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestDefaultsOfTheIngress(t *testing.T) {
	got, err := config.LoadIngress(ingressEnv())
	require.NoError(t, err)
	require.Len(t, got.SigningKeys(), 1)
	got.Signing, got.Payloads = config.Signing{}, config.Payloads{}
	assert.Equal(t, config.Ingress{
		Log:              config.Log{LogLevel: slog.LevelInfo, LogFormat: "json"},
		Admin:            config.Admin{AdminAddr: "127.0.0.1:9464"},
		Listen:           config.Listen{ListenAddr: ":5000"},
		AuditLog:         "stdout",
		AuditLogMaxSize:  100,
		AuditLogKeep:     10,
		RateLimit:        2000,
		PeerRateLimit:    1000,
		PeerFailureLimit: 10,

		MaxConnections:     2000,
		PeerMaxConnections: 500,
	}, got)
}

func TestDefaultsOfTheWorker(t *testing.T) {
	got, err := config.LoadWorker(workerEnv())
	require.NoError(t, err)
	assert.False(t, got.Keys().Encrypts())
	got.Payloads = config.Payloads{}
	assert.Equal(t, config.Worker{
		Log:   config.Log{LogLevel: slog.LevelInfo, LogFormat: "json"},
		Admin: config.Admin{AdminAddr: "127.0.0.1:9464"},
		Account: config.Account{
			Credentials:      config.Credentials{InflowCompanyID: "6f1c", InflowAPIKey: "api-key-1"},
			InflowAPIURL:     inflow.DefaultBaseURL,
			InflowAPIVersion: inflow.DefaultAPIVersion,
		},
		Settle:     config.Settle{SettleQuiet: 2 * time.Second, SettleMax: 30 * time.Second},
		Hold:       config.Hold{GracePeriod: 30 * time.Minute, HoldMax: 720 * time.Hour},
		Sweep:      config.Sweep{SweepEvery: 15 * time.Minute, SweepDays: 30},
		Notify:     config.Notify{MailServer: config.MailServer{SMTPTLS: "starttls"}, NoticesPerHour: 30},
		Digest:     config.Digest{DigestDays: worker.Weekdays{1, 2, 3, 4, 5}},
		DeskLinks:  config.DeskLinks{DeskLinkValid: 720 * time.Hour},
		InflowRate: config.InflowRate{InflowRequestsPerMinute: 60},
		HoldMarks:  config.HoldMarks{InflowHoldText: "HOLD since {since}: {error}{more}"},
		Stop:       config.Stop{StopTimeout: 20 * time.Second},
	}, got)
}

func TestFaultsOfTheSweep(t *testing.T) {
	_, err := config.LoadWorker(workerEnv("SWEEP_EVERY=5s", "SWEEP_DAYS=0"))
	assert.EqualError(t, err, "the configuration is wrong:\n"+
		"  SWEEP_DAYS: 0 is too small: write 1 or more\n"+
		"  SWEEP_EVERY: 5s is too short: write 0 for none, or 10s or more")
	_, err = config.LoadDev(environ("SWEEP_EVERY=-1m"))
	assert.EqualError(
		t, err, "the configuration is wrong:\n  SWEEP_EVERY: -1m0s is negative: write 0 or more")
	got, err := config.LoadWorker(workerEnv("SWEEP_EVERY=0"))
	require.NoError(t, err)
	assert.Zero(t, got.SweepEvery)
}

func TestDevAsksForNothing(t *testing.T) {
	got, err := config.LoadDev(environ())
	require.NoError(t, err)
	assert.Equal(t, 7233, got.DevTemporalPort)
	assert.Equal(t, 8233, got.DevTemporalUIPort)
	assert.Equal(t, "127.0.0.1:5010", got.DevInflowAddr)
	assert.Equal(t, ".gate", got.DevDir)
	assert.Equal(t, telemetry.LogText, got.LogFormat)
	_, err = config.LoadFakeInflow(environ())
	require.NoError(t, err)
	_, err = config.LoadCheck(environ())
	require.NoError(t, err)
}

func TestValuesAreRead(t *testing.T) {
	got, err := config.LoadIngress(ingressEnv("LOG_LEVEL=warn", "LOG_FORMAT=text",
		"LISTEN_ADDR=[::1]:8443", "ADMIN_ADDR=:0",
		"TRUSTED_PROXIES= 10.1.2.3/8, 192.0.2.7,2001:db8::/32 ,", "AUDIT_LOG=off", "RATE_LIMIT=5",
		"PEER_RATE_LIMIT=6"))
	require.NoError(t, err)
	assert.Equal(t, slog.LevelWarn, got.LogLevel)
	assert.Equal(t, telemetry.LogText, got.LogFormat)
	assert.Equal(t, "[::1]:8443", got.ListenAddr)
	assert.Equal(t, []netip.Prefix{
		netip.MustParsePrefix(
			"10.0.0.0/8",
		), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::/32"),
	}, got.TrustedProxies)
	assert.Equal(t, "off", got.AuditLog)
	assert.Equal(t, 5, got.RateLimit)
	assert.Equal(t, 6, got.PeerRateLimit)
}

func TestEmptyIsUnset(t *testing.T) {
	got, err := config.LoadWorker(
		workerEnv("LOG_LEVEL=", "SETTLE_QUIET=", "INFLOW_API_URL=", "RULES_FILE=",
			"INFLOW_API_KEY_FILE="),
	)
	require.NoError(t, err)
	assert.Equal(t, 2*time.Second, got.SettleQuiet)
	assert.Equal(t, inflow.DefaultBaseURL, got.InflowAPIURL)
}

func faultsOf(t *testing.T, err error) []string {
	t.Helper()
	var faults config.Faults
	require.ErrorAs(t, err, &faults)
	texts := make([]string, len(faults))
	for i, fault := range faults {
		texts[i] = fault.Error()
	}
	return texts
}

func TestEveryFaultIsReportedAtOnce(t *testing.T) {
	_, err := config.LoadIngress(environ("LISTEN_ADDR=5000", "ADMIN_ADDR=127.0.0.1:99999",
		"LOG_LEVEL=loud", "LOG_FORMAT=xml", "TRUSTED_PROXIES=10.0.0.0/8,proxy.example",
		"TLS_CERT_FILE=cert.pem", "AUDIT_LOG=/does/not/exist/audit.log", "RATE_LIMIT=0",
		"PEER_RATE_LIMIT=many"))
	assert.ElementsMatch(t, []string{
		`LOG_LEVEL: "loud" is not valid: write debug, info, warn or error`,
		`LOG_FORMAT: "xml" is not valid: write json or text`,
		`LISTEN_ADDR: "5000" is not an address to listen on: write host:port, ` +
			`or :port for every interface`,
		`ADMIN_ADDR: "99999" is not a port: write 0 to 65535`,
		`WEBHOOK_SECRET: is not set: write the secret that InFlow gave you for the subscription, ` +
			`or name a file that holds it in WEBHOOK_SECRET_FILE`,
		`TRUSTED_PROXIES: "10.0.0.0/8,proxy.example" is not valid: ` +
			`write addresses or networks separated by commas, such as 10.0.0.0/8`,
		`TLS_KEY_FILE: is not set, and TLS_CERT_FILE is: set both, or neither if a proxy ends TLS`,
		`AUDIT_LOG: the folder /does/not/exist does not exist: create it, or write off, ` +
			`stdout or another path`,
		`RATE_LIMIT: 0 is too small: write 1 or more`,
		`PEER_RATE_LIMIT: "many" is not valid: write deliveries per second from one peer, 1 or more`,
	}, faultsOf(t, err))
	for line := range strings.Lines(strings.TrimPrefix(err.Error(), "the configuration is wrong:\n")) {
		assert.True(t, strings.HasPrefix(line, "  "), line)
	}
	var fault config.Fault
	require.ErrorAs(t, err, &fault)
}

func TestAProcessAsksOnlyForWhatItUses(t *testing.T) {
	_, err := config.LoadIngress(
		ingressEnv("INFLOW_API_URL=nonsense", "SETTLE_QUIET=nonsense", "DEV_TEMPORAL_PORT=nonsense"),
	)
	require.NoError(t, err)
	_, err = config.LoadWorker(
		workerEnv("LISTEN_ADDR=nonsense", "WEBHOOK_SECRET=short", "AUDIT_LOG=/does/not/exist/x"),
	)
	require.NoError(t, err)
}

func TestFaultsOfTheWorker(t *testing.T) {
	folder := t.TempDir()
	for _, test := range []struct {
		name      string
		variables []string
		want      string
	}{
		{"http to another machine", []string{"INFLOW_API_URL=http://inflow.example/x"},
			"INFLOW_API_URL: starts with http:// and its host is another machine: " +
				"the API key would be sent unencrypted; write https://"},
		{"no scheme", []string{"INFLOW_API_URL=inflow.example"},
			"INFLOW_API_URL: is not an https:// URL with a host: " +
				"write one such as https://cloudapi.inflowinventory.com"},
		{"no host", []string{"INFLOW_API_URL=https://:443"},
			"INFLOW_API_URL: is not an https:// URL with a host: " +
				"write one such as https://cloudapi.inflowinventory.com"},
		{"no URL", []string{"INFLOW_API_URL=https://%zz"},
			"INFLOW_API_URL: is not a URL: write one such as https://cloudapi.inflowinventory.com"},
		{"password", []string{"INFLOW_API_URL=https://me:hush@inflow.example"},
			"INFLOW_API_URL: has a user or password before the host: remove it"},
		{"query", []string{"INFLOW_API_URL=https://inflow.example?x=1"},
			"INFLOW_API_URL: has a query or a fragment: remove everything from ? or # on"},
		{"company", []string{"INFLOW_COMPANY_ID=a/b"},
			"INFLOW_COMPANY_ID: is not a company id: write only the id that InFlow shows at " +
				"https://app.inflowinventory.com/options/integrations"},
		{"key", []string{"INFLOW_API_KEY=two words"},
			"INFLOW_API_KEY: has a space, a control character or a non-ASCII letter: write only the key"},
		{"version", []string{"INFLOW_API_VERSION=v2"},
			`INFLOW_API_VERSION: is not a version of InFlow's API: write a date such as 2025-06-24`},
		{"settle", []string{"SETTLE_QUIET=31s"},
			"SETTLE_QUIET: 31s is longer than SETTLE_MAX, 30s: write a shorter time"},
		{"negative", []string{"SETTLE_QUIET=-2s"}, "SETTLE_QUIET: -2s is negative: write 0 or more"},
		{"no unit", []string{"SETTLE_QUIET=2"},
			`SETTLE_QUIET: "2" is not valid: write a duration such as 2s`},
		{"stop", []string{"WORKER_STOP_TIMEOUT=-1s"},
			"WORKER_STOP_TIMEOUT: -1s is negative: write 0 or more"},
		{"rate", []string{"INFLOW_REQUESTS_PER_MINUTE=0"},
			"INFLOW_REQUESTS_PER_MINUTE: 0 is too small: write 1 or more"},
		{"rules missing", []string{"RULES_FILE=/does/not/exist.yaml"},
			"RULES_FILE: the file cannot be read: stat /does/not/exist.yaml: no such file or directory"},
		{"rules folder", []string{"RULES_FILE=" + folder},
			"RULES_FILE: " + folder + " is a folder: write the path of a file"},
		{"link", []string{"TEMPORAL_UI_URL=ftp://ui.example"},
			"TEMPORAL_UI_URL: is not an http:// or https:// URL with a host"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := config.LoadWorker(workerEnv(test.variables...))
			assert.Equal(t, []string{test.want}, faultsOf(t, err))
		})
	}
	for _, loopback := range []string{"http://localhost:5010", "http://127.0.0.1:5010",
		"http://[::1]:5010/x"} {
		_, err := config.LoadWorker(workerEnv("INFLOW_API_URL=" + loopback))
		assert.NoError(t, err, loopback)
	}
	_, err := config.LoadWorker(environ())
	assert.Equal(t, []string{
		"INFLOW_COMPANY_ID: is not set: write the company id that InFlow shows at " +
			"https://app.inflowinventory.com/options/integrations",
		"INFLOW_API_KEY: is not set: write an API key that you created at " +
			"https://app.inflowinventory.com/options/integrations",
	}, faultsOf(t, err))
}

func TestSecretFromAFile(t *testing.T) {
	for _, content := range []string{"from-a-file", "from-a-file\n", "from-a-file\r\n"} {
		got, err := config.LoadWorker(
			environ("INFLOW_COMPANY_ID=6f1c", "INFLOW_API_KEY_FILE="+file(t, content)),
		)
		require.NoError(t, err)
		assert.Equal(t, config.Secret("from-a-file"), got.InflowAPIKey)
	}
	missing, empty, several, large := filepath.Join(t.TempDir(), "none"), file(t, " \n"),
		file(t, "hush-1\nhush-2\n"), file(t, strings.Repeat("x", 70_000))
	for _, test := range []struct {
		name, variable, want string
	}{
		{"missing", "INFLOW_API_KEY_FILE=" + missing,
			"INFLOW_API_KEY_FILE: the file cannot be read: open " + missing + ": no such file or directory"},
		{"empty", "INFLOW_API_KEY_FILE=" + empty,
			"INFLOW_API_KEY_FILE: " + empty + " is empty: write the secret to it"},
		{"several lines", "INFLOW_API_KEY_FILE=" + several,
			"INFLOW_API_KEY_FILE: " + several + " has several lines: write only the secret to it"},
		{"large", "INFLOW_API_KEY_FILE=" + large,
			"INFLOW_API_KEY_FILE: " + large + " has more than 65536 bytes: is it the right file?"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := config.LoadWorker(environ("INFLOW_COMPANY_ID=6f1c", test.variable))
			assert.Equal(t, []string{test.want}, faultsOf(t, err))
			assert.NotContains(t, err.Error(), "hush")
		})
	}
	t.Run("both", func(t *testing.T) {
		_, err := config.LoadWorker(workerEnv("INFLOW_API_KEY_FILE=" + empty))
		assert.Equal(t, []string{"INFLOW_API_KEY: INFLOW_API_KEY_FILE is set too: keep one of them"},
			faultsOf(t, err))
	})
}

func TestWebhookSecrets(t *testing.T) {
	for _, good := range []config.Environment{
		ingressEnv(),
		environ("WEBHOOK_SECRET=" + secret + ", another-secret-of-mine"),
		environ("WEBHOOK_SECRET_FILE=" + file(t, secret+"\n\nanother-secret-of-mine\n")),
	} {
		_, err := config.LoadWebhooks(good)
		assert.NoError(t, err)
	}
	short := file(t, secret+"\nhush\n")
	for _, test := range []struct {
		name      string
		variables []string
		variable  string
		want      string
	}{
		{"short", []string{"WEBHOOK_SECRET=" + secret + ",hush"}, "WEBHOOK_SECRET", "at least 16"},
		{"not base64", []string{"WEBHOOK_SECRET=base64:hush!"}, "WEBHOOK_SECRET", "base64"},
		{"short line", []string{"WEBHOOK_SECRET_FILE=" + short}, "WEBHOOK_SECRET_FILE", "line 2"},
		{"no file", []string{"WEBHOOK_SECRET_FILE=/does/not/exist"}, "WEBHOOK_SECRET_FILE",
			"no such file"},
		{"both", []string{"WEBHOOK_SECRET=" + secret, "WEBHOOK_SECRET_FILE=" + short}, "WEBHOOK_SECRET",
			"WEBHOOK_SECRET_FILE is set too"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := config.LoadWebhooks(environ(test.variables...))
			faults := faultsOf(t, err)
			require.Len(t, faults, 1)
			assert.True(t, strings.HasPrefix(faults[0], test.variable+": "), faults[0])
			assert.Contains(t, faults[0], test.want)
			assert.NotContains(t, faults[0], "hush")
			assert.NotContains(t, faults[0], secret)
		})
	}
}

func TestTLSFilesAreAPair(t *testing.T) {
	certificate, key := writeKeyPair(t)
	_, otherKey := writeKeyPair(t)
	got, err := config.LoadIngress(ingressEnv("TLS_CERT_FILE="+certificate, "TLS_KEY_FILE="+key))
	require.NoError(t, err)
	assert.Equal(t, certificate, got.TLSCertFile)

	_, err = config.LoadIngress(ingressEnv("TLS_CERT_FILE="+certificate, "TLS_KEY_FILE="+otherKey))
	require.Len(t, faultsOf(t, err), 1)
	assert.Contains(t, err.Error(), "TLS_CERT_FILE: does not match TLS_KEY_FILE")

	_, err = config.LoadIngress(ingressEnv("TLS_CERT_FILE=/no/cert", "TLS_KEY_FILE=/no/key"))
	require.Len(t, faultsOf(t, err), 2)
}

func TestListenersOfOneProcessAreApart(t *testing.T) {
	for _, test := range []struct {
		listen, admin string
		clash         bool
	}{
		{":9464", "127.0.0.1:9464", true},
		{"127.0.0.1:9464", "127.0.0.1:9464", true},
		{"0.0.0.0:9464", "192.0.2.1:9464", true},
		{"192.0.2.1:9464", "127.0.0.1:9464", false},
		{":0", ":0", false},
	} {
		_, err := config.LoadIngress(ingressEnv("LISTEN_ADDR="+test.listen, "ADMIN_ADDR="+test.admin))
		assert.Equal(t, test.clash, err != nil, "%+v: %v", test, err)
	}
	_, err := config.LoadDev(environ("DEV_TEMPORAL_PORT=5010", "DEV_TEMPORAL_UI_PORT=70000"))
	assert.Equal(t, []string{
		"DEV_TEMPORAL_UI_PORT: 70000 is not a port: write 1 to 65535",
		"DEV_TEMPORAL_PORT: 127.0.0.1:5010 and DEV_INFLOW_ADDR=127.0.0.1:5010 need the same port: " +
			"choose another",
	}, faultsOf(t, err))
}

func TestDotEnvNeverOverridesTheEnvironment(t *testing.T) {
	path := file(
		t,
		"# comment\nLOG_LEVEL=debug\nLOG_FORMAT='text'\nTEMPORAL_NAMESPACE=\"a b\"\nexport "+
			"SETTLE_MAX=40s\n",
	)
	e, err := environ("LOG_LEVEL=error", "LOG_FORMAT=").WithDotEnv(path)
	require.NoError(t, err)
	got, err := config.LoadDev(e)
	require.NoError(t, err)
	assert.Equal(t, slog.LevelError, got.LogLevel)
	assert.Equal(t, telemetry.LogText, got.LogFormat,
		"its own default: the environment's empty value stands for unset")
	assert.Equal(t, 40*time.Second, got.SettleMax)
	source, ok := e.Source("SETTLE_MAX")
	assert.True(t, ok)
	assert.Equal(t, config.FromDotEnv, source)

	t.Setenv("TEMPORAL_NAMESPACE", "") // put back at the end
	require.NoError(t, os.Unsetenv("TEMPORAL_NAMESPACE"))
	t.Setenv("LOG_LEVEL", "error")
	t.Setenv("SETTLE_MAX", "")
	require.NoError(t, e.Setenv())
	assert.Equal(t, "a b", os.Getenv("TEMPORAL_NAMESPACE"))
	assert.Equal(t, "error", os.Getenv("LOG_LEVEL"))
	assert.Equal(t, "40s", os.Getenv("SETTLE_MAX"))
}

func TestDotEnvFaults(t *testing.T) {
	e, err := environ("A=b").WithDotEnv(filepath.Join(t.TempDir(), ".env"))
	require.NoError(t, err, "a missing file is not a fault")
	assert.Equal(t, "b", e.Value("A"))
	_, err = environ().WithDotEnv(t.TempDir())
	require.Error(t, err)
	_, err = environ().WithDotEnv(file(t, "INFLOW_API_KEY 'hush\n"))
	require.ErrorContains(t, err, ":1: not valid: write one NAME=value per line")
	assert.NotContains(t, err.Error(), "hush")
	for content, line := range map[string]string{
		"# ours\nA=1\n\nB-2=x\n":                  ":4:",
		"A=\"several\nlines\"\nB=2\nnot one-line": ":4:",
		"A='never\nended\nB=2\n":                  ":1:",
	} {
		_, err = environ().WithDotEnv(file(t, content))
		require.ErrorContains(t, err, line, content)
	}
}

func TestSecretsNeverPrint(t *testing.T) {
	settings, err := config.LoadWorker(workerEnv())
	require.NoError(t, err)
	const text = "api-key-1"
	require.Equal(t, text, string(settings.InflowAPIKey))
	key := settings.InflowAPIKey
	encoded, err := json.Marshal(settings)
	require.NoError(t, err)
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("settings", "settings", settings, "key", key)
	slog.New(slog.NewTextHandler(&log, nil)).Info("settings", "settings", settings, "key", key)
	shown := []string{
		string(encoded),
		log.String(),
		fmt.Sprint(settings),
		fmt.Sprint(&settings),
		errors.New(key.String()).Error(),
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c"} {
		shown = append(shown, fmt.Sprintf(format, key), fmt.Sprintf(format, settings),
			fmt.Sprintf(format, []config.Secret{key}))
	}
	for _, s := range shown {
		assert.NotContains(t, s, text)
		assert.NotContains(t, strings.ToLower(s), fmt.Sprintf("%x", text))
	}
	assert.Empty(t, config.Secret("").String())
}

func TestEffective(t *testing.T) {
	keyFile := file(t, "from-a-file\n")
	e, err := environ("WEBHOOK_SECRET="+secret, "INFLOW_API_KEY_FILE="+keyFile, "SETTLE_QUIET=1s",
		"INFLOW_API_URL=https://me:hush@inflow.example/x").
		WithDotEnv(file(t, "RATE_LIMIT=7\n"))
	require.NoError(t, err)
	settings, faults, err := config.Effective(e, "ingress", "worker", "dev")
	require.NoError(t, err)

	find := func(variable string) []config.Setting {
		var found []config.Setting
		for _, s := range settings {
			if s.Variable == variable {
				found = append(found, s)
			}
		}
		return found
	}
	assert.Equal(
		t,
		[]config.Setting{
			{
				Variable:  "WEBHOOK_SECRET",
				Value:     "(set, 22 bytes)",
				Source:    "environment",
				Processes: []string{"ingress"},
			},
		},
		find("WEBHOOK_SECRET"),
	)
	assert.Equal(
		t,
		[]config.Setting{
			{
				Variable:  "INFLOW_API_KEY",
				Value:     "(set, 11 bytes)",
				Source:    "file " + keyFile,
				Processes: []string{"worker"},
			},
		},
		find("INFLOW_API_KEY"),
	)
	assert.Equal(
		t,
		[]config.Setting{
			{
				Variable:  "SETTLE_QUIET",
				Value:     "1s",
				Source:    "environment",
				Processes: []string{"worker", "dev"},
			},
		},
		find("SETTLE_QUIET"),
	)
	assert.Equal(
		t,
		[]config.Setting{
			{Variable: "RATE_LIMIT", Value: "7", Source: ".env", Processes: []string{"ingress"}},
		},
		find("RATE_LIMIT"),
	)
	assert.Equal(t, []config.Setting{{Variable: "TRUSTED_PROXIES", Processes: []string{"ingress"}}},
		find("TRUSTED_PROXIES"))
	assert.Equal(t, []config.Setting{
		{
			Variable:  "LOG_FORMAT",
			Value:     "json",
			Source:    "default",
			Processes: []string{"ingress", "worker"},
		},
		{Variable: "LOG_FORMAT", Value: "text", Source: "default", Processes: []string{"dev"}},
	}, find("LOG_FORMAT"))
	assert.Equal(t, "https://***@inflow.example/x", find("INFLOW_API_URL")[0].Value)

	var wrong []string
	for _, fault := range faults {
		wrong = append(wrong, fault.Variable+" "+strings.Join(fault.Processes, ","))
	}
	assert.Equal(t, []string{"INFLOW_API_URL worker", "INFLOW_COMPANY_ID worker"}, wrong)

	_, faults, err = config.Effective(environ("LOG_FORMAT=xml"), config.Processes()...)
	require.NoError(t, err)
	assert.Contains(t, faults, config.ProcessFault{
		Fault: config.Fault{
			Variable: "LOG_FORMAT",
			Problem:  `"xml" is not valid: write json or text`,
		},
		Processes: []string{"ingress", "worker", "desk", "codec", "fake-inflow", "dev"},
	})

	_, _, err = config.Effective(environ(), "ingres")
	assert.ErrorContains(t, err, `process "ingres" is unknown: use one of ingress, worker,`)
}

func TestForeignVariables(t *testing.T) {
	e := environ("OTEL_EXPORTER_OTLP_HEADERS=authorization=hush",
		"OTEL_EXPORTER_OTLP_ENDPOINT=https://me:hush@collector.example",
		"OTEL_EXPORTER_OTLP_CLIENT_KEY=/etc/key.pem", "TEMPORAL_TLS_CLIENT_KEY_PATH=/etc/key.pem",
		"TEMPORAL_TLS_CLIENT_KEY_DATA=hush", "TEMPORAL_GRPC_META_X=hush",
		"TEMPORAL_API_KEY_FILE=/run/key", "TEMPORAL_EMPTY=")
	assert.Equal(t, []config.Setting{
		{Variable: "OTEL_EXPORTER_OTLP_CLIENT_KEY", Value: "(set, 12 bytes)", Source: "environment"},
		{
			Variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
			Value:    "https://***@collector.example",
			Source:   "environment",
		},
		{Variable: "OTEL_EXPORTER_OTLP_HEADERS", Value: "(set, 18 bytes)", Source: "environment"},
	}, config.Foreign(e, "OTEL_"))
	assert.Equal(t, []config.Setting{
		{Variable: "TEMPORAL_API_KEY_FILE", Value: "/run/key", Source: "environment"},
		{Variable: "TEMPORAL_GRPC_META_X", Value: "(set, 4 bytes)", Source: "environment"},
		{Variable: "TEMPORAL_TLS_CLIENT_KEY_DATA", Value: "(set, 4 bytes)", Source: "environment"},
		{Variable: "TEMPORAL_TLS_CLIENT_KEY_PATH", Value: "/etc/key.pem", Source: "environment"},
	}, config.Foreign(e, "TEMPORAL_"))
}
