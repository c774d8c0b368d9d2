package orderlife_test

import (
	"slices"
	"strings"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// markModel is the part of the model that is about hold marks.
type markModel struct {
	step orderlife.MarkStep // the step in progress
	// replaced maps each version that a write of the gate made to the version before it.
	replaced map[int]int
	// own holds the texts that the gate wrote in this life, and theirs the texts that a person
	// typed into a field that the gate knew.
	own, theirs map[fieldText]bool
	// damaged is true after an answered write that changed more than its field, until marks stop.
	damaged bool
}

type fieldText struct{ field, text string }

func (m *model) beginMarks() {
	if m.marks.replaced == nil {
		m.marks.replaced = map[int]int{}
	}
	m.marks.own, m.marks.theirs = map[fieldText]bool{}, map[fieldText]bool{}
	m.marks.damaged = false
}

// sameOrder reports whether two versions differ only in the gate's marks.
func (m *model) sameOrder(a, b *order) bool {
	base := func(version int) int {
		for {
			before, own := m.marks.replaced[version]
			if !own {
				return version
			}
			version = before
		}
	}
	return base(a.version) == base(b.version) || a.content() == b.content()
}

// mark makes something happen to the hold mark: the driver begins or ends a step, a person types
// into the field, or the company changes its settings.
func (m *model) mark() {
	s, hold := m.state, m.world.hold
	if hold == nil {
		return
	}
	switch choice := m.random(24); {
	case choice == 0:
		m.typeIntoField()
	case choice == 1:
		hold.off = !hold.off
		m.logf("the next worker has no field: %v", hold.off)
	case choice == 2 && m.random(3) == 0:
		hold.name = pick(m, []string{"custom3", "custom4"})
		m.logf("the field is %s", hold.name)
	case choice == 3 && hold.stopped:
		hold.stopped = false
		m.logf("marks are resumed")
		s.Asked()
		m.fetchDue = true
	case s.Mark.Doing != orderlife.MarkNothing:
		m.endMark()
	default:
		if m.marks.step = s.BeginMark(m.now); m.marks.step.Do != orderlife.MarkNothing {
			m.logf("began to %s: %+v", m.marks.step.Do, m.marks.step.Read)
		}
	}
}

func (m *model) typeIntoField() {
	name := pick(m, []string{"custom3", "custom4"})
	text := pick(m, []string{"", "call Bob", "HOLD by another run"})
	if current := m.world.order.custom[name]; current != "" && m.random(3) == 0 {
		text = current + " call Bob"
	}
	m.world.order.set("bob", name, text)
	for _, known := range m.state.KnownMarks() {
		if known.Field == name && text != "" && !slices.Contains(known.Texts, text) {
			m.marks.theirs[fieldText{name, text}] = true
		}
	}
	m.logf("somebody typed %q into %s, version %d", text, name, m.world.order.version)
	m.deliver()
}

// endMark ends the step that has begun.
func (m *model) endMark() {
	s := m.state
	switch s.Mark.Doing {
	case orderlife.MarkStop:
		m.world.hold.stopped = true
		m.marks.damaged = false
		m.logf("marks are stopped")
		s.MarksStopped(m.now)
	case orderlife.MarkRead:
		m.endRead()
	default:
		m.endWrite()
	}
}

func (m *model) markFailed(failure *orderlife.MarkFailure) {
	m.logf("the step failed: %+v", failure)
	m.state.MarkFailed(m.now, *failure)
}

func (m *model) endRead() {
	s, hold := m.state, m.world.hold
	var image ordercheck.HoldFieldImage
	failed := m.anyFailure()
	if m.world.deleted {
		failed = markFailure(ordercheck.ErrorOrderNotFound)
		m.marks.damaged = false
	}
	if failed == nil {
		image, failed = hold.read(&m.world.order, &m.marks.step.Read)
	}
	if failed != nil {
		m.markFailed(failed)
		return
	}
	result := s.MarkRead(m.now, m.marks.step, &image)
	m.logf("read %+v at %s: %+v", image.Field, image.Version, result)
	if m.marks.damaged && result.Outcome == orderlife.MarkVerified {
		m.faultf("the state overlooked damage")
	}
}

// anyFailure returns a random failure of a step, but most of the time nil.
func (m *model) anyFailure() *orderlife.MarkFailure {
	switch m.random(8) {
	case 0:
		return markFailure(pick(m, []string{
			ordercheck.ErrorInflowUnavailable, ordercheck.ErrorInflowBadResponse,
			ordercheck.ErrorHoldFieldConflict, ordercheck.ErrorInflowUnauthorized,
		}))
	case 1:
		return &orderlife.MarkFailure{TakenBack: true}
	default:
		return nil
	}
}

// endWrite ends a write. At random, it arrives or not, does damage or not, and is answered or
// not.
func (m *model) endWrite() {
	s, o, hold := m.state, &m.world.order, m.world.hold
	failed := m.anyFailure()
	if m.world.deleted {
		failed = markFailure(ordercheck.ErrorOrderNotFound)
	}
	if failed != nil {
		m.markFailed(failed)
		return
	}
	attempt := s.Mark.Attempt
	before := *o
	written, failed := hold.write(o, attempt)
	if failed != nil {
		m.markFailed(failed)
		return
	}
	m.judgeWrite(&before)
	m.marks.replaced[o.version] = before.version
	m.marks.own[fieldText{attempt.Field, attempt.Text}] = true
	damages, lost := m.random(12) == 0, m.random(4) == 0
	m.logf("wrote %q as %d, damage %v, lost %v", attempt.Text, o.version, damages, lost)
	if damages {
		o.damage++
		written = hold.answer(o)
	}
	if m.random(2) == 0 {
		m.deliver()
	}
	if lost {
		m.markFailed(pick(m, []*orderlife.MarkFailure{
			lostAnswer(), {TakenBack: true}, {Failure: orderlife.Failure{Message: "timeout"}},
		}))
		return
	}
	m.marks.damaged = damages
	s.MarkWritten(m.now, &written)
}

// judgeWrite checks that a write replaces only marks of the gate, and that no write follows
// damage.
func (m *model) judgeWrite(before *order) {
	attempt := m.state.Mark.Attempt
	current := before.custom[attempt.Field]
	if m.marks.theirs[fieldText{attempt.Field, current}] {
		m.faultf("the text %q of a person was overwritten", current)
	}
	if current != "" && !strings.HasPrefix(current, "HOLD ") {
		m.faultf("%q is not a mark, but was overwritten", current)
	}
	if m.marks.damaged {
		m.faultf("the order was written again after damage")
	}
}

// judgeMark checks that the mark is right, if there is nothing to do and the gate knows the
// order's version.
func (m *model) judgeMark() {
	s, hold := m.state, m.world.hold
	mark := &s.Mark
	if hold == nil || s.NextMark(m.now).Do != orderlife.MarkNothing ||
		mark.Doing != orderlife.MarkNothing || mark.GivenUp || m.now.Before(mark.PausedUntil) ||
		s.Due != nil || s.InFlight != nil || s.Failure != nil ||
		mark.Field == nil || mark.Field.Foreign || mark.Field.Name != hold.name ||
		s.Report.OrderVersion != m.world.order.versionText() || s.Report.Note != "" ||
		mark.Seen != s.Report.OrderVersion { // a worker without the field made the check
		return
	}
	value := m.world.order.custom[hold.name]
	switch {
	case len(m.confirmed()) > 0 && !s.Abandoned && !strings.HasPrefix(value, "HOLD "):
		m.faultf("the order is held, but its mark is %q", value)
	case s.Report.Errors() == 0 && value != "" && !m.marks.theirs[fieldText{hold.name, value}]:
		m.faultf("the order is right, but its mark is %q", value)
	}
}

// judgeNoMark checks that a run that ends leaves no mark of its own, unless it has given up or
// could not check the order.
func (m *model) judgeNoMark() {
	s, hold := m.state, m.world.hold
	if hold == nil || s.Failure != nil || s.Mark.GivenUp || m.world.deleted || s.Mark.Field == nil {
		return
	}
	if s.Mark.Text != "" {
		m.faultf("the run ended, but knows of the mark %q", s.Mark.Text)
	}
	if s.Report.OrderVersion != m.world.order.versionText() ||
		s.Report.Note == orderlife.NoteDeleted {
		return
	}
	for field, value := range m.world.order.custom {
		mark := fieldText{field, value}
		if value != "" && m.marks.own[mark] && !m.marks.theirs[mark] {
			m.faultf("the run ended, but left the mark %q in %s", value, field)
		}
	}
}
