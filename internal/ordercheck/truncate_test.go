package ordercheck_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

func size(t testing.TB, value any) int {
	t.Helper()
	data, err := json.Marshal(value)
	require.NoError(t, err)
	return len(data)
}

// findings returns findings of a rule on the lines 1 to n, whose texts end in text.
func findings(rule string, severity ordercheck.Severity, n int, text string) []ordercheck.Finding {
	list := make([]ordercheck.Finding, n)
	for i := range list {
		list[i] = ordercheck.Finding{
			ID:     fmt.Sprintf("%s/line-%d", rule, i+1),
			RuleID: rule, Severity: severity, Scope: ordercheck.ScopeLine,
			LineID: fmt.Sprintf("line-%d", i+1), LineNumber: i + 1,
			Message: fmt.Sprintf("Line %d is wrong%s", i+1, text), Fix: "Correct it" + text,
			Expected: "1.00" + text, Actual: "2.00" + text,
		}
	}
	return list
}

func TestReportListsErrorsFirst(t *testing.T) {
	checked := ordercheck.CheckedOrder{
		Findings: slices.Concat(findings("w1", ordercheck.SeverityWarning, 300, ""),
			findings("e1", ordercheck.SeverityError, 150, ""),
			findings("w2", ordercheck.SeverityWarning, 400, ""),
			findings("e2", ordercheck.SeverityError, 250, "")),
		Terms: []ordercheck.Terms{{RuleID: "e1"}, {RuleID: "w2"}, {RuleID: "gone"}},
	}
	checked.Truncate()
	require.Len(t, checked.Findings, ordercheck.MaxFindings)
	want := slices.Concat(findings("e1", ordercheck.SeverityError, 150, ""),
		findings("e2", ordercheck.SeverityError, 250, ""),
		findings("w1", ordercheck.SeverityWarning, 100, ""))
	assert.Equal(t, want, checked.Findings, "errors first, both by rule and line")
	require.Len(t, checked.Omitted, 2)
	assert.Equal(t, "w1", checked.Omitted[0].RuleID)
	assert.Equal(t, 200, checked.Omitted[0].Count)
	assert.Equal(t, 400, checked.Omitted[1].Count)
	assert.Equal(t, []ordercheck.Terms{{RuleID: "e1"}, {RuleID: "w2"}}, checked.Terms)

	var report ordercheck.Report
	report.SetFindings(checked.Findings, checked.Omitted)
	assert.Equal(t, 600, report.FindingsOmitted)
	assert.Equal(t, 400, report.Errors())
	assert.Equal(t, 700, report.Warnings())
}

func TestReportThatFitsIsNotChanged(t *testing.T) {
	all := slices.Concat(findings("w", ordercheck.SeverityWarning, 200, ""),
		findings("e", ordercheck.SeverityError, 300, ""))
	checked := ordercheck.CheckedOrder{Findings: slices.Clone(all)}
	checked.Truncate()
	assert.Equal(t, all, checked.Findings, "in the order of the rules")
	assert.Empty(t, checked.Omitted)
}

// giant returns the result of a check whose parts are all far larger than allowed.
func giant(text string) ordercheck.CheckedOrder {
	var checked ordercheck.CheckedOrder
	rule := func(i int) string { return fmt.Sprintf("rule-%03d-%s", i, strings.Repeat("x", 55)) }
	grace := 100 * 24 * time.Hour
	for i := range 500 {
		id := rule(i)
		severity := ordercheck.SeverityError
		if i%3 == 0 {
			severity = ordercheck.SeverityWarning
		}
		list := findings(id, severity, 4, text)
		for j := range list {
			list[j].ID += "/" + strings.Repeat("d", 64) + "/" + strings.Repeat("d", 64)
		}
		checked.Findings = append(checked.Findings, list...)
		checked.Skipped = append(checked.Skipped, ordercheck.Skipped{RuleID: id, Reason: text})
		checked.RuleErrors = append(checked.RuleErrors, ordercheck.RuleError{RuleID: id, Error: text})
		checked.Shadow = append(checked.Shadow, ordercheck.ShadowResult{RuleID: id, Error: text})
		checked.Terms = append(
			checked.Terms,
			ordercheck.Terms{
				RuleID:         id,
				Grace:          &grace,
				HoldMax:        &grace,
				RemindEvery:    &grace,
				NotOverridable: true,
			},
		)
	}
	return checked
}

