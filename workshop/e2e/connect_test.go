package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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
	p := newConnectPage(t)
	p.subscribeAndStart()
	p.checkOrders()
	p.rotate()
	p.solveProblems()
	assert.Contains(t, p.run("unsubscribe"), "unsubscribed")
	assert.Empty(t, p.s.subscriptions())
	for recipe := range p.recipes {
		assert.True(t, p.tried[recipe], "recipe %q of the page is not tested", recipe)
	}
	// Commands within sentences must exist.
	for _, match := range regexp.MustCompile("`(gate [^`]*)`").FindAllStringSubmatch(p.text, -1) {
		words := strings.Fields(match[1])
		_, err := p.s.shellIn(p.folder, strings.Join(words[:min(len(words), 3)], " ")+" --help")
		assert.NoError(t, err, match[1])
	}
}

// connectPage runs the recipes of docs/connect.md in a folder.
type connectPage struct {
	t              *testing.T
	s              *subscriber
	text           string
	recipes        map[string][]string
	tried          map[string]bool
	folder         string
	admin          string   // host:port of the ingress's metrics
	env            []string // the page's settings with this test's values
	id             string   // the id of an order
	subscriptionID string
}

func newConnectPage(t *testing.T) *connectPage {
	t.Helper()
	const path = "../../docs/connect.md"
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	p := &connectPage{
		t: t, s: newSubscriber(t), text: string(text), recipes: recipes(t, path),
		tried: map[string]bool{}, folder: t.TempDir(),
		admin: fmt.Sprintf("127.0.0.1:%d", freePort(t)),
	}
	p.env = p.settings()
	p.id = p.s.create("plain")
	return p
}

// settings returns the page's settings with this test's values, and writes them to .env.
func (p *connectPage) settings() (env []string) {
	p.t.Helper()
	address := strings.TrimSuffix(strings.TrimPrefix(p.s.url, "http://"), "/webhook/inflow")
	_, rest, found := strings.Cut(p.text, "```sh\n")
	require.True(p.t, found)
	block, _, _ := strings.Cut(rest, "```")
	settings := map[string]string{
		"INFLOW_COMPANY_ID": p.s.fake.CompanyID(), "INFLOW_API_KEY": p.s.fake.APIKey(),
		"TEMPORAL_ADDRESS": server.Addr, "WEBHOOK_SECRET_FILE": "",
	}
	env = []string{
		"INFLOW_API_URL=" + p.s.inflowURL, "INFLOW_REQUESTS_PER_MINUTE=6000", "SETTLE_QUIET=50ms",
		"LISTEN_ADDR=" + address, "ADMIN_ADDR=" + p.admin, "TEMPORAL_NAMESPACE=" + p.s.namespace,
		"AUDIT_LOG=audit.log",
	}
	for line := range strings.Lines(block) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		own, known := settings[name]
		require.True(p.t, known, name)
		if own != "" {
			value = own
		}
		env = append(env, name+"="+value)
	}
	require.NoError(p.t, os.WriteFile(filepath.Join(p.folder, ".env"),
		[]byte(strings.Join(env, "\n")+"\n"), 0o600))
	return env
}

// try runs a recipe of the page.
func (p *connectPage) try(recipe string) (output string, err error) {
	p.t.Helper()
	p.tried[recipe] = true
	require.Len(p.t, p.recipes[recipe], 1, "the page's recipe %q", recipe)
	script := strings.NewReplacer("https://gate.example.com/webhook/inflow", p.s.url,
		"SALES_ORDER_ID", p.id, "SUBSCRIPTION_ID", p.subscriptionID).Replace(p.recipes[recipe][0])
	return p.s.shellIn(p.folder, commandOf(p.t, p.text, "set -a;")+"\n"+script)
}

// run runs a recipe, which must succeed.
func (p *connectPage) run(recipe string) string {
	p.t.Helper()
	output, err := p.try(recipe)
	require.NoError(p.t, err, "%s\n%s", recipe, output)
	return output
}

