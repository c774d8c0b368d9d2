package orderexport_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/orderexport"
	"error-check-gate/internal/orderfile"
)

// world is an account at the stand-in for InFlow, and a file to export its orders to.
type world struct {
	t *testing.T
	*fakeinflow.Server
	client *inflow.Client
	path   string
	ids    []string // of the orders that add added
	// change changes a request before the stand-in gets it; nil changes nothing.
	change atomic.Pointer[func(*http.Request)]
	api    *httptest.Server

	messages []string
	progress []orderexport.Progress
}

// newWorld returns a world with a number of orders of the last 28 days, made from the stand-in's
// samples.
func newWorld(t *testing.T, orders int) *world {
	t.Helper()
	fake, err := fakeinflow.New(fakeinflow.Options{RetryDelays: []time.Duration{}})
	require.NoError(t, err)
	t.Cleanup(fake.Close)
	w := &world{t: t, Server: fake, path: filepath.Join(t.TempDir(), "orders.jsonl")}
	handler := fake.Handler()
	w.api = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if change := w.change.Load(); change != nil {
			(*change)(r)
		}
		handler.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.api.Close)
	w.client, err = inflow.NewClient(inflow.Options{
		BaseURL: w.api.URL, CompanyID: fake.CompanyID(), APIKey: fake.APIKey(),
		Timeout: orderexport.RequestTimeout,
	})
	require.NoError(t, err)
	w.add(orders)
	return w
}

// add adds orders with one line or more each.
func (w *world) add(orders int) {
	w.t.Helper()
	samples, err := fakeinflow.Samples()
	require.NoError(w.t, err)
	today := time.Now().UTC().Truncate(24 * time.Hour)
	for range orders {
		n := len(w.ids)
		order := samples[n%len(samples)].Order
		order["salesOrderId"] = fmt.Sprintf("8a3c6d4e-0000-4000-8000-%012d", n)
		order["orderNumber"] = fmt.Sprintf("SO-%06d", n)
		order["orderDate"] = today.AddDate(0, 0, -n%28).Format(time.RFC3339)
		id, err := w.AddOrder(order)
		require.NoError(w.t, err)
		w.ids = append(w.ids, id)
	}
}

// alter sets a function that changes requests. Nil changes nothing.
func (w *world) alter(change func(*http.Request)) {
	if change == nil {
		w.change.Store(nil)
		return
	}
	w.change.Store(&change)
}

// days returns a window that starts n days ago and has no end.
func days(n int) orderfile.Window {
	return orderfile.Window{From: time.Now().UTC().AddDate(0, 0, -n).Format(time.DateOnly)}
}

func (w *world) options() orderexport.Options {
	return orderexport.Options{
		Orders: w.client, CompanyID: w.CompanyID(), Path: w.path, Window: days(30), Gate: "test",
		Say:      func(message string) { w.messages = append(w.messages, message) },
		Progress: func(p orderexport.Progress) { w.progress = append(w.progress, p) },
	}
}

// export exports the orders, and checks that the file matches the stand-in.
func (w *world) export() orderexport.Result {
	w.t.Helper()
	w.messages = nil
	result, err := orderexport.Run(w.t.Context(), w.options())
	require.NoError(w.t, err)
	w.compare()
	return result
}

// interruptAfter starts an export and interrupts it after a number of pages.
func (w *world) interruptAfter(pages int) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	options := w.options()
	options.Progress = func(orderexport.Progress) {
		if pages--; pages == 0 {
			cancel()
		}
	}
	_, err := orderexport.Run(ctx, options)
	require.ErrorIs(w.t, err, context.Canceled)
}

// read returns the header of the file, and the version of each of its orders.
func (w *world) read() (orderfile.Header, map[string]string) {
	w.t.Helper()
	reader, err := orderfile.Open(w.path)
	require.NoError(w.t, err)
	defer reader.Close()
	versions := map[string]string{}
	for order, err := range reader.Orders() {
		require.NoError(w.t, err)
		if len(versions)%20 == 0 { // decoding them all takes long
			digest, err := order.SalesOrder()
			require.NoError(w.t, err)
			assert.Equal(w.t, order.SalesOrderID, digest.SalesOrderID)
		}
		versions[order.SalesOrderID] = order.Version
	}
	return reader.Header, versions
}

// compare checks that the file has each of the stand-in's orders in its latest version.
func (w *world) compare() {
	w.t.Helper()
	want := map[string]string{}
	for _, order := range w.Orders() {
		want[strings.ToLower(order.ID)] = order.Version
	}
	header, got := w.read()
	assert.Equal(w.t, want, got)
	assert.True(w.t, header.Complete)
	assert.NoFileExists(w.t, w.path+".part")
}

// requests returns the number of requests to InFlow during do.
func (w *world) requests(do func()) int {
	before := len(w.Requests())
	do()
	return len(w.Requests()) - before
}

func (w *world) edit(ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		require.NoError(w.t, w.SetField(id, "poNumber", fmt.Sprintf("PO %d", time.Now().UnixNano())))
	}
}
