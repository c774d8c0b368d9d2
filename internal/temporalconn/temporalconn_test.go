package temporalconn_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"

	"error-check-gate/internal/dev/temporalserver"
	"error-check-gate/internal/temporalconn"
)

func TestEffectiveSettings(t *testing.T) {
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(keyFile, []byte("an-api-key\n"), 0o600))
	profile := filepath.Join(dir, "temporal.toml")
	require.NoError(
		t,
		os.WriteFile(
			profile, []byte("[profile.default]\naddress = \"profile:7233\"\nnamespace = \"shop\"\n"), 0o600),
	)

	for name, tc := range map[string]struct {
		env  map[string]string
		want temporalconn.Settings
		err  string
	}{
		"nothing set": {nil, temporalconn.Settings{Address: "localhost:7233", Namespace: "default"}, ""},
		"the environment": {map[string]string{"TEMPORAL_ADDRESS": "t:1", "TEMPORAL_NAMESPACE": "n"},
			temporalconn.Settings{Address: "t:1", Namespace: "n"}, ""},
		"an API key implies TLS": {map[string]string{"TEMPORAL_API_KEY": "k"},
			temporalconn.Settings{Address: "localhost:7233", Namespace: "default", TLS: true, APIKey: true},
			""},
		"an API key's file": {map[string]string{"TEMPORAL_API_KEY_FILE": keyFile},
			temporalconn.Settings{Address: "localhost:7233", Namespace: "default", TLS: true, APIKey: true},
			""},
		"an API key and its file": {
			map[string]string{"TEMPORAL_API_KEY": "k", "TEMPORAL_API_KEY_FILE": keyFile},
			temporalconn.Settings{}, "keep one of them",
		},
		"a missing key file": {map[string]string{"TEMPORAL_API_KEY_FILE": keyFile + "x"},
			temporalconn.Settings{}, "TEMPORAL_API_KEY_FILE"},
		"a profile": {map[string]string{"TEMPORAL_CONFIG_FILE": profile},
			temporalconn.Settings{Address: "profile:7233", Namespace: "shop"}, ""},
		"an unknown profile": {map[string]string{"TEMPORAL_CONFIG_FILE": profile,
			"TEMPORAL_PROFILE": "nope"}, temporalconn.Settings{}, "nope"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, name := range []string{"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_API_KEY",
				"TEMPORAL_API_KEY_FILE", "TEMPORAL_PROFILE"} {
				t.Setenv(name, "")
			}
			t.Setenv("TEMPORAL_CONFIG_FILE", filepath.Join(dir, "none.toml"))
			for name, value := range tc.env {
				t.Setenv(name, value)
			}
			got, err := temporalconn.Effective()
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tc.want, got)
		})
	}
}

// TestUnreadableProfile checks that a service whose home folder is hidden or missing starts
// without a profile, unless a variable asks for one.
func TestUnreadableProfile(t *testing.T) {
	notAFolder := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(notAFolder, nil, 0o600))
	folder := filepath.Join(t.TempDir(), "temporalio", "temporal.toml")
	require.NoError(t, os.MkdirAll(folder, 0o700))
	for name, home := range map[string]string{
		"no home": "", "relative": "home", "missing": filepath.Join(notAFolder, "x"),
		"unreadable": filepath.Dir(filepath.Dir(folder)),
	} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range []string{"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_API_KEY",
				"TEMPORAL_API_KEY_FILE", "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE", "HOME"} {
				t.Setenv(variable, "")
			}
			t.Setenv("XDG_CONFIG_HOME", home)
			got, err := temporalconn.Effective()
			require.NoError(t, err)
			assert.Equal(t, "localhost:7233", got.Address)
			t.Setenv("TEMPORAL_PROFILE", "shop")
			_, err = temporalconn.Effective()
			require.Error(t, err, "a requested profile is never skipped silently")
		})
	}
	t.Setenv("TEMPORAL_CONFIG_FILE", folder)
	_, err := temporalconn.Effective()
	require.ErrorContains(t, err, folder, "a requested file must be readable")
}