// maxPayload is Temporal's limit of a payload, in bytes. Encryption adds a few bytes.
const maxPayload = 2 << 20

func TestLargestStateFitsAPayload(t *testing.T) {
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			checked := giant(text)
			checked.Truncate()
			assert.Less(t, size(t, checked), 900<<10, "the result of CheckOrder")

			report := ordercheck.Report{
				SalesOrderID: strings.Repeat("i", 128),
				OrderNumber:  ordercheck.Keyword(text), Customer: ordercheck.Keyword(text),
				OrderVersion: ordercheck.ShortID(text),
				RuleSet: ordercheck.RuleSet{
					Name: ordercheck.Keyword(text), Digest: strings.Repeat("d", 80),
				},
				Skipped: checked.Skipped, RuleErrors: checked.RuleErrors,
			}
			report.SetFindings(checked.Findings, checked.Omitted)
			assert.Equal(t, 2000-len(report.Findings), report.FindingsOmitted)
			now := time.Now()
			var all []*ordercheck.Finding
			override := &ordercheck.Override{By: "Anna", Reason: "<", Until: now}
			for override.FitsReport(report.Errors()+report.Warnings(), nil) == nil {
				override.Reason += "<"
			}
			override.Reason = override.Reason[1:]
			for f := range report.All() {
				f.FirstSeen, f.ConfirmAt, f.State, f.Override = now, now, ordercheck.FindingOverridden, override
				all = append(all, f)
			}
			report.TruncateFindings()
			assert.Less(t, size(t, report), 1200<<10, "a query's answer")

			brief := ordercheck.Summaries(all)
			notice := ordercheck.Notice{Report: report.Clone(), Resolved: brief[:ordercheck.MaxResolved]}
			notice.Truncate()
			assert.LessOrEqual(t, len(notice.Report.Findings), 100)
			assert.Equal(t, report.Errors(), notice.Report.Errors(), "the notice counts all errors")
			assert.Less(t, size(t, notice), 200<<10)
			carried := orderlife.State{
				Report: report, Terms: checked.Terms, Notified: brief,
				Unlisted: ordercheck.Unlisted(report.Findings),
				Resolved: orderlife.Gone{Findings: brief[:ordercheck.MaxResolved]},
				Lifted:   orderlife.Gone{Findings: brief[:ordercheck.MaxResolved]},
				Outbox:   []ordercheck.Notice{notice, notice, notice, notice},
				Unsent:   slices.Repeat([]string{ordercheck.Cut(text, 600)}, 10),
			}
			total := size(t,
				orderlife.Start{Start: ordercheck.Start{SalesOrderID: report.SalesOrderID}, State: &carried})
			t.Logf("%d KiB: checked %d, report %d, notice %d, notified %d, unlisted %d, terms %d", total>>10,
				size(t, checked)>>10, size(t, report)>>10, size(t, notice)>>10, size(t, brief)>>10,
				size(t, carried.Unlisted)>>10, size(t, checked.Terms)>>10)
			assert.Less(t, total, maxPayload-100<<10)
		})
	}
}

func TestTruncateIsDeterministic(t *testing.T) {
	once, twice := giant(hostile["JSON escapes"]), giant(hostile["JSON escapes"])
	once.Truncate()
	twice.Truncate()
	assert.Equal(t, once, twice)
	// The digest of omitted findings doesn't depend on the order in which they are added.
	list := findings("r", ordercheck.SeverityError, 50, "")
	shuffled := slices.Clone(list)
	rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	together := ordercheck.OmittedFrom(nil, list)
	inParts := ordercheck.OmittedFrom(ordercheck.OmittedFrom(nil, shuffled[:20]), shuffled[20:])
	assert.Equal(t, together, inParts)
	assert.Equal(t, together, ordercheck.OmittedFrom(nil, together),
		"entries are merged like findings")
	list[7].Actual = "3.00"
	assert.NotEqual(t, together[0].Facts(), ordercheck.OmittedFrom(nil, list)[0].Facts())
}

