//go:build unix

package cputime

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestOf checks that computing counts and waiting does not.
func TestOf(t *testing.T) {
	sum := 0
	computing := Of(func() {
		for began := used(); used()-began < 20*time.Millisecond; {
			sum++
		}
	})
	assert.GreaterOrEqual(t, computing, 20*time.Millisecond)
	const wait = 200 * time.Millisecond
	assert.Less(t, Of(func() { time.Sleep(wait) }), wait)
}
