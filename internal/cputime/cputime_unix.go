//go:build unix

package cputime

import (
	"syscall"
	"time"
)

// used returns the processor time of this process so far; getrusage cannot fail for it.
func used() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
