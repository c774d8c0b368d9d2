package orderlife_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// model plays the driver and the world of a state, and keeps track of what must be true of it.
type model struct {
	state *orderlife.State
	world world
	now   time.Time
	// random returns a number from 0 to n-1, which decides what happens.
	random func(n int) int

	// fetchDue is true if somebody asked for a fetch, and none has begun since.
	fetchDue bool

	// These describe the check in flight.
	began    time.Time
	at       order // the order that it sees
	forFetch bool  // it answers somebody who asked for a fetch
	asKept   bool  // it evaluates rules on the kept order, without a fetch

	kept      *kept                    // the order that the driver keeps, if any
	latest    *order                   // the latest version checked
	lastFound *ordercheck.CheckedOrder // the findings of that check
	firstSeen map[string]time.Time
	overrides map[string]ordercheck.Finding // in force, by finding
	known     map[string]bool               // the confirmed errors that people know of
	keys      map[string]bool               // of all notices
	noticed   int                           // number of notices that were judged
	recalled  *ordercheck.RecalledRun       // from the last run; nil if there was none
	log       []string
	outcomes  outcomesModel
	marks     markModel
}

// kept is an order that the driver keeps after a check, to evaluate other rules on it.
type kept struct {
	began time.Time
	order order
}

var ruleNames = []string{"credit", "price", "total"}

func newModel(random func(n int) int) *model {
	m := &model{now: start, random: random, keys: map[string]bool{}}
	m.world.order = order{version: 1, wrong: map[string]string{}}
	if random(2) == 0 {
		m.world.hold = &holdField{name: "custom3", pending: random(2) == 0}
	}
	m.begin()
	return m
}

// begin starts a new life of the order.
func (m *model) begin() {
	m.now = m.now.Add(time.Millisecond) // no two runs start at the same time
	own := settings
	own.NotifyWarnings, own.RecordOutcomes = m.random(2) == 0, true
	m.state = orderlife.New(orderID, own, ordercheck.PriorityWebhook)
	m.fetchDue = true
	m.latest, m.lastFound, m.kept = nil, nil, nil
	m.firstSeen, m.known = map[string]time.Time{}, map[string]bool{}
	m.overrides = map[string]ordercheck.Finding{}
	m.noticed = 0
	m.outcomes.begin()
	m.beginMarks()
}

// beginAfresh follows a life that an operator ended and that has begun anew. The state has
// forgotten its findings, except overridden ones and warnings that people know of: these keep
// their first-seen times.
func (m *model) beginAfresh() {
	m.logf("begun afresh")
	m.latest, m.lastFound, m.kept = nil, nil, nil
	m.known = map[string]bool{}
	m.outcomes.failing = nil
	firstSeen := m.firstSeen
	m.firstSeen = map[string]time.Time{}
	for f := range m.state.Report.All() {
		m.firstSeen[f.ID] = firstSeen[f.ID]
	}
}

func (m *model) logf(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf("%v ", m.now.Sub(start))+fmt.Sprintf(format, args...))
}

// faultf ends the test with a fault, the latest lines of the log and the state.
func (m *model) faultf(format string, args ...any) {
	report, _ := json.MarshalIndent(m.state, "", " ")
	last := m.log[max(0, len(m.log)-60):]
	panic(fmt.Sprintf(format, args...) + "\n" + strings.Join(last, "\n") + "\n" + string(report))
}

// wrong returns random rules that are broken, with the amounts that they find.
func (m *model) wrong() map[string]string {
	wrong := map[string]string{}
	for _, rule := range ruleNames {
		if m.random(2) == 0 {
			wrong[rule] = fmt.Sprintf("%d.00", 2+m.random(2))
		}
	}
	return wrong
}

// step makes one event happen, and checks the state.
func (m *model) step() {
	ended := m.state.Cancellation == orderlife.Cancelled
	m.event()
	if ended && m.state.Cancellation == orderlife.NotCancelled {
		m.beginAfresh()
	}
	m.drive()
	m.roundTrip()
	m.judge()
}

// pick returns a random element of a list.
func pick[T any](m *model, list []T) T { return list[m.random(len(list))] }

