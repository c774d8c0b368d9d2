package orderlife_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

func finding(rule string, severity ordercheck.Severity) ordercheck.Finding {
	return ordercheck.Finding{
		ID: rule, RuleID: rule, Severity: severity, Scope: ordercheck.ScopeOrder,
		Message: rule + " is wrong", Expected: "1.00", Actual: "5.00",
	}
}

func TestStatusFollowsFromTheFindings(t *testing.T) {
	var w world
	wrong := finding("order-total", ordercheck.SeverityError)
	odd := finding("total-zero", ordercheck.SeverityWarning)
	unevaluated := []ordercheck.RuleError{{RuleID: "margin", Error: "division by zero"}}
	skipped := []ordercheck.Skipped{{RuleID: "stock", Reason: "not included"}}
	for name, tc := range map[string]struct {
		checked ordercheck.CheckedOrder
		want    ordercheck.Status
	}{
		"nothing": {want: ordercheck.StatusPassed},
		"a warning": {ordercheck.CheckedOrder{Findings: []ordercheck.Finding{odd}},
			ordercheck.StatusWarning},
		"an error": {ordercheck.CheckedOrder{Findings: []ordercheck.Finding{wrong}},
			ordercheck.StatusFailed},
		"an error and a warning": {ordercheck.CheckedOrder{Findings: []ordercheck.Finding{odd,
			wrong}}, ordercheck.StatusFailed},
		"a rule not evaluated": {ordercheck.CheckedOrder{RuleErrors: unevaluated},
			ordercheck.StatusIncomplete},
		"not evaluated, and a warning": {ordercheck.CheckedOrder{Findings: []ordercheck.Finding{odd},
			RuleErrors: unevaluated}, ordercheck.StatusIncomplete},
		"not evaluated, and an error": {ordercheck.CheckedOrder{Findings: []ordercheck.Finding{wrong},
			RuleErrors: unevaluated}, ordercheck.StatusFailed},
		"a skipped rule": {ordercheck.CheckedOrder{Skipped: skipped},
			ordercheck.StatusPassed},
	} {
		t.Run(name, func(t *testing.T) {
			s := orderlife.New(orderID, orderlife.Settings{}, ordercheck.PriorityWebhook)
			s.Begin()
			tc.checked.RuleSet = w.rules.set()
			s.Checked(start, &orderlife.Result{Began: start, Fetched: w.fetch(nil), Checked: &tc.checked})
			report := &s.Report
			assert.Equal(t, tc.want, report.Status)
			assert.Equal(t, "SO-1", report.OrderNumber)
			assert.Equal(t, "0000000000000000", report.OrderVersion)
			assert.Equal(t, "Ikea", report.Customer)
			assert.Equal(t, w.rules.set(), report.RuleSet)
			assert.Equal(t, start, report.CheckedAt)
			assert.NotNil(t, report.Findings)
			assert.NotNil(t, report.Skipped)
			assert.NotNil(t, report.RuleErrors)
			for _, f := range report.Findings {
				assert.Equal(t, ordercheck.FindingConfirmed, f.State)
				assert.Equal(t, start, f.FirstSeen)
			}
		})
	}
}

// Invariant 2: same version, same rule set, no second evaluation.
func TestUnchangedOrderIsNotEvaluatedAgain(t *testing.T) {
	fetched := (&world{}).fetch(nil)
	for name, tc := range map[string]struct {
		first  func(*ordercheck.CheckedOrder)
		second func(*ordercheck.FetchedOrder)
		knows  bool
	}{
		"same version, same rules": {knows: true},
		"another version": {
			second: func(f *ordercheck.FetchedOrder) { f.OrderVersion = "0000000000000001" },
		},
		"same version, new rules": {
			second: func(f *ordercheck.FetchedOrder) { f.RuleSet.Digest = "sha256:01" },
		},
		"no version": {second: func(f *ordercheck.FetchedOrder) { f.OrderVersion = "" }},
		"incomplete before": {first: func(c *ordercheck.CheckedOrder) {
			c.RuleErrors = []ordercheck.RuleError{{RuleID: "margin", Error: "overflow"}}
		}},
		"something left out before": {
			first: func(c *ordercheck.CheckedOrder) { c.Missing = []string{"lines"} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := fetched, fetched
			if tc.second != nil {
				tc.second(&second)
			}
			if second.OrderVersion == "" {
				first.OrderVersion = ""
			}
			checked := ordercheck.CheckedOrder{RuleSet: fetched.RuleSet}
			if tc.first != nil {
				tc.first(&checked)
			}
			s := orderlife.New(orderID, settings, ordercheck.PriorityWebhook)
			assert.False(t, s.UpToDate(&first), "the first check has not ended")
			s.Begin()
			s.Checked(start, &orderlife.Result{Began: start, Fetched: first, Checked: &checked})
			assert.Equal(t, tc.knows, s.UpToDate(&second))
		})
	}
	t.Run("the report stays", func(t *testing.T) {
		l := newLife(t, "total")
		l.at(10*time.Minute, func() { l.deliver(1) })
		l.saveBroken(time.Hour)
		l.at(45*time.Minute, func() {
			assert.Len(t, l.fetchedAt, 3)
			assert.Equal(t, 1, l.checked)
			assert.Equal(t, ordercheck.StatusFailed, l.state.Report.Status)
		})
		l.mustRun()
		assert.Equal(t, 2, l.checked)
	})
}

