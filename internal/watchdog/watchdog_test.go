package watchdog_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/watchdog"
)

func TestCheck(t *testing.T) {
	var log bytes.Buffer
	now := time.Now()
	w := watchdog.New(slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return now })
	require.NoError(t, w.Check())

	endFirst := w.Begin("a delivery")
	now = now.Add(watchdog.Limit / 2)
	endSecond := w.Begin("a scrape")
	now = now.Add(watchdog.Limit / 2)
	require.NoError(t, w.Check(), "a minute is not too long yet")
	assert.Empty(t, log.String())

	now = now.Add(time.Second)
	for range 3 {
		require.EqualError(t, w.Check(), "a delivery has been hanging for 1m1s")
	}
	assert.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), log.String())
	assert.Contains(t, log.String(), "a delivery has been hanging for 1m1s")

	now = now.Add(watchdog.Limit)
	require.EqualError(t, w.Check(), "a delivery has been hanging for 2m1s", "the oldest one")
	endFirst()
	require.EqualError(t, w.Check(), "a scrape has been hanging for 1m31s")
	assert.Equal(t, 1, strings.Count(log.String(), "\n"), "one line per hang")
	endSecond()
	require.NoError(t, w.Check())
	require.NoError(t, w.Check())
	assert.Equal(t, 1, strings.Count(log.String(), "nothing hangs any more"))

	end := w.Begin("a delivery")
	now = now.Add(2 * watchdog.Limit)
	require.Error(t, w.Check())
	assert.Equal(t, 2, strings.Count(log.String(), "level=ERROR"), "another hang is logged too")
	end()
}

func TestRunEndsWhenAHangGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := watchdog.New(slog.New(slog.NewTextHandler(&log, nil)), nil)
		ended := make(chan error, 1)
		go func() { ended <- w.Run(t.Context()) }()

		end := w.Begin("a delivery")
		time.Sleep(2 * watchdog.Limit)
		end()
		time.Sleep(10 * watchdog.Limit)
		synctest.Wait()
		require.Empty(t, ended, "a hang that ended doesn't count")
		assert.Equal(t, 1, strings.Count(log.String(), "level=ERROR"),
			"logged without a probe")

		w.Begin("a delivery")
		began := time.Now()
		require.EqualError(t, <-ended,
			"a delivery has been hanging for 3m0s: the process exits so that it is restarted")
		assert.Equal(t, 3*time.Minute, time.Since(began).Round(10*time.Second))
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, watchdog.New(slog.New(slog.DiscardHandler), nil).Run(ctx))
}

func TestNil(t *testing.T) {
	var w *watchdog.Watchdog
	w.Begin("a delivery")()
	require.NoError(t, w.Check())
}
