package orderlife_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// writeMark does the steps that the state asks for until none is due, as package workflows does.
func (l *life) writeMark() {
	for {
		step := l.state.BeginMark(l.now)
		switch step.Do {
		case orderlife.MarkRead:
			l.readMark(step)
		case orderlife.MarkStop:
			l.hold.stopped = true
			l.state.MarksStopped(l.now)
		default:
			return
		}
	}
}

func (l *life) readMark(step orderlife.MarkStep) {
	l.reads++
	failed := l.onRead(l.reads)
	var image ordercheck.HoldFieldImage
	if failed == nil {
		image, failed = l.hold.read(&l.order, &step.Read)
	}
	if failed != nil {
		l.outcome(l.state.MarkFailed(l.now, *failed))
		return
	}
	image.ReadAt = l.now.Add(-l.hold.takes)
	result := l.state.MarkRead(l.now, step, &image)
	l.outcome(result)
	if !result.Write {
		return
	}
	l.writes++
	attempt := l.state.Mark.Attempt
	if failed = l.onWrite(l.writes); failed == nil {
		var written ordercheck.WrittenHoldField
		if written, failed = l.hold.write(&l.order, attempt); failed == nil {
			l.wrote(attempt.Text)
			l.onWritten(l.writes)
			written.Properties = l.hold.answer(&l.order).Properties
			l.state.MarkWritten(l.now, &written)
			return
		}
	}
	l.outcome(l.state.MarkFailed(l.now, *failed))
}

func (l *life) outcome(result orderlife.MarkResult) {
	if result.Outcome != "" {
		l.markOutcomes = append(l.markOutcomes, result.Outcome)
	}
}

// wrote records a write that InFlow has done, and sends its webhook.
func (l *life) wrote(text string) {
	l.marks = append(l.marks, fmt.Sprintf("%v %s", l.now.Sub(start), text))
	if !l.hold.quiet {
		l.at(l.now.Sub(start)+time.Second+l.hold.late, func() { l.deliver(1) })
	}
}

// loseAnswer does a write, but loses its answer: it returns InFlow's answer to a retry, which
// InFlow refuses.
func (l *life) loseAnswer() *orderlife.MarkFailure {
	attempt := l.state.Mark.Attempt
	l.order.set("gate", attempt.Field, attempt.Text)
	l.wrote(attempt.Text)
	return lostAnswer()
}

func lostAnswer() *orderlife.MarkFailure {
	failed := markFailure(ordercheck.ErrorHoldFieldConflict)
	failed.NotWritten = false
	return failed
}

// mark returns the field for hold marks at InFlow.
func (l *life) mark() string { return l.order.custom[l.hold.name] }

// said returns the number of entries of the timeline with a text.
func (l *life) said(text string) (n int) {
	for _, entry := range l.state.Report.Timeline {
		if entry.Text == text {
			n++
		}
	}
	return n
}

// kinds returns the kinds of the timeline's entries.
func (l *life) kinds() []ordercheck.TimelineKind {
	var kinds []ordercheck.TimelineKind
	for _, entry := range l.state.Report.Timeline {
		kinds = append(kinds, entry.Kind)
	}
	return kinds
}

