package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/ingress"
	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/subscriptions"
)

const gateURL = "https://gate.example.com/webhook/inflow"

// account starts a stand-in for InFlow, and sets the environment to its account.
func account(t *testing.T) *fakeinflow.Server {
	t.Helper()
	fake, err := fakeinflow.New(fakeinflow.Options{RetryDelays: []time.Duration{}})
	require.NoError(t, err)
	t.Cleanup(fake.Close)
	api := httptest.NewServer(fake.Handler())
	t.Cleanup(api.Close)
	t.Chdir(t.TempDir())
	for name, value := range map[string]string{
		"INFLOW_API_URL": api.URL, "INFLOW_COMPANY_ID": fake.CompanyID(), "INFLOW_API_KEY": fake.APIKey(),
		"INFLOW_API_KEY_FILE": "", "INFLOW_API_VERSION": "", "WEBHOOK_SECRET": "",
		"WEBHOOK_SECRET_FILE": "",
	} {
		t.Setenv(name, value)
	}
	return fake
}

// runAccount runs a command of 'gate webhooks'.
func runAccount(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	stdout, stderr, status, err := runGate(t, "", append([]string{"webhooks"}, args...)...)
	return stdout, stderr + errorText(err), status
}

func decode[T any](t *testing.T, text string) (value T) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &value), text)
	return value
}

func TestWebhooksSubscribeShowsTheSecretOnce(t *testing.T) {
	fake := account(t)
	out, _, status := runAccount(t, "list")
	assert.Zero(t, status)
	assert.Contains(t, out, "There is no subscription")

	out, stderr, status := runAccount(t, "subscribe", gateURL)
	require.Zero(t, status, stderr)
	fields := strings.Fields(out)
	require.Equal(t, "subscribed", fields[0])
	id, secret := fields[1], fields[len(fields)-1]
	assert.Contains(t, out, "salesOrder.created, salesOrder.updated")
	assert.Contains(t, stderr, "once")
	assert.NotContains(t, stderr, secret)
	_, err := inflow.ParseSecret(secret)
	require.NoError(t, err)

	for _, args := range [][]string{
		{"subscribe", "https://GATE.example.com:443/webhook/inflow/"}, {"list"}, {"get", id},
		{"subscribe", gateURL, "--json"}, {"list", "--json"}, {"get", id, "--json"},
	} {
		out, stderr, status := runAccount(t, args...)
		assert.Zero(t, status, "%v: %s", args, stderr)
		assert.Contains(t, out, id, "%v", args)
		assert.NotContains(t, out+stderr, secret, "%v", args)
	}
	_, stderr, _ = runAccount(t, "subscribe", gateURL)
	assert.Contains(t, stderr, "nothing was changed")
	assert.Contains(t, stderr, "gate webhooks rotate "+id)
	_, stderr, status = runAccount(t, "subscribe", gateURL, "--event", "SalesOrderUpdatedV1")
	assert.Zero(t, status)
	assert.Contains(t, stderr, "--change-events")
	out, _, status = runAccount(t, "subscribe", gateURL, "--event", "SalesOrderUpdatedV1",
		"--event", "SalesOrderCreatedV1", "--change-events", "--json")
	assert.Zero(t, status)
	changed := decode[shownSubscription](t, out)
	assert.Equal(t, shownSubscription{ID: id, URL: gateURL,
		Events: []string{"SalesOrderUpdatedV1", "SalesOrderCreatedV1"}, Outcome: "changed"}, changed)
	out, _, _ = runAccount(t, "list", "--json")
	assert.Equal(t, []shownSubscription{{ID: id, URL: gateURL, Events: changed.Events}},
		decode[[]shownSubscription](t, out))

	out, _, status = runAccount(t, "unsubscribe", id)
	assert.Zero(t, status)
	assert.Contains(t, out, "unsubscribed  "+id)
	for _, args := range [][]string{{"unsubscribe", id}, {"get", id}, {"rotate", id}} {
		_, stderr, status = runAccount(t, args...)
		assert.Equal(t, 1, status, "%v", args)
		assert.Contains(t, stderr, "no", "%v", args)
	}
	out, _, _ = runAccount(t, "list", "--json")
	assert.Equal(t, "[]\n", out)
	fake.SetAPIKey("another")
	for _, args := range [][]string{
		{"list"}, {"get", id}, {"subscribe", gateURL}, {"unsubscribe", id}, {"rotate", id},
	} {
		_, stderr, status = runAccount(t, args...)
		assert.Equal(t, 1, status, "%v", args)
		assert.Contains(t, stderr, "INFLOW_API_KEY", "%v", args)
	}
}

