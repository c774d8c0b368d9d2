package main

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
)

const (
	webhookSecret = "c2VjcmV0LWZvci10aGUtdGVzdHM="
	webhookBody   = `{"event":"salesOrder.updated","data":{"salesOrderId":"order-1"}}`
)

// runWebhooks runs a command as main does, and returns its output and its exit status.
func runWebhooks(
	t *testing.T, stdin string, args ...string,
) (stdout string, status int, err error) {
	t.Helper()
	stdout, stderr, status, err := runGate(t, stdin, append([]string{"webhooks"}, args...)...)
	for _, shown := range []string{stdout, stderr, errorText(err)} {
		assert.NotContains(t, shown, webhookSecret)
	}
	return stdout, status, err
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func setSecret(t *testing.T, secret, file string) {
	t.Helper()
	t.Chdir(t.TempDir()) // no .env
	t.Setenv("WEBHOOK_SECRET", secret)
	t.Setenv("WEBHOOK_SECRET_FILE", file)
}

func signature(t *testing.T, secret, body string) string {
	t.Helper()
	key, err := inflow.ParseSecret(secret)
	require.NoError(t, err)
	return inflow.Sign(key, []byte(body))
}

func TestWebhooksSign(t *testing.T) {
	setSecret(t, webhookSecret+",another-secret-for-the-tests", "")
	want := signature(t, webhookSecret, webhookBody) + "\n"
	for name, args := range map[string][]string{"standard input": {"sign"}, "dash": {"sign", "-"}} {
		t.Run(name, func(t *testing.T) {
			out, status, err := runWebhooks(t, webhookBody, args...)
			require.NoError(t, err)
			assert.Equal(t, want, out)
			assert.Zero(t, status)
		})
	}
	t.Run("file, byte for byte", func(t *testing.T) {
		require.NoError(t, os.WriteFile("body.json", []byte(webhookBody+"\n"), 0o600))
		out, _, err := runWebhooks(t, "", "sign", "body.json")
		require.NoError(t, err)
		assert.Equal(t, signature(t, webhookSecret, webhookBody+"\n")+"\n", out)
	})
	t.Run("secret from a file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(path, []byte(webhookSecret+"\n"), 0o600))
		t.Setenv("WEBHOOK_SECRET", "")
		t.Setenv("WEBHOOK_SECRET_FILE", path)
		out, _, err := runWebhooks(t, webhookBody, "sign")
		require.NoError(t, err)
		assert.Equal(t, want, out)
	})
}

func TestWebhooksVerify(t *testing.T) {
	setSecret(t, "another-secret-for-the-tests,"+webhookSecret, "")
	good := signature(t, webhookSecret, webhookBody)
	raw, err := base64.StdEncoding.DecodeString(good)
	require.NoError(t, err)
	decoded, err := base64.StdEncoding.DecodeString(webhookSecret)
	require.NoError(t, err)
	byDecoded := signature(t, "base64:"+base64.StdEncoding.EncodeToString(decoded), webhookBody)
	for _, tc := range []struct {
		name, body string
		args       []string
		status     int
		want       []string // in the output, or in the error
	}{
		{"valid", webhookBody, []string{"--signature", good}, 0,
			[]string{"valid: signed with secret 2 of 2"}},
		{"valid, explained", webhookBody, []string{"--signature", good, "--explain"}, 0,
			[]string{"valid", "would check sales order order-1, which was updated"}},
		{"valid, of another entity", `{"event":"customer.updated"}`,
			[]string{"--signature", signature(t, webhookSecret, `{"event":"customer.updated"}`),
				"--explain"}, 0, []string{"would ignore it"}},
		{"valid, but not a JSON object", `[]`,
			[]string{"--signature", signature(t, webhookSecret, `[]`), "--explain"}, 0,
			[]string{"would refuse it with 400"}},
		{"of another body", webhookBody + "\n", []string{"--signature", good}, 1,
			[]string{"invalid: signature-mismatch", "--explain"}},
		{"of the body without its line break", webhookBody + "\n",
			[]string{"--signature", good, "--explain"}, 1,
			[]string{"invalid: signature-mismatch", "line break, but the signed body did not", "→"}},
		{"hex", webhookBody, []string{"--signature", hex.EncodeToString(raw), "--explain"}, 1,
			[]string{"signature-malformed", "in hex"}},
		{"decoded key", webhookBody, []string{"--signature", byDecoded, "--explain"}, 1,
			[]string{"decoded from base64", "`base64:`"}},
		{"two signatures", webhookBody,
			[]string{"--signature", good, "--signature", good, "--explain"}, 1,
			[]string{"signature-doubled", "There are 2 signatures"}},
		{"empty signature", webhookBody, []string{"--signature", "", "--explain"}, 1,
			[]string{"signature-missing"}},
		{"no signature", webhookBody, nil, 1, []string{"needs --signature"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, status, err := runWebhooks(t, tc.body, append([]string{"verify", "-"}, tc.args...)...)
			assert.Equal(t, tc.status, status)
			for _, want := range tc.want {
				assert.Contains(t, out+errorText(err), want)
			}
		})
	}
}

