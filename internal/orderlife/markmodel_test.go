package orderlife_test

import (
	"strings"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// mark lets something happen to the hold mark: the driver begins a write, or the one that it began
// ends, or a person types into the field.
func (m *model) mark() {
	s := m.state
	switch hold := m.world.hold; {
	case hold == nil:
	case s.Mark.Writing:
		m.endMark()
	case m.random(8) == 0:
		hold.value = pick(m, []string{"", "call Bob", "HOLD by another run"})
		m.world.order.version++
		m.logf("somebody typed %q", hold.value)
		m.deliver()
	case s.MarkDue():
		m.wanted = s.BeginMark()
		m.logf("began to write the mark %+v", m.wanted)
	}
}

// endMark ends the write that has begun.
func (m *model) endMark() {
	s, hold := m.state, m.world.hold
	defer s.EndMark()
	text := ""
	if !m.wanted.IsZero() {
		text = "HOLD " + m.wanted.Error
	}
	before := m.world.order.versionText()
	switch found := hold.fetched(); {
	case m.random(6) == 0:
		m.logf("the mark failed")
		s.MarkFailed(m.now, "down")
	case m.world.deleted:
		s.MarkFailed(m.now, "deleted")
	case found.Foreign:
		m.logf("the mark is foreign")
		s.MarkForeign(m.now)
	case hold.value == text:
		s.MarkWritten(m.now, m.wanted, ordercheck.WrittenHoldField{Text: text}, "")
	default:
		hold.value = text
		m.world.order.version++
		written := ordercheck.WrittenHoldField{Text: text, Version: m.world.order.versionText()}
		m.logf("wrote %q as %s", text, written.Version)
		s.MarkWritten(m.now, m.wanted, written, before)
		if s.Report.OrderVersion == written.Version {
			m.latest.version = m.world.order.version // the same order but for the mark
		}
		if m.random(2) == 0 {
			m.deliver()
		}
	}
}

// takeMarkVersion: a check that began before the gate's own write is of the version that it made.
func (m *model) takeMarkVersion() {
	mark := &m.state.Mark
	if m.latest != nil && mark.Replaced == m.latest.versionText() && m.state.Report.OrderVersion == mark.Version {
		m.latest.version++
	}
}

// judgeNoMark: a run that ends leaves no mark of its own, unless it could not take it away.
func (m *model) judgeNoMark() {
	s, hold := m.state, m.world.hold
	if hold == nil || s.Failure != nil || s.Mark.Paused || m.world.deleted || s.Mark.Field == nil {
		return
	}
	if s.Mark.Text != "" {
		m.faultf("the run ended, and knows of the mark %q", s.Mark.Text)
	}
	seen := s.Report.OrderVersion == m.world.order.versionText() && s.Report.Note != orderlife.NoteDeleted
	if seen && strings.HasPrefix(hold.value, "HOLD ") {
		m.faultf("the run ended, and left the mark %q", hold.value)
	}
}