// Invariant 5: a finding keeps its first-seen time when its message changes.
func TestFindingKeepsItsFirstSeenTime(t *testing.T) {
	l := newLife(t, "order-total")
	l.save(2*time.Minute,
		func() { l.order.wrong = map[string]string{"balance": "5.00", "order-total": "6.00"} })
	report := l.mustRun()
	require.Len(t, report.Findings, 2)
	assert.Equal(t, "6.00", report.Findings[1].Actual)
	assert.Equal(t, start.Add(2*time.Minute+2*time.Second), report.Findings[0].FirstSeen)
	assert.Equal(t, start, report.Findings[1].FirstSeen)
}

// A fetch that began earlier may have read the order before somebody fixed it.
func TestErrorIsConfirmedByAFetchAfterItsGrace(t *testing.T) {
	w := &world{order: order{wrong: map[string]string{"total": "5.00"}}}
	s := orderlife.New(orderID, settings, ordercheck.PriorityWebhook)
	s.Begin()
	s.Checked(start, w.result(s, w.order, start))
	ends := start.Add(settings.GracePeriod)
	for began, want := range map[time.Time]ordercheck.FindingState{
		ends.Add(-time.Second): ordercheck.FindingPending, ends: ordercheck.FindingConfirmed,
	} {
		s := *s
		s.Asked()
		s.Begin()
		s.Checked(ends.Add(time.Minute), w.result(&s, w.order, began))
		assert.Equal(t, want, s.Report.Findings[0].State)
	}
}

// The next check of the same version evaluates the rules, and does not reuse the findings of the
// previous version.
func TestCheckThatFailsHalfwayChangesNothing(t *testing.T) {
	l := newLife(t)
	l.onCheck = func(n int) *orderlife.Failure {
		switch n {
		case 1: // the order is saved again, and broken, while it is checked
			l.deliver(1)
			l.at(0, func() { l.broken("total"); l.order.version++ })
		case 2:
			l.deliver(1)
			return &orderlife.Failure{Type: "Broken", Message: "no"}
		}
		return nil
	}
	l.saveBroken(time.Hour)
	assert.Equal(t, ordercheck.StatusPassed, l.mustRun().Status)
	assert.Equal(t, 4, l.checked)
	assert.Equal(t, []string{"30m4s failed", "1h0m2s resolved"}, l.notices(),
		"the broken order was held")
}

// Operators look for the order's number even if no check succeeds.
func TestFetchedOrderIsNamedBeforeItIsChecked(t *testing.T) {
	l := newLife(t, "total")
	l.onCheck = func(int) *orderlife.Failure {
		return &orderlife.Failure{Type: "Broken",
			Message: "no"}
	}
	require.Equal(t, orderlife.Fail, l.run())
	assert.Equal(t, ordercheck.StatusUnchecked, l.state.Report.Status)
	assert.Equal(t, "SO-1", l.state.Report.OrderNumber)
	assert.Equal(t, "Ikea", l.state.Report.Customer)
	assert.Empty(t, l.state.Report.OrderVersion)
	assert.Equal(t, "Could not be checked: no", l.state.Report.Timeline[0].Text)
}

