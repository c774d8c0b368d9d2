// Package poll keeps the answer to a question fresh in the background. Whoever reads the answer
// never waits for the question: not a metric's callback, not a probe, not a delivery.
package poll

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"error-check-gate/internal/watchdog"
)

// Options say how often a question is asked, and how long an answer counts.
type Options struct {
	// Name is the question's in errors and in the watchdog's reports.
	Name string
	// Every is the time from an answer to the next question.
	Every time.Duration
	// Timeout is the deadline of one question's context.
	Timeout time.Duration
	// MaxAge is the age from which an answer is stale. It must leave room for Every and Timeout.
	MaxAge time.Duration
	// Watchdog learns of questions that hang in spite of Timeout; nil is nobody.
	Watchdog *watchdog.Watchdog
	// Now is the clock that answers age by; nil is time.Now.
	Now func() time.Time
}

// Value is the latest answer to a question. [Value.Run] asks it.
type Value[T any] struct {
	ask     func(context.Context) (T, error)
	options Options
	latest  atomic.Pointer[answer[T]]
	first   chan struct{} // closed with the first answer
}

type answer[T any] struct {
	value T
	err   error
	at    time.Time
}

// New returns a Value without an answer. ask is called by one goroutine at a time.
func New[T any](ask func(context.Context) (T, error), options Options) *Value[T] {
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Value[T]{ask: ask, options: options, first: make(chan struct{})}
}

// Run asks until ctx ends. It does not wait for a question that hangs then.
func (v *Value[T]) Run(ctx context.Context) {
	for {
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			v.askOnce(ctx)
		}()
		select {
		case <-answered:
		case <-ctx.Done():
			return
		}
		next := time.NewTimer(v.options.Every)
		select {
		case <-next.C:
		case <-ctx.Done():
			next.Stop()
			return
		}
	}
}

func (v *Value[T]) askOnce(ctx context.Context) {
	defer v.options.Watchdog.Begin(v.options.Name)()
	asked, cancel := context.WithTimeout(ctx, v.options.Timeout)
	defer cancel()
	value, err := v.askSafely(asked)
	if ctx.Err() != nil {
		return // stopped: err says nothing about the question
	}
	if v.latest.Swap(&answer[T]{value, err, v.options.Now()}) == nil {
		close(v.first)
	}
}

// askSafely turns a panic into an error: no question is worth the process.
func (v *Value[T]) askSafely(ctx context.Context) (value T, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("%s: panic: %v", v.options.Name, panicked)
		}
	}()
	return v.ask(ctx)
}

// Get returns the latest answer at once. It is an error while there is none, if the latest
// question failed, and if the answer is stale because a question hangs.
func (v *Value[T]) Get() (T, error) {
	var none T
	latest := v.latest.Load()
	if latest == nil {
		return none, fmt.Errorf("%s: %w", v.options.Name, errNoAnswer)
	}
	if latest.err != nil {
		return none, latest.err
	}
	if age := v.options.Now().Sub(latest.at); age > v.options.MaxAge {
		return none, fmt.Errorf("%s: the latest answer is %v old", v.options.Name, age.Round(time.Second))
	}
	return latest.value, nil
}

var errNoAnswer = errors.New("no answer yet")

// Wait returns when there is a first answer or ctx ends. Afterwards it never waits.
func (v *Value[T]) Wait(ctx context.Context) {
	select {
	case <-v.first:
	case <-ctx.Done():
	}
}