func TestWebhooksSubscribeWritesTheSecretToAFile(t *testing.T) {
	account(t)
	out, stderr, status := runAccount(t, "subscribe", gateURL, "--secret-file", "secret", "--json")
	require.Zero(t, status, stderr)
	got := decode[shownSubscription](t, out)
	assert.Equal(t, "secret", got.SecretFile)
	assert.Empty(t, got.Secret)
	content, err := os.ReadFile("secret")
	require.NoError(t, err)
	secret := strings.TrimSpace(string(content))
	assert.NotContains(t, out+stderr, secret)
	info, err := os.Stat("secret")
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())
	keys, err := readSecretFile("--secret-file", "secret")
	require.NoError(t, err)
	assert.Len(t, keys, 1)
}

func TestWebhooksSubscribeTellsEveryFaultBeforeItAsks(t *testing.T) {
	fake := account(t)
	t.Setenv("INFLOW_COMPANY_ID", "")
	t.Setenv("INFLOW_API_KEY", "")
	_, stderr, status := runAccount(t, "subscribe", "http://u:hush@gate.example.com/#x",
		"--event", "salesOrder.changed", "--secret-file", ".", "--secret-mode", "777", "--wait", "0s")
	assert.Equal(t, 1, status)
	for _, want := range []string{"INFLOW_COMPANY_ID", "INFLOW_API_KEY", "http://", "user or password", "fragment", "salesOrder.changed", "not a regular file", "--secret-mode", "--wait"} {
		assert.Contains(t, stderr, want)
	}
	assert.NotContains(t, stderr, "hush")
	_, stderr, status = runAccount(t, "rotate", "id", "--secret-file", "no/secret", "--probe", "gate",
		"--in-a-row", "0", "--overlap", "-1s", "--wait", "-1s")
	assert.Equal(t, 1, status)
	for _, want := range []string{
		"INFLOW_COMPANY_ID", "mkdir", "--probe", "--in-a-row", "--overlap", "--wait",
	} {
		assert.Contains(t, stderr, want)
	}
	assert.NotContains(t, stderr, "WEBHOOK_SECRET:", "no command asks for what it does not use")
	for _, args := range [][]string{
		{"get"}, {"subscribe"}, {"subscribe", gateURL, gateURL}, {"unsubscribe"}, {"rotate"},
		{"list", "x"},
	} {
		_, stderr, status = runAccount(t, args...)
		assert.Equal(t, 1, status, "%v: %s", args, stderr)
		assert.Contains(t, stderr, "--help", "%v", args)
	}
	assert.Empty(t, fake.Requests())
}

func TestWebhooksSubscribeWarns(t *testing.T) {
	account(t)
	_, stderr, status := runAccount(t, "subscribe", "https://gate.example.com/hooks",
		"--event", "product.created")
	assert.Zero(t, status)
	assert.Contains(t, stderr, `warning: the path is "/hooks"`)
	assert.Contains(t, stderr, "warning: there is no sales order event")
}

// gateOf starts an ingress with the secrets in a file. It must not get a delivery for an order.
func gateOf(t *testing.T, path string) (address string) {
	t.Helper()
	secrets, err := ingress.OpenSecretFile(path, nil)
	require.NoError(t, err)
	server, err := ingress.New(ingress.Options{
		Temporal: struct{ ingress.Temporal }{}, Secrets: secrets,
	})
	require.NoError(t, err)
	edge := httptest.NewServer(server.Handler())
	t.Cleanup(edge.Close)
	return edge.URL + subscriptions.WebhookPath
}

