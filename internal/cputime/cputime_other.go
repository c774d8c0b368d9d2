//go:build !unix

package cputime

import "time"

var start = time.Now()

// used returns the clock's time: there is no getrusage here.
func used() time.Duration { return time.Since(start) }
