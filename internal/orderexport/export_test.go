package orderexport_test

import (
	"context"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/orderexport"
	"error-check-gate/internal/orderfile"
	"error-check-gate/internal/rules"
)

// TestExportOfAnAccount exports 2,500 orders in two runs, because the first one is interrupted.
// Later exports fetch only changes.
func TestExportOfAnAccount(t *testing.T) {
	w := newWorld(t, 2500)
	first := w.requests(func() { w.interruptAfter(10) })
	assert.Equal(t, 10, first)
	assert.NoFileExists(t, w.path)
	info, err := os.Stat(w.path + ".part")
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), info.Mode())

	result := w.export()
	assert.True(t, result.Resumed)
	assert.Equal(t, 2500, result.Orders)
	assert.Equal(t, 2500, result.Fetched)
	// There are 25 pages. Each begins with the last order of the page before. At the end, the
	// export checks the beginning of the list again.
	assert.LessOrEqual(t, first+result.Requests, 27)
	assert.Equal(t, "continuing the interrupted export, with 991 orders fetched so far",
		w.messages[0])
	info, err = os.Stat(w.path)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), info.Mode())

	result = w.export()
	assert.Equal(t, orderexport.Result{Orders: 2500, Requests: 1, Window: days(30)}, result,
		"nothing has changed")

	for i := range 40 {
		w.edit(w.ids[i*61])
	}
	requests := w.requests(func() { result = w.export() })
	assert.Equal(t, 1, requests, "40 orders fit into one page")
	assert.Equal(t, 40, result.Fetched)

	w.edit(w.ids[2400:]...) // the newest orders of the file
	w.edit(w.ids[100:200]...)
	result = w.export()
	assert.Equal(t, 200, result.Fetched)
	assert.Equal(t, 4, result.Requests, "three pages, and the beginning of the list again")

	for _, id := range w.ids[:3] {
		require.NoError(t, w.DeleteOrder(id))
	}
	w.add(5)
	result = w.export()
	assert.Equal(t, 3, result.Removed)
	assert.Equal(t, 5, result.Fetched)
	assert.Equal(t, 2502, result.Orders)
	require.Len(t, w.messages, 1)
	assert.Contains(t, w.messages[0], "InFlow lists 2502 orders and the file would have 2505")
}

func TestExportHasWhatAnyRuleReads(t *testing.T) {
	w := newWorld(t, 17)
	var include string
	w.alter(func(r *http.Request) { include = r.URL.Query().Get("include") })
	w.export()
	assert.ElementsMatch(t, rules.Includes(), strings.Split(include, ","))
	header, _ := w.read()
	assert.Subset(t, header.Asked, rules.Includes())
	assert.Equal(t, "test", header.Gate)

	content, err := os.ReadFile(w.path)
	require.NoError(t, err)
	samples, err := fakeinflow.Samples()
	require.NoError(t, err)
	for _, sample := range samples {
		for _, field := range []string{"contactName", "email", "phone"} {
			if text, _ := sample.Order[field].(string); text != "" {
				assert.NotContains(t, string(content), text)
			}
		}
		address, _ := sample.Order["billingAddress"].(map[string]any)
		if street, _ := address["address1"].(string); street != "" {
			assert.NotContains(t, string(content), street)
		}
	}
	assert.Contains(t, string(content), "Hartwell Kitchens")
}

func TestOrdersThatChangeDuringTheExportAreInTheFile(t *testing.T) {
	w := newWorld(t, 450)
	options := w.options()
	pages := 0
	options.Progress = func(orderexport.Progress) {
		if pages++; pages <= 3 {
			// Edit an order that was read, one that was not, and the first one of the next page.
			w.edit(w.ids[449-pages], w.ids[pages], w.ids[449-pages*99])
			w.add(1)
		}
	}
	_, err := orderexport.Run(t.Context(), options)
	require.NoError(t, err)
	w.compare()
	assert.Empty(t, w.messages)
	assert.Equal(t, 1, w.requests(func() { w.export() }))
}

func TestInterruptedExportContinuesAfterChanges(t *testing.T) {
	w := newWorld(t, 450)
	for pages := 1; pages <= 5; pages++ {
		w.interruptAfter(1)
		w.edit(w.ids[pages], w.ids[449-pages])
	}
	result := w.export()
	assert.True(t, result.Resumed)

	// Now with a file of an earlier export.
	w.edit(w.ids[:150]...)
	w.interruptAfter(1)
	w.edit(w.ids[140:160]...)
	result = w.export()
	assert.True(t, result.Resumed)
	assert.Equal(t, 160, result.Fetched)
}