func TestWebhooksVerifyOfACapturedRequest(t *testing.T) {
	setSecret(t, webhookSecret, "")
	const head = "POST /webhook/inflow HTTP/1.1\r\nHost: gate.example.com\r\n" +
		"Content-Type: application/json\r\n"
	good := "X-Inflow-Hmac-Sha256: " + signature(t, webhookSecret, webhookBody) + "\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n\r\n", len(webhookBody))
	chunked := fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(webhookBody),
		webhookBody)
	for name, tc := range map[string]struct {
		request string
		status  int
		want    string
	}{
		"valid": {head + good + length + webhookBody, 0,
			"valid: signed with secret 1 of 1"},
		"chunked":                {head + good + chunked, 0, "valid"},
		"text after the request": {head + good + length + webhookBody + "\n", 0, "valid"},
		"other secret": {head + "x-inflow-hmac-sha256: " +
			signature(t, "another-secret-for-the-tests", webhookBody) + "\r\n" + length + webhookBody, 1,
			"not made with the secret"},
		"no signature":   {head + length + webhookBody, 1, "no signature"},
		"two signatures": {head + good + good + length + webhookBody, 1, "2 signatures"},
		"cut off":        {head + good + length + webhookBody[:10], 1, "not captured whole"},
		"no body":        {head + good + "\r\n", 1, "no body"},
		"the body only":  {webhookBody, 1, "not an HTTP/1.1 request"},
		"empty":          {"", 1, "not an HTTP/1.1 request"},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile("request.http", []byte(tc.request), 0o600))
			out, status, err := runWebhooks(t, "", "verify", "--request", "request.http", "--explain")
			assert.Equal(t, tc.status, status)
			assert.Contains(t, out+errorText(err), tc.want)
		})
	}
	_, status, err := runWebhooks(t, "", "verify", "--request", "request.http", "--signature", "x")
	assert.Equal(t, 1, status)
	require.ErrorContains(t, err, "leave --signature out")
}

