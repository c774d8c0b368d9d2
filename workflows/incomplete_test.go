package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
)

// incompleteLife is a life during which InFlow leaves something out.
type incompleteLife struct {
	*life
	leftOut []string // now
	blind   []string // rules that need it, and find nothing while it is left out
	inputs  []ordercheck.FetchOrderInput
}

func newIncompleteLife(t *testing.T, leftOut []string, broken ...string) *incompleteLife {
	t.Helper()
	l := &incompleteLife{life: newLife(t, settings, broken...), leftOut: leftOut, blind: broken}
	l.OnActivity(ordercheck.ActivityFetchOrder, mock.Anything, mock.Anything).Return(
		func(_ context.Context, in ordercheck.FetchOrderInput) (ordercheck.FetchedOrder, error) {
			l.inputs = append(l.inputs, in)
			l.fetchedAt = append(l.fetchedAt, l.Now().Sub(l.start))
			fetched, err := l.fetch(len(l.inputs))
			if fetched.Missing = l.leftOut; len(l.leftOut) > 0 {
				fetched.Customer, fetched.HasSalesRep, fetched.Order = "", false, nil
			}
			if in.AcceptMissing {
				fetched.Order = ordercheck.Digest(`{}`)
			}
			return fetched, err
		})
	complete := l.check
	l.check = func(n int) (ordercheck.CheckedOrder, error) {
		checked, err := complete(n)
		if len(l.leftOut) > 0 {
			checked.Findings, checked.Missing = nil, l.leftOut
			for _, rule := range l.blind {
				checked.Skipped = append(checked.Skipped, ordercheck.Skipped{RuleID: rule, Reason: "needs it", Missing: l.leftOut})
			}
		}
		return checked, err
	}
	return l
}

func TestAnOrderThatIsIncompleteAtFirstIsFetchedAgain(t *testing.T) {
	l := newIncompleteLife(t, []string{"lines"})
	l.RegisterDelayedCallback(func() { l.leftOut = nil }, 5*time.Second)
	report := l.mustRun(t)
	assert.Equal(t, ordercheck.StatusPassed, report.Status)
	assert.Empty(t, report.Missing)
	assert.Empty(t, report.Note)
	assert.Equal(t, "Acme", report.Customer)
	assert.Equal(t, []time.Duration{0, 2 * time.Second, 6 * time.Second}, l.fetchedAt)
	assert.Equal(t, 1, l.checked, "only what is complete is checked")
}

func TestWhatDoesNotComeNeverPasses(t *testing.T) {
	for name, tc := range map[string]struct {
		leftOut []string
		broken  []string
	}{
		"needed by rules":   {[]string{"lines"}, []string{"order-subtotal"}},
		"needed by no rule": {[]string{"customer", "salesRepTeamMember"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := newIncompleteLife(t, tc.leftOut, tc.broken...)
			report := l.mustRun(t)
			assert.Equal(t, ordercheck.StatusIncomplete, report.Status)
			assert.Equal(t, tc.leftOut, report.Missing)
			for _, what := range tc.leftOut {
				assert.Contains(t, report.Note, what)
			}
			assert.Equal(t, []time.Duration{0, 2 * time.Second, 6 * time.Second, 14 * time.Second, 30 * time.Second}, l.fetchedAt, "for a while, at growing distances")
			for i, in := range l.inputs {
				assert.Equal(t, i == len(l.inputs)-1, in.AcceptMissing)
			}
			assert.Equal(t, 1, l.checked)
			assert.Empty(t, l.told())
		})
	}
}

