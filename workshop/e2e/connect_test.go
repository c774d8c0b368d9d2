package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/ordercheck"
)

// TestConnectPage runs every command of docs/connect.md against the fake InFlow.
func TestConnectPage(t *testing.T) {
	t.Parallel()
	const path = "../../docs/connect.md"
	page := recipes(t, path)
	s := newSubscriber(t)
	folder := t.TempDir()
	address := strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/webhook/inflow")
	admin := fmt.Sprintf("127.0.0.1:%d", freePort(t))

	// Use the page's settings with this test's values.
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "```sh\n")
	require.True(t, found)
	block, _, _ := strings.Cut(rest, "```")
	settings := map[string]string{
		"INFLOW_COMPANY_ID": s.fake.CompanyID(), "INFLOW_API_KEY": s.fake.APIKey(),
		"TEMPORAL_ADDRESS": server.Addr, "WEBHOOK_SECRET_FILE": "",
	}
	env := []string{
		"INFLOW_API_URL=" + s.inflowURL, "INFLOW_REQUESTS_PER_MINUTE=6000", "SETTLE_QUIET=50ms",
		"LISTEN_ADDR=" + address, "ADMIN_ADDR=" + admin, "TEMPORAL_NAMESPACE=" + s.namespace,
		"AUDIT_LOG=audit.log",
	}
	for line := range strings.Lines(block) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		own, known := settings[name]
		require.True(t, known, name)
		if own != "" {
			value = own
		}
		env = append(env, name+"="+value)
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, ".env"),
		[]byte(strings.Join(env, "\n")+"\n"), 0o600))
	load := commandOf(t, string(text), "set -a;")

	id, subscriptionID := s.create("plain"), ""
	tried := map[string]bool{}
	try := func(recipe string) (string, error) {
		t.Helper()
		tried[recipe] = true
		require.Len(t, page[recipe], 1, "the page's recipe %q", recipe)
		script := strings.NewReplacer("https://gate.example.com/webhook/inflow", s.url,
			"SALES_ORDER_ID", id, "SUBSCRIPTION_ID", subscriptionID).Replace(page[recipe][0])
		return s.shellIn(folder, load+"\n"+script)
	}
	run := func(recipe string) string {
		t.Helper()
		output, err := try(recipe)
		require.NoError(t, err, "%s\n%s", recipe, output)
		return output
	}
	// A process of the page, in the page's words, until the test ends.
	start := func(recipe string, more ...string) *command {
		t.Helper()
		tried[recipe] = true
		require.Len(t, page[recipe], 1)
		words := strings.Fields(page[recipe][0])
		name := words[len(words)-1]
		require.Equal(t, "gate "+name, strings.Join(words[len(words)-2:], " "))
		c := newGate(t, append(append(env, words[:len(words)-2]...), more...), name)
		c.Dir = folder
		c.start()
		return c
	}

	assert.Contains(t, run("list"), "There is no subscription")
	assert.Contains(t, run("subscribe"), "subscribed")
	subscriptionID = s.theSubscription().ID
	info, err := os.Stat(filepath.Join(folder, "webhook-secret"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())
	assert.Contains(t, run("config"), "WEBHOOK_SECRET_FILE")
	start("ingress")
	start("worker", "ADMIN_ADDR=127.0.0.1:0") // the page's port may be in use here
	assert.Contains(t, run("test"), "accepted a signed test delivery")

	assert.Contains(t, run("check"), "PASSED")
	assert.Contains(t, run("send"), "200 OK")
	s.mustResult(id)
	saved := s.create("percent-discount")
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(saved).Status)
	require.Eventually(t, func() bool {
		return strings.Contains(run("orders"), ordercheck.WorkflowID(saved))
	}, waitFor, tick)

	old := subscriptionID
	assert.Contains(t, run("rotate"), "Subscription "+old+" is removed")
	subscriptionID = s.theSubscription().ID
	assert.NotEqual(t, old, subscriptionID)
	another := s.create("fixed-discount")
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(another).Status)
	metrics := getText(t, "http://"+admin+"/metrics")
	counter := regexp.MustCompile(`curl -s http://\S+/metrics \| grep (\w+)`).FindStringSubmatch(string(text))
	require.NotNil(t, counter, "the page does not say how to see whether the old secret is still "+
		"used")
	assert.Contains(t,
		strings.Join(regexp.MustCompile(`(?m)^`+counter[1]+`\{.*$`).FindAllString(metrics, -1),
			"\n"), `secret_index="0"`)
	audit, err := os.ReadFile(filepath.Join(folder, "audit.log"))
	require.NoError(t, err)
	assert.Contains(t, string(audit), `"reason":"received"`)

	// The webhook of this order is lost.
	require.NoError(t, s.fake.SetDeliveryFault(fakeinflow.DeliveryFault{Lost: true, Times: 1}))
	missed := s.createRecent("fully-paid")
	assert.Contains(t, run("sweep"), missed)
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(missed).Status)

	// A request signed with another subscription's secret, as nc records it.
	body := `{"event":"salesOrder.updated","data":{"salesOrderId":"` + id + `"}}`
	require.NoError(t, os.WriteFile(filepath.Join(folder, "request.http"),
		[]byte("POST /webhook/inflow HTTP/1.1\r\nHost: gate.example.com\r\n"+
			"Content-Type: application/json\r\nx-inflow-hmac-sha256: "+
			"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"+
			fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body))+body), 0o600))
	output, err := try("explain")
	require.Error(t, err)
	assert.Contains(t, output, "Check that the secret belongs to this subscription")

	assert.Contains(t, run("unsubscribe"), "unsubscribed")
	assert.Empty(t, s.subscriptions())
	for recipe := range page {
		assert.True(t, tried[recipe], "recipe %q of the page is not tested", recipe)
	}
	// Commands within sentences must exist.
	for _, match := range regexp.MustCompile("`(gate [^`]*)`").FindAllStringSubmatch(string(text), -1) {
		words := strings.Fields(match[1])
		_, err := s.shellIn(folder, strings.Join(words[:min(len(words), 3)], " ")+" --help")
		assert.NoError(t, err, match[1])
	}
}

// commandOf returns the page's command with the given beginning.
func commandOf(t *testing.T, page, begins string) string {
	t.Helper()
	for line := range strings.Lines(page) {
		if command, ok := strings.CutPrefix(line, "    "); ok && strings.HasPrefix(command, begins) {
			return strings.TrimSpace(command)
		}
	}
	require.Fail(t, "the page has no such command", begins)
	return ""
}

func getText(t *testing.T, address string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(data)
}
