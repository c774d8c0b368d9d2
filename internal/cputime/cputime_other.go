//go:build !unix

package cputime

import "time"

var start = time.Now()

// used returns elapsed time, because this system has no getrusage.
func used() time.Duration { return time.Since(start) }
