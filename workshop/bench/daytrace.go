package main

import (
	"math/rand/v2"
	"time"

	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
)

// The day of the company: when people save orders, and what goes wrong.
const (
	officeOpens  = 8 * time.Hour
	officeCloses = 17 * time.Hour
	outageBegins = 12*time.Hour + 40*time.Minute
	outageEnds   = 13*time.Hour + 40*time.Minute

	// quota is the gate's default limit for requests to InFlow, per minute. The simulated day
	// ignores it, except for the attempts of orders that wait during the outage.
	quota            = 60
	attemptsInOutage = quota * int((outageEnds-outageBegins)/time.Minute)

	// shares, in percent
	savedAgain    = 40 // of the orders are saved again later in the day
	leftWrong     = 10 // of the orders are left with an error after the first saves
	webhooksLost  = 1  // of the saves' webhooks never come
	unfinishedYet = 50 // of the saves before the last one of a burst leave an error
)

// save is one save of an order, and its webhook.
type save struct {
	at    time.Time
	wrong bool // the order breaks a rule from now on
	lost  bool // the webhook never comes
}

// savesOf returns the saves of an order in one day, oldest first. They are the same in every run.
// People save an order several times in a row, and some orders again later. They leave errors in
// some orders. They correct half of these within the grace period, and the others after the gate
// has held them.
func savesOf(order int, midnight time.Time) []save {
	random := rand.New(rand.NewPCG(7, uint64(order))) //nolint:gosec // repeatable, not secret
	between := func(from, to time.Duration) time.Duration {
		return from + time.Duration(random.Int64N(int64(to-from)))
	}
	percent := func(share int) bool { return random.IntN(100) < share }

	var saves []save
	at := midnight.Add(between(officeOpens, officeCloses-time.Hour))
	burst := func(most int, leaveWrong bool) {
		n := 1 + random.IntN(most)
		for i := range n {
			saves = append(saves, save{
				at:    at,
				wrong: i < n-1 && percent(unfinishedYet) || i == n-1 && leaveWrong,
				lost:  percent(webhooksLost),
			})
			at = at.Add(between(3*time.Second, time.Minute))
		}
	}
	wrong := percent(leftWrong)
	burst(8, wrong)
	if wrong {
		wait := between(5*time.Minute, 25*time.Minute)
		if percent(50) {
			wait = between(time.Hour, 3*time.Hour)
		}
		at = at.Add(wait)
		burst(2, false)
	}
	if percent(savedAgain) {
		at = at.Add(between(time.Hour, 4*time.Hour))
		burst(3, false)
	}
	return saves
}

// inOutage reports whether InFlow is unavailable.
func inOutage(now time.Time) bool {
	ofDay := now.Sub(now.Truncate(24 * time.Hour))
	return ofDay >= outageBegins && ofDay < outageEnds
}

// outage counts the attempts of a request that begins while InFlow is unavailable. Its error has
// the delay until the attempt that succeeds, because Temporal's test environment would give up
// after ten attempts.
func (c *cost) outage(now time.Time) error {
	begun := now
	for backoff := time.Second; inOutage(now); backoff = min(2*backoff, 2*time.Minute) {
		c.attempts++
		c.retries++
		now = now.Add(backoff)
	}
	return temporal.NewApplicationErrorWithOptions("InFlow answers 503",
		ordercheck.ErrorInflowUnavailable,
		temporal.ApplicationErrorOptions{NextRetryDelay: now.Sub(begun)})
}