func TestOrderTooLargeIsNotifiedOnce(t *testing.T) {
	tooLarge := orderlife.Failure{Type: ordercheck.ErrorOrderTooLarge, Message: "too large"}
	for name, tc := range map[string]struct {
		recalled *ordercheck.RecalledRun
		notices  []string
	}{
		"at first":                  {nil, []string{"0s unchecked"}},
		"the last run notified":     {&ordercheck.RecalledRun{Failure: tooLarge.Type}, []string{}},
		"the last run ended better": {&ordercheck.RecalledRun{}, []string{"0s unchecked"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			l.recalled = tc.recalled
			l.onCheck = func(n int) *orderlife.Failure {
				if n == 1 {
					l.deliver(1)
				}
				return &tooLarge
			}
			require.Equal(t, orderlife.Fail, l.run())
			assert.Len(t, l.fetchedAt, 2)
			assert.Equal(t, tc.notices, l.notices())
			assert.Contains(t, l.state.Report.Note, "too large")
		})
	}
	t.Run("while it is held, and once more after it could be checked", func(t *testing.T) {
		l := newLife(t, "total")
		var failure *orderlife.Failure
		l.onCheck = func(int) *orderlife.Failure { return failure }
		l.save(time.Hour, func() { failure = &tooLarge })
		l.save(3*day, func() { failure = nil })
		l.save(4*day, func() { failure = &tooLarge })
		l.save(5*day, func() { failure = nil; l.broken() })
		l.mustRun()
		assert.Equal(t,
			[]string{"30m0s failed", "1h0m2s unchecked", "96h0m2s unchecked", "120h0m2s resolved"},
			l.notices())
		// Fetches at 0, 30m and 1h; a day and two days after that; and one on each of three more
		// days.
		assert.Len(t, l.fetchedAt, 3+2+1+1+1)
	})
}

// An order is held, and InFlow returns its next version without lines. Nothing is resolved until
// the rules can be evaluated.
func TestErrorsStandWhileInflowLeavesOutData(t *testing.T) {
	l := newLife(t, "order-subtotal")
	l.needy = []string{"order-subtotal"}
	l.save(time.Hour, func() { l.broken(); l.missing = []string{"customer", "lines"} })
	l.at(time.Hour+5*time.Minute, func() {
		report := &l.state.Report
		assert.Equal(t, ordercheck.StatusFailed, report.Status)
		require.Len(t, report.Findings, 1)
		assert.Equal(t, ordercheck.FindingConfirmed, report.Findings[0].State)
		assert.Equal(t, "Ikea", report.Customer, "the report keeps what InFlow left out")
		assert.Equal(t, []string{"customer", "lines"}, report.Missing)
		assert.Equal(t, []string{"30m0s failed"}, l.notices())
		l.missing = nil
	})
	report := l.mustRun()
	assert.Equal(t, ordercheck.StatusPassed, report.Status)
	assert.Empty(t, report.Missing)
	assert.Empty(t, report.Note)
	// The order settles for 2 s. The check is repeated after 15 minutes.
	assert.Equal(t, []string{"30m0s failed", "1h15m2s resolved"}, l.notices())
	assert.Len(t, l.fetchedAt, 4)
}

func TestErrorWhoseRuleLacksDataIsRetriedAfterADelay(t *testing.T) {
	for name, blind := range map[string]func(*life){
		"left out":     func(l *life) { l.missing = []string{"lines"} },
		"a rule error": func(l *life) { l.failing = []string{"order-subtotal"} },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, "order-subtotal")
			l.needy = []string{"order-subtotal"}
			l.save(10*time.Minute, func() { blind(l) })
			l.at(2*time.Hour, func() {
				assert.Equal(t, ordercheck.StatusPending, l.state.Report.Status,
					"nobody has seen that the error is still there")
				assert.LessOrEqual(t, len(l.fetchedAt), 1+9)
				l.broken()
				l.missing, l.failing = nil, nil
			})
			assert.Equal(t, ordercheck.StatusPassed, l.mustRun().Status)
			assert.Empty(t, l.notices())
		})
	}
}

