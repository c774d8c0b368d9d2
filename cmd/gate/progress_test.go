package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestProgressOnAPipe(t *testing.T) {
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

func TestProgressOnATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		p := newProgress(&out, "orders compared")
		p.terminal, p.every = true, time.Second
		for done := range 3 {
			time.Sleep(time.Second)
			p.set(done, 0)
		}
		p.end()
		assert.NotContains(t, out.String(), "\n")
		assert.True(t, strings.HasSuffix(out.String(), "\r\x1b[Kgate: orders compared: 2\r\x1b[K"),
			out.String())
	})
}
