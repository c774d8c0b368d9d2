package fakeinflow

import "slices"

// faultQueue holds faults of one kind, oldest first. The server's mutex guards it.
type faultQueue[F any] []*queuedFault[F]

type queuedFault[F any] struct {
	fault F
	// every is N if one in N matches meets the fault; 0 and 1 mean that each one does.
	every int
	// remaining is the number of matches that meet the fault before it ends; 0 means no limit.
	remaining int
	matched   int
}

// add appends a fault; see [Fault.Every] and [Fault.Times].
func (q *faultQueue[F]) add(fault F, every, times int) {
	*q = append(*q, &queuedFault[F]{fault: fault, every: every, remaining: times})
}

// take returns the first matching fault whose turn it is, or the zero fault if there is none.
func (q *faultQueue[F]) take(matches func(F) bool) F {
	for i, queued := range *q {
		if !matches(queued.fault) {
			continue
		}
		if queued.matched++; queued.every > 1 && queued.matched%queued.every != 0 {
			continue
		}
		if queued.remaining > 0 {
			if queued.remaining--; queued.remaining == 0 {
				*q = slices.Delete(*q, i, i+1)
			}
		}
		return queued.fault
	}
	var none F
	return none
}
