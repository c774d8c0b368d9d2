// Package poll asks a question regularly in the background and keeps the latest answer. So metric
// callbacks, probes and deliveries get an answer without waiting.
package poll

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"error-check-gate/internal/watchdog"
)

// Options say how often a question is asked and how long an answer is valid.
type Options struct {
	// Name names the question in errors and in the watchdog's reports.
	Name string
	// Every is the time from an answer to the next question.
	Every time.Duration
	// Timeout limits the context of one question.
	Timeout time.Duration
	// MaxAge is the age from which an answer is stale. It must leave room for Every and Timeout.
	MaxAge time.Duration
	// Watchdog reports questions that hang in spite of Timeout; it may be nil.
	Watchdog *watchdog.Watchdog
	// Now is the clock for the age of answers; nil means time.Now.
	Now func() time.Time
}

// Value holds the latest answer to a question. [Value.Run] asks the question.
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

// New returns a Value without an answer. [Value.Run] calls ask, one call at a time.
func New[T any](ask func(context.Context) (T, error), options Options) *Value[T] {
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Value[T]{ask: ask, options: options, first: make(chan struct{})}
}

// Run asks the question regularly until ctx ends. It doesn't wait for a question that hangs then.
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

// askSafely turns a panic into an error.
func (v *Value[T]) askSafely(ctx context.Context) (value T, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("%s: panic: %v", v.options.Name, panicked)
		}
	}()
	return v.ask(ctx)
}

// Get returns the latest answer without waiting. It fails if there is no answer yet, if the latest
// question failed, or if the answer is older than MaxAge because a question hangs.
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

// Wait returns when there is an answer or ctx ends.
func (v *Value[T]) Wait(ctx context.Context) {
	select {
	case <-v.first:
	case <-ctx.Done():
	}
}
