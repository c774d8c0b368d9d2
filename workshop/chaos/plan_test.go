package chaos_test

import (
	"math/rand/v2"
	"slices"
	"time"
)

// plan lists what the test does to the gate, and when. The same seed and size give the same plan.
type plan struct {
	edits   []edit   // by time
	strikes []strike // by time
	wrong   []bool   // by order: it breaks a rule after the last edit
}

// size sets the numbers of things in a plan.
type size struct {
	deliveries, orders, kills int
	during                    time.Duration // the time in which edits and strikes begin
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

type blow string

const (
	killIngress  blow = "kill -9 ingress"
	killWorker   blow = "kill -9 worker"
	killTemporal blow = "kill -9 Temporal"
	stall        blow = "network to InFlow stalls"
	tooMany      blow = "InFlow answers 429"
	broken       blow = "InFlow answers 500"
	fillDisk     blow = "audit log's disk is full"
	deaf         blow = "receiver of notices answers 503"
	cancelRuns   blow = "runs cancelled by hand"
	withoutLines blow = "InFlow leaves out an order's lines"
	// Faults of the gate's own writes of orders. None damages an order, because damage stops hold
	// marks for the whole account.
	staleWrites   blow = "InFlow refuses writes as stale"
	lostWrites    blow = "InFlow's answers to writes are lost"
	lateWrites    blow = "InFlow's answers to writes are late"
	brokenWrites  blow = "InFlow answers writes with 500"
	tooManyWrites blow = "InFlow answers writes with 429"
)

var faultsOfWrites = []blow{staleWrites, lostWrites, lateWrites, brokenWrites, tooManyWrites}

// strike is one thing that goes wrong.
type strike struct {
	at, lasts time.Duration
	blow
	times  int   // the number of requests that meet it, for wrong answers
	orders []int // the orders that meet it; empty means any order
}

func newPlan(seed uint64, s size) plan {
	random := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // repeatable, not secret
	var p plan
	p.edits, p.wrong = planEdits(random, s)
	p.strikes = planStrikes(random, s)
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

func planStrikes(random *rand.Rand, s size) []strike {
	var strikes []strike
	add := func(n int, draw func() strike) {
		for range n {
			drawn := draw()
			// Some edits come before the first strike, so that there is something to lose.
			drawn.at = s.during/20 + within(random, s.during*9/10)
			strikes = append(strikes, drawn)
		}
	}
	kills := []blow{killIngress, killWorker, killTemporal}
	for i := range s.kills {
		add(1, func() strike {
			return strike{blow: kills[i%len(kills)], lasts: within(random, 3*time.Second)}
		})
	}
	lasting := func(what blow, most time.Duration) func() strike {
		return func() strike { return strike{blow: what, lasts: time.Second + within(random, most)} }
	}
	times := func(what blow, most int) func() strike {
		return func() strike { return strike{blow: what, times: 1 + random.IntN(most)} }
	}
	others := max(1, s.kills/6)
	add(others, lasting(stall, 6*time.Second))
	add(others, times(tooMany, 20))
	add(others, times(broken, 20))
	add(others, lasting(deaf, 4*time.Second))
	add(1, func() strike { return strike{blow: fillDisk, lasts: s.during / 4} })
	zipf := popular(random, s)
	some := func(most int) (orders []int) {
		for range 1 + random.IntN(most) {
			orders = append(orders, zipf(), random.IntN(s.orders))
		}
		return orders
	}
	add(max(2, s.kills/3), func() strike { return strike{blow: cancelRuns, orders: some(10)} })
	add(others, func() strike { return strike{blow: withoutLines, orders: some(2)} })
	add(others, times(staleWrites, 2))
	add(others, times(lostWrites, 2))
	add(others, func() strike {
		return strike{blow: lateWrites, times: 1 + random.IntN(2), lasts: within(random, 4*time.Second)}
	})
	add(others, times(brokenWrites, 2))
	add(others, times(tooManyWrites, 2))
	slices.SortStableFunc(strikes, func(a, b strike) int { return int(a.at - b.at) })
	return strikes
}

func within(random *rand.Rand, d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(random.Int64N(int64(d)))
}