func (m *model) event() {
	switch s := m.state; m.random(24) {
	case 0, 1:
		m.world.order.save(m.wrong())
		m.deliver()
	case 2:
		m.world.order.save(map[string]string{})
		m.deliver()
	case 3:
		m.world.order.save(m.wrong())
		m.logf("saved %v, no webhook", m.world.order)
	case 4:
		version := m.world.order.versionText()
		news := ordercheck.CompareVersions(s.Report.OrderVersion, version) < 0
		m.logf("missed %s", version)
		s.Missed(m.now, version)
		m.fetchDue = m.fetchDue || news
	case 5:
		m.logf("asked")
		s.Asked()
		m.fetchDue = true
	case 6, 7, 8:
		m.finish()
	case 9:
		m.override()
	case 10:
		s.Comment(m.now, ordercheck.Comment{By: "Bob", Text: "look"})
	case 11, 12, 13:
		m.pass()
	case 14:
		m.sendNotice()
		m.recordOutcomes()
	case 15:
		m.rareEvent()
	case 17, 18, 19, 20, 21, 22, 23:
		m.mark()
	case 16:
		m.world.failing, m.world.missing = nil, nil
		if m.random(3) == 0 {
			m.world.failing = []string{pick(m, ruleNames)}
		}
		if m.random(6) == 0 {
			m.world.missing = []string{"customer"}
		}
	}
}

func (m *model) rareEvent() {
	switch s := m.state; m.random(6) {
	case 0:
		if s.Cancellation == orderlife.NotCancelled {
			m.logf("cancelled by an operator")
			s.CancelledByOperator()
		}
	case 1:
		if s.InFlight == nil && s.Cancellation == orderlife.NotCancelled {
			m.logf("continued as new")
			m.kept = nil
			s.Settings.NotifyWarnings = m.random(2) == 0
		}
	case 2:
		m.world.rules = rules{number: m.world.rules.number + 1}
		if m.random(2) == 0 {
			m.world.rules.off = []string{pick(m, ruleNames)}
		}
		if m.random(2) == 0 {
			m.world.rules.warnings = []string{pick(m, ruleNames)}
		}
		if m.random(2) == 0 {
			grace, hold, rule := time.Hour, 2*time.Hour, pick(m, ruleNames)
			m.world.rules.terms = map[string]ordercheck.Terms{rule: {
				RuleID: rule, Grace: &grace, HoldMax: &hold, NotOverridable: m.random(2) == 0,
			}}
		}
		m.logf("rules changed: %+v", m.world.rules)
		s.RulesChanged(m.world.rules.set().Digest)
	case 3:
		m.world.deleted = !m.world.deleted
		m.world.order.version++
		m.deliver()
	case 4:
		m.world.order.cancelled = !m.world.order.cancelled
		m.world.order.version++
		m.deliver()
	case 5:
		m.deliver()
	}
}

func (m *model) deliver() {
	m.logf("delivered %v", m.world.order)
	m.state.Delivered(m.now, 1+m.random(3), m.now)
	m.fetchDue = true
}

// pass moves the clock.
func (m *model) pass() {
	next := m.state.Next(m.now)
	switch m.random(5) {
	case 0:
		m.now = m.now.Add(time.Second)
	case 1:
		m.now = m.now.Add(time.Duration(1+m.random(60)) * time.Minute)
	case 2:
		m.now = m.now.Add(time.Duration(1+m.random(20)) * day)
	default:
		if next.Until.After(m.now) {
			m.now = next.Until
		}
	}
	m.logf("time passed")
}

// drive does what a driver does until the state sleeps or a check is in flight.
func (m *model) drive() {
	for range 10 {
		m.state.TimePassed(m.now)
		m.judgeNotices(false)
		m.judgeOutcomes(always(ordercheck.OutcomeExpired))
		switch next := m.state.Next(m.now); next.Do {
		case orderlife.Sleep:
			if m.fetchDue && m.state.Due == nil {
				m.faultf("somebody asked for a fetch, and none is due")
			}
			return
		case orderlife.Check:
			m.beginCheck()
			return
		case orderlife.EndByHand:
			m.state.EndedByHand(m.now, ordercheck.Cancellation{Identity: "anna@desk"})
			m.judgeNotices(false)
			m.judgeOutcomes(always(ordercheck.OutcomeEndedByHand))
		default:
			m.end(next)
		}
	}
	m.faultf("the state does not come to rest")
}

