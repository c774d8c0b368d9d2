package livetest_test

import (
	"cmp"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// composeReady is longer than a slow machine takes to build the image and start all containers.
const composeReady = 30 * time.Minute

// Orders of the stand-in for InFlow with wrong amounts: one that stays held in all steps, one for
// recipes that keep it held, and others for recipes that end its run.
const (
	heldOrder   = "samples/13-total-wrong.json"
	recipeOrder = "samples/11-line-subtotal-wrong.json"
)

var ordersOfRecipes = map[string]string{
	"override":        "samples/12-order-subtotal-wrong.json",
	"override-update": "samples/14-balance-wrong.json",
	"end":             "samples/15-no-customer.json",
}

// fakeInflow adds the demo's stand-in for InFlow to the real project.
const fakeInflow = `services:
  fake-inflow:
    extends: {file: deploy/demo/docker-compose.yml, service: fake-inflow}
`

// fakeInflowSettings are the settings that point the gate at the stand-in.
const fakeInflowSettings = `INFLOW_API_URL=http://127.0.0.1:5010
INFLOW_REQUESTS_PER_MINUTE=600
GRACE_PERIOD=1s
`

// TestCompose follows "In containers, on one machine" of the operations page, and its later parts
// about containers.
func TestCompose(t *testing.T) {
	requireNamespaces(t, "TEST_COMPOSE")
	c := &company{dockerHost: startDocker(t)}
	c.buildStandIns(t)
	for _, step := range []struct {
		name string
		test func(*company, *testing.T)
	}{
		{"Demo", (*company).demo},
		{"Up", (*company).up},
		{"BehindAProxy", (*company).behindAProxy},
		{"Watched", (*company).watched},
		{"WrongSetting", (*company).wrongSetting},
		{"Recipes", (*company).recipes},
		{"Restart", (*company).restart},
		{"Reboot", (*company).reboot},
		{"BackupAndRestore", (*company).backupAndRestore},
		{"Upgrade", (*company).upgrade},
		{"Down", (*company).down},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.test(c, t) }) {
			return // each step needs the previous one
		}
	}
}

func (c *company) demo(t *testing.T) {
	exported := "export SMTP_ADDR=real.example.com:25 MAIL_TO=real@example.com " +
		"INFLOW_COMPANY_ID=real\n"
	interrupt := c.background(t, exported+block(t, "compose", "demo"))
	for name, one := range c.requireSound(t) {
		for _, setting := range one.Config.Env {
			assert.NotContains(t, setting, "=real", "%s has a real setting", name)
		}
	}
	eventually(t, composeReady, "no mail about a held order arrives", func() (bool, string) {
		status, text := get("http://127.0.0.1:8025/api/v1/messages")
		return status == http.StatusOK && strings.Contains(text, "SO-001051"), text
	})
	status, text := get("http://127.0.0.1:5010/_fake/")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, text, "SO-001051")
	interrupt()
	assert.Empty(t, c.run(t, "docker ps --quiet"), "Ctrl-C stops it")
	c.do(t, "demo-down")
	c.requireNothingLeft(t)
}

// get requests an address. If nothing answers, it returns status 0 and the error's text.
func get(address string) (status int, text string) {
	response, err := http.Get(address) //nolint:noctx,gosec // loopback
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(body)
}

// up follows the comment at the top of the compose file, on a machine that uses a proxy.
func (c *company) up(t *testing.T) {
	text, err := os.ReadFile("../../docker-compose.yml")
	require.NoError(t, err)
	head := string(text[:strings.Index(string(text), "\nname:")])
	typed := regexp.MustCompile(`(?m)^#   (mkdir|openssl|cat|chmod|echo) .*$`).FindAllString(head, -1)
	require.Len(t, typed, 7)
	script := strings.NewReplacer("#   ", "", "cat >", "openssl rand -hex 24 >",
		"YOUR_COMPANY_ID", "c0ffee00-0000-4000-8000-000000000001").Replace(strings.Join(typed, "\n"))
	c.run(t, script+`
		cat > docker-compose.override.yml <<'END'
`+fakeInflow+`END
		cat >> .env <<'END'
`+fakeInflowSettings+block(t, "compose", "proxy")+`END`)
	for _, name := range []string{"demo", "up"} {
		assert.Contains(t, head, "#   "+block(t, "compose", name),
			"the head of the file has other commands")
	}
	c.do(t, "up")
	c.requireSound(t)
	c.requireHeld(t, recipeOrder)
	c.requireHeld(t, heldOrder)
}