func TestWebhooksSend(t *testing.T) {
	setSecret(t, webhookSecret, "")
	key, err := inflow.ParseSecret(webhookSecret)
	require.NoError(t, err)
	verifier, err := inflow.NewVerifier([]inflow.SigningKey{key})
	require.NoError(t, err)
	var got inflow.Webhook
	status := http.StatusOK
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		_, err = verifier.Verify(r.Header.Values(inflow.SignatureHeader), body)
		assert.NoError(t, err)
		got, err = inflow.ParseWebhook(body)
		assert.NoError(t, err)
		w.WriteHeader(status)
		_, err = io.WriteString(w, "{\"status\":\"received\"}\x1b[31m\n")
		assert.NoError(t, err)
	}))
	defer gate.Close()

	for _, tc := range []struct {
		name  string
		args  []string
		event string
	}{
		{"documented", nil, "salesOrder.updated"},
		{"live", []string{"--form", "live"}, "SalesOrderUpdatedV1"},
		{"another event", []string{"--event", "salesOrder.created"}, "salesOrder.created"},
		{"live, another event", []string{"--form", "live", "--event", "SalesOrderUpdatedV2"},
			"SalesOrderUpdatedV2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, _, err := runWebhooks(t, "",
				append([]string{"send", "order-1", "--url", gate.URL}, tc.args...)...)
			require.NoError(t, err)
			assert.Equal(t, "order-1", got.SalesOrderID)
			assert.Equal(t, tc.event, got.Event)
			assert.Contains(t, out, "200 OK")
			assert.Contains(t, out, `{"status":"received"}`)
			assert.NotContains(t, out, "\x1b")
		})
	}

	for answered, want := range map[int]string{
		401: "another WEBHOOK_SECRET", 404: "--url", 429: "try again",
		503: "could not hand the delivery to Temporal", 500: "not accepted",
	} {
		status = answered
		out, code, err := runWebhooks(t, "", "send", "order-1", "--url", gate.URL)
		require.ErrorContains(t, err, want)
		assert.Contains(t, out, http.StatusText(answered))
		assert.Equal(t, 1, code)
	}

	gate.Close()
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no listener": {[]string{"send", "order-1", "--url", gate.URL}, "gate ingress"},
		"not a URL":   {[]string{"send", "order-1", "--url", "127.0.0.1:5000"}, "URL is not complete"},
		"not an id":   {[]string{"send", "a/b"}, "outside A-Z a-z"},
		"not a form":  {[]string{"send", "order-1", "--form", "v3"}, `unknown payload form "v3"`},
		"no id":       {[]string{"send"}, "the id or the number of a sales order"},
		"no such number": {[]string{"send", "SO-001051", "--url", gate.URL},
			"give the order's id, or set INFLOW_COMPANY_ID"},
		"two ids":        {[]string{"send", "a", "b"}, "one argument"},
		"no such file":   {[]string{"sign", "no-such-file"}, "read the body"},
		"two files":      {[]string{"sign", "a", "b"}, "one file"},
		"no such verb":   {[]string{"subscribe-me"}, `no command "subscribe-me"`},
		"secret as flag": {[]string{"sign", "--secret", "x"}, "unknown flag: --secret"},
	} {
		t.Run(name, func(t *testing.T) {
			_, code, err := runWebhooks(t, "", tc.args...)
			require.ErrorContains(t, err, tc.want)
			assert.Equal(t, 1, code)
		})
	}
}

// TestWebhooksSendTakesTheNumber checks that 'gate webhooks send' finds the id of an order
// number at InFlow if Temporal cannot be reached.
func TestWebhooksSendTakesTheNumber(t *testing.T) {
	fake := account(t)
	t.Setenv("WEBHOOK_SECRET", webhookSecret)
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
	samples, err := fakeinflow.Samples()
	require.NoError(t, err)
	number, _ := samples[0].Order["orderNumber"].(string)
	id, err := fake.AddOrder(samples[0].Order)
	require.NoError(t, err)
	var got []string
	gate := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		webhook, err := inflow.ParseWebhook(body)
		assert.NoError(t, err)
		got = append(got, webhook.SalesOrderID)
	}))
	t.Cleanup(gate.Close)

	_, _, err = runWebhooks(t, "", "send", number, "--url", gate.URL)
	require.NoError(t, err)
	assert.Equal(t, []string{id}, got)
	_, code, err := runWebhooks(t, "", "send", "SO-999999", "--url", gate.URL)
	require.ErrorContains(t, err, "InFlow has no order with the number SO-999999")
	assert.Equal(t, 1, code)
	assert.Len(t, got, 1, "nothing was sent")
}

func TestWebhooksWithoutASecret(t *testing.T) {
	for name, secret := range map[string]string{"none": "", "short": "hunter2"} {
		t.Run(name, func(t *testing.T) {
			setSecret(t, secret, "")
			_, code, err := runWebhooks(t, webhookBody, "sign")
			require.ErrorContains(t, err, "WEBHOOK_SECRET")
			assert.NotContains(t, err.Error(), "hunter2")
			assert.Equal(t, 1, code)
		})
	}
}
