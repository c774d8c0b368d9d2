package orderlife_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
)

func TestInvalidOverridesAreRefused(t *testing.T) {
	all, year2100 := []string{"all"}, time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	week := start.Add(7 * day)
	for name, tc := range map[string]struct {
		request ordercheck.OverrideRequest
		refused string
	}{
		"no name": {ordercheck.OverrideRequest{Findings: all, Reason: "r", Until: week},
			`"by" is missing`},
		"a blank name": {ordercheck.OverrideRequest{Findings: all, By: " ", Reason: "r",
			Until: week}, `"by" is missing`},
		"an invisible reason": {ordercheck.OverrideRequest{Findings: all, By: "Anna",
			Reason: "\u200b\u00ad", Until: week}, `"reason" is missing`},
		"no reason": {ordercheck.OverrideRequest{Findings: all, By: "Anna", Until: week},
			`"reason" is missing`},
		"no end": {ordercheck.OverrideRequest{Findings: all, By: "Anna", Reason: "r"},
			`"until" is missing`},
		"an end in the past": {ordercheck.OverrideRequest{Findings: all, By: "Anna", Reason: "r",
			Until: time.Unix(1, 0)}, "in the past"},
		"an invalid duration": {ordercheck.OverrideRequest{Findings: all, By: "Anna",
			Reason: "r", For: "3 days"},
			`"for" is "3 days", which is no duration`},
		"a negative duration": {ordercheck.OverrideRequest{Findings: all, By: "Anna",
			Reason: "r", For: "-1h"},
			`"for" is "-1h": give one second or more`},
		"two ends": {ordercheck.OverrideRequest{Findings: all, By: "Anna", Reason: "r",
			For: "1h", Until: year2100},
			`"until" and "for" are both given`},
		"no findings": {ordercheck.OverrideRequest{By: "Anna", Reason: "r", Until: week},
			`"findings" is missing`},
		"an unknown finding": {ordercheck.OverrideRequest{Findings: []string{"nope"}, By: "Anna",
			Reason: "r", Until: week}, `no finding "nope"`},
		"a warning": {ordercheck.OverrideRequest{Findings: []string{"odd"}, By: "Anna",
			Reason: "r", Until: week}, "is a warning"},
		"a rule that is not overridable": {ordercheck.OverrideRequest{Findings: []string{"fixed-price"},
			By: "Anna", Reason: "r", Until: week},
			`"fixed-price" cannot be overridden`},
		"a finding that was just fixed": {ordercheck.OverrideRequest{Findings: []string{"balance"},
			By: "Anna", Reason: "r", Until: week}, `no finding "balance"`},
		"many unknown findings": {ordercheck.OverrideRequest{Findings: strings.Split("abcdefghijkl", ""),
			By: "Anna", Reason: "r", Until: week},
			"2 more findings were not validated"},
		"a valid request": {ordercheck.OverrideRequest{Findings: []string{"total"}, By: "Anna",
			Reason: "r", Until: week}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, "total", "balance", "fixed-price", "~odd")
			l.rules.terms = map[string]ordercheck.Terms{
				"fixed-price": {RuleID: "fixed-price", NotOverridable: true},
			}
			l.saveBroken(50*time.Minute, "total", "fixed-price", "~odd")
			l.at(time.Hour, func() {
				err := l.state.ValidateOverride(l.now, tc.request)
				if tc.refused == "" {
					assert.NoError(t, err)
					return
				}
				assert.ErrorContains(t, err, tc.refused)
			})
			l.saveBroken(2 * time.Hour)
			l.mustRun()
		})
	}
	t.Run("an order without errors", func(t *testing.T) {
		l := newLife(t, "~odd")
		l.mustRun()
		request := ordercheck.OverrideRequest{Findings: all, By: "Anna", Reason: "r", Until: week}
		require.ErrorContains(t, l.state.ValidateOverride(l.now, request),
			"no error that could be overridden")
	})
}

func TestOverrideForADurationCountsFromItsAcceptance(t *testing.T) {
	l := newLife(t, "total")
	request := byAnna
	request.For = "72h"
	l.override(time.Hour, request)
	l.at(2*time.Hour, func() {
		override := l.state.Report.Findings[0].Override
		require.NotNil(t, override)
		assert.Equal(t, start.Add(73*time.Hour), override.Until)
	})
	l.saveBroken(3 * time.Hour)
	l.mustRun()
}

func TestOverrideDuringACheckUpdatesTheStatus(t *testing.T) {
	for name, tc := range map[string]struct {
		findings []string
		status   ordercheck.Status
	}{
		"all errors": {[]string{ordercheck.AllFindings}, ordercheck.StatusOverridden},
		"one of two": {[]string{"total"}, ordercheck.StatusFailed},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, "total", "balance")
			var answer ordercheck.Status
			l.onFetch = func(n int) {
				if n == 3 {
					request := byAnna
					request.Findings = tc.findings
					l.overrideNow(request)
					answer = l.state.Report.Status
				}
			}
			l.saveBroken(time.Hour, "total", "balance")
			l.saveBroken(2 * time.Hour)
			l.mustRun()
			assert.Equal(t, tc.status, answer)
		})
	}
}