func (m *model) beginCheck() {
	request := m.state.Begin()
	m.began, m.at, m.forFetch = m.now, m.world.order, m.fetchDue
	m.asKept = request.RulesOnly && m.kept != nil
	if m.fetchDue && request.RulesOnly {
		m.faultf("somebody asked for a fetch, and the check makes none")
	}
	if m.asKept {
		m.at, m.began = m.kept.order, m.kept.began
	}
	m.fetchDue = false
	m.logf("check began: %+v, without a fetch: %v", request, m.asKept)
}

// finish ends the check in flight, if any.
func (m *model) finish() {
	s := m.state
	if s.InFlight == nil {
		return
	}
	if s.ShouldPreempt() && !m.asKept && m.random(2) == 0 {
		m.logf("preempted")
		s.Preempted()
		m.fetchDue = m.fetchDue || m.forFetch
		return
	}
	outcome := m.random(8)
	switch {
	case outcome == 0 && !m.asKept:
		m.fail(orderlife.Failure{Type: ordercheck.ErrorInflowUnavailable, Message: "down"})
	case outcome == 1 && !m.asKept:
		m.fail(orderlife.Failure{Type: ordercheck.ErrorOrderTooLarge, Message: "too large"})
	case outcome == 2: // fetched, and then not evaluated
		fetched := m.world.fetch(s.KnownMarks())
		s.Fetched(&fetched)
		m.fail(orderlife.Failure{Type: "CheckFailed", Message: "overflow"})
	case m.world.deleted && !m.asKept:
		m.fail(notFound())
	default:
		m.checked()
	}
}

func (m *model) fail(failure orderlife.Failure) {
	var recalled *ordercheck.RecalledRun
	if m.state.RecallsFailure(failure) {
		recalled = m.recalled
	}
	first := m.state.Report.CheckedAt.IsZero()
	m.logf("not checked: %s", failure.Type)
	m.state.NotChecked(m.now, failure, recalled)
	if failure.Type == ordercheck.ErrorOrderNotFound && !first {
		m.latest, m.lastFound = nil, nil
		m.firstSeen, m.overrides = map[string]time.Time{}, map[string]ordercheck.Finding{}
		m.marks.own = map[fieldText]bool{} // maybe no worker with the field sees it again
	}
	if m.state.Report.Status != ordercheck.StatusUnchecked {
		m.faultf("a check failed, but the order is %s", m.state.Report.Status)
	}
	m.judgeNotices(m.state.Failure == nil)
	m.judgeOutcomes(always(ordercheck.OutcomeOrderGone))
}

func (m *model) checked() {
	result := m.world.result(m.state, m.at, m.began)
	if m.asKept {
		result.Checked = m.world.evaluate(&m.at, m.state.NotifiedRules())
	}
	if result.Checked != nil && m.state.NeedsRecall(result.Checked) && !m.asKept {
		result.Recalled = &ordercheck.RecalledRun{}
		if m.recalled != nil {
			*result.Recalled = *m.recalled
			m.takeRecalled()
		}
	}
	m.logf("checked %v with %+v, known already: %v", m.at, m.world.rules, result.Checked == nil)
	if result.Checked == nil && (m.latest == nil || !m.sameOrder(m.latest, &m.at)) {
		m.faultf("version %d was never checked, but the state thinks it was", m.at.version)
	}
	outcomeOf := m.outcomeOfCheck()
	if result.Checked != nil {
		at := m.at
		m.latest, m.lastFound = &at, result.Checked
		m.kept = &kept{began: m.began, order: m.at}
	}
	confirmed := m.confirmed()
	m.state.Checked(m.now, result)
	m.judgeFindings(confirmed)
	m.judgeNotices(true)
	m.judgeOutcomes(outcomeOf)
	m.judgeNotEvaluated(result.Checked)
}

