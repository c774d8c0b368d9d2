package ordercheck

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// TimelineKind is the kind of a timeline entry.
type TimelineKind string

// The kinds of timeline entries.
const (
	TimelineDelivery      TimelineKind = "delivery"       // a webhook announced the order
	TimelineSweep         TimelineKind = "sweep"          // the sweep found an unannounced version
	TimelineChecked       TimelineKind = "checked"        // a check ended
	TimelineNotChecked    TimelineKind = "not-checked"    // a check could not be done
	TimelineConfirmed     TimelineKind = "confirmed"      // errors outlasted their grace period
	TimelineNotified      TimelineKind = "notified"       // people were notified
	TimelineReminded      TimelineKind = "reminded"       // people were reminded
	TimelineOverridden    TimelineKind = "overridden"     // somebody took responsibility
	TimelineOverrideEnded TimelineKind = "override-ended" // an override ended
	TimelineResolved      TimelineKind = "resolved"       // the errors are gone
	TimelineCancelled     TimelineKind = "cancelled"      // somebody cancelled the order or its run
	TimelineDeleted       TimelineKind = "deleted"        // InFlow no longer has the order
	TimelineExpired       TimelineKind = "expired"        // the gate stopped watching
	TimelineCommented     TimelineKind = "commented"      // somebody wrote a comment
)

// TimelineEntry is one event in an order's timeline.
type TimelineEntry struct {
	At   time.Time    `json:"at"`
	Kind TimelineKind `json:"kind"`
	Text string       `json:"text"`         // one sentence, or the words of a comment
	By   string       `json:"by,omitempty"` // who did it, if a person did
}

// Limits of a timeline. It is part of the report, which must fit one of Temporal's payloads.
const (
	maxTimeline     = 50
	maxTimelineSize = 128 << 10 // bytes of JSON
	maxTimelineText = 500       // characters of a sentence; a comment has its own limit
)

// AddToTimeline adds an entry, unless the last entry says the same: an order that cannot be checked
// is retried every 15 minutes, for weeks. Comments are always added. The oldest entries are dropped
// if there are more than 50, or if they are too large together.
func (r *Report) AddToTimeline(entry TimelineEntry) {
	if entry.Kind != TimelineCommented {
		entry.Text = Cut(entry.Text, maxTimelineText)
	}
	if n := len(r.Timeline); n > 0 && entry.Kind != TimelineCommented &&
		r.Timeline[n-1].Kind == entry.Kind && r.Timeline[n-1].Text == entry.Text {
		return
	}
	// Make a new list, because reports share the old one.
	timeline := append(make([]TimelineEntry, 0, len(r.Timeline)+1), r.Timeline...)
	timeline = append(timeline, entry)
	size, first := 0, len(timeline)
	for first > 0 && len(timeline)-first < maxTimeline {
		if size += jsonSize(&timeline[first-1]); size > maxTimelineSize && first < len(timeline) {
			break
		}
		first--
	}
	r.Timeline = timeline[first:]
}

// MaxComment limits the text of a comment, in characters.
const MaxComment = 2000

// Comment is the argument of [UpdateComment].
type Comment struct {
	By   string `json:"by"`
	Text string `json:"text"`
}

// Validate returns everything that is wrong with the comment.
func (c *Comment) Validate() error {
	var faults []error
	if blank(c.By) {
		faults = append(faults, errors.New(`"by" is missing: say who comments`))
	} else if n := utf8.RuneCountInString(c.By); n > MaxOverrideBy {
		faults = append(faults,
			fmt.Errorf(`"by" has %d characters; give a name of at most %d`, n, MaxOverrideBy))
	}
	if blank(c.Text) {
		faults = append(faults, errors.New(`"text" is missing: write the comment`))
	} else if n := utf8.RuneCountInString(c.Text); n > MaxComment {
		faults = append(faults, fmt.Errorf(`"text" has %d characters; give at most %d`, n, MaxComment))
	}
	return errors.Join(faults...)
}
