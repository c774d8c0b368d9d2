package e2e_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/temporalserver"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// assertUnavailable checks that page and API respond with 503 for an order.
func (d *deskStack) assertUnavailable(boss *browser, id string) {
	d.t.Helper()
	var asked sync.WaitGroup
	asked.Go(func() {
		status, page := boss.getOnce("/orders/" + id)
		assert.Equal(d.t, http.StatusServiceUnavailable, status)
		assert.Contains(d.t, page, "Nothing is lost")
	})
	asked.Go(func() { assert.Equal(d.t, http.StatusServiceUnavailable, d.apiStatus(id)) })
	asked.Wait()
}

// waitUntilAvailable waits until page and API work again.
func (d *deskStack) waitUntilAvailable(boss *browser, id string) {
	d.t.Helper()
	require.Eventually(d.t, func() bool {
		status, _ := boss.getOnce("/orders/" + id)
		return status == http.StatusOK && d.apiStatus(id) == http.StatusOK
	}, waitFor, tick)
}

func (d *deskStack) apiStatus(id string) int {
	d.t.Helper()
	status, _ := d.api("/api/v1/orders/" + id)
	return status
}

func containsAll(text string, parts ...string) bool {
	return !slices.ContainsFunc(parts, func(part string) bool {
		return !strings.Contains(text, part)
	})
}

// TestDeskWithoutWorkersOrTemporal stops the workers, then Temporal. The history is encrypted, and
// two people override at the same time.
func TestDeskWithoutWorkersOrTemporal(t *testing.T) {
	t.Parallel()
	var err error
	own, o := startOwnTemporal(t)
	defer func() { assert.NoError(t, own.Stop()) }()

	d := newDeskStack(t, options{
		temporalAddr: own.Addr, payloadKeys: payloadKeys(t, newPayloadKey("a")), noWorker: true,
		settings: orderlife.Settings{SettleQuiet: settleQuiet, HoldMax: time.Hour},
	})
	stopWorker := d.startWorker()
	id := d.create("balance-wrong")
	d.waitForStatus(id, ordercheck.StatusFailed)
	boss := d.browser()
	boss.signIn(manager, "/")
	require.Eventually(t, func() bool {
		_, page := boss.get("/?q=oak") // by customer, which is encrypted in Temporal
		_, rules := boss.get("/rules")
		return containsAll(page, "Oak &amp; Anvil", "The balance is") &&
			containsAll(rules, "order-subtotal")
	}, waitFor, tick)

	var both sync.WaitGroup
	for _, reason := range []string{"The first reason.", "The second reason."} {
		both.Go(func() {
			status, page := boss.post("/orders/"+id+"/override",
				url.Values{"finding": {"all"}, "reason": {reason}, "until": {"2999-12-31"}})
			assert.Equal(t, http.StatusOK, status)
			assert.Contains(t, page, "You have taken responsibility.")
		})
	}
	both.Wait()
	_, page := boss.get("/orders/" + id)
	assert.True(t, containsAll(page, "The first reason.", "The second reason.", "until <time"),
		"the timeline has both reasons, and the error has the latest")

	stopWorker()
	d.assertUnavailable(boss, id)
	status, page := boss.get("/")
	assert.Equal(t, http.StatusOK, status, "the list needs no worker")
	assert.Contains(t, page, "Orders")
	d.startWorker()
	d.waitUntilAvailable(boss, id)

	require.NoError(t, own.Kill())
	d.assertUnavailable(boss, id)
	own, err = temporalserver.Start(t.Context(), o)
	require.NoError(t, err)
	d.waitUntilAvailable(boss, id)
}
