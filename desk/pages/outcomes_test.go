package pages

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"error-check-gate/desk/orders"
	"error-check-gate/internal/ordercheck"
)

func TestOutcomesOnTheRulesPage(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss := d.as(testManager)
	d.orders.AddOutcomes()
	counted := d.orders.Outcomes
	page := boss.get("/rules").body
	for _, want := range []string{
		"What became of errors in the last 30 days; counted since",
		`<code>shipping-address-complete</code> <span class="status doubtful">`,
		`<td data-label="Time to fix">2 h</td>`, `<td data-label="Other end">15</td>`,
	} {
		assert.Contains(t, page, want)
	}
	assert.NotContains(t, page, "<code>gone</code>", "the rule set no longer has it")
	assert.NotContains(t, page, "Further rules")

	d.orders.Outcomes.Since = time.Now().AddDate(0, -2, 0)
	assert.NotContains(t, boss.get("/rules").body, "counted since")

	// A company with many rules: only the first ones with an outcome are counted one by one.
	d.orders.Outcomes.Rules = append(d.orders.Outcomes.Rules, ordercheck.RuleCounter{
		RuleID:        ordercheck.OtherRules,
		OutcomeCounts: ordercheck.OutcomeCounts{FixedInGrace: 4321, Overridden: 5000},
	})
	page = boss.get("/rules").body
	assert.Contains(t, page, `<th scope="row">Further rules, counted together</th>`)
	assert.Contains(t, page, `<td data-label="Fixed in time">4321</td>`)

	d.orders.Outcomes = ordercheck.RuleOutcomes{}
	page = boss.get("/rules").body
	assert.Contains(t, page, "Nothing has been counted yet")
	assert.NotContains(t, page, "Fixed in time")

	d.orders.Outcomes, d.orders.OutcomesErr = counted, orders.ErrUnavailable
	page = boss.get("/rules").body
	assert.Contains(t, page, "What became of errors could not be read now")
	assert.NotContains(t, page, "Fixed in time")
	assert.Contains(t, page, "cabinetry", "the rest of the page is there")
}

func TestRoughly(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		0: "", 20 * time.Second: "under 1 min", 89 * time.Minute: "89 min",
		100 * time.Minute: "2 h", 47 * time.Hour: "47 h", 50 * time.Hour: "2 days", 90 * day: "90 days",
	} {
		assert.Equal(t, want, roughly(d))
	}
}