// A check that cannot know whether the order is invoiced changes nothing.
func TestOrderIsKeptAsFirstInvoiced(t *testing.T) {
	first := &ordercheck.Billed{OrderVersion: "1", Fingerprint: "a"}
	later := &ordercheck.Billed{OrderVersion: "2", Fingerprint: "b"}
	failed := ordercheck.Lookups{Failed: []string{ordercheck.LookupBilled}}
	for name, tc := range map[string]struct {
		known, now *ordercheck.Billed
		lookups    ordercheck.Lookups
		notAsked   bool
		missing    []string
		want       *ordercheck.Billed
	}{
		"never invoiced":              {},
		"invoiced for the first time": {now: first, want: first},
		"invoiced before":             {known: first, now: later, want: first},
		"invoiced in a run before": {now: later,
			lookups: ordercheck.Lookups{Billed: first}, want: first},
		"no longer invoiced":                {known: first},
		"the rules do not need it":          {known: first, notAsked: true, want: first},
		"an answer without lines":           {known: first, missing: []string{"lines"}, want: first},
		"an answer without the customer":    {known: first, missing: []string{"customer"}},
		"the look-up failed":                {known: first, lookups: failed, want: first},
		"the look-up failed at first sight": {now: first, lookups: failed},
		// The order may have been invoiced before.
	} {
		t.Run(name, func(t *testing.T) {
			s := &orderlife.State{Billed: tc.known}
			fetched := &ordercheck.FetchedOrder{
				Asked:   []string{ordercheck.LookupBilled},
				Billed:  tc.now,
				Missing: tc.missing,
			}
			if tc.notAsked {
				fetched.Asked = []string{"customer"}
			}
			assert.Equal(t, tc.want, s.BilledWith(fetched, tc.lookups))
		})
	}
}

func TestHeldOrderIgnoresMissedVersionsThatItHasSeen(t *testing.T) {
	l := newLife(t, "total")
	l.order.version = 5
	l.at(0, func() { l.miss(5) })             // the first fetch sees this version
	l.at(time.Minute, func() { l.miss(4) })   // seen before
	l.at(2*time.Minute, func() { l.miss(5) }) // seen before
	l.edit(3 * time.Minute)
	l.at(4*time.Minute, func() { l.miss(6) })
	report := l.mustRun()
	assert.Equal(t, []time.Duration{0, 4 * time.Minute}, l.fetchedAt,
		"nobody is saving the order: nothing settles")
	assert.Equal(t, ordercheck.StatusPassed, report.Status)
	assert.Equal(t, "0000000000000006", report.OrderVersion)
	found := slices.IndexFunc(report.Timeline, func(e ordercheck.TimelineEntry) bool {
		return e.Text == "The sweep found version 0000000000000006, which no webhook had announced."
	})
	assert.Positive(t, found)
}

func TestMissedWebhookMayComeLater(t *testing.T) {
	t.Run("before the fetch", func(t *testing.T) {
		l := newLife(t)
		l.at(0, func() { l.deliver(1) })
		l.at(time.Second,
			func() { l.miss(9) }) // the due fetch begins after this version was saved
		l.mustRun()
		assert.Equal(t, []time.Duration{2 * time.Second}, l.fetchedAt, "the order still settles")
	})
	t.Run("during the fetch, and so does its webhook", func(t *testing.T) {
		l := newLife(t)
		l.onFetch = func(n int) {
			if n == 1 { // while InFlow answers with the old version
				l.miss(9)
				l.deliver(1)
			}
		}
		l.mustRun()
		assert.Len(t, l.fetchedAt, 2, "one more fetch answers both")
	})
}

func TestMissedWebhookAfterAFailedCheck(t *testing.T) {
	l := newLife(t)
	l.order.version, l.unauthorized = 1, true
	l.onFetch = func(n int) {
		l.unauthorized = n == 1
		if n == 1 {
			l.miss(1)
		}
	}
	assert.Equal(t, ordercheck.StatusPassed, l.mustRun().Status)
	assert.Len(t, l.fetchedAt, 2)
}

// InFlow gives the order the same version as before its deletion.
func TestDeletedOrderThatComesBackIsEvaluated(t *testing.T) {
	l := newLife(t, "total")
	l.at(time.Minute, func() { l.deleted = true; l.deliver(1) })
	l.onFetch = func(n int) {
		if n == 2 { // somebody brings the order back while InFlow answers that there is none
			l.deliver(1)
			l.at(0, func() { l.deleted = false })
		}
	}
	l.look(2 * time.Minute)
	l.saveBroken(time.Hour)
	assert.Equal(t, ordercheck.StatusPassed, l.mustRun().Status)
	assert.Equal(t, []string{"2m0s pending"}, l.seen)
	assert.Equal(t, 3, l.checked)
	require.GreaterOrEqual(t, len(l.state.Report.Timeline), 4)
	assert.Contains(t, fmt.Sprint(l.state.Report.Timeline), orderlife.NoteDeleted)
}