func TestServerIsDown(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := temporalconn.Dial(ctx, temporalconn.Options{Address: "127.0.0.1:1", Namespace: "shop"})
	require.ErrorContains(t, err, "127.0.0.1:1")
	require.ErrorContains(t, err, "namespace shop")
	require.ErrorContains(t, err, "TEMPORAL_ADDRESS")

	c, err := temporalconn.Lazy(temporalconn.Options{Address: "127.0.0.1:1"})
	require.NoError(t, err, "an ingress starts while Temporal is down")
	c.Close()
}

func TestSearchAttributesAreRegisteredOrAskedFor(t *testing.T) {
	server, err := temporalserver.Start(t.Context(),
		temporalserver.Options{Namespaces: []string{"bare", "wrong"}})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Stop()) })
	c, err := temporalconn.Dial(t.Context(), temporalconn.Options{Address: server.Addr})
	require.NoError(t, err)
	defer c.Close()

	remove := func(namespace string, names ...string) {
		_, err := c.OperatorService().
			RemoveSearchAttributes(t.Context(), &operatorservice.RemoveSearchAttributesRequest{
				Namespace: namespace, SearchAttributes: names,
			})
		require.NoError(t, err)
	}
	known := func(namespace string) map[string]enumspb.IndexedValueType {
		answer, err := c.OperatorService().
			ListSearchAttributes(t.Context(),
				&operatorservice.ListSearchAttributesRequest{Namespace: namespace})
		require.NoError(t, err)
		return answer.GetCustomAttributes()
	}

	remove("bare", "OrderNumber", "FailedRules", "WarningRules")
	require.NotContains(t, known("bare"), "OrderNumber")
	require.NoError(t, temporalconn.EnsureSearchAttributes(t.Context(), c, "bare"))
	assert.Equal(t, enumspb.INDEXED_VALUE_TYPE_KEYWORD, known("bare")["OrderNumber"])
	assert.Equal(t, enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST, known("bare")["FailedRules"])
	assert.Equal(t, enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST, known("bare")["WarningRules"])
	require.NoError(t, temporalconn.EnsureSearchAttributes(t.Context(), c, "bare"),
		"a second time changes nothing")

	remove("wrong", "ErrorCount")
	_, err = c.OperatorService().
		AddSearchAttributes(t.Context(), &operatorservice.AddSearchAttributesRequest{
			Namespace: "wrong", SearchAttributes: map[string]enumspb.IndexedValueType{
				"ErrorCount": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
			},
		})
	require.NoError(t, err)
	err = temporalconn.EnsureSearchAttributes(t.Context(), c, "wrong")
	require.ErrorContains(t, err, "ErrorCount")
	require.ErrorContains(t, err, "Int")

	err = temporalconn.EnsureSearchAttributes(t.Context(), c, "no-such-namespace")
	require.ErrorContains(
		t,
		err,
		"temporal operator search-attribute create --namespace no-such-namespace --name OrderNumber "+
			"--type Keyword",
	)
}

// TestKeysOfTheEnvironment checks that a process without Options.PayloadKeys reads the keys from
// its environment, and reports what is wrong with them.
func TestKeysOfTheEnvironment(t *testing.T) {
	t.Setenv("PAYLOAD_KEYS", "2026-01:AAAA")
	_, err := temporalconn.Lazy(temporalconn.Options{Address: "127.0.0.1:1"})
	require.ErrorContains(t, err, "PAYLOAD_KEYS: key 1 of 1 (2026-01) has 3 bytes instead of 32")
	t.Setenv("PAYLOAD_KEYS", "")
	t.Setenv("PAYLOAD_KEYS_FILE", "/does/not/exist")
	_, err = temporalconn.Dial(t.Context(), temporalconn.Options{Address: "127.0.0.1:1"})
	require.ErrorContains(t, err, "PAYLOAD_KEYS_FILE")
}