func TestFactsComeFromTheWholeText(t *testing.T) {
	whole := ordercheck.Finding{
		ID:         "a",
		LineNumber: 7,
		Message:    "Line 7: " + strings.Repeat("x", 5000) + "1",
	}
	moved := ordercheck.Finding{
		ID:         "a",
		LineNumber: 8,
		Message:    "Line 8: " + strings.Repeat("x", 5000) + "1",
	}
	other := ordercheck.Finding{
		ID:         "a",
		LineNumber: 7,
		Message:    "Line 7: " + strings.Repeat("x", 5000) + "2",
	}
	facts := whole.Facts()
	for _, limit := range []int{1000, 60} {
		whole.Cut(limit)
		moved.Cut(limit)
		other.Cut(limit)
		assert.Equal(t, facts, whole.Facts())
		assert.Equal(t, facts, moved.Facts(), "the line has moved")
		assert.Equal(t, whole.Message, other.Message)
		assert.NotEqual(t, facts, other.Facts(), "the whole texts differ")
	}
	short := ordercheck.Finding{ID: "a", Message: "short"}
	short.Cut(1000)
	assert.Empty(t, short.FactsDigest)
}

func TestRulesBeyondTheLimitShareAnEntry(t *testing.T) {
	var omitted []ordercheck.Finding
	for i := range 200 {
		omitted = ordercheck.OmittedFrom(omitted,
			findings(fmt.Sprint("rule-", i), ordercheck.SeverityError, 3, ""))
	}
	assert.Less(t, len(omitted), 60)
	last := omitted[len(omitted)-1]
	assert.Equal(t, ordercheck.OtherRules, last.RuleID)
	total := 0
	for i := range omitted {
		total += omitted[i].Findings()
	}
	assert.Equal(t, 600, total)
}

func TestOverrideRequestsHaveLimits(t *testing.T) {
	now := time.Now()
	good := ordercheck.OverrideRequest{
		Findings: []string{"a"},
		By:       "Anna",
		Reason:   "agreed",
		Until:    now.Add(time.Hour),
	}
	assert.Empty(t, good.Faults(now))
	for name, tc := range map[string]struct {
		change func(*ordercheck.OverrideRequest)
		want   string
	}{
		"a giant name": {func(r *ordercheck.OverrideRequest) { r.By = strings.Repeat("ä", 201) },
			`"by" has 201 characters; give a name of at most 200`},
		"a giant reason": {func(r *ordercheck.OverrideRequest) { r.Reason = strings.Repeat("ä", 20_000) },
			`"reason" has 20000 characters; give at most 2000`},
		"many ids": {func(r *ordercheck.OverrideRequest) { r.Findings = make([]string, 5000) },
			`"findings" has 5000 ids`},
	} {
		request := good
		tc.change(&request)
		faults := request.Faults(now)
		if assert.Len(t, faults, 1, name) {
			assert.ErrorContains(t, faults[0], tc.want, name)
			assert.Less(t, len(faults[0].Error()), 200, name)
		}
	}
	long := ordercheck.Override{By: "Anna", Reason: strings.Repeat("x", 2000), Until: now}
	require.NoError(t, long.FitsReport(1, nil))
	require.NoError(t, long.FitsReport(50, nil))
	err := long.FitsReport(500, nil)
	require.ErrorContains(t, err, `"by" and "reason" are too long for 500 findings: give at most`)
	require.ErrorContains(t, long.FitsReport(50, slices.Repeat([]*ordercheck.Override{&long}, 90)),
		"too")
	require.NoError(t, long.FitsReport(0, slices.Repeat([]*ordercheck.Override{&long}, 90)))
}

func TestRecentOrdersLoseGoodsIfTooLarge(t *testing.T) {
	var recent ordercheck.RecentOrders
	for i := range 100 {
		o := ordercheck.RecentOrder{SalesOrderID: fmt.Sprint("order-", i), Lines: 1000}
		for range 1000 {
			o.Goods = append(o.Goods, ordercheck.RecentGoods{ProductID: "p1", Uom: "ea."})
		}
		recent.Orders = append(recent.Orders, o)
	}
	of := recent.Of(&ordercheck.LookUpOrdersInput{SalesOrderID: "order-3", ProductIDs: []string{"p1"}})
	require.Len(t, of.Orders, 99)
	assert.Less(t, size(t, of), 320<<10)
	assert.Len(t, of.Orders[0].Goods, 1000)
	assert.False(t, of.Orders[0].GoodsOmitted)
	last := of.Orders[98]
	assert.Empty(t, last.Goods)
	assert.True(t, last.GoodsOmitted)
	assert.Len(t, recent.Orders[99].Goods, 1000, "Of doesn't change its receiver")

	of = recent.Of(&ordercheck.LookUpOrdersInput{ProductIDs: []string{"p2"}, ProductsOmitted: true})
	assert.True(t, of.Orders[0].GoodsOmitted)
}
