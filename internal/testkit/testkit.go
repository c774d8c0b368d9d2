// Package testkit has helpers for tests of servers: a log that a test can read while the server
// writes to it, and a clock that only the test advances.
package testkit

import (
	"bytes"
	"log/slog"
	"sync"
	"time"
)

// Log collects what a server writes. Its zero value is empty.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements [io.Writer].
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns everything that was written so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Logger returns a logger that writes lines of every level to the log, as key=value pairs.
func (l *Log) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Clock is a clock that stands still until a test advances it.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// NewClock returns a clock that shows the current time.
func NewClock() *Clock { return &Clock{at: time.Now()} }

// Now returns the time that the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Advance moves the clock by d, which may be negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