// marked returns the life of an order with errors, in a company that uses hold marks.
func marked(t *testing.T, broken ...string) *life {
	l := newLife(t, broken...)
	l.hold = &holdField{name: "custom3"}
	l.order.serials, l.order.savedBy = 2, "anna"
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
	assert.Empty(t, l.mark())
	assert.Equal(t, []string{"30m0s failed", "1h0m2s resolved"}, l.notices())
	assert.Equal(t, 2, l.checked, "the gate's own writes are not evaluated")
	assert.Equal(t, []ordercheck.TimelineKind{
		"checked", "checked", "confirmed", "notified", "delivery", "checked", "resolved", "notified",
	}, l.kinds())
	assert.Equal(t, l.order.versionText(), l.state.Report.OrderVersion,
		"the sweep must not find the version of the write missed")
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

const foreignNote = "The hold is not shown in InFlow: somebody's own words are in the field for it."

func TestTextOfAPersonStays(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.order.set("anna", "custom3", "call Bob")
	l.saveBroken(time.Hour, "total", "balance")
	l.save(2*time.Hour, func() { l.broken() })
	l.mustRun()
	assert.Empty(t, l.marks)
	assert.Equal(t, "call Bob", l.mark())
	assert.Equal(t, 1, l.said(foreignNote))
}

func TestTextThatReplacesAMarkStays(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.save(time.Hour, func() { l.order.set("anna", "custom3", "call Bob") })
	l.save(2*time.Hour, func() { l.broken() })
	l.mustRun()
	assert.Len(t, l.marks, 1)
	assert.Equal(t, "call Bob", l.mark())
}

func TestMarkOfATerminatedRunIsRemoved(t *testing.T) {
	t.Parallel()
	l := marked(t)
	l.order.set("anna", "custom3", "HOLD since 1 Jan 08:00: total is 5.00 +0")
	l.mustRun()
	assert.Equal(t, []string{"0s "}, l.marks)
}

func TestOverrideRemovesTheMark(t *testing.T) {
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
	assert.Empty(t, l.mark())
	assert.Equal(t, "expired", string(l.kinds()[len(l.kinds())-2]), "%v", l.kinds())
}

// While the gate knows which texts it wrote, any other text is a person's.
func TestTextInTheFormOfAMarkStays(t *testing.T) {
	t.Parallel()
	for name, typed := range map[string]string{
		"appended":    "HOLD since 5 Jan 08:30: total is wrong +0 CALL BOB",
		"a like text": "HOLD since 5 Jan 09:00: Bob is ill +0",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := marked(t, "total")
			l.save(time.Hour, func() { l.order.set("anna", "custom3", typed) })
			l.saveBroken(2*time.Hour, "total", "balance")
			l.save(3*time.Hour, func() { l.broken() })
			l.mustRun()
			assert.Len(t, l.marks, 1)
			assert.Equal(t, typed, l.mark())
			assert.Equal(t, 1, l.said(foreignNote))
		})
	}
}

func TestTextInTheFormOfAMarkStaysBeforeTheFirstMark(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.save(time.Minute, func() { l.order.set("anna", "custom3", "HOLD since 5 Jan 09:00: Bob is ill +0") })
	l.save(time.Hour, func() { l.broken() })
	l.mustRun()
	assert.Empty(t, l.marks)
}

// Somebody types into the field between the latest check and the write.
func TestTextThatAReadingFindsStays(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.onRead = func(n int) *orderlife.MarkFailure {
		if n == 1 {
			l.order.set("anna", "custom3", "call Bob")
		}
		return nil
	}
	l.save(time.Hour, func() { l.broken() })
	l.mustRun()
	assert.Empty(t, l.marks)
	assert.Equal(t, "call Bob", l.mark())
}

func TestALostAnswerMakesOneMark(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.onWrite = func(n int) *orderlife.MarkFailure {
		if n == 1 {
			return l.loseAnswer()
		}
		return nil
	}
	l.save(time.Hour, func() { l.broken() })
	l.mustRun()
	assert.Equal(t, []string{"30m0s HOLD since 5 Jan 08:30: total is wrong +0", "1h0m2s "}, l.marks)
	assert.Equal(t, []orderlife.MarkOutcome{"verified", "verified"}, l.markOutcomes)
	assert.Equal(t, 2, l.checked, "the gate's own write is not evaluated")
	assert.Equal(t, []ordercheck.TimelineKind{
		"checked", "checked", "confirmed", "notified", "delivery", "checked", "resolved", "notified",
	}, l.kinds())
}

// A worker was killed, so the answer to the write is still unknown when its webhook arrives.
func TestTheWebhookOfAWriteWithoutAnAnswerIsNotNoted(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.onWrite = func(n int) *orderlife.MarkFailure {
		if n == 1 {
			l.loseAnswer()
			return &orderlife.MarkFailure{Failure: orderlife.Failure{Type: "", Message: "timeout"}}
		}
		return nil
	}
	l.onRead = func(n int) *orderlife.MarkFailure {
		if l.now.Before(start.Add(31*time.Minute)) && n > 1 {
			return &orderlife.MarkFailure{Failure: orderlife.Failure{Message: "timeout"}}
		}
		return nil
	}
	l.save(time.Hour, func() { l.broken() })
	l.mustRun()
	assert.Len(t, l.marks, 2)
	assert.Equal(t, 2, l.checked, "the gate's own write is not evaluated")
	assert.Equal(t, l.order.versionText(), l.state.Report.OrderVersion)
	deliveries := 0
	for _, kind := range l.kinds() {
		if kind == ordercheck.TimelineDelivery {
			deliveries++
		}
	}
	assert.Equal(t, 1, deliveries)
}

