package pages

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/desk/orders"
	"error-check-gate/desk/orders/orderstest"
	"error-check-gate/internal/ordercheck"
)

func TestListFilters(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss := d.as(testManager)
	for address, want := range map[string]orders.Filter{
		"/":                             {Status: orders.StatusHeld, Limit: 50},
		"/?status=&rule=&rep=&q=&age=":  {Status: orders.StatusHeld, Limit: 50},
		"/?status=failed&q=%C3%BCrg%00": {Status: "failed", Query: "ürg\x00", Limit: 50},
		"/?status=failed&status=passed": {Status: "failed", Limit: 50},
		"/?q=a&q=b&rule=x&rule=y":       {Status: orders.StatusHeld, Query: "a", Rule: "x", Limit: 50},
		"/?age=24h0m0s&rep=Al&unknown=1": {
			Status: orders.StatusHeld, MinAge: 24 * time.Hour, Rep: "Al", Limit: 50,
		},
		"/?q=%ff%zz;&status=pending":      {Status: "pending", Limit: 50},
		"/?page=1&page=x&status=warning":  {Status: "warning", Limit: 50},
		"/?format=csv&page=7&status=held": {Status: orders.StatusHeld},
	} {
		got := boss.get(address)
		assert.Equal(t, http.StatusOK, got.status, address)
		assert.Equal(t, want, d.orders.Filters[len(d.orders.Filters)-1], address)
	}
}

func TestPageNumbers(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss := d.as(testManager)
	d.orders.Rows = nil
	for i := range 60 {
		d.orders.Rows = append(d.orders.Rows, orders.Row{
			SalesOrderID: fmt.Sprint(i), Status: ordercheck.StatusFailed, Since: orderstest.Now,
		})
	}
	first, second := boss.get("/").body, boss.get("/?page=2").body
	assert.Equal(t, 50, strings.Count(first, `<th scope="row">`))
	assert.Equal(t, 10, strings.Count(second, `<th scope="row">`))
	assert.Contains(t, first, "Page 1 of 2")
	assert.Contains(t, first, `rel="next" href="/?page=2"`)
	assert.Contains(t, second, `rel="prev" href="/"`)
	for _, tooHigh := range []string{
		"3", "400", "999999999", "9223372036854775807", "99999999999999999999",
	} {
		got := boss.get("/?page=" + tooHigh)
		assert.Equal(t, http.StatusSeeOther, got.status, tooHigh)
		assert.Equal(t, "/?page=2", got.header.Get("Location"), tooHigh)
	}
	for _, bad := range []string{"0", "-1", "-99999999999999999999", "x", "1.5", "%00", "1%20"} {
		assert.Equal(t, http.StatusBadRequest, boss.get("/?page="+bad).status, bad)
	}
}

func TestStaleList(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss := d.as(testManager)
	assert.NotContains(t, boss.get("/").body, "out of date")
	d.orders.Stale, d.orders.ListedAt = true, time.Now().Add(-time.Hour)
	page := boss.get("/").body
	assert.Contains(t, page, "This list may be out of date")
	assert.Contains(t, page, "1 h ago")
	assert.Contains(t, page, orderstest.Number, "an old list is better than none")
}

func TestCSV(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	formulas := []string{
		`=HYPERLINK("https://evil.example","x")`, "\t=1+1", " @SUM(1)", "-1+1", "+1", "\r\n=1",
		"\u00a0=1", "\u200b=1", "\ufeff=1", "\u202e=1", "＝1", "\x00=1", "\tharmless",
	}
	d.orders.Rows = nil
	for i, formula := range formulas {
		row := orderstest.HostileRow(formula)
		row.SalesOrderID, row.Since = fmt.Sprint(i), orderstest.Now.Add(time.Duration(i)*time.Second)
		d.orders.Rows = append(d.orders.Rows, row)
	}
	d.orders.Rows = append(d.orders.Rows, orders.Row{
		SalesOrderID: "last", Customer: `Küchen "A=B", 5-fach`, Status: ordercheck.StatusFailed,
		Since: orderstest.Now.Add(time.Hour),
	})
	got := d.as(testManager).get("/?format=csv")
	assert.Equal(t, "text/csv; charset=utf-8", got.header.Get("Content-Type"))
	assert.Regexp(t, `^attachment; filename=orders-\d{4}-\d\d-\d\d\.csv$`,
		got.header.Get("Content-Disposition"))
	text, ok := strings.CutPrefix(got.body, "\ufeff")
	require.True(t, ok, "Excel needs a byte order mark")
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	require.NoError(t, err)
	require.Len(t, records, len(formulas)+2)
	assert.Equal(t, "customer", records[0][2])
	for i, formula := range formulas {
		for _, column := range []int{0, 2, 3, 7, 8} { // the texts
			want := "'" + strings.ReplaceAll(formula, "\r\n", "\n") // the reader's line breaks
			assert.Equal(t, want, strings.ReplaceAll(records[i+1][column], "\r\n", "\n"))
		}
	}
	assert.Equal(t, `Küchen "A=B", 5-fach`, records[len(records)-1][2], "no formula")
}

func TestRulesPage(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss := d.as(testManager)
	assert.Contains(t, boss.get("/rules").body, "There are no rules yet")

	grace := 2 * time.Hour
	d.orders.InForce = ordercheck.InForce{
		RuleSet: ordercheck.RuleSet{Name: "cabinetry", Digest: "sha256:0"}, Since: orderstest.Now,
	}
	d.orders.Rules = ordercheck.DescribedRules{Omitted: 1200, Rules: []ordercheck.DescribedRule{
		{
			ID: "price", Description: "The price is right.", Enabled: true,
			Terms: &ordercheck.Terms{Grace: &grace, NotOverridable: true},
		},
		{ID: "depth", Description: "The depth is right."},
	}}
	page := boss.get("/rules").body
	for _, want := range []string{
		"cabinetry", "2 rules; 1,200 more rules", `<a href="/?rule=price">1</a>`,
		"time to fix it 2 h, nobody can take responsibility", "off",
	} {
		assert.Contains(t, page, want)
	}
	d.orders.RulesErr = orders.ErrUnavailable
	page = boss.get("/rules").body
	assert.Contains(t, page, "The rules could not be read now")
	assert.Contains(t, page, "cabinetry")
}