// TestWhatIsKnownStandsWhileInflowLeavesThingsOut: an order is held, its next version comes without
// lines, and nothing resolves it until somebody has looked.
func TestWhatIsKnownStandsWhileInflowLeavesThingsOut(t *testing.T) {
	l := newIncompleteLife(t, nil, "order-subtotal")
	l.save(time.Hour, func() { l.leftOut, l.broken = []string{"customer", "lines"}, nil })
	l.RegisterDelayedCallback(func() {
		report := l.ask()
		assert.Equal(t, ordercheck.StatusFailed, report.Status)
		require.Len(t, report.Findings, 1)
		assert.Equal(t, ordercheck.FindingConfirmed, report.Findings[0].State)
		assert.Equal(t, "Acme", report.Customer, "what did not come is no change")
		assert.Equal(t, []string{"customer", "lines"}, report.Missing)
		assert.Equal(t, []string{"30m0s failed"}, l.told())
		l.leftOut = nil
	}, time.Hour+5*time.Minute)
	report := l.mustRun(t)
	assert.Equal(t, ordercheck.StatusPassed, report.Status)
	assert.Empty(t, report.Missing)
	// 2 s of quiet, 30 s of trying, and 15 minutes until it is tried again.
	assert.Equal(t, []string{"30m0s failed", "1h15m32s resolved"}, l.told())
	assert.Len(t, l.inputs, 1+1+5+1)
}

