package orderlife_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// life plays one order's life in memory. It drives the state as package workflows does, on a
// clock that jumps to the next event. Whenever the state sleeps, life encodes and decodes it, as
// continue-as-new does.
type life struct {
	t     *testing.T
	state *orderlife.State
	now   time.Time
	world
	unauthorized bool // InFlow refuses the API key
	mailDown     bool
	targets      []string                // of notices
	recalled     *ordercheck.RecalledRun // the order's last run
	by           ordercheck.Cancellation // who cancels the run
	// onFetch is called before InFlow answers the nth fetch. onCheck is called before the nth
	// evaluation, and may return a failure of it.
	onFetch func(n int)
	onCheck func(n int) *orderlife.Failure

	script  []scripted
	signals []func() // not read by the driver yet
	kept    *kept    // the order of the latest check

	fetchedAt    []time.Duration // since the start
	checked      int             // evaluations
	sent         []sentNotice
	seen         []string // appended by look: "29m0s pending"
	marks        []string // written to InFlow: "30m0s HOLD …", or "30m0s " for a removed mark
	outcomes     []string // recorded: "30m0s total fixed-in-grace after 10m0s"
	markOutcomes []orderlife.MarkOutcome
	// onRead is called before InFlow answers the nth reading of the field, and onWrite before the
	// nth write. If they return a failure, the step fails with it. onWrite may do the write
	// nevertheless.
	onRead, onWrite func(n int) *orderlife.MarkFailure
	// onWritten is called after the nth write, before it is answered.
	onWritten     func(n int)
	reads, writes int
}

// scripted is something that happens at a time.
type scripted struct {
	at time.Time
	do func()
}

// sentNotice is a notice that its targets have received.
type sentNotice struct {
	at     time.Duration
	notice ordercheck.Notice
}

// newLife returns the life of an order that breaks rules. Its settings are production's, without
// reminders.
func newLife(t *testing.T, broken ...string) *life {
	t.Helper()
	own := settings
	own.RemindEvery = 0
	l := &life{
		t: t, now: start, targets: []string{"mail"},
		state:     orderlife.New(orderID, own, ordercheck.PriorityPerson),
		onFetch:   func(int) {},
		onRead:    func(int) *orderlife.MarkFailure { return nil },
		onWrite:   func(int) *orderlife.MarkFailure { return nil },
		onWritten: func(int) {},
		onCheck:   func(int) *orderlife.Failure { return nil },
	}
	l.broken(broken...)
	return l
}

// broken makes the order break rules from now on. "~rule" is a rule that only warns.
func (l *life) broken(broken ...string) {
	l.order.wrong, l.rules.warnings = map[string]string{}, nil
	for _, rule := range broken {
		name, warns := strings.CutPrefix(rule, "~")
		if warns {
			l.rules.warnings = append(l.rules.warnings, name)
		}
		l.order.wrong[name] = "5.00"
	}
}

// at makes something happen at a time after the start.
func (l *life) at(after time.Duration, do func()) {
	l.script = append(l.script, scripted{start.Add(after), do})
	slices.SortStableFunc(l.script, func(a, b scripted) int { return a.at.Compare(b.at) })
}

// save changes the order at a time after the start, and sends a delivery.
func (l *life) save(after time.Duration, change func()) {
	l.at(after, func() {
		change()
		l.order.version++
		l.deliver(1)
	})
}

func (l *life) saveBroken(after time.Duration, broken ...string) {
	l.save(after, func() { l.broken(broken...) })
}

// edit changes the order at a time after the start, without a delivery.
func (l *life) edit(after time.Duration, broken ...string) {
	l.at(after, func() { l.broken(broken...); l.order.version++ })
}

func (l *life) deliver(webhooks int) {
	l.signals = append(l.signals, func() { l.state.Delivered(l.now, webhooks, l.now) })
}

func (l *life) ask() { l.signals = append(l.signals, func() { l.state.Asked() }) }

func (l *life) miss(version int) {
	l.signals = append(l.signals,
		func() { l.state.Missed(l.now, (&order{version: version}).versionText()) })
}

// changeRules puts another rule set in force, which finds the errors that are broken now.
func (l *life) changeRules(broken ...string) {
	l.rules.number++
	l.broken(broken...)
}

// announceRules asks the order to check itself with the rules in force.
func (l *life) announceRules() {
	l.signals = append(l.signals, func() { l.state.RulesChanged(l.rules.set().Digest) })
}

// override accepts a request at a time after the start. Without an end, the override lasts a
// week.
func (l *life) override(after time.Duration, request ordercheck.OverrideRequest) {
	l.at(after, func() { l.overrideNow(request) })
}

