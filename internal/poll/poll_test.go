package poll_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/poll"
	"error-check-gate/internal/watchdog"
)

var errAway = errors.New("away")

var options = poll.Options{
	Name:    "the question",
	Every:   time.Second,
	Timeout: time.Second,
	MaxAge:  5 * time.Second,
}

func TestValueFollowsItsAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		var away atomic.Bool
		v := poll.New(func(context.Context) (int32, error) {
			if away.Load() {
				return asked.Add(1), errAway
			}
			return asked.Add(1), nil
		}, options)
		_, err := v.Get()
		require.EqualError(t, err, "the question: no answer yet")

		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			v.Run(ctx)
		}()
		v.Wait(ctx)
		got, err := v.Get()
		require.NoError(t, err)
		assert.EqualValues(t, 1, got)
		for range 100 {
			_, _ = v.Get()
		}
		assert.EqualValues(t, 1, asked.Load(), "readers don't ask")

		away.Store(true)
		time.Sleep(options.Every)
		synctest.Wait()
		got, err = v.Get()
		require.ErrorIs(t, err, errAway)
		assert.Zero(t, got)
		away.Store(false)
		time.Sleep(options.Every)
		synctest.Wait()
		got, err = v.Get()
		require.NoError(t, err)
		assert.EqualValues(t, 3, got)
		cancel()
		<-ended
	})
}

// TestHungQuestion checks a question that ignores its context: nobody waits for it, the last answer
// gets stale, the watchdog reports it, and Run ends with its context.
func TestHungQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		var asked atomic.Int32
		w := watchdog.New(slog.New(slog.DiscardHandler), nil)
		o := options
		o.Watchdog = w
		v := poll.New(func(context.Context) (int, error) {
			if asked.Add(1) > 1 {
				<-hang
			}
			return 0, nil
		}, o)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			v.Run(ctx)
		}()
		time.Sleep(o.MaxAge)
		_, err := v.Get()
		require.NoError(t, err)
		time.Sleep(time.Second)
		_, err = v.Get()
		require.EqualError(t, err, "the question: the latest answer is 6s old")
		require.NoError(t, w.Check())
		time.Sleep(watchdog.Limit)
		require.ErrorContains(t, w.Check(), "the question has been hanging for")
		assert.EqualValues(t, 2, asked.Load(), "one question at a time")
		cancel()
		<-ended
		close(hang)
		synctest.Wait()
		require.NoError(t, w.Check())
	})
}

func TestQuestionHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := poll.New(func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}, options)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		began := time.Now()
		go v.Run(ctx)
		v.Wait(ctx)
		assert.Equal(t, options.Timeout, time.Since(began))
		_, err := v.Get()
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	v := poll.New(func(context.Context) (int, error) { return 0, nil }, options)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	v.Wait(ctx)
}

func TestPanicIsAnError(t *testing.T) {
	v := poll.New(func(context.Context) (int, error) { panic("oops") }, options)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go v.Run(ctx)
	v.Wait(ctx)
	_, err := v.Get()
	require.EqualError(t, err, "the question: panic: oops")
}