// takeRecalled applies the last run's overrides and notified findings to this one.
func (m *model) takeRecalled() {
	if len(m.state.Report.Findings) > 0 {
		return
	}
	for _, f := range m.recalled.Overridden {
		m.overrides[f.ID], m.firstSeen[f.ID] = f, f.FirstSeen
	}
	for _, f := range m.recalled.Notified {
		m.firstSeen[f.ID] = f.FirstSeen
	}
}

// confirmed returns the ids of the confirmed errors.
func (m *model) confirmed() map[string]bool {
	ids := map[string]bool{}
	for f := range m.state.Report.All() {
		if f.Severity == ordercheck.SeverityError && f.State == ordercheck.FindingConfirmed {
			ids[f.ID] = true
		}
	}
	return ids
}

// couldNotEvaluate reports whether the latest check could not evaluate a rule.
func (m *model) couldNotEvaluate(rule string) bool {
	return slices.ContainsFunc(m.lastFound.RuleErrors,
		func(e ordercheck.RuleError) bool { return e.RuleID == rule })
}

// judgeFindings compares the findings of a check with the model's first-seen times and overrides.
func (m *model) judgeFindings(wasConfirmed map[string]bool) {
	found := map[string]ordercheck.Finding{}
	for _, f := range m.lastFound.Findings {
		found[f.ID] = f
	}
	for _, id := range ruleNames {
		f, here := found[id]
		if !here && !m.couldNotEvaluate(id) {
			delete(m.firstSeen, id)
			delete(m.overrides, id)
			continue
		}
		if override, is := m.overrides[id]; is &&
			(!m.now.Before(override.Override.Until) || here &&
				(override.Facts() != f.Facts() || f.Severity != ordercheck.SeverityError)) {
			delete(m.overrides, id)
		}
		if _, seen := m.firstSeen[id]; here && !seen {
			m.firstSeen[id] = m.now
		}
	}
	reported := map[string]bool{}
	for f := range m.state.Report.All() {
		reported[f.ID] = true
		if !f.FirstSeen.Equal(m.firstSeen[f.ID]) {
			m.faultf("%s was first seen %v, not %v", f.ID, m.firstSeen[f.ID], f.FirstSeen)
		}
		if f.Severity != ordercheck.SeverityError {
			continue
		}
		if f.State == ordercheck.FindingConfirmed && !wasConfirmed[f.ID] &&
			m.began.Before(f.FirstSeen.Add(m.grace(f.ID))) {
			m.faultf("%s was confirmed before its grace ended", f.ID)
		}
		if f.State != ordercheck.FindingConfirmed && wasConfirmed[f.ID] &&
			f.State != ordercheck.FindingOverridden {
			m.faultf("%s was confirmed, but is %s now", f.ID, f.State)
		}
	}
	for id := range found {
		if !reported[id] {
			m.faultf("%s was found, but is not reported", id)
		}
	}
}

func (m *model) grace(rule string) time.Duration {
	if terms, own := m.world.rules.terms[rule]; own &&
		slices.ContainsFunc(m.lastFound.Terms,
			func(t ordercheck.Terms) bool { return t.RuleID == rule }) {
		return *terms.Grace
	}
	return settings.GracePeriod
}

// override makes Anna override findings, if the state accepts that.
func (m *model) override() {
	request := ordercheck.OverrideRequest{Findings: []string{"all"}, By: "Anna", Reason: "agreed"}
	if m.random(2) == 0 {
		request.Findings = []string{pick(m, ruleNames)}
	}
	request.Until = m.now.Add(pick(m, []time.Duration{time.Minute, 5 * time.Hour, 60 * day}))
	if m.state.ValidateOverride(m.now, request) != nil {
		return
	}
	m.logf("overridden: %v until %v", request.Findings, request.Until)
	concludes := m.state.InFlight == nil && m.state.Failure == nil
	m.state.Override(m.now, request)
	for f := range m.state.Report.All() {
		if f.Override != nil && f.Override.Until.Equal(request.Until) {
			m.overrides[f.ID] = *f
		}
	}
	m.judgeNotices(concludes)
	m.judgeOutcomes(always(ordercheck.OutcomeOverridden))
}

