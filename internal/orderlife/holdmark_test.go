package orderlife_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"error-check-gate/internal/ordercheck"
)

// writeMark writes what the state wants into the order at InFlow, which announces it.
func (l *life) writeMark() {
	wanted := l.state.BeginMark()
	defer l.state.EndMark()
	text := ""
	if !wanted.IsZero() {
		text = fmt.Sprintf(
			"HOLD since %s: %s +%d",
			wanted.Since.Format("2 Jan 15:04"),
			wanted.Error,
			wanted.More,
		)
	}
	switch now := l.hold.fetched(); {
	case now.Foreign:
		l.state.MarkForeign(l.now)
		return
	case l.hold.value == text:
		l.state.MarkWritten(l.now, wanted, ordercheck.WrittenHoldField{Text: text}, "")
		return
	}
	before := l.order.versionText()
	l.hold.value = text
	l.order.version++
	l.marks = append(l.marks, fmt.Sprintf("%v %s", l.now.Sub(start), text))
	if !l.hold.quiet {
		l.at(l.now.Sub(start)+time.Second+l.hold.late, func() { l.deliver(1) })
	}
	l.state.MarkWritten(
		l.now,
		wanted,
		ordercheck.WrittenHoldField{Text: text, Version: l.order.versionText()},
		before,
	)
}

// kinds returns the kinds of the timeline's entries.
func (l *life) kinds() []ordercheck.TimelineKind {
	var kinds []ordercheck.TimelineKind
	for _, entry := range l.state.Report.Timeline {
		kinds = append(kinds, entry.Kind)
	}
	return kinds
}

// marked is an order with errors whose holds are shown in InFlow.
func marked(t *testing.T, broken ...string) *life {
	l := newLife(t, broken...)
	l.hold = &holdField{}
	return l
}

func TestAHeldOrderIsMarkedUntilItIsRight(t *testing.T) {
	t.Parallel()
	l := marked(t, "total", "balance")
	l.save(time.Hour, func() { l.broken() })
	l.mustRun()
	assert.Equal(t, []string{
		"30m0s HOLD since 5 Jan 08:30: balance is wrong +1",
		"1h0m2s ",
	}, l.marks)
	assert.Empty(t, l.hold.value)
	assert.Equal(t, []string{"30m0s failed", "1h0m2s resolved"}, l.told())
	assert.Equal(t, 2, l.checked, "the gate's own writes are not evaluated")
	assert.Equal(t, []ordercheck.TimelineKind{
		"checked", "checked", "confirmed", "notified", "delivery", "checked", "resolved", "notified",
	}, l.kinds())
	assert.Equal(t, l.order.versionText(), l.state.Report.OrderVersion, "so the sweep misses nothing")
}

func TestARunEndsWithoutTheWebhookOfItsOwnWrite(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.hold.quiet = true
	l.save(time.Hour, func() { l.broken() })
	l.mustRun()
	assert.Len(t, l.marks, 2)
	assert.Equal(t, start.Add(time.Hour+2*time.Second+time.Minute), l.now)
}

func TestAnOrderInItsGracePeriodIsMarkedIfTheCompanyWantsIt(t *testing.T) {
	t.Parallel()
	for _, pending := range []bool{false, true} {
		l := marked(t, "total")
		l.hold.pending = pending
		l.save(time.Minute, func() { l.broken() })
		l.mustRun()
		if pending {
			assert.Equal(t, []string{"0s HOLD since 5 Jan 08:00: total is wrong +0", "1m2s "}, l.marks)
		} else {
			assert.Empty(t, l.marks)
		}
	}
}

func TestOtherPeoplesWordsStay(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.hold.value = "call Bob"
	l.saveBroken(time.Hour, "total", "balance")
	l.save(2*time.Hour, func() { l.broken() })
	l.mustRun()
	assert.Empty(t, l.marks)
	assert.Equal(t, "call Bob", l.hold.value)
	said := 0
	for _, entry := range l.state.Report.Timeline {
		if entry.Text == "The hold is not shown in InFlow: somebody's own words are in the field for it." {
			said++
		}
	}
	assert.Equal(t, 1, said)
}

func TestWordsThatReplaceAMarkStay(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.save(time.Hour, func() { l.hold.value = "call Bob" })
	l.save(2*time.Hour, func() { l.broken() })
	l.mustRun()
	assert.Len(t, l.marks, 1)
	assert.Equal(t, "call Bob", l.hold.value)
}

func TestAMarkOfATerminatedRunIsTakenAway(t *testing.T) {
	t.Parallel()
	l := marked(t)
	l.hold.value = "HOLD since 1 Jan 08:00: total is 5.00 +0"
	l.mustRun()
	assert.Equal(t, []string{"0s "}, l.marks)
}

func TestAnOverrideTakesTheMarkAway(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.override(time.Hour, ordercheck.OverrideRequest{
		Findings: []string{"all"}, By: "Anna", Reason: "agreed", For: "24h",
	})
	l.at(2*day, func() { l.edit(2 * day) })
	l.run()
	assert.Equal(t, "1h0m0s ", l.marks[1])
}

func TestASaveDuringTheOwnWebhookIsNoted(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.saveBroken(30*time.Minute+2*time.Second, "total", "balance")
	l.save(2*time.Hour, func() { l.broken() })
	l.mustRun()
	assert.Equal(t, 3, l.checked)
	assert.Contains(t, l.kinds(), ordercheck.TimelineDelivery)
	deliveries := 0
	for _, kind := range l.kinds() {
		if kind == ordercheck.TimelineDelivery {
			deliveries++
		}
	}
	assert.Equal(t, 2, deliveries)
}

func TestAnExpiredHoldIsNotMarkedAgain(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.mustRun()
	assert.Len(t, l.marks, 2, "%v", l.marks)
	assert.Empty(t, l.hold.value)
	assert.Equal(t, "expired", string(l.kinds()[len(l.kinds())-2]), "%v", l.kinds())
}