func TestWebhooksSubscribeTests(t *testing.T) {
	account(t)
	require.NoError(t, os.WriteFile("secret", []byte("a-secret-of-another-day\n"), 0o600))
	address := gateOf(t, "secret")
	_, stderr, status := runAccount(t, "subscribe", address, "--secret-file", "secret", "--test",
		"--wait", "1m")
	assert.Zero(t, status, stderr)
	assert.Contains(t, stderr, "accepted a signed test delivery")
	_, stderr, status = runAccount(t, "subscribe", address, "--secret-file", "secret", "--test")
	assert.Zero(t, status, "again: %s", stderr)
	t.Setenv("WEBHOOK_SECRET_FILE", "secret")
	_, stderr, status = runAccount(t, "subscribe", address, "--test")
	assert.Zero(t, status, "and with the settings: %s", stderr)
	t.Setenv("WEBHOOK_SECRET_FILE", "")
	_, stderr, status = runAccount(t, "subscribe", address, "--test")
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "WEBHOOK_SECRET")

	// If the ingress does not know the secret, the subscription stays, and the command says so.
	require.NoError(t, os.WriteFile("other", []byte("a-secret-of-another-day\n"), 0o600))
	unaware := gateOf(t, "other")
	out, stderr, status := runAccount(t, "subscribe", unaware, "--test", "--wait", "100ms", "--json")
	assert.Equal(t, 1, status)
	assert.NotEmpty(t, decode[shownSubscription](t, out).Secret)
	assert.Contains(t, stderr, "does not know the secret")
	assert.Contains(t, stderr, "The subscription is there")
}

func TestWebhooksRotate(t *testing.T) {
	account(t)
	secrets, err := filepath.Abs("secrets")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(secrets, []byte("a-secret-of-another-day\n"), 0o600))
	address := gateOf(t, secrets)
	t.Setenv("WEBHOOK_SECRET_FILE", secrets)
	out, stderr, status := runAccount(t, "subscribe", address, "--secret-file", secrets, "--json")
	require.Zero(t, status, stderr)
	old := decode[shownSubscription](t, out)

	out, stderr, status = runAccount(t, "rotate", old.ID, "--json", "--overlap", "0s",
		"--in-a-row", "3")
	require.Zero(t, status, stderr)
	next := decode[shownSubscription](t, out)
	assert.Equal(t, shownSubscription{ID: next.ID, URL: address, Events: old.Events,
		SecretFile: secrets, Replaces: old.ID}, next)
	assert.Contains(t, stderr, "gate_webhook_verified_total")
	content, err := os.ReadFile(secrets)
	require.NoError(t, err)
	assert.Len(t, strings.Fields(string(content)), 3)

	out, stderr, status = runAccount(t, "rotate", old.ID)
	assert.Zero(t, status)
	assert.Contains(t, stderr, "nothing was left to do")
	assert.Contains(t, out, next.ID)

	// The command cannot write the ingress's file, and nobody copies the secret into it.
	out, stderr, status = runAccount(t, "rotate", next.ID, "--secret-file", "-", "--wait", "100ms")
	assert.Equal(t, 1, status)
	assert.Contains(t, out, "secret ")
	assert.Contains(t, stderr, "Give this secret to every ingress now")
	assert.Contains(t, stderr, "still works")
	out, _, _ = runAccount(t, "list", "--json")
	assert.Equal(t, []shownSubscription{{ID: next.ID, URL: address, Events: old.Events}},
		decode[[]shownSubscription](t, out))
}

// TestWebhooksListIsSafeToPrint checks that the list escapes control characters, because anybody
// with an API key may have stored its texts at InFlow.
func TestWebhooksListIsSafeToPrint(t *testing.T) {
	account(t)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `[{"webHookSubscriptionId":"id","url":"https://x/\u001b[31m\n",`+
			`"events":["a\u0007"],"secret":"hush"}]`)
	}))
	defer api.Close()
	t.Setenv("INFLOW_API_URL", api.URL)
	for _, args := range [][]string{{"list"}, {"list", "--json"}} {
		out, _, status := runAccount(t, args...)
		assert.Zero(t, status)
		assert.NotContains(t, out, "\x1b")
		assert.NotContains(t, out, "\x07")
		assert.NotContains(t, out, "hush")
	}
}