func (l *life) overrideNow(request ordercheck.OverrideRequest) {
	if request.Until.IsZero() && request.For == "" {
		request.Until = l.now.Add(7 * day)
	}
	require.NoError(l.t, l.state.ValidateOverride(l.now, request))
	l.state.Override(l.now, request)
}

// look appends the report's status to l.seen, at a time after the start.
func (l *life) look(after time.Duration) {
	l.at(after, func() { l.seen = append(l.seen, fmt.Sprintf("%v %s", after, l.state.Report.Status)) })
}

// requireOverridden checks, at a time after the start, that Anna has overridden the first error.
func (l *life) requireOverridden(after time.Duration) {
	l.at(after, func() {
		report := &l.state.Report
		require.Equal(l.t, ordercheck.StatusOverridden, report.Status)
		require.NotEmpty(l.t, report.Findings)
		require.NotNil(l.t, report.Findings[0].Override)
		assert.Equal(l.t, "Anna", report.Findings[0].Override.By)
	})
}

// notices returns the notices sent so far, in order: "30m0s failed".
func (l *life) notices() []string {
	notices := []string{}
	for _, s := range l.sent {
		notices = append(notices, fmt.Sprintf("%v %s", s.at, s.notice.Kind))
	}
	return notices
}

// mustRun plays until the run completes, and returns its report.
func (l *life) mustRun() *ordercheck.Report {
	l.t.Helper()
	require.Equal(l.t, orderlife.Complete, l.run())
	return &l.state.Report
}

// run plays until the run ends, and returns how.
func (l *life) run() orderlife.Do {
	l.t.Helper()
	for range 10_000 {
		for len(l.script) > 0 && !l.script[0].at.After(l.now) {
			do := l.script[0].do
			l.script = l.script[1:]
			do()
		}
		for _, signal := range l.signals {
			signal()
		}
		l.signals = nil
		l.state.TimePassed(l.now)
		switch next := l.state.Next(l.now); next.Do {
		case orderlife.Check:
			l.check()
		case orderlife.Sleep:
			l.sleep(next.Until)
		case orderlife.EndByHand:
			l.state.EndedByHand(l.now, l.by)
		default:
			return next.Do
		}
	}
	require.Fail(l.t, "the run does not come to rest")
	return ""
}

// check makes the check that is due.
func (l *life) check() {
	began, at := l.now, l.order
	if request := l.state.Begin(); request.RulesOnly && l.kept != nil {
		began, at = l.kept.began, l.kept.order
		at.wrong = l.order.wrong // the new rules may find other errors in the kept order
	} else {
		l.fetchedAt = append(l.fetchedAt, l.now.Sub(start))
		l.onFetch(len(l.fetchedAt))
		switch at = l.order; {
		case l.unauthorized:
			l.notChecked(orderlife.Failure{Type: ordercheck.ErrorInflowUnauthorized,
				Message: "InFlow refused the API key"})
			return
		case l.deleted:
			l.notChecked(notFound())
			return
		}
		fetched := l.fetch(l.state.KnownMarks())
		l.state.Fetched(&fetched)
	}
	result := l.result(l.state, at, began)
	if result.Checked != nil {
		l.checked++
		if failure := l.onCheck(l.checked); failure != nil {
			l.notChecked(*failure)
			return
		}
		l.kept = &kept{began: began, order: at}
		if l.state.NeedsRecall(result.Checked) {
			result.Recalled = &ordercheck.RecalledRun{}
			if l.recalled != nil {
				result.Recalled = l.recalled
			}
		}
	}
	l.state.Checked(l.now, result)
}

func (l *life) notChecked(failure orderlife.Failure) {
	var recalled *ordercheck.RecalledRun
	if l.state.RecallsFailure(failure) {
		recalled = l.recalled
	}
	l.state.NotChecked(l.now, failure, recalled)
}

// sleep sends the notices in the outbox, or moves the clock to the next event.
func (l *life) sleep(until time.Time) {
	data, err := json.Marshal(l.state)
	require.NoError(l.t, err)
	l.state = &orderlife.State{}
	require.NoError(l.t, json.Unmarshal(data, l.state))
	if len(l.state.Outbox) > 0 && !l.mailDown {
		l.send()
		return
	}
	if l.state.OutcomesWaiting() {
		l.recordOutcomes()
		return
	}
	if l.state.NextMark(l.now).Do != orderlife.MarkNothing {
		l.writeMark()
		return
	}
	if len(l.script) > 0 {
		until = orderlife.Earlier(until, l.script[0].at)
	}
	require.False(l.t, until.IsZero(), "the run waits for nothing")
	l.now = until
}

func (l *life) send() {
	for len(l.state.Outbox) > 0 {
		for _, target := range l.targets {
			l.state.NoticeSent(target)
		}
		l.sent = append(l.sent, sentNotice{l.now.Sub(start), l.state.Outbox[0]})
		l.state.NoticeDone(l.now)
	}
}
