package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestProgressOnAPipeIsALineNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		p := newProgress(&out, "orders compared")
		for done := range 60 {
			p.set(done, 60)
			time.Sleep(time.Second)
		}
		p.end()
		assert.Equal(t, 5, strings.Count(out.String(), "\n"))
		assert.Contains(t, out.String(), "gate: orders compared: 10 of 60\n")
	})
}
