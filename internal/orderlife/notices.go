package orderlife

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"error-check-gate/internal/ordercheck"
)

// notice is the content of a notice besides the report.
type notice struct {
	kind           ordercheck.NoticeKind
	reason         ordercheck.EndReason
	overridesEnded []ordercheck.Override
}

const (
	// maxOutbox limits the waiting notices. One more replaces the last one, because its report is
	// newer.
	maxOutbox = 4
	// maxUnsent limits the entries of [State.Unsent].
	maxUnsent = 10
	// maxErrorText limits an error's message, in characters.
	maxErrorText = 500
)

// notify puts a notice with the current report into the outbox. It drops a reminder if another
// notice waits.
func (s *State) notify(now time.Time, n notice) {
	if n.kind == ordercheck.NoticeReminder && len(s.Outbox) > 0 {
		return // the waiting notice reminds people too
	}
	s.Notices++
	out := ordercheck.Notice{
		Kind:           n.kind,
		Key:            s.noticeKey(now, n),
		Thread:         s.Thread,
		At:             now,
		Report:         s.Report.Clone(),
		EndReason:      n.reason,
		HasSalesRep:    s.HasSalesRep,
		OverridesEnded: n.overridesEnded,
	}
	if n.kind == ordercheck.NoticeResolved {
		out.Resolved, out.ResolvedOmitted = slices.Clone(s.Resolved.Findings), s.Resolved.Omitted
	}
	if n.kind == ordercheck.NoticeResolved || n.reason == ordercheck.EndRulesChanged {
		out.Lifted, out.LiftedOmitted = slices.Clone(s.Lifted.Findings), s.Lifted.Omitted
	}
	out.Report.Timeline = nil // the order's page shows it
	out.Truncate()
	if s.Thread == "" {
		s.Thread = out.Key
	}
	if len(s.Outbox) == maxOutbox {
		superseded := &s.Outbox[maxOutbox-1]
		s.addUnsent(fmt.Sprintf("%s notice of %s: a later one replaced it before it could be sent",
			superseded.Kind, superseded.At.UTC().Format(time.RFC3339)))
		s.Outbox = s.Outbox[:maxOutbox-1]
	}
	s.Outbox = append(s.Outbox, out)
	s.markWarningsNotified()
}

// noticeKey returns the key of the next notice. All attempts to send a notice share its key, and
// no two notices have the same key.
func (s *State) noticeKey(now time.Time, n notice) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d %s%s\n%s\n", s.Report.SalesOrderID, s.Notices, n.kind, n.reason,
		now.UTC().Format(time.RFC3339Nano))
	for _, f := range s.errors(ordercheck.FindingConfirmed) {
		b.WriteString(f.ID + "\n")
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:16])
}

// NoticeSent records that the first notice of the outbox was sent to a target.
func (s *State) NoticeSent(target string) {
	s.Outbox[0].Sent = append(s.Outbox[0].Sent, target)
}

// NoticeGathered records that a target gets the first notice in a collective message.
func (s *State) NoticeGathered(target string) {
	s.Outbox[0].Gathered = append(s.Outbox[0].Gathered, target)
}

// NoticeGivenUp records that the first notice could not be sent to a target.
func (s *State) NoticeGivenUp(now time.Time, target, reason string) {
	first := &s.Outbox[0]
	s.note(now, ordercheck.TimelineNotified,
		fmt.Sprintf("Not told: %s (%s notice), given up after a day.", target, first.Kind))
	s.addUnsent(fmt.Sprintf("%s notice of %s to %s: %s", first.Kind,
		now.UTC().Format(time.RFC3339), target, ordercheck.Cut(reason, maxErrorText)))
}

// NoticeDone removes the first notice from the outbox. Call it when every target has got the
// notice or was given up.
func (s *State) NoticeDone(now time.Time) {
	s.noteNotified(now, &s.Outbox[0])
	s.Outbox = slices.Delete(s.Outbox, 0, 1)
}

func (s *State) addUnsent(text string) {
	s.Unsent = append(s.Unsent, text)
	if n := len(s.Unsent); n > maxUnsent {
		s.Unsent = slices.Delete(s.Unsent, 0, n-maxUnsent)
	}
}
