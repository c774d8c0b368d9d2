// Package cputime measures the CPU time of work. Tests that limit the cost of something use it,
// because other programs on the machine do not add to CPU time as they do to elapsed time.
package cputime

import "time"

// Of returns the CPU time that all threads of the process use while work runs.
func Of(work func()) time.Duration {
	before := used()
	work()
	return used() - before
}
