package config_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/config"
)

func payloadKey(id, fill string) string {
	return id + ":" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(fill, 32)))
}

func TestPayloadKeysOfEveryProcess(t *testing.T) {
	key := payloadKey("2026-01", "x")
	for name, load := range map[string]func(...string) (*config.Payloads, error){
		"ingress": func(v ...string) (*config.Payloads, error) {
			got, err := config.LoadIngress(ingressEnv(v...))
			return &got.Payloads, err
		},
		"worker": func(v ...string) (*config.Payloads, error) {
			got, err := config.LoadWorker(workerEnv(v...))
			return &got.Payloads, err
		},
		"check": func(v ...string) (*config.Payloads, error) {
			got, err := config.LoadCheck(environ(v...))
			return &got.Payloads, err
		},
		"codec": func(v ...string) (*config.Payloads, error) {
			got, err := config.LoadCodec(environ(v...))
			return &got.Payloads, err
		},
		"dev": func(v ...string) (*config.Payloads, error) {
			got, err := config.LoadDev(environ(v...))
			return &got.Payloads, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range []string{"PAYLOAD_KEYS=" + key,
				"PAYLOAD_KEYS_FILE=" + file(t, key+"\n"+payloadKey("2025-12", "y"))} {
				got, err := load(variable)
				require.NoError(t, err)
				assert.Equal(t, "2026-01", got.Keys().IDs()[0])
			}
			_, err := load("PAYLOAD_KEYS=" + key + ",bad:AAAA," + key)
			assert.Equal(
				t, []string{
					"PAYLOAD_KEYS: key 2 of 3 (bad) has 3 bytes instead of 32: " +
						"make one with 'openssl rand -base64 32'; " +
						"key 3 of 3 has the id 2026-01, which is taken: give each new key a new id"},
				faultsOf(t, err))
			_, err = load("PAYLOAD_KEYS_FILE=/does/not/exist")
			require.Len(t, faultsOf(t, err), 1)
			assert.Contains(t, faultsOf(t, err)[0], "PAYLOAD_KEYS_FILE: the file cannot be read")
		})
	}
}

func TestTheCodecServerNeedsATokenForOtherMachines(t *testing.T) {
	keys := "PAYLOAD_KEYS=" + payloadKey("2026-01", "x")
	for name, tc := range map[string]struct {
		env   []string
		fault string // its beginning; empty is none
	}{
		"loopback": {[]string{keys}, ""},
		"a token":  {[]string{keys, "CODEC_LISTEN_ADDR=:5020", "CODEC_TOKEN=" + secret}, ""},
		"every address, no token": {[]string{keys, "CODEC_LISTEN_ADDR=:5020"},
			"CODEC_TOKEN: is not set, and other machines can reach CODEC_LISTEN_ADDR=:5020"},
		"an address, no token": {[]string{keys, "CODEC_LISTEN_ADDR=192.0.2.1:5020"},
			"CODEC_TOKEN: is not set"},
		"a short token": {[]string{keys, "CODEC_TOKEN=hush"}, "CODEC_TOKEN: has 4 bytes and needs 16"},
		"no keys":       {nil, "PAYLOAD_KEYS: is not set"},
		"a page for an origin": {[]string{keys,
			"CODEC_ALLOWED_ORIGINS=https://t.example.com,https://t.example.com/ui"},
			`CODEC_ALLOWED_ORIGINS: "https://t.example.com/ui" is not an origin: ` +
				`write https://t.example.com`},
		"half of TLS": {[]string{keys, "TLS_CERT_FILE=x"}, "TLS_KEY_FILE: is not set"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.LoadCodec(environ(tc.env...))
			if tc.fault == "" {
				require.NoError(t, err)
				return
			}
			require.Len(t, faultsOf(t, err), 1)
			assert.True(t, strings.HasPrefix(faultsOf(t, err)[0], tc.fault), faultsOf(t, err)[0])
		})
	}
	_, err := config.LoadDev(environ(keys, "CODEC_LISTEN_ADDR=:5020"))
	require.Contains(t, faultsOf(t, err)[0], "CODEC_LISTEN_ADDR")
}

func TestPayloadKeysAreMasked(t *testing.T) {
	key := payloadKey("2026-01", "x")
	settings, faults, err := config.Effective(environ("PAYLOAD_KEYS="+key, "CODEC_TOKEN="+secret),
		"codec", "check")
	require.NoError(t, err)
	assert.Empty(t, faults)
	for _, setting := range settings {
		assert.NotContains(t, setting.Value, key[8:])
		assert.NotContains(t, setting.Value, secret)
	}
}
