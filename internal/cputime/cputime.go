// Package cputime measures work by the processor's time, which other programs on the machine do not
// lengthen as they do the clock's. Tests that bound the cost of something use it.
package cputime

import "time"

// Of returns the processor time that the process spends while work runs, on all its threads.
func Of(work func()) time.Duration {
	before := used()
	work()
	return used() - before
}
