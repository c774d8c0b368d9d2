package livetest_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// company is a machine on which somebody follows the page. Each block of the page runs in a new
// shell, so a step has only the settings that the page names.
type company struct{ *dockerHost }

// do runs a block of the page.
func (c *company) do(t *testing.T, name string) string {
	t.Helper()
	return c.run(t, block(t, "compose", name))
}

// recipe returns a recipe of the page for an order, with the definitions of the page's commands.
func (c *company) recipe(t *testing.T, name, order string) string {
	t.Helper()
	script := block(t, "recipe", name)
	return c.shellWith(t, strings.ReplaceAll(script, "SALES_ORDER_ID", salesOrderID(t, order)))
}

func (c *company) shellWith(t *testing.T, script string) string {
	t.Helper()
	return block(t, "compose", "commands") + script
}

func salesOrderID(t *testing.T, sample string) string {
	t.Helper()
	text, err := os.ReadFile("../../internal/dev/fakeinflow/" + sample) //nolint:gosec // the project's own
	require.NoError(t, err)
	var order struct {
		SalesOrderID string `json:"salesOrderId"`
	}
	require.NoError(t, json.Unmarshal(text, &order))
	return order.SalesOrderID
}

// requireHeld waits until an order is in the list of held orders.
func (c *company) requireHeld(t *testing.T, order string) {
	t.Helper()
	eventually(t, composeReady, order+" is not held", func() (bool, string) {
		list, err := c.try(t, c.recipe(t, "list-held", order))
		return err == nil && strings.Contains(list, "sales-order-"+salesOrderID(t, order)), list
	})
}

// checkedAt returns the time of an order's last check.
func (c *company) checkedAt(t *testing.T, order string) string {
	t.Helper()
	report, err := c.try(t, c.recipe(t, "report", order))
	found := regexp.MustCompile(`"checkedAt":"([^"]+)"`).FindStringSubmatch(report)
	if err != nil || found == nil {
		return ""
	}
	return found[1]
}

// requireDeliveriesChecked sends a webhook for an order, and waits until the order is checked
// again.
func (c *company) requireDeliveriesChecked(t *testing.T, order string) {
	t.Helper()
	before := c.checkedAt(t, order)
	eventually(t, composeReady, "the ingress takes no delivery", func() (bool, string) {
		answer, err := c.try(t, "docker compose exec ingress gate webhooks send "+
			salesOrderID(t, order)+" --url http://127.0.0.1:5000/webhook/inflow")
		return err == nil, answer
	})
	eventually(t, composeReady, order+" is not checked again", func() (bool, string) {
		now := c.checkedAt(t, order)
		return now > before, "checked at " + now + ", before: " + before
	})
}

// requireWorking checks that an order is still held, and that deliveries are checked.
func (c *company) requireWorking(t *testing.T) {
	t.Helper()
	c.reconnectInflow(t)
	c.requireHeld(t, heldOrder)
	c.requireDeliveriesChecked(t, heldOrder)
}

// reconnectInflow connects the stand-in for InFlow to the network of the running worker.
func (c *company) reconnectInflow(t *testing.T) {
	t.Helper()
	c.run(t, "docker compose up --detach --wait --no-deps --force-recreate fake-inflow")
}

// container has fields of 'docker inspect'.
type container struct {
	Name         string
	RestartCount int
	State        struct {
		Status   string
		ExitCode int
		Health   *struct{ Status string }
	}
	HostConfig struct {
		Memory    int64
		LogConfig struct {
			Type   string
			Config map[string]string
		}
		PortBindings map[string][]struct{ HostIp, HostPort string } //nolint:revive,staticcheck // Docker's name
	}
	Config struct{ Env []string }
}

func (c container) well() bool {
	if c.State.Status == "exited" {
		return c.State.ExitCode == 0
	}
	return c.State.Status == "running" && (c.State.Health == nil || c.State.Health.Status == "healthy")
}

// containers returns the project's containers by service.
func (c *company) containers(t *testing.T) map[string]container {
	t.Helper()
	text, err := c.try(t, "docker inspect $(docker ps --all --quiet)")
	var all []container
	if err != nil || json.Unmarshal([]byte(text), &all) != nil {
		return nil // there is none yet, or one was removed just now
	}
	service := regexp.MustCompile(`^/error-check-gate(?:-demo)?-(.*)-1$`)
	found := map[string]container{}
	for _, one := range all {
		found[service.ReplaceAllString(one.Name, "$1")] = one
	}
	return found
}

// requireSound waits until each container is healthy, and returns the containers. It checks that
// none was restarted, and that each has its limits.
func (c *company) requireSound(t *testing.T) map[string]container {
	t.Helper()
	var found map[string]container
	eventually(t, composeReady, "not all containers are healthy", func() (bool, string) {
		found = c.containers(t)
		var sick []string
		for name, one := range found {
			if !one.well() {
				sick = append(sick, name+": "+one.State.Status)
			}
		}
		return len(found) > 0 && len(sick) == 0, strings.Join(sick, ", ")
	})
	for name, one := range found {
		assert.Zero(t, one.RestartCount, "%s was restarted", name)
		assert.NotZero(t, one.HostConfig.Memory, "%s has no memory limit", name)
		assert.Equal(t, "local", one.HostConfig.LogConfig.Type, name)
		assert.NotEmpty(t, one.HostConfig.LogConfig.Config["max-size"], name)
		for port, published := range one.HostConfig.PortBindings {
			for _, at := range published {
				assert.Equal(t, "127.0.0.1", at.HostIp, "%s publishes %s", name, port)
				assert.NotContains(t, []string{"", "0"}, at.HostPort, "%s: a random port for %s", name, port)
			}
		}
	}
	return found
}

// requireNothingLeft checks that a removed project has no container, volume or network.
func (c *company) requireNothingLeft(t *testing.T) {
	t.Helper()
	assert.Empty(t, c.run(t, `
		docker ps --all --quiet
		docker volume ls --quiet
		docker network ls --quiet --filter type=custom`))
}