// TestJournalThatWasCutOff cuts the journal at many places, as a crash or a full disk may, and
// checks that the next export is complete.
func TestJournalThatWasCutOff(t *testing.T) {
	w := newWorld(t, 210)
	w.interruptAfter(2)
	journal, err := os.ReadFile(w.path + ".part")
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(1, 2))
	cuts := []int{0, 1, len(journal) - 1, len(journal)}
	for range 8 {
		cuts = append(cuts, random.IntN(len(journal)))
	}
	for _, cut := range cuts {
		require.NoError(t, os.RemoveAll(w.path))
		require.NoError(t, os.WriteFile(w.path+".part", journal[:cut], 0o600))
		w.export()
	}
	// A journal with garbage at its end, or for something else.
	for _, garbage := range []string{"{\"page\":", "\x00\x00\x00\n", "{}\n", "null\n"} {
		require.NoError(t, os.RemoveAll(w.path))
		require.NoError(t, os.WriteFile(w.path+".part", append(slices.Clone(journal), garbage...), 0o600))
		w.export()
	}
	require.NoError(t, os.WriteFile(w.path+".part", journal, 0o600)) // was made before the file
	w.export()
}

func TestInflowThatDoesNotSortByVersion(t *testing.T) {
	w := newWorld(t, 350)
	w.alter(func(r *http.Request) { changeSort(r) })
	w.export()
	assert.Equal(t, []string{
		"InFlow does not sort its list by the time of the last change: reading the whole list",
	}, w.messages)
	w.edit(w.ids[5], w.ids[300])
	result := w.export()
	assert.Equal(t, 2, result.Fetched)
	assert.Len(t, w.messages, 1)

	w.alter(nil) // InFlow sorts by version from now on
	w.edit(w.ids[6])
	w.export()
	w.edit(w.ids[7])
	assert.Equal(t, 1, w.requests(func() { w.export() }))
}

// changeSort changes a request so that InFlow does not sort by version.
func changeSort(r *http.Request) {
	query := r.URL.Query()
	if query.Get("sort") == "timestamp" {
		query.Del("sort")
		query.Del("sortDesc")
		r.URL.RawQuery = query.Encode()
	}
}

func TestOnePageOutOfOrder(t *testing.T) {
	w := newWorld(t, 350)
	pages := 0
	w.alter(func(r *http.Request) {
		if pages++; pages == 3 {
			query := r.URL.Query()
			query.Del("sortDesc")
			r.URL.RawQuery = query.Encode()
		}
	})
	w.export()
	assert.Len(t, w.messages, 1)
}

func TestInflowThatIgnoresTheStartOfAPage(t *testing.T) {
	w := newWorld(t, 350)
	w.alter(func(r *http.Request) {
		query := r.URL.Query()
		query.Del("start")
		r.URL.RawQuery = query.Encode()
	})
	w.export()
	assert.Equal(t, []string{
		"InFlow does not list orders from a given one on: reading the whole list",
	}, w.messages)
}

func TestWindowOfDays(t *testing.T) {
	w := newWorld(t, 280) // ten a day
	w.export()
	options := w.options()
	options.Window = days(7)
	result, err := orderexport.Run(t.Context(), options)
	require.NoError(t, err)
	assert.Equal(t, 80, result.Orders)
	assert.Equal(t, 200, result.Removed)
	assert.Equal(t, 1, result.Requests)

	result = w.export() // the file no longer has the days before
	assert.Equal(t, 280, result.Orders)
	assert.Contains(t, w.messages[0], "reading the whole list")

	today := time.Now().UTC()
	options.Window = orderfile.Window{
		From: today.AddDate(0, 0, -3).Format(time.DateOnly),
		To:   today.AddDate(0, 0, -2).Format(time.DateOnly),
	}
	result, err = orderexport.Run(t.Context(), options)
	require.NoError(t, err)
	assert.Equal(t, 20, result.Orders)

	// An order that was moved out of the window is removed, one that was moved into it is added.
	require.NoError(t, w.SetField(w.ids[2], "orderDate", today.Format(time.RFC3339)))
	require.NoError(t, w.SetField(w.ids[0], "orderDate", today.AddDate(0, 0, -2).Format(time.RFC3339)))
	require.NoError(t, w.SetField(w.ids[1], "orderDate", today.AddDate(0, 0, -2).Format(time.RFC3339)))
	result, err = orderexport.Run(t.Context(), options)
	require.NoError(t, err)
	assert.Equal(t, 21, result.Orders)
	assert.Equal(t, 1, result.Removed)
}

func TestOrderThatCannotBeRead(t *testing.T) {
	w := newWorld(t, 120)
	require.NoError(t, w.SetField(w.ids[7], "isQuote", "perhaps"))
	for range 2 {
		result, err := orderexport.Run(t.Context(), w.options())
		require.NoError(t, err)
		assert.Equal(t, 119, result.Orders)
		assert.Equal(t, 1, result.Unreadable)
		header, _ := w.read()
		assert.False(t, header.Complete)
		assert.Equal(t, 1, header.Unreadable)
	}
	require.NotEmpty(t, w.messages)
	assert.Contains(t, w.messages[0], "SO-000007")
	assert.Contains(t, w.messages[0], "field isQuote")
	assert.NotContains(t, strings.Join(w.messages, " "), "perhaps")

	require.NoError(t, w.SetField(w.ids[7], "isQuote", false))
	assert.Zero(t, w.export().Unreadable)
}

