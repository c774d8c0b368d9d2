package orderlife_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// crowd is an order with more findings than its report lists.
type crowd struct {
	*orderlife.State
	version int
}

func newCrowd() *crowd {
	return &crowd{State: orderlife.New(orderID, settings, ordercheck.PriorityWebhook)}
}

// check checks another version of the order, some time after the start.
func (c *crowd) check(after time.Duration, listed, omitted []ordercheck.Finding) {
	c.Asked()
	c.Begin()
	c.version++
	now := start.Add(after)
	c.Checked(now, &orderlife.Result{
		Began:   now,
		Fetched: ordercheck.FetchedOrder{OrderVersion: (&order{version: c.version}).versionText()},
		Checked: &ordercheck.CheckedOrder{
			Findings: slices.Clone(listed),
			Omitted:  ordercheck.OmittedFrom(nil, omitted),
		},
	})
}

// lines returns findings of a rule, one on each line.
func lines(rule string, severity ordercheck.Severity, lines ...string) []ordercheck.Finding {
	var findings []ordercheck.Finding
	for _, line := range lines {
		f := finding(rule, severity)
		f.ID, f.LineID, f.Scope = rule+"/"+line, line, ordercheck.ScopeLine
		findings = append(findings, f)
	}
	return findings
}

func wrongLines(names ...string) []ordercheck.Finding {
	return lines("price", ordercheck.SeverityError, names...)
}

// firstSeen returns the first-seen times of listed findings and of entries for unlisted ones, by
// id.
func (c *crowd) firstSeen() map[string]time.Duration {
	seen := map[string]time.Duration{}
	for f := range c.Report.All() {
		seen[f.ID] = f.FirstSeen.Sub(start)
	}
	return seen
}

// otherRules returns an entry for findings of several rules.
func otherRules() ordercheck.Finding {
	f := finding(ordercheck.OtherRules, ordercheck.SeverityError)
	f.ID, f.Count = ordercheck.OtherRules+"/*", 7
	return f
}

// A finding keeps its first-seen time when it becomes listed. When it is no longer listed, the
// entry for the unlisted findings gets it.
func TestUnlistedFindingsShareTheirFirstSeenTime(t *testing.T) {
	const later = 10 * time.Minute
	for name, tc := range map[string]struct {
		before, beforeOmitted, listed, omitted []ordercheck.Finding
		want                                   map[string]time.Duration
	}{
		"one becomes listed": {
			wrongLines("1"), wrongLines("2", "3"), wrongLines("1", "2"), wrongLines("3"),
			map[string]time.Duration{"price/1": 0, "price/2": 0, "price/*": 0},
		},
		"one is not listed any more": {
			wrongLines("1"), nil, wrongLines("0"), wrongLines("1"),
			map[string]time.Duration{"price/0": later, "price/*": 0},
		},
		"a new one is not listed": {
			wrongLines("1"), nil, wrongLines("1"), wrongLines("2"),
			map[string]time.Duration{"price/1": 0, "price/*": later},
		},
		"one of several rules becomes listed": {
			wrongLines("1"), []ordercheck.Finding{otherRules()},
			[]ordercheck.Finding{finding("stock", ordercheck.SeverityError)}, nil,
			map[string]time.Duration{"stock": 0},
		},
		"a warning of the rule has another time": {
			wrongLines("1"), wrongLines("2"), lines("price", ordercheck.SeverityWarning, "3"), nil,
			map[string]time.Duration{"price/3": later},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCrowd()
			c.check(0, tc.before, tc.beforeOmitted)
			c.check(later, tc.listed, tc.omitted)
			assert.Equal(t, tc.want, c.firstSeen())
			for f := range c.Report.All() {
				if f.Severity == ordercheck.SeverityError {
					assert.Equal(t, ordercheck.FindingPending, f.State, f.ID)
				}
			}
		})
	}
}

// If one of the findings that share an entry was confirmed, all of them are.
func TestFindingsThatBecomeListedTakeTheOldestTime(t *testing.T) {
	c := newCrowd()
	c.check(0, wrongLines("1"), nil)
	c.check(20*time.Minute, wrongLines("1", "2"), nil)
	c.check(30*time.Minute, wrongLines("1", "2"), nil)
	require.Equal(t, ordercheck.FindingConfirmed, c.Report.Findings[0].State)
	require.Equal(t, ordercheck.FindingPending, c.Report.Findings[1].State)
	c.Settings.GracePeriod = time.Hour // confirmed errors stay confirmed
	c.check(31*time.Minute, wrongLines("0"), wrongLines("1", "2"))
	require.Len(t, c.Report.Omitted, 1)
	assert.Equal(t, start, c.Report.Omitted[0].FirstSeen)
	assert.Equal(t, ordercheck.FindingConfirmed, c.Report.Omitted[0].State)
}

func answersFor(findings ...string) ordercheck.OverrideRequest {
	return ordercheck.OverrideRequest{
		Findings: findings,
		By:       "Anna",
		Reason:   "agreed",
		Until:    start.Add(7 * day),
	}
}

