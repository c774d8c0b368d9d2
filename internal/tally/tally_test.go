package tally_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/tally"
)

const day = 24 * time.Hour

var start = time.Date(2026, 3, 10, 23, 30, 0, 0, time.UTC)

// outcomes returns outcomes of one order at the time at.
func outcomes(key string, at time.Time, list ...ordercheck.RuleOutcome) *ordercheck.OrderOutcomes {
	return &ordercheck.OrderOutcomes{Key: key, At: at, Outcomes: list}
}

func fixed(rule string, count int, after time.Duration) ordercheck.RuleOutcome {
	return ordercheck.RuleOutcome{
		RuleID: rule, Outcome: ordercheck.OutcomeFixedInGrace, Count: count,
		Seconds: int64(after / time.Second),
	}
}

// carried returns the tally as the next run gets it.
func carried(t *testing.T, before *tally.Tally) *tally.Tally {
	t.Helper()
	data, err := json.Marshal(before)
	require.NoError(t, err)
	after := &tally.Tally{}
	require.NoError(t, json.Unmarshal(data, after))
	return after
}

func TestCounts(t *testing.T) {
	t.Parallel()
	counts := tally.New(start)
	counts.Count(start, outcomes("a", start, fixed("price", 2, time.Minute), ordercheck.RuleOutcome{
		RuleID: "total", Outcome: ordercheck.OutcomeOverridden, Count: 1, Seconds: 60,
	}))
	tomorrow := start.Add(time.Hour)
	counts.Count(tomorrow, outcomes("b", tomorrow, fixed("price", 1, 4*time.Minute)))
	counts = carried(t, counts)
	want := ordercheck.RuleOutcomes{Since: start, Rules: []ordercheck.RuleCounter{
		{RuleID: "price", OutcomeCounts: ordercheck.OutcomeCounts{FixedInGrace: 3, FixSeconds: 360}},
		{RuleID: "total", OutcomeCounts: ordercheck.OutcomeCounts{Overridden: 1}},
	}}
	got := counts.From(start)
	assert.Equal(t, want, got)
	assert.Equal(t, 2*time.Minute, got.Rules[0].TimeToFix())
	assert.Zero(t, got.Rules[1].TimeToFix())
	assert.Equal(t, []ordercheck.RuleCounter{
		{RuleID: "price", OutcomeCounts: ordercheck.OutcomeCounts{FixedInGrace: 1, FixSeconds: 240}},
	}, counts.From(tomorrow).Rules)
	assert.Empty(t, counts.From(tomorrow.Add(day)).Rules)
}

func TestEveryOutcomeHasItsCount(t *testing.T) {
	t.Parallel()
	counts := tally.New(start)
	for i, outcome := range append(ordercheck.ErrorOutcomes(), ordercheck.OutcomeNotEvaluated) {
		counts.Count(start, outcomes(string(outcome), start,
			ordercheck.RuleOutcome{RuleID: "price", Outcome: outcome, Count: i + 1}))
	}
	assert.Equal(t, ordercheck.OutcomeCounts{
		FixedInGrace: 1, FixedAfterNotice: 2, Overridden: 3, Expired: 4, OrderGone: 5, RulesChanged: 6,
		EndedByHand: 7, NotEvaluated: 8,
	}, counts.From(start).Rules[0].OutcomeCounts)
}

// TestBatchesThatComeTwiceCountOnce repeats batches in the same run and in the next one.
func TestBatchesThatComeTwiceCountOnce(t *testing.T) {
	t.Parallel()
	counts := tally.New(start)
	count := func(i int) {
		counts.Count(start, outcomes(fmt.Sprint(i), start, fixed("price", 1, 0)))
	}
	const batches = 23_000
	for i := range batches {
		count(i)
		if i%1000 == 999 {
			counts = carried(t, counts)
		}
		for _, again := range []int{i, i - 1, i - 4999} {
			if again >= 0 {
				count(again)
			}
		}
	}
	assert.Equal(t, batches, counts.From(start).Rules[0].FixedInGrace)
	assert.LessOrEqual(t, len(counts.Recent), 10_000)
}

func TestOldDaysAreForgotten(t *testing.T) {
	t.Parallel()
	counts := tally.New(start)
	for i := range 40 {
		now := start.Add(time.Duration(i) * day)
		counts.Count(now, outcomes(fmt.Sprint(i), now, fixed("price", 1, 0)))
		counts.Forget(now)
	}
	last := start.Add(39 * day)
	assert.Len(t, counts.Rules[0].Days, ordercheck.MaxOutcomeDays)
	assert.Equal(t, 30, counts.From(last.Add(-29 * day)).Rules[0].FixedInGrace)

	counts.Count(last, outcomes("late", last.Add(-31*day), fixed("late", 1, 0)))
	assert.Len(t, counts.Rules, 1, "an outcome of 31 days ago is too old")
	counts.Count(last, outcomes("early", last.Add(day), fixed("price", 1, 0)))
	assert.Equal(t, 2, counts.From(last).Rules[0].FixedInGrace, "another clock may be ahead")

	counts.Forget(last.Add(30 * day))
	assert.False(t, counts.Empty())
	counts.Forget(last.Add(31 * day))
	assert.True(t, counts.Empty())
}

// TestTallyIsBounded checks that the largest tally fits a payload, which Temporal limits to 2
// MiB.
func TestTallyIsBounded(t *testing.T) {
	t.Parallel()
	counts := tally.New(start)
	key := 0
	for i := range ordercheck.MaxOutcomeDays {
		now := start.Add(time.Duration(i) * day)
		for rule := range 300 {
			for _, outcome := range append(ordercheck.ErrorOutcomes(), ordercheck.OutcomeNotEvaluated) {
				key++
				counts.Count(now, outcomes(fmt.Sprintf("%020d", key), now, ordercheck.RuleOutcome{
					RuleID:  fmt.Sprintf("a-rule-with-a-long-name-%d", rule),
					Outcome: outcome, Count: 10_000, Seconds: 86_400,
				}))
			}
		}
	}
	data, err := json.Marshal(counts)
	require.NoError(t, err)
	assert.Less(t, len(data), 3<<19)
	sums := counts.From(start)
	require.Len(t, sums.Rules, 201)
	others := sums.Rules[200]
	assert.Equal(t, ordercheck.OtherRules, others.RuleID)
	assert.Equal(t, 100*ordercheck.MaxOutcomeDays*10_000, others.Overridden)
}