func (c *company) behindAProxy(t *testing.T) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://127.0.0.1:5000/webhook/inflow", strings.NewReader("{}"))
	require.NoError(t, err)
	request.Header.Set("X-Forwarded-For", "203.0.113.9")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusUnauthorized, response.StatusCode)
	eventually(t, composeReady, "the audit log does not name the proxy's client",
		func() (bool, string) {
			log := c.run(t, "docker compose logs ingress")
			return strings.Contains(log, `"peer":"203.0.113.9"`), log[max(0, len(log)-2000):]
		})
}

func (c *company) watched(t *testing.T) {
	query := func(what, expression, want string) {
		t.Helper()
		eventually(t, composeReady, what, func() (bool, string) {
			_, text := get("http://127.0.0.1:9090/api/v1/query?query=" + expression)
			return strings.Contains(text, `"`+want+`"]`), text
		})
	}
	query("Prometheus does not read all targets", "sum(up)", "5")
	query("no trace reaches Jaeger",
		"sum(otelcol_exporter_sent_spans_total)>bool(0)", "1")
	query("traces are lost", "sum(otelcol_exporter_send_failed_spans_total)or(vector(0))", "0")
	_, text := get("http://127.0.0.1:9090/api/v1/rules")
	assert.Contains(t, text, "GateDown")
	webUI, grafana := "http://127.0.0.1:8080/", "http://127.0.0.1:3000/"
	for _, page := range []string{webUI, grafana} {
		status, text := get(page)
		assert.Equal(t, http.StatusOK, status, "%s: %s", page, text)
	}
}

func (c *company) wrongSetting(t *testing.T) {
	c.run(t, "echo SWEEP_EVERY=tomorrow >> .env")
	said, err := c.try(t, block(t, "compose", "up"))
	require.Error(t, err, said)
	assert.Contains(t, c.run(t, "docker compose logs worker"), "SWEEP_EVERY")
	c.run(t, "sed -i /SWEEP_EVERY/d .env")
	c.do(t, "up")
	c.requireHeld(t, heldOrder)
}

func (c *company) recipes(t *testing.T) {
	c.do(t, "config")
	page, err := os.ReadFile(operationsPage)
	require.NoError(t, err)
	exits := map[string]string{
		"config": "exit status 2", // the block "config" has the command for containers
		"check":  "exit status 1", // the order has errors
	}
	for _, order := range ordersOfRecipes {
		c.requireHeld(t, order)
	}
	marker := regexp.MustCompile(`<!-- recipe: (.*) -->`)
	for _, found := range marker.FindAllStringSubmatch(string(page), -1) {
		name := found[1]
		said, err := c.try(t, c.recipe(t, name, cmp.Or(ordersOfRecipes[name], recipeOrder)))
		if want, ok := exits[name]; ok {
			assert.EqualError(t, err, want, "%s: %s", name, said)
		} else {
			assert.NoError(t, err, "%s: %s", name, said)
		}
	}
	assert.Contains(t, c.run(t, c.shellWith(t, "gate rules in-force")), "sha256:")
}

// restart replaces the API key as an editor does: with a new file of the same name.
func (c *company) restart(t *testing.T) {
	c.run(t, `
		openssl rand -hex 24 > secrets/new
		chmod 444 secrets/new
		mv -f secrets/new secrets/inflow_api_key`)
	c.do(t, "restart")
	c.requireWorking(t)
}

// reboot checks that all containers come back by themselves, in any order.
func (c *company) reboot(t *testing.T) {
	c.shutDown(t)
	c.boot(t)
	eventually(t, composeReady, "the gate does not come back", func() (bool, string) {
		found := c.containers(t)
		return found["ingress"].well() && found["worker"].well(), c.run(t, "docker ps --all")
	})
	c.requireWorking(t)
}

func (c *company) backupAndRestore(t *testing.T) {
	c.do(t, "backup")
	c.run(t, c.recipe(t, "override", heldOrder))
	eventually(t, composeReady, "the override does not show", func() (bool, string) {
		list := c.run(t, c.recipe(t, "list-held", heldOrder))
		return !strings.Contains(list, salesOrderID(t, heldOrder)), list
	})
	c.do(t, "restore")
	c.requireWorking(t)
}

func (c *company) upgrade(t *testing.T) {
	c.run(t, "sed -i 's/Show every setting/Show each setting/' cmd/gate/config.go")
	c.do(t, "upgrade")
	for _, process := range []string{"worker", "ingress"} {
		help := c.run(t, "docker compose exec "+process+" gate config --help")
		assert.Contains(t, help, "Show each setting", process)
	}
	c.requireWorking(t)
}

func (c *company) down(t *testing.T) {
	c.do(t, "down")
	c.requireNothingLeft(t)
}
