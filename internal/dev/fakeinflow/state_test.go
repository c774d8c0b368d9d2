package fakeinflow_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
)

func TestStateIsKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	hook := newReceiver(t)
	before := newAccount(t, fakeinflow.Options{StateFile: file})
	assert.False(t, before.Restored())
	before.addSamples()
	id := before.Orders()[2].ID
	require.NoError(t, before.DeleteOrder(before.Orders()[16].ID))
	require.NoError(t, before.SetField(id, "exchangeRate", json.Number("1.2500")))
	secret := before.subscribe(hook.url, documentedEvents...)
	before.Close()
	content, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), content.Mode().Perm(), "it holds secrets")
	left, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	assert.Len(t, left, 1, "no temporary file remains")

	after := newAccount(t, fakeinflow.Options{StateFile: file})
	assert.True(t, after.Restored())
	assert.Equal(t, before.Orders(), after.Orders())
	for _, order := range before.Orders() {
		was, err := before.Order(order.ID)
		require.NoError(t, err)
		is, err := after.Order(order.ID)
		require.NoError(t, err)
		assert.Equal(t, was, is)
	}
	last := before.Orders()[15].Version
	require.NoError(t, after.EditOrder(id, func(order map[string]any) { order["total"] = "1.00" }))
	order, err := after.Order(id)
	require.NoError(t, err)
	assert.Greater(t, order["timestamp"], last, "versions keep growing")
	customer := within[string](t, order, "customerId")
	require.NoError(t, after.EditCustomer(customer, func(c map[string]any) { c["name"] = "Renamed" }))
	assert.Equal(t, "Renamed", within[string](t, after.included(id), "customer", "name"),
		"orders still share them")
	assert.Equal(t, "SO-000018", within[string](t, mustOrder(t, after, after.add(nil)), "orderNumber"),
		"no number comes twice")
	after.settle()
	got := hook.all()
	require.NotEmpty(t, got)
	assert.Equal(t, sign(secret, got[0].body), got[0].header.Get("x-inflow-hmac-sha256"))
}

func mustOrder(t *testing.T, a *account, id string) map[string]any {
	t.Helper()
	order, err := a.Order(id)
	require.NoError(t, err)
	return order
}

// TestStateIsSavedAtOnce checks that the file has a subscription before the answer with its secret,
// and other changes soon. A killed process has no time to save at its end.
func TestStateIsSavedAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	a := newAccount(t, fakeinflow.Options{StateFile: file})
	saved := func() string {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		return string(content)
	}
	secret := a.subscribe("http://127.0.0.1:1/hook", "vendor.created")
	assert.Contains(t, saved(), secret)
	id := a.add(nil)
	require.Eventually(t, func() bool { return strings.Contains(saved(), id) }, generous,
		5*time.Millisecond)

	copied := filepath.Join(t.TempDir(), "copy.json")
	require.NoError(t, os.WriteFile(copied, []byte(saved()), 0o600))
	killed := newAccount(t, fakeinflow.Options{StateFile: copied})
	assert.Equal(t, a.Orders(), killed.Orders())
	subscriptions := a.api(http.MethodGet, "/webhooks", "").list(t)
	require.Len(t, subscriptions, 1)
	assert.Equal(t, subscriptions, killed.api(http.MethodGet, "/webhooks", "").list(t))
	subscription := within[string](t, subscriptions[0], "webHookSubscriptionId")
	assert.Equal(t, 200, a.api(http.MethodDelete, "/webhooks/"+subscription, "").status)
	assert.NotContains(t, saved(), secret)
}

func TestDamagedStateStays(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "whole.json")
	a := newAccount(t, fakeinflow.Options{StateFile: whole})
	a.addSamples()
	a.Close()
	content, err := os.ReadFile(whole)
	require.NoError(t, err)
	var parsed map[string]any
	require.NoError(t, json.Unmarshal(content, &parsed))
	changed := func(change func(map[string]any)) string {
		var again map[string]any
		require.NoError(t, json.Unmarshal(content, &again))
		change(again)
		encoded, err := json.Marshal(again)
		require.NoError(t, err)
		return string(encoded)
	}
	for name, tt := range map[string]struct{ content, says string }{
		"empty":          {"", "it is empty"},
		"cut off":        {string(content[:len(content)/2]), "at byte"},
		"two":            {string(content) + "{}", "after the state's end"},
		"another's":      {`{"orders":[]}`, "orders"},
		"another form":   {changed(func(s map[string]any) { s["form"] = 2 }), "form 1"},
		"version":        {changed(func(s map[string]any) { s["version"] = "new" }), "rowversion"},
		"order twice":    {changed(func(s map[string]any) { l := within[[]any](t, s, "salesOrders"); l[1] = l[0] }), "sales order 2"},
		"order no id":    {changed(func(s map[string]any) { within[map[string]any](t, s, "salesOrders", 4)["salesOrderId"] = 5 }), "sales order 5"},
		"no secret":      {changed(func(s map[string]any) { s["subscriptions"] = []any{map[string]any{"url": "http://h/"}} }), "subscription 1"},
		"not an account": {`[]`, "cannot unmarshal array"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "state.json")
			require.NoError(t, os.WriteFile(file, []byte(tt.content), 0o600))
			_, err := fakeinflow.New(fakeinflow.Options{StateFile: file})
			require.ErrorContains(t, err, tt.says)
			require.ErrorContains(t, err, file)
			require.ErrorContains(t, err, "move it away")
			left, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, tt.content, string(left), "it stays as it was")
		})
	}
	_, err = fakeinflow.New(fakeinflow.Options{StateFile: filepath.Join(t.TempDir(), "no such folder", "state.json")})
	require.ErrorContains(t, err, "save the state")
	_, err = fakeinflow.New(fakeinflow.Options{StateFile: t.TempDir()})
	require.ErrorContains(t, err, "read the state")
}

func TestStateKeepsTheGeneratedKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	first, err := fakeinflow.New(fakeinflow.Options{StateFile: file})
	require.NoError(t, err)
	key := first.APIKey()
	first.Close()
	second, err := fakeinflow.New(fakeinflow.Options{StateFile: file})
	require.NoError(t, err)
	second.Close()
	assert.Equal(t, key, second.APIKey())
	third, err := fakeinflow.New(fakeinflow.Options{StateFile: file, APIKey: "given"})
	require.NoError(t, err)
	third.Close()
	assert.Equal(t, "given", third.APIKey())
}

func TestStateThatCannotBeSaved(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "folder")
	require.NoError(t, os.Mkdir(folder, 0o700))
	a := newAccount(t, fakeinflow.Options{StateFile: filepath.Join(folder, "state.json")})
	require.NoError(t, os.RemoveAll(folder))
	body := `{"url":"http://h/","events":["salesOrder.created"],"webHookSubscriptionId":"` + subscriptionID + `","webHookSubscriptionRequestId":"` + subscriptionID + `"}`
	refused := a.api(http.MethodPut, "/webhooks", body)
	assert.Equal(t, 500, refused.status)
	assert.NotContains(t, refused.object(t), "secret")
}