// A run does not end before its mark is gone.
func TestARightOrderWaitsForItsMarkToGo(t *testing.T) {
	t.Parallel()
	refused := func(l *life, kind string) func(int) *orderlife.MarkFailure {
		return func(n int) *orderlife.MarkFailure {
			if n > 1 && l.now.Before(start.Add(3*day)) {
				return markFailure(kind)
			}
			return nil
		}
	}
	for name, prepare := range map[string]func(l *life){
		"stopped": func(l *life) {
			l.at(50*time.Minute, func() { l.hold.stopped = true })
			l.at(3*day, func() { l.hold.stopped = false; l.ask() })
		},
		"a bad answer": func(l *life) { l.onWrite = refused(l, ordercheck.ErrorInflowBadResponse) },
		"conflicts":    func(l *life) { l.onWrite = refused(l, ordercheck.ErrorHoldFieldConflict) },
		"no such field": func(l *life) {
			l.at(50*time.Minute, func() { l.hold.off = true })
			l.at(20*time.Hour, func() { l.hold.off = false })
		},
		"InFlow is down": func(l *life) { l.onWrite = refused(l, ordercheck.ErrorInflowUnavailable) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := marked(t, "total")
			prepare(l)
			l.save(time.Hour, func() { l.broken() })
			l.mustRun()
			assert.Empty(t, l.mark())
			assert.Len(t, l.marks, 2)
			assert.LessOrEqual(t, l.said(
				"The hold could not be shown in InFlow: "+ordercheck.ErrorInflowBadResponse), 1)
		})
	}
}

func TestAMarkIsGivenUpInTheEnd(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.onWrite = func(n int) *orderlife.MarkFailure {
		if n > 1 {
			return markFailure(ordercheck.ErrorInflowBadResponse)
		}
		return nil
	}
	l.save(time.Hour, func() { l.broken() })
	l.mustRun()
	assert.Greater(t, l.now.Sub(start), 29*day)
	assert.Less(t, l.writes, 1000, "a pause grows up to an hour")
	assert.Equal(t, orderlife.MarkGivenUp, l.markOutcomes[len(l.markOutcomes)-1])
	assert.Equal(t, 1, l.said("The gate has given up. This hold mark is still in InFlow: "+l.mark()))
}

// Somebody keeps saving the order, so the write fails until the order is overridden.
func TestTheWantedMarkIsDecidedAtEachAttempt(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.onWrite = func(n int) *orderlife.MarkFailure {
		if n > 1 {
			return nil
		}
		l.order.version++
		l.override(l.now.Sub(start)+time.Second, ordercheck.OverrideRequest{
			Findings: []string{"all"}, By: "Anna", Reason: "agreed", For: "24h",
		})
		return nil
	}
	l.save(time.Hour, func() { l.broken() })
	l.mustRun()
	assert.Equal(t, 1, l.writes)
	assert.Empty(t, l.marks, "by the time the write can succeed, the order is overridden")
}

func TestAChangedFieldMovesTheMark(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.at(time.Hour, func() { l.hold.name = "custom4"; l.ask() })
	l.at(2*time.Hour, func() {
		assert.Empty(t, l.order.custom["custom3"])
		assert.NotEmpty(t, l.order.custom["custom4"])
	})
	l.save(3*time.Hour, func() { l.broken() })
	l.mustRun()
	assert.Empty(t, l.order.custom["custom3"])
	assert.Empty(t, l.order.custom["custom4"])
	assert.Len(t, l.marks, 4)
}

// Some workers have the setting, and some do not.
func TestAWorkerWithoutTheFieldForgetsNoMark(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.at(time.Hour, func() { l.hold.off = true; l.ask() })
	l.at(time.Hour+10*time.Second, func() { l.hold.off = false })
	l.save(2*time.Hour, func() { l.broken() })
	l.mustRun()
	assert.Len(t, l.marks, 2)
	assert.Empty(t, l.mark())
}

// A check that began before the gate's write ends after it, and has seen an empty field.
func TestACheckOfAnOlderVersionForgetsNoMark(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.at(time.Hour, func() {
		l.changeRules("balance")
		l.announceRules() // checks the kept order, which has no mark
	})
	l.save(2*time.Hour, func() { l.broken() })
	l.mustRun()
	require.NotEmpty(t, l.marks)
	assert.Empty(t, l.mark())
	assert.Zero(t, l.said(foreignNote))
}

func TestADeletedOrderHasNoMark(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.save(time.Hour, func() { l.deleted = true })
	l.mustRun()
	assert.Len(t, l.marks, 1)
}