func TestOverrideOfAnEarlierRunIsRecalled(t *testing.T) {
	recalled := func(amount string) *ordercheck.RecalledRun {
		f := finding("total", ordercheck.SeverityError)
		f.Actual, f.State = amount, ordercheck.FindingOverridden
		f.Override = &ordercheck.Override{
			By:     "Anna",
			Reason: "agreed",
			Until:  time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		}
		return &ordercheck.RecalledRun{Overridden: []ordercheck.Finding{f}}
	}
	t.Run("the same facts", func(t *testing.T) {
		l := newLife(t, "total")
		l.recalled = recalled("5.00")
		l.requireOverridden(time.Hour)
		l.saveBroken(day)
		l.mustRun()
		assert.Empty(t, l.sent)
	})
	t.Run("other facts", func(t *testing.T) {
		l := newLife(t, "total")
		l.recalled = recalled("500.00")
		l.saveBroken(time.Hour)
		assert.Equal(t, ordercheck.StatusPassed, l.mustRun().Status)
		assert.NotEmpty(t, l.sent)
	})
	// The findings of a rule stay while it cannot be evaluated, in a new run too.
	t.Run("by an incomplete check", func(t *testing.T) {
		l := newLife(t)
		l.recalled, l.failing = recalled("5.00"), []string{"total"}
		l.at(time.Hour, func() {
			report := &l.state.Report
			assert.Equal(t, ordercheck.StatusIncomplete, report.Status)
			require.Len(t, report.Findings, 1)
			assert.Equal(t, "Anna", report.Findings[0].Override.By)
		})
		l.mustRun()
		assert.Equal(t, 30*day, l.now.Sub(start),
			"the run waits for the end of the override as long as for any other")
	})
}

// The run stays open until the order can be checked again.
func TestOverrideWhileInflowRefusesTheKeyTakesEffectLater(t *testing.T) {
	l := newLife(t, "total")
	l.save(time.Hour, func() { l.unauthorized = true })
	l.override(2*time.Hour, byAnna)
	l.at(5*time.Hour, func() {
		assert.Equal(t, ordercheck.StatusUnchecked, l.state.Report.Status)
		assert.NotNil(t, l.state.Report.Findings[0].Override)
		l.unauthorized = false
	})
	l.requireOverridden(6 * time.Hour)
	l.saveBroken(day)
	l.mustRun()
	assert.Contains(t, l.fetchedAt, 2*time.Hour,
		"it rests on a check that could be done, so one is tried at once")
}

func TestOverrideDuringAFailingCheckIsAccepted(t *testing.T) {
	l := newLife(t, "total")
	l.onFetch = func(n int) {
		if n == 3 {
			request := byAnna
			request.Until = l.now.Add(day)
			l.overrideNow(request)
			l.unauthorized = true
		}
	}
	l.saveBroken(time.Hour, "total")
	l.at(2*time.Hour, func() { l.unauthorized = false })
	l.requireOverridden(3 * time.Hour)
	l.saveBroken(20 * time.Hour)
	l.mustRun()
}

func TestOverrideEndsWhileInflowRefusesTheKey(t *testing.T) {
	l := newLife(t, "total")
	l.save(time.Hour, func() { l.unauthorized = true })
	l.override(2*time.Hour, byAnna) // ends after a week
	l.at(10*day, func() { l.unauthorized = false })
	l.at(10*day+time.Hour, func() {
		assert.Equal(t, ordercheck.StatusFailed, l.state.Report.Status)
		assert.Nil(t, l.state.Report.Findings[0].Override)
	})
	l.saveBroken(11 * day)
	assert.Equal(t, ordercheck.StatusPassed, l.mustRun().Status)
	assert.Equal(t, []string{"30m0s failed", "264h0m2s resolved"}, l.notices(),
		"no notice says that the order was overridden")
}

func TestOverrideEndsWhileItsRuleLacksData(t *testing.T) {
	l := newLife(t, "order-subtotal", "balance")
	l.needy = []string{"order-subtotal", "balance"}
	l.override(time.Hour, ordercheck.OverrideRequest{
		Findings: []string{"order-subtotal"}, By: "Jo", Reason: "agreed", Until: start.Add(3 * time.Hour),
	})
	l.save(2*time.Hour, func() { l.missing = []string{"lines"} })
	l.at(4*time.Hour, func() {
		states := map[string]ordercheck.FindingState{}
		for _, f := range l.state.Report.Findings {
			states[f.RuleID] = f.State
		}
		assert.Equal(t, map[string]ordercheck.FindingState{
			"order-subtotal": ordercheck.FindingConfirmed, "balance": ordercheck.FindingConfirmed,
		}, states)
		assert.Less(t, len(l.fetchedAt), 2+12)
		l.missing = nil
		l.broken()
	})
	assert.Equal(t, ordercheck.StatusPassed, l.mustRun().Status)
}
