package ingress

import "time"

const (
	// batchesPerTrial is the number of batches over which the rate is measured.
	batchesPerTrial = 16
	// A further batch in flight is kept if the rate is better by minGain. Otherwise the next trial
	// comes after trialPause measurements.
	minGain    = 1.1
	trialPause = 8
	maxBatches = 8
)

// batchLimit decides how many batches may be in flight. It starts with one. A batch carries all
// waiting deliveries, so a second batch usually carries nothing more and makes both slower. Only
// if batches are full, batchLimit tries one more, and keeps it while that raises the number of
// deliveries that Temporal commits per second. The zero value is ready to use.
type batchLimit struct {
	further int // batches that may be in flight in addition to the first

	batches, full, deliveries int // since began
	began                     time.Time
	trying                    bool
	before                    float64 // rate before the trial
	pause                     int     // measurements until the next trial
}

func (l *batchLimit) inFlight() int { return 1 + l.further }

// ended counts a batch that has been committed or refused.
func (l *batchLimit) ended(deliveries int, now time.Time) {
	if l.began.IsZero() {
		l.began = now
		return
	}
	l.batches++
	l.deliveries += deliveries
	if deliveries >= maxBatch {
		l.full++
	}
	if l.batches < batchesPerTrial {
		return
	}
	rate := float64(l.deliveries) / max(now.Sub(l.began), time.Microsecond).Seconds()
	l.judge(rate, l.full > batchesPerTrial/2)
	l.batches, l.full, l.deliveries, l.began = 0, 0, 0, now
}

func (l *batchLimit) judge(rate float64, full bool) {
	switch {
	case l.trying && rate < minGain*l.before, !full && l.further > 0:
		l.further--
		l.trying, l.pause = false, trialPause
	case full && l.pause == 0 && l.inFlight() < maxBatches:
		l.further++
		l.trying, l.before = true, rate
	default:
		l.trying = false
		l.pause = max(l.pause-1, 0)
	}
}