// sendNotice ends the first notice of the outbox: it is sent, given up, or has no target.
func (m *model) sendNotice() {
	if len(m.state.Outbox) == 0 {
		return
	}
	switch m.random(3) {
	case 0:
		m.state.NoticeSent("mail")
	case 1:
		m.state.NoticeGivenUp(m.now, "chat", "down")
	}
	m.state.NoticeDone(m.now)
}

// judgeNotices checks that a new notice, if any, is true and tells people something new.
// concluded is true if the state has just decided about notices: then people must know of every
// confirmed error.
func (m *model) judgeNotices(concluded bool) {
	s := m.state
	confirmed := m.confirmed()
	if s.Notices > m.noticed {
		m.noticed++
		if s.Notices != m.noticed {
			m.faultf("two notices were made at once")
		}
		notice := &s.Outbox[len(s.Outbox)-1]
		m.logf("notice: %s %s", notice.Kind, notice.EndReason)
		if m.keys[notice.Key] {
			m.faultf("notice %s has the key of another one", notice.Kind)
		}
		m.keys[notice.Key] = true
		m.judgeNotice(notice, confirmed)
	}
	if concluded && !s.Abandoned {
		for id := range confirmed {
			if !m.known[id] {
				m.faultf("%s is confirmed, but nobody was notified", id)
			}
		}
		m.known = confirmed
	}
}

func (m *model) judgeNotice(notice *ordercheck.Notice, confirmed map[string]bool) {
	pending := slices.ContainsFunc(m.state.Report.Findings,
		func(f ordercheck.Finding) bool { return f.State == ordercheck.FindingPending })
	if notice.Report.Errors() != m.state.Report.Errors() ||
		notice.Report.OrderVersion != m.state.Report.OrderVersion {
		m.faultf("notice %s is of another report", notice.Kind)
	}
	switch notice.Kind {
	case ordercheck.NoticeFailed:
		news := false
		for id := range confirmed {
			news = news || !m.known[id]
		}
		if !news {
			m.faultf("people were notified twice of %v", confirmed)
		}
		m.known = confirmed
		if notice.Report.Status != ordercheck.StatusFailed {
			m.faultf("a failed notice has a report that is %s", notice.Report.Status)
		}
	case ordercheck.NoticeEnded:
		m.known = map[string]bool{} // the next check may begin a new hold
	case ordercheck.NoticeReminder:
		if len(confirmed) == 0 {
			m.faultf("a reminder was sent, but no error is confirmed")
		}
	case ordercheck.NoticeResolved, ordercheck.NoticeWarning, ordercheck.NoticeOverridden:
		if len(confirmed) > 0 || pending {
			m.faultf("a %s notice was made while there are errors", notice.Kind)
		}
		if overridden := len(m.overrides) > 0 && m.state.Report.Errors() > 0; overridden &&
			notice.Kind == ordercheck.NoticeResolved &&
			notice.Report.Status == ordercheck.StatusOverridden {
			m.faultf("a resolved notice was made, but errors are overridden")
		}
	}
}

// end judges the end of a run, and begins the order's next one.
func (m *model) end(next orderlife.Next) {
	s := m.state
	m.logf("run ended: %s, %s", next.Do, s.Report.Status)
	if m.fetchDue || s.Due != nil || s.InFlight != nil || len(s.Outbox) > 0 ||
		s.Mark.Doing != orderlife.MarkNothing {
		m.faultf("the run ended although something is left to do")
	}
	m.judgeNoMark()
	m.judgeEndOfOutcomes()
	report := s.Report.Clone()
	failure := ""
	if s.Failure != nil {
		failure = s.Failure.Type
	}
	if next.Do == orderlife.Complete && !s.Abandoned && s.Report.Note != orderlife.NoteCancelled &&
		s.Report.Note != orderlife.NoteDeleted &&
		s.Report.Errors() > 0 {
		m.faultf("the run completed, but the order is wrong")
	}
	if s.Report.CheckedAt.IsZero() {
		if m.recalled == nil {
			m.recalled = &ordercheck.RecalledRun{}
		}
		m.recalled.Failure = failure
	} else {
		m.recalled = &ordercheck.RecalledRun{Failure: failure}
		for f := range report.All() {
			if f.State == ordercheck.FindingOverridden {
				m.recalled.Overridden = append(m.recalled.Overridden, *f)
			}
			if f.Notified {
				m.recalled.Notified = append(m.recalled.Notified, *f)
			}
		}
	}
	m.begin()
}