// InFlow's answer is older than the order: the mark must not be forgotten.
func TestAnOrderThatAReadingDoesNotFindKeepsItsMark(t *testing.T) {
	t.Parallel()
	for name, readings := range map[string]int{"once": 1, "until a check finds it": 2, "for long": 6} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := marked(t, "total")
			missed := 0
			l.onRead = func(int) *orderlife.MarkFailure {
				if l.now.After(start.Add(time.Hour)) && missed < readings {
					missed++
					return markFailure(ordercheck.ErrorOrderNotFound)
				}
				return nil
			}
			l.save(time.Hour, func() { l.broken() })
			l.mustRun()
			assert.Empty(t, l.mark())
			assert.Len(t, l.marks, 2)
			assert.Equal(t, readings, missed)
		})
	}
}

// A check finds out that the order is deleted, while the next step of its mark is paused.
func TestAMarkOfADeletedOrderIsGivenUp(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.onRead = func(int) *orderlife.MarkFailure {
		if l.now.After(start.Add(time.Hour)) {
			l.deleted = true
			return markFailure(ordercheck.ErrorOrderNotFound)
		}
		return nil
	}
	l.save(time.Hour, func() { l.broken() })
	l.run()
	assert.Less(t, l.now.Sub(start), 2*time.Hour)
	assert.Equal(t, orderlife.NoteDeleted, l.state.Report.Note)
}

// The run was reset to a point before its write, so it doesn't know its own mark.
func TestAResetRunRemovesItsMark(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.at(10*time.Minute, func() {
		l.state.Mark.Reset = true
		l.order.set("gate", "custom3", "HOLD since 5 Jan 08:00: total is wrong +0")
		l.deliver(1)
	})
	l.save(time.Hour, func() { l.broken() })
	l.mustRun()
	assert.Empty(t, l.mark())
	assert.Zero(t, l.said(foreignNote))
}

// While the setting changes, some workers have another field. The webhook of each write is
// checked by a worker with the other field.
func TestWorkersWithDifferentFieldsDoNotMoveTheMarkForever(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.onWritten = func(int) {
		l.hold.name = map[string]string{"custom3": "custom4", "custom4": "custom3"}[l.hold.name]
	}
	l.at(50*time.Minute, func() { assert.LessOrEqual(t, l.writes, 2) })
	l.save(time.Hour, func() { l.broken() })
	l.mustRun()
	assert.Empty(t, l.order.custom["custom3"])
	assert.Empty(t, l.order.custom["custom4"])
}

// InFlow says how long to wait.
func TestARefusedWriteWaitsAsLongAsInflowAsks(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.onWrite = func(n int) *orderlife.MarkFailure {
		if n == 1 {
			failure := markFailure(ordercheck.ErrorInflowRateLimited)
			failure.RetryAfter = 7 * time.Minute
			return failure
		}
		return nil
	}
	l.save(time.Hour, func() { l.broken() })
	l.mustRun()
	assert.Equal(t, "37m0s HOLD since 5 Jan 08:30: total is wrong +0", l.marks[0])
}

// No worker was running after the reading. People may have saved the order meanwhile.
func TestNoWriteFollowsAnOldReading(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.hold.takes = 61 * time.Second
	l.at(40*time.Minute, func() {
		assert.Zero(t, l.writes)
		assert.LessOrEqual(t, l.reads, 10, "pauses grow")
		l.hold.takes = time.Minute
	})
	l.save(2*time.Hour, func() { l.broken() })
	l.mustRun()
	assert.Len(t, l.marks, 2)
	assert.Empty(t, l.mark())
}

// When marks are resumed, all open orders are checked, so people and webhooks go first.
func TestResumedMarksAreCheckedLast(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.hold.stopped = true
	l.at(time.Hour, func() {
		assert.Zero(t, l.writes)
		l.hold.stopped = false
		l.state.MarksResumed()
		assert.Equal(t, ordercheck.PrioritySweep, l.state.Due.Priority)
	})
	l.at(time.Hour+time.Minute, func() { assert.NotEmpty(t, l.mark()) })
	l.save(2*time.Hour, func() { l.broken() })
	l.mustRun()
}

// If nobody has set up the custom field, each order would cost four requests an hour.
func TestAMarkThatInflowNeverKeepsCostsLittle(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.hold.keeps = func(before, _ string) string { return before }
	l.save(3*24*time.Hour, func() {
		assert.Less(t, l.writes, 20)
		l.broken()
	})
	l.mustRun()
	assert.Empty(t, l.mark())
}
