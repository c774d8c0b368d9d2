package chaos_test

import (
	"math/rand/v2"
	"slices"
	"time"
)

// plan lists what the test does to the gate, and when. The same seed and size give the same plan.
type plan struct {
	edits  []edit  // by time
	faults []fault // by time
	wrong  []bool  // by order: it breaks a rule after the last edit
}

// size sets the numbers of things in a plan.
type size struct {
	deliveries, orders, kills int
	during                    time.Duration // the time in which edits and faults begin
}

type change string

const (
	create change = "create"
	touch  change = "touch" // a change that no rule looks at
	spoil  change = "spoil" // makes the order break a rule
	mend   change = "mend"  // makes it right again
)

// edit is one save of an order by a person at InFlow, and so one delivery.
type edit struct {
	at    time.Duration
	order int
	change
}

type faultKind string

const (
	killIngress  faultKind = "kill -9 ingress"
	killWorker   faultKind = "kill -9 worker"
	killTemporal faultKind = "kill -9 Temporal"
	stall        faultKind = "network to InFlow stalls"
	tooMany      faultKind = "InFlow answers 429"
	broken       faultKind = "InFlow answers 500"
	fillDisk     faultKind = "audit log's disk is full"
	receiverDown faultKind = "receiver of notices answers 503"
	cancelRuns   faultKind = "runs cancelled by hand"
	withoutLines faultKind = "InFlow leaves out an order's lines"
	// Faults of the gate's own writes of orders. None damages an order, because damage stops hold
	// marks for the whole account.
	staleWrites   faultKind = "InFlow refuses writes as stale"
	lostWrites    faultKind = "InFlow's answers to writes are lost"
	lateWrites    faultKind = "InFlow's answers to writes are late"
	brokenWrites  faultKind = "InFlow answers writes with 500"
	tooManyWrites faultKind = "InFlow answers writes with 429"
)

var writeFaults = []faultKind{staleWrites, lostWrites, lateWrites, brokenWrites, tooManyWrites}

// fault is one thing that goes wrong.
type fault struct {
	at, lasts time.Duration
	faultKind
	times  int   // the number of requests that meet it, for wrong answers
	orders []int // the orders that meet it; empty means any order
}

func newPlan(seed uint64, s size) plan {
	random := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // repeatable, not secret
	var p plan
	p.edits, p.wrong = planEdits(random, s)
	p.faults = planFaults(random, s)
	return p
}

// planEdits creates every order in the first quarter of the time, so that it can be held and
// mended. The rest are edits, most of them of few orders and in bursts, as people work.
func planEdits(random *rand.Rand, s size) (edits []edit, wrong []bool) {
	createdAt := make([]time.Duration, s.orders)
	edits = make([]edit, 0, s.deliveries)
	for i := range createdAt {
		createdAt[i] = within(random, s.during/4)
		edits = append(edits, edit{at: createdAt[i], order: i, change: create})
	}
	zipf := popular(random, s)
	wrong = make([]bool, s.orders)
	for len(edits) < s.deliveries {
		order := zipf()
		at := createdAt[order] + within(random, s.during-createdAt[order])
		for range min(1+random.IntN(6), s.deliveries-len(edits)) {
			edits = append(edits, edit{at: at, order: order})
			at = min(at+within(random, 300*time.Millisecond), s.during)
		}
	}
	slices.SortStableFunc(edits, func(a, b edit) int { return int(a.at - b.at) })
	for i := range edits {
		e := &edits[i]
		if e.change == create {
			continue
		}
		switch e.change = touch; {
		case random.IntN(3) > 0:
		case wrong[e.order]:
			e.change, wrong[e.order] = mend, false
		default:
			e.change, wrong[e.order] = spoil, true
		}
	}
	return edits, wrong
}

// popular returns a function that draws orders, a few of them often.
func popular(random *rand.Rand, s size) func() int {
	zipf := rand.NewZipf(random, 1.1, 8, uint64(s.orders-1)) //nolint:gosec // orders is small
	return func() int { return int(zipf.Uint64()) }          //nolint:gosec // at most orders
}

func planFaults(random *rand.Rand, s size) []fault {
	var faults []fault
	add := func(n int, draw func() fault) {
		for range n {
			drawn := draw()
			// Some edits come before the first fault, so that there is something to lose.
			drawn.at = s.during/20 + within(random, s.during*9/10)
			faults = append(faults, drawn)
		}
	}
	kills := []faultKind{killIngress, killWorker, killTemporal}
	for i := range s.kills {
		add(1, func() fault {
			return fault{faultKind: kills[i%len(kills)], lasts: within(random, 3*time.Second)}
		})
	}
	lasting := func(what faultKind, most time.Duration) func() fault {
		return func() fault { return fault{faultKind: what, lasts: time.Second + within(random, most)} }
	}
	times := func(what faultKind, most int) func() fault {
		return func() fault { return fault{faultKind: what, times: 1 + random.IntN(most)} }
	}
	others := max(1, s.kills/6)
	add(others, lasting(stall, 6*time.Second))
	add(others, times(tooMany, 20))
	add(others, times(broken, 20))
	add(others, lasting(receiverDown, 4*time.Second))
	add(1, func() fault { return fault{faultKind: fillDisk, lasts: s.during / 4} })
	zipf := popular(random, s)
	some := func(most int) (orders []int) {
		for range 1 + random.IntN(most) {
			orders = append(orders, zipf(), random.IntN(s.orders))
		}
		return orders
	}
	add(max(2, s.kills/3), func() fault { return fault{faultKind: cancelRuns, orders: some(10)} })
	add(others, func() fault { return fault{faultKind: withoutLines, orders: some(2)} })
	add(others, times(staleWrites, 2))
	add(others, times(lostWrites, 2))
	add(others, func() fault {
		late := times(lateWrites, 2)()
		late.lasts = within(random, 4*time.Second)
		return late
	})
	add(others, times(brokenWrites, 2))
	add(others, times(tooManyWrites, 2))
	slices.SortStableFunc(faults, func(a, b fault) int { return int(a.at - b.at) })
	return faults
}

func within(random *rand.Rand, d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(random.Int64N(int64(d)))
}