// roundTrip encodes the state and decodes it, as continue-as-new does, and goes on with the copy.
func (m *model) roundTrip() {
	before, err := json.Marshal(m.state)
	if err != nil {
		m.faultf("encode: %v", err)
	}
	decoded := &orderlife.State{}
	if err := json.Unmarshal(before, decoded); err != nil {
		m.faultf("decode: %v", err)
	}
	after, err := json.Marshal(decoded)
	if err != nil || string(before) != string(after) {
		m.faultf("decoding changed the state: %v\n%s\n%s", err, before, after)
	}
	m.state = decoded
}

// judge checks the invariants of the state.
func (m *model) judge() {
	s := m.state
	if m.fetchDue && (s.Due == nil || s.Due.RulesOnly) {
		m.faultf("somebody asked for a fetch, and none is due")
	}
	if s.Report.CheckedAt.After(m.now) || len(s.Report.Timeline) > 50 || len(s.Outbox) > 4 ||
		len(s.Unsent) > 10 {
		m.faultf("a check is in the future, or a list is too long")
	}
	m.judgeStatus()
	m.judgeOverrides()
	m.judgeMark()
	next := s.Next(m.now)
	if next.Do == orderlife.Sleep && s.InFlight == nil && next.Until.IsZero() && len(s.Outbox) == 0 &&
		len(m.confirmed()) == 0 && s.NextMark(m.now).Do == orderlife.MarkNothing &&
		s.Mark.Doing == orderlife.MarkNothing && !s.OutcomesWaiting() {
		m.faultf("the run waits for nothing")
	}
	if next.Do == orderlife.Sleep && !next.Until.IsZero() && next.Until.Before(m.now) {
		m.faultf("the run sleeps until %v, which is past", next.Until)
	}
}

// judgeStatus checks that a wrong order is never reported as right.
func (m *model) judgeStatus() {
	if m.lastFound == nil || m.state.Report.CheckedAt.IsZero() {
		return
	}
	errors, overridden := 0, 0
	for _, f := range m.lastFound.Findings {
		if f.Severity != ordercheck.SeverityError {
			continue
		}
		errors++
		if _, is := m.overrides[f.ID]; is {
			overridden++
		}
	}
	switch status := m.state.Report.Status; {
	case status == ordercheck.StatusUnchecked,
		status == ordercheck.StatusFailed,
		status == ordercheck.StatusPending:
	case errors > overridden && status != ordercheck.StatusChecking:
		m.faultf("the order has %d errors, %d overridden, but is %s", errors, overridden, status)
	case errors > 0 && (status == ordercheck.StatusPassed || status == ordercheck.StatusWarning):
		m.faultf("the order has %d errors, but is %s", errors, status)
	case len(m.lastFound.RuleErrors)+len(m.lastFound.Missing) > 0 &&
		status != ordercheck.StatusIncomplete && status != ordercheck.StatusChecking:
		m.faultf("a rule could not be evaluated, but the order is %s", status)
	}
}

// judgeOverrides checks that an accepted override is in force until its end, or until the facts
// of its finding change.
func (m *model) judgeOverrides() {
	for _, id := range slices.Sorted(maps.Keys(m.overrides)) {
		override := m.overrides[id]
		i := slices.IndexFunc(m.state.Report.Findings,
			func(f ordercheck.Finding) bool { return f.ID == id })
		if i < 0 {
			m.faultf("the override of %s is gone with its finding", id)
		}
		if f := &m.state.Report.Findings[i]; f.State != ordercheck.FindingOverridden ||
			f.Override == nil ||
			!f.Override.Same(*override.Override) {
			m.faultf("the override of %s is forgotten: %+v", id, f)
		}
	}
}