func TestPageThatIsTooLarge(t *testing.T) {
	w := newWorld(t, 105)
	remarks := strings.Repeat("long ", 35_000)
	for _, id := range w.ids {
		require.NoError(t, w.SetField(id, "orderRemarks", remarks))
	}
	result := w.export()
	assert.Equal(t, 105, result.Orders)
}

func TestRateLimitIsObeyed(t *testing.T) {
	w := newWorld(t, 20)
	require.NoError(t, w.SetFault(fakeinflow.Fault{
		Route: fakeinflow.RouteListSalesOrders, Status: http.StatusTooManyRequests,
		RetryAfter: time.Second, Times: 2,
	}))
	began := time.Now()
	result := w.export()
	assert.GreaterOrEqual(t, time.Since(began), 2*time.Second)
	assert.Equal(t, 3, result.Requests)
	require.NotEmpty(t, w.progress)
	assert.Equal(t, time.Second, w.progress[0].Wait)
}

func TestBrokenAnswersAreRequestedAgain(t *testing.T) {
	w := newWorld(t, 150)
	for _, fault := range []fakeinflow.Fault{
		{Status: http.StatusBadGateway, Times: 1}, {Cut: true, Times: 1},
	} {
		fault.Route = fakeinflow.RouteListSalesOrders
		require.NoError(t, w.SetFault(fault))
	}
	w.export()
}

func TestKeyThatIsRefusedEndsTheExport(t *testing.T) {
	w := newWorld(t, 20)
	key := w.APIKey()
	w.SetAPIKey("another")
	_, err := orderexport.Run(t.Context(), w.options())
	require.ErrorContains(t, err, "INFLOW_API_KEY")
	assert.NotContains(t, err.Error(), key)
	w.SetAPIKey(key)
	w.export()
}

func TestTwoExportsAtOnce(t *testing.T) {
	w := newWorld(t, 250)
	options := w.options()
	seconds := 0
	options.Progress = func(orderexport.Progress) {
		seconds++
		_, err := orderexport.Run(t.Context(), w.options())
		assert.ErrorContains(t, err, "another export is writing to "+w.path)
	}
	_, err := orderexport.Run(t.Context(), options)
	require.NoError(t, err)
	assert.Positive(t, seconds)
	w.compare()
}

func TestFilesThatMustNotBeReplaced(t *testing.T) {
	w := newWorld(t, 20)
	run := func(path, company string) error {
		options := w.options()
		options.Path, options.CompanyID = path, company
		_, err := orderexport.Run(t.Context(), options)
		return err
	}
	folder := t.TempDir()
	require.ErrorContains(t, run(folder, "c"), "is not a file")
	require.ErrorIs(t, run(filepath.Join(folder, "missing", "orders.jsonl"), "c"), fs.ErrNotExist)

	other := filepath.Join(folder, "other.json")
	require.NoError(t, os.WriteFile(other, []byte("{\"mine\":true}\n"), 0o600))
	require.ErrorContains(t, run(other, "c"), other+":1: is not the first line")
	require.ErrorContains(t, run(other, "c"), "name another file")
	content, err := os.ReadFile(other)
	require.NoError(t, err)
	assert.JSONEq(t, `{"mine":true}`, string(content))

	w.export()
	require.ErrorContains(t, run(w.path, "another-company"), "another account")
	w.export()

	link := filepath.Join(folder, "link.jsonl")
	require.NoError(t, os.Symlink(w.path, link))
	require.NoError(t, run(link, w.CompanyID()))
	info, err := os.Lstat(link)
	require.NoError(t, err)
	assert.Equal(t, fs.ModeSymlink, info.Mode().Type(), "the link stays")

	elsewhere := filepath.Join(folder, "elsewhere")
	fresh := filepath.Join(folder, "fresh.jsonl")
	require.NoError(t, os.Symlink(elsewhere, fresh+".part"))
	require.Error(t, run(fresh, w.CompanyID()), "the journal is not written through a link")
	assert.NoFileExists(t, elsewhere)
}

func TestAccountWithoutOrders(t *testing.T) {
	w := newWorld(t, 0)
	assert.Zero(t, w.export().Orders)
	w.add(3)
	assert.Equal(t, 3, w.export().Orders)
	w.interruptedMerge()
}

// interruptedMerge ends the context at the last page, so only the merge remains for the next run.
func (w *world) interruptedMerge() {
	w.t.Helper()
	w.edit(w.ids[0])
	ctx, cancel := context.WithCancel(w.t.Context())
	options := w.options()
	options.Progress = func(orderexport.Progress) { cancel() }
	_, err := orderexport.Run(ctx, options)
	require.ErrorIs(w.t, err, context.Canceled)
	assert.Zero(w.t, w.export().Requests)
}
