//go:build unix

package cputime

import (
	"syscall"
	"time"
)

// used returns the CPU time of this process so far. Getrusage cannot fail for the process itself.
func used() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
