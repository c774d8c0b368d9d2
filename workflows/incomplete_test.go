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
	leftOut []string // the parts that InFlow leaves out now
	blind   []string // rules that need these parts, and find nothing without them
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
				checked.Skipped = append(checked.Skipped,
					ordercheck.Skipped{RuleID: rule, Reason: "needs it", Missing: l.leftOut})
			}
		}
		return checked, err
	}
	return l
}

func TestIncompleteOrderIsFetchedAgain(t *testing.T) {
	l := newIncompleteLife(t, []string{"lines"})
	l.RegisterDelayedCallback(func() { l.leftOut = nil }, 5*time.Second)
	report := l.mustRun(t)
	assert.Equal(t, ordercheck.StatusPassed, report.Status)
	assert.Empty(t, report.Missing)
	assert.Empty(t, report.Note)
	assert.Equal(t, "Acme", report.Customer)
	assert.Equal(t, []time.Duration{0, 2 * time.Second, 6 * time.Second}, l.fetchedAt)
	assert.Equal(t, 1, l.checked, "only complete orders are checked")
}

func TestIncompleteOrderNeverPasses(t *testing.T) {
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
			assert.Equal(t,
				[]time.Duration{0, 2 * time.Second, 6 * time.Second, 14 * time.Second, 30 * time.Second},
				l.fetchedAt, "for a while, at growing distances")
			for i, in := range l.inputs {
				assert.Equal(t, i == len(l.inputs)-1, in.AcceptMissing)
			}
			assert.Equal(t, 1, l.checked)
			assert.Empty(t, l.notices())
		})
	}
}

// The version was checked with its lines, so an answer without them is not fetched again.
func TestIncompleteAnswerForACheckedVersionChangesNothing(t *testing.T) {
	l := newIncompleteLife(t, nil, "order-subtotal")
	l.RegisterDelayedCallback(func() { l.leftOut = []string{"customer", "lines"}; l.deliver(1) },
		time.Hour)
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

func TestOrderFetchedForOtherRulesIsFetchedAgain(t *testing.T) {
	l := newIncompleteLife(t, nil)
	var checks []ordercheck.CheckOrderInput
	l.OnActivity(ordercheck.ActivityCheckOrder, mock.Anything, mock.Anything).Return(
		func(_ context.Context, in ordercheck.CheckOrderInput) (ordercheck.CheckedOrder, error) {
			checks = append(checks, in)
			if len(checks) == 1 {
				return ordercheck.CheckedOrder{
					RuleSet:  ordercheck.RuleSet{Name: "new"},
					NotAsked: []string{"paymentLines"},
				}, nil
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

func TestRefetchesForOtherRulesAreLimited(t *testing.T) {
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
