package pages

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"error-check-gate/desk/orders"
	"error-check-gate/desk/orders/orderstest"
	"error-check-gate/internal/ordercheck"
)

func TestHostileTextsAreEscaped(t *testing.T) {
	t.Parallel()
	for name, text := range orderstest.HostileTexts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDesk(t)
			boss := d.as(testManager)
			d.orders.Order = orderstest.HostileOrder(text)
			d.orders.Rows = []orders.Row{orderstest.HostileRow(text)}
			d.orders.InForce = ordercheck.InForce{RuleSet: ordercheck.RuleSet{Name: text, Digest: text}}
			d.orders.Rules.Rules = []ordercheck.DescribedRule{{ID: text, Description: text, Enabled: true}}
			query := url.QueryEscape(text[:min(len(text), 300)])
			pages := []response{
				boss.get(testOrderPath), boss.get("/"), boss.get("/?q=" + query), boss.get("/rules"),
				boss.get("/?rep=" + query), boss.get("/?rule=" + query), boss.get("/?status=" + query),
				boss.post(testOrderPath+"/override",
					url.Values{"finding": {text}, "reason": {text}, "until": {text}}),
				d.visitor().post(testOrderPath+"/comment", url.Values{"text": {text}}),
			}
			for _, page := range pages {
				for _, bad := range []string{
					"<script>", "<img", `href="javascript:`, "onerror=alert(1)>'",
				} {
					assert.NotContains(t, page.body, bad)
				}
				assert.Equal(t, 1, strings.Count(page.body, "<h1"))
				assert.Equal(t, 1, strings.Count(page.body, "</html>"), "the page is complete")
				assert.NotContains(t, page.body, "Something went wrong")
			}
		})
	}
}

func TestOrderWithHundredsOfFindings(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	f := d.orders.Order.Findings[0]
	d.orders.Order.Findings = nil
	for i := range 500 {
		f.ID, f.LineNumber = fmt.Sprintf("price/%d", i), i+1
		d.orders.Order.Findings = append(d.orders.Order.Findings, f)
	}
	d.orders.Order.FindingsOmitted = 1500
	got := d.as(testManager).get(testOrderPath)
	assert.Equal(t, http.StatusOK, got.status)
	assert.Less(t, len(got.body), 1<<20)
	assert.Contains(t, got.body, "1,500 more")
}