// The override doesn't cover single findings.
func TestOverrideOfUnlistedFindingsCoversTheirFacts(t *testing.T) {
	overridden := func(c *crowd) map[string]bool {
		is := map[string]bool{}
		for f := range c.Report.All() {
			is[f.ID] = f.State == ordercheck.FindingOverridden
		}
		return is
	}
	begin := func(omitted ...ordercheck.Finding) *crowd {
		c := newCrowd()
		c.check(0, wrongLines("1"), omitted)
		require.NoError(t, c.ValidateOverride(start, answersFor("all")))
		c.Override(start, answersFor("all"))
		return c
	}
	t.Run("the same facts", func(t *testing.T) {
		c := begin(wrongLines("2", "3")...)
		c.check(time.Hour, wrongLines("1"), wrongLines("2", "3"))
		assert.Equal(t, map[string]bool{"price/1": true, "price/*": true}, overridden(c))
		assert.Equal(t, ordercheck.StatusOverridden, c.Report.Status)
	})
	t.Run("one more", func(t *testing.T) {
		c := begin(wrongLines("2", "3")...)
		c.check(time.Hour, wrongLines("1"), wrongLines("2", "3", "4"))
		assert.Equal(t, map[string]bool{"price/1": true, "price/*": false}, overridden(c))
		assert.Equal(t, ordercheck.StatusFailed, c.Report.Status)
	})
	t.Run("findings of several rules", func(t *testing.T) {
		c := begin(otherRules())
		assert.Equal(t, map[string]bool{"price/1": true, "…/*": false}, overridden(c))
		assert.Equal(t, ordercheck.StatusPending, c.Report.Status)
	})
	t.Run("one becomes listed within its grace period, and keeps the rest of it", func(t *testing.T) {
		c := begin(wrongLines("2", "3")...)
		c.check(10*time.Minute, wrongLines("1", "2"), wrongLines("3"))
		assert.Equal(t, ordercheck.FindingPending, c.Report.Findings[1].State)
		assert.Equal(t, start.Add(30*time.Minute), c.Report.Findings[1].ConfirmAt)
		c.check(30*time.Minute, wrongLines("1", "2"), wrongLines("3"))
		assert.Equal(t, ordercheck.FindingConfirmed, c.Report.Findings[1].State)
	})
}

func TestOverrideOutlastsAFindingsAbsenceFromTheList(t *testing.T) {
	for name, tc := range map[string]struct {
		meanwhile []ordercheck.Finding // not listed
		want      ordercheck.FindingState
	}{
		"it may have been among the unlisted findings": {wrongLines("1", "2"),
			ordercheck.FindingOverridden},
		"it was gone": {nil, ordercheck.FindingPending},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCrowd()
			c.check(0, wrongLines("1"), nil)
			c.Override(start, answersFor("price/1"))
			c.check(time.Minute, wrongLines("0"), tc.meanwhile)
			c.check(2*time.Minute, wrongLines("1"), nil)
			assert.Equal(t, tc.want, c.Report.Findings[0].State)
		})
	}
}

// If a rule has more findings than the report lists, the report may list others each time. People
// are notified only if there are more of them.
func TestPeopleAreNotifiedOfGrowingNumbers(t *testing.T) {
	c := newCrowd()
	notices := func() (kinds []ordercheck.NoticeKind) {
		for i := range c.Outbox {
			kinds = append(kinds, c.Outbox[i].Kind)
		}
		return kinds
	}
	c.check(0, wrongLines("1"), wrongLines("2", "3"))
	c.check(30*time.Minute, wrongLines("1"), wrongLines("2", "3"))
	require.Equal(t, []ordercheck.NoticeKind{"failed"}, notices())
	c.check(31*time.Minute, wrongLines("2"), wrongLines("1", "3"))
	assert.Equal(t, []ordercheck.NoticeKind{"failed"}, notices(), "two findings changed places")
	c.check(32*time.Minute, wrongLines("2"), wrongLines("1", "3", "4"))
	assert.Equal(t, []ordercheck.NoticeKind{"failed", "failed"}, notices(), "one more finding")
	c.check(33*time.Minute, wrongLines("2"), wrongLines("1"))
	assert.Equal(t, []ordercheck.NoticeKind{"failed", "failed"}, notices())
	c.check(34*time.Minute, nil, nil)
	require.Equal(t, []ordercheck.NoticeKind{"failed", "failed", "resolved"}, notices())
	resolved := c.Outbox[2]
	assert.Len(t, resolved.Resolved, 1)
	assert.Equal(t, 3, resolved.ResolvedOmitted, "four errors were fixed")
}

func TestUnlistedWarningsAreKnownOnlyTogether(t *testing.T) {
	warnings := func(names ...string) []ordercheck.Finding {
		return lines("stock", ordercheck.SeverityWarning, names...)
	}
	c := newCrowd()
	c.Settings.NotifyWarnings = true
	c.check(0, warnings("1"), nil)
	c.check(time.Minute, slices.Concat(wrongLines("1"), warnings("1", "2")), nil)
	c.check(2*time.Minute, wrongLines("1"), warnings("1", "2"))
	require.Len(t, c.Outbox, 1)
	c.check(3*time.Minute, nil, warnings("1", "2"))
	assert.Len(t, c.Outbox, 2)
	c.check(4*time.Minute, nil, warnings("1", "2"))
	assert.Len(t, c.Outbox, 2)
}