func TestAnErrorWhoseRuleCannotLookIsNotTriedAtOnceAgainAndAgain(t *testing.T) {
	for name, blind := range map[string]func(*incompleteLife){
		"left out": func(l *incompleteLife) { l.leftOut = []string{"lines"} },
		"a rule error": func(l *incompleteLife) {
			l.broken, l.rules = nil, []ordercheck.RuleError{{RuleID: "order-subtotal", Error: "too large"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newIncompleteLife(t, nil, "order-subtotal")
			l.save(10*time.Minute, func() { blind(l) })
			l.RegisterDelayedCallback(func() {
				report := l.ask()
				assert.Equal(t, ordercheck.StatusPending, report.Status, "nobody has seen that the error is still there")
				assert.LessOrEqual(t, len(l.inputs), 1+9*5)
				l.leftOut, l.broken, l.rules = nil, nil, nil
			}, 2*time.Hour)
			assert.Equal(t, ordercheck.StatusPassed, l.mustRun(t).Status)
			assert.Empty(t, l.told())
		})
	}
}

func TestAnOverrideEndsWhileItsRuleCannotLook(t *testing.T) {
	l := newIncompleteLife(t, nil, "order-subtotal", "balance")
	l.life.override(time.Hour, ordercheck.OverrideRequest{Findings: []string{"order-subtotal"}, By: "Jo", Reason: "agreed", Until: l.start.Add(3 * time.Hour)}, nil)
	l.save(2*time.Hour, func() { l.leftOut = []string{"lines"} })
	l.RegisterDelayedCallback(func() {
		states := map[string]ordercheck.FindingState{}
		for _, f := range l.ask().Findings {
			states[f.RuleID] = f.State
		}
		assert.Equal(t, map[string]ordercheck.FindingState{"order-subtotal": ordercheck.FindingConfirmed, "balance": ordercheck.FindingConfirmed}, states)
		assert.Less(t, len(l.inputs), 2+5*12)
		l.leftOut, l.broken = nil, nil
	}, 4*time.Hour)
	assert.Equal(t, ordercheck.StatusPassed, l.mustRun(t).Status)
}

// TestTheSameVersionLeftOutIsNoNews: the version was checked whole, so an answer without its lines
// changes nothing and is not asked for again.
func TestTheSameVersionLeftOutIsNoNews(t *testing.T) {
	l := newIncompleteLife(t, nil, "order-subtotal")
	l.RegisterDelayedCallback(func() { l.leftOut = []string{"customer", "lines"}; l.deliver(1) }, time.Hour)
	l.RegisterDelayedCallback(func() {
		assert.Len(t, l.inputs, 3)
		assert.Equal(t, 1, l.checked)
		report := l.ask()
		assert.Equal(t, ordercheck.StatusFailed, report.Status)
		assert.Equal(t, "Acme", report.Customer)
		assert.Empty(t, report.Missing)
		l.CancelWorkflow()
	}, 2*time.Hour)
	_, err := l.run(t)
	require.Error(t, err)
}

func TestAnOrderFetchedForOtherRulesIsFetchedAgain(t *testing.T) {
	l := newIncompleteLife(t, nil)
	var checks []ordercheck.CheckOrderInput
	l.OnActivity(ordercheck.ActivityCheckOrder, mock.Anything, mock.Anything).Return(
		func(_ context.Context, in ordercheck.CheckOrderInput) (ordercheck.CheckedOrder, error) {
			checks = append(checks, in)
			if len(checks) == 1 {
				return ordercheck.CheckedOrder{RuleSet: ordercheck.RuleSet{Name: "new"}, NotAsked: []string{"paymentLines"}}, nil
			}
			checked := found(finding("order-total", ordercheck.SeverityWarning))
			checked.RuleSet.Name = "new"
			return checked, nil
		})
	report := l.mustRun(t)
	assert.Equal(t, ordercheck.StatusWarning, report.Status)
	assert.Equal(t, "new", report.RuleSet.Name)
	require.Len(t, l.inputs, 2)
	assert.Empty(t, l.inputs[0].Also)
	assert.Equal(t, []string{"paymentLines"}, l.inputs[1].Also)
	assert.Equal(t, order(1).Asked, checks[0].Asked)
}

func TestRulesThatChangeAllTheTimeAreNotFollowedForEver(t *testing.T) {
	l := newIncompleteLife(t, nil)
	var finals []bool
	l.OnActivity(ordercheck.ActivityCheckOrder, mock.Anything, mock.Anything).Return(
		func(_ context.Context, in ordercheck.CheckOrderInput) (ordercheck.CheckedOrder, error) {
			finals = append(finals, in.Final)
			if in.Final {
				checked := found()
				checked.Missing = []string{"shipLines"}
				return checked, nil
			}
			return ordercheck.CheckedOrder{NotAsked: []string{"shipLines"}}, nil
		})
	report := l.mustRun(t)
	assert.Equal(t, []bool{false, false, false, true}, finals)
	assert.Equal(t, ordercheck.StatusIncomplete, report.Status)
	assert.Equal(t, []string{"shipLines"}, report.Missing)
}

// TestOtherRulesForgetNoInvoice: a worker whose rules do not ask what the order was billed for, or an
// answer without lines, does not tell that it was taken back.
func TestOtherRulesForgetNoInvoice(t *testing.T) {
	billed := &ordercheck.Billed{OrderVersion: "1", Fingerprint: "a"}
	for name, change := range map[string]func(*ordercheck.FetchedOrder){
		"not asked":     func(f *ordercheck.FetchedOrder) { f.Asked = []string{"customer"} },
		"without lines": func(f *ordercheck.FetchedOrder) { f.Missing = []string{"lines"} },
		"recall failed": func(f *ordercheck.FetchedOrder) { f.Lookups.Failed = []string{ordercheck.LookupBilled} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newLookupWorld(t, func(attempt int) ordercheck.FetchedOrder {
				f := order(attempt)
				f.Billed = billed
				if attempt > 1 {
					f.Billed = nil
					change(&f)
				}
				return f
			})
			w.OnUpsertMemo(map[string]any{ordercheck.MemoBilled: billed}).Return(nil).Once()
			w.again = 1
			w.mustRun(t)
			require.Len(t, w.given, 2)
			assert.Equal(t, billed, w.given[1].Billed)
		})
	}
	t.Run("recall failed at first sight", func(t *testing.T) {
		w := newLookupWorld(t, func(attempt int) ordercheck.FetchedOrder {
			f := order(attempt)
			f.Billed, f.Lookups.Failed = billed, []string{ordercheck.LookupBilled}
			return f
		})
		w.mustRun(t)
		assert.Nil(t, w.given[0].Billed, "it may have been invoiced before")
	})
}
