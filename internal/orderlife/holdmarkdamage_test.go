package orderlife_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"error-check-gate/internal/orderlife"
)

func TestDamageStopsMarks(t *testing.T) {
	t.Parallel()
	dropSerials := func(l *life) { l.order.serials = 0 }
	changeLines := func(l *life) { l.order.damage++ }
	for name, tt := range map[string]struct {
		lost  bool
		write func(l *life) // changes that the write makes besides its field
		saved func(l *life) // changes that a person saves before the comparison
		want  []orderlife.MarkOutcome
	}{
		"damage":                       {write: changeLines, want: []orderlife.MarkOutcome{"damaged"}},
		"damage without an answer":     {lost: true, write: dropSerials, want: []orderlife.MarkOutcome{"damaged"}},
		"damage in the answer, a save": {write: changeLines, saved: changeLines, want: []orderlife.MarkOutcome{"damaged"}},
		"serials gone, a save": {
			write: func(*life) {}, saved: dropSerials, want: []orderlife.MarkOutcome{"damaged"},
		},
		"a save": {write: func(*life) {}, saved: changeLines, want: []orderlife.MarkOutcome{"unverified"}},
		"a save, no answer": {
			lost: true, write: func(*life) {}, saved: changeLines,
			want: []orderlife.MarkOutcome{"unverified"},
		},
		"serials gone, a save, no answer": {
			lost: true, write: dropSerials, saved: changeLines,
			want: []orderlife.MarkOutcome{"damaged"},
		},
		"another damage, no answer": {
			lost: true, write: changeLines, want: []orderlife.MarkOutcome{"unverified"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := marked(t, "total")
			l.onWritten = func(n int) {
				if n == 1 {
					tt.write(l)
				}
			}
			if tt.lost {
				l.onWrite = func(n int) *orderlife.MarkFailure {
					if n > 1 {
						return nil
					}
					failed := l.loseAnswer()
					tt.write(l)
					return failed
				}
			}
			l.onRead = func(n int) *orderlife.MarkFailure {
				if n == 2 && tt.saved != nil {
					tt.saved(l)
					l.order.version++
					l.order.savedBy = "anna"
				}
				return nil
			}
			l.at(40*time.Minute, func() {
				assert.Equal(t, tt.want, l.markOutcomes)
				assert.Equal(t, tt.want[0] == orderlife.MarkDamaged, l.hold.stopped)
				l.hold.stopped = false
				l.ask()
			})
			l.save(time.Hour, func() { l.broken() })
			l.mustRun()
			assert.Empty(t, l.mark())
		})
	}
}

// Only the answer to a write says under which name the gate saves orders.
func TestALaterAnswerTellsWhoSavedTheOrder(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		savedBy string // who changed the order after the first mark
		want    []orderlife.MarkOutcome
	}{
		"damage":          {savedBy: "gate", want: []orderlife.MarkOutcome{"unverified", "damaged"}},
		"a person's save": {savedBy: "anna", want: []orderlife.MarkOutcome{"unverified", "verified"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := marked(t, "total")
			l.onWrite = func(n int) *orderlife.MarkFailure {
				if n > 1 {
					return nil
				}
				failed := l.loseAnswer()
				l.order.damage++
				if tt.savedBy != "gate" {
					l.order.version++
				}
				l.order.savedBy = tt.savedBy
				return failed
			}
			l.save(time.Hour, func() { l.broken() })
			l.at(90*time.Minute, func() {
				assert.Equal(t, tt.want, l.markOutcomes)
				assert.Equal(t, tt.savedBy == "gate", l.hold.stopped)
				l.hold.stopped = false
				l.ask()
			})
			l.mustRun()
			assert.Empty(t, l.mark())
		})
	}
}