// start starts the process of a recipe, which runs until the test ends.
func (p *connectPage) start(recipe string, more ...string) {
	p.t.Helper()
	p.tried[recipe] = true
	require.Len(p.t, p.recipes[recipe], 1)
	words := strings.Fields(p.recipes[recipe][0])
	name := words[len(words)-1]
	require.Equal(p.t, "gate "+name, strings.Join(words[len(words)-2:], " "))
	c := newGate(p.t, slices.Concat(p.env, words[:len(words)-2], more), name)
	c.Dir = p.folder
	c.start()
}

// subscribeAndStart makes the subscription and starts ingress and worker.
func (p *connectPage) subscribeAndStart() {
	p.t.Helper()
	assert.Contains(p.t, p.run("list"), "There is no subscription")
	assert.Contains(p.t, p.run("subscribe"), "subscribed")
	p.subscriptionID = p.s.theSubscription().ID
	info, err := os.Stat(filepath.Join(p.folder, "webhook-secret"))
	require.NoError(p.t, err)
	assert.Equal(p.t, os.FileMode(0o600), info.Mode())
	assert.Contains(p.t, p.run("config"), "WEBHOOK_SECRET_FILE")
	p.start("ingress")
	p.start("worker", "ADMIN_ADDR=127.0.0.1:0") // the page's port may be in use here
	assert.Contains(p.t, p.run("test"), "accepted a signed test delivery")
}

// checkOrders checks orders by command, test delivery and webhook.
func (p *connectPage) checkOrders() {
	p.t.Helper()
	assert.Contains(p.t, p.run("check"), "PASSED")
	assert.Contains(p.t, p.run("send"), "200 OK")
	p.s.mustResult(p.id)
	saved := p.s.create("percent-discount")
	assert.Equal(p.t, ordercheck.StatusPassed, p.s.mustResult(saved).Status)
	require.Eventually(p.t, func() bool {
		return strings.Contains(p.run("orders"), ordercheck.WorkflowID(saved))
	}, waitFor, tick)
}

// rotate replaces the secret. Metrics and the audit log show that the ingress uses the new one.
func (p *connectPage) rotate() {
	p.t.Helper()
	old := p.subscriptionID
	assert.Contains(p.t, p.run("rotate"), "Subscription "+old+" is removed")
	p.subscriptionID = p.s.theSubscription().ID
	assert.NotEqual(p.t, old, p.subscriptionID)
	another := p.s.create("fixed-discount")
	assert.Equal(p.t, ordercheck.StatusPassed, p.s.mustResult(another).Status)
	metrics := string(getPage(p.t, "http://"+p.admin+"/metrics"))
	counter := regexp.MustCompile(
		`curl -s http://\S+/metrics \| grep (\w+)`).FindStringSubmatch(p.text)
	require.NotNil(p.t, counter, "the page does not say how to see whether the old secret is still "+
		"used")
	assert.Contains(p.t,
		strings.Join(regexp.MustCompile(`(?m)^`+counter[1]+`\{.*$`).FindAllString(metrics, -1),
			"\n"), `secret_index="0"`)
	audit, err := os.ReadFile(filepath.Join(p.folder, "audit.log"))
	require.NoError(p.t, err)
	assert.Contains(p.t, string(audit), `"reason":"received"`)
}

// solveProblems finds an order whose webhook was lost, and explains a wrong signature.
func (p *connectPage) solveProblems() {
	p.t.Helper()
	// The webhook of this order is lost.
	require.NoError(p.t, p.s.fake.SetDeliveryFault(fakeinflow.DeliveryFault{Lost: true, Times: 1}))
	missed := p.s.createRecent("fully-paid")
	assert.Contains(p.t, p.run("sweep"), missed)
	assert.Equal(p.t, ordercheck.StatusPassed, p.s.mustResult(missed).Status)

	// A request signed with another subscription's secret, as nc records it.
	body := `{"event":"salesOrder.updated","data":{"salesOrderId":"` + p.id + `"}}`
	require.NoError(p.t, os.WriteFile(filepath.Join(p.folder, "request.http"),
		[]byte("POST /webhook/inflow HTTP/1.1\r\nHost: gate.example.com\r\n"+
			"Content-Type: application/json\r\nx-inflow-hmac-sha256: "+
			"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"+
			fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body))+body), 0o600))
	output, err := p.try("explain")
	require.Error(p.t, err)
	assert.Contains(p.t, output, "Check that the secret belongs to this subscription")
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