// A reading without lines doesn't show whether the write changed them.
func TestAnIncompleteReadingIsNoDamage(t *testing.T) {
	t.Parallel()
	for name, reading := range map[string]int{"before the write": 1, "after the write": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := marked(t, "total")
			l.onRead = func(n int) *orderlife.MarkFailure {
				l.hold.leftOut = nil
				if n == reading || n == reading+1 {
					l.hold.leftOut = []string{"lines"}
				}
				return nil
			}
			l.save(time.Hour, func() { l.broken() })
			l.mustRun()
			assert.Equal(t, []orderlife.MarkOutcome{"verified", "verified"}, l.markOutcomes)
			assert.Len(t, l.marks, 2)
			assert.False(t, l.hold.stopped)
			assert.Zero(t, l.said("The hold could not be shown in InFlow: InFlow left out lines."))
		})
	}
}

// Even if InFlow leaves the lines out for longer than the gate waits, they are not lost.
func TestLinesThatAreLeftOutForLongAreNoDamage(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.onRead = func(n int) *orderlife.MarkFailure {
		l.hold.leftOut = nil
		if n > 1 && l.now.Before(start.Add(20*time.Hour)) {
			l.hold.leftOut = []string{"lines"}
		}
		return nil
	}
	l.save(day, func() { l.broken() })
	l.mustRun()
	assert.False(t, l.hold.stopped)
	assert.Empty(t, l.mark())
	assert.NotContains(t, l.markOutcomes, orderlife.MarkDamaged)
	assert.Equal(t, 1, l.said("The hold could not be shown in InFlow: InFlow left out lines."))
}

// A write may have removed the lines of an order. After a few readings the gate believes that.
func TestLinesThatStayEmptyAreDamage(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.onRead = func(n int) *orderlife.MarkFailure {
		if n == 2 {
			l.hold.empty = []string{"lines"}
		}
		return nil
	}
	l.at(40*time.Minute, func() { assert.True(t, l.hold.stopped) })
	l.run()
	assert.Contains(t, l.markOutcomes, orderlife.MarkDamaged)
}

// The order is held because it has no lines.
func TestAnOrderThatLacksItsLinesIsMarked(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.hold.empty = []string{"lines"}
	l.save(time.Hour, func() { l.broken(); l.hold.empty = nil })
	l.mustRun()
	assert.Len(t, l.marks, 2)
	assert.Empty(t, l.mark())
	assert.False(t, l.hold.stopped)
}

// InFlow accepts the write and sends its webhook, but the field doesn't change, because nobody
// has set it up.
func TestAWriteThatInflowDoesNotKeepIsRepeatedSeldom(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		broken []string // after an hour
		want   string
	}{
		"no mark":      {[]string{"total"}, ""},
		"the old mark": {[]string{"total", "balance"}, "HOLD since 5 Jan 08:30: total is wrong +0"},
		"removed mark": {nil, "HOLD since 5 Jan 08:30: total is wrong +0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := marked(t, "total")
			ignore := func(before, _ string) string { return before }
			if tt.want == "" {
				l.hold.keeps = ignore
			}
			l.save(time.Hour, func() {
				l.broken(tt.broken...)
				l.hold.keeps = ignore
			})
			l.at(3*time.Hour, func() {
				assert.Equal(t, tt.want, l.mark())
				assert.LessOrEqual(t, l.writes, 25, "a pause grows up to an hour")
				assert.Equal(t, 1, l.said("The hold could not be shown in InFlow: InFlow did not keep what was "+
					"written into custom3. Is that custom field set up for sales orders?"))
				l.hold.keeps = nil
				l.ask()
			})
			l.save(4*time.Hour, func() { l.broken() })
			l.mustRun()
			assert.Empty(t, l.mark())
			assert.Zero(t, l.said(foreignNote))
		})
	}
}

// InFlow stores only the beginning of the text. The gate still recognizes its mark.
func TestMarkThatInflowHasCutIsRecognized(t *testing.T) {
	t.Parallel()
	l := marked(t, "total")
	l.hold.keeps = func(_, text string) string { return text[:min(len(text), 20)] }
	l.at(40*time.Minute, func() { assert.Equal(t, "HOLD since 5 Jan 08:", l.mark()) })
	l.save(time.Hour, func() { l.broken() })
	l.mustRun()
	assert.Empty(t, l.mark())
	assert.Len(t, l.marks, 2)
	assert.Zero(t, l.said(foreignNote))
}
