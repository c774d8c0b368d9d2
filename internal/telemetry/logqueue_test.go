package telemetry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pipe is a writer whose reader can hang, go away, and come back.
type pipe struct {
	mu   sync.Mutex
	gone bool
	read bytes.Buffer
	hang chan struct{} // blocks Write until it is closed; nil does not block
}

func (p *pipe) Write(line []byte) (int, error) {
	if p.hang != nil {
		<-p.hang
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return 0, io.ErrClosedPipe
	}
	return p.read.Write(line)
}

// startQueue starts a queue that stops at the end of the test.
func startQueue(t *testing.T, out io.Writer, resumed func(int64)) *logQueue {
	t.Helper()
	q := newLogQueue(out)
	q.resumed = resumed
	go q.run()
	t.Cleanup(func() { close(q.wake) })
	return q
}

func TestLogQueueKeepsLinesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &pipe{}
		q := startQueue(t, out, func(int64) { t.Error("nothing was lost") })
		line := []byte("first\n")
		_, err := q.Write(line)
		require.NoError(t, err)
		copy(line, "other\n") // slog reuses its buffer
		for range 1000 {
			_, err := q.Write([]byte("next\n"))
			require.NoError(t, err)
		}
		require.NoError(t, q.flush(t.Context()))
		assert.Equal(t, "first\n"+strings.Repeat("next\n", 1000), out.read.String())
		require.NoError(t, q.flush(t.Context()), "an empty queue")
	})
}

// TestLogQueueWhoseReaderHangs checks that Write does not block, that memory is bounded, and that
// the queue reports lost lines once the reader reads again.
func TestLogQueueWhoseReaderHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &pipe{hang: make(chan struct{})}
		var lost []int64
		q := startQueue(t, out, func(n int64) { lost = append(lost, n) })
		line := []byte(strings.Repeat("x", 1023) + "\n")
		_, _ = q.Write(line)
		synctest.Wait() // the first line has left the queue, and its write hangs
		const more = 10
		for range maxQueuedLog/len(line) + more {
			_, err := q.Write(line)
			require.NoError(t, err)
		}
		assert.EqualValues(t, more, q.lost.Load())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, q.flush(ctx), context.DeadlineExceeded)

		close(out.hang)
		require.NoError(t, q.flush(t.Context()))
		assert.Equal(t, maxQueuedLog+len(line), out.read.Len())
		assert.Equal(t, []int64{more}, lost)
	})
}

func TestLogQueueWhoseReaderHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &pipe{gone: true}
		var lost int64
		q := startQueue(t, out, func(n int64) { lost += n })
		for range 3 {
			_, err := q.Write([]byte("lost\n"))
			require.NoError(t, err)
		}
		require.NoError(t, q.flush(t.Context()))
		out.mu.Lock()
		out.gone = false
		out.mu.Unlock()
		_, _ = q.Write([]byte("kept\n"))
		require.NoError(t, q.flush(t.Context()))
		assert.Equal(t, "kept\n", out.read.String())
		assert.EqualValues(t, 3, lost)
	})
}

// TestShutdownIsBounded checks that Shutdown returns in time and stops every other exporter if
// one exporter ignores its context.
func TestShutdownIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang, sent := make(chan struct{}), false
		tel := &Telemetry{shutdown: []func(context.Context) error{
			func(context.Context) error { <-hang; return nil },
			func(context.Context) error { sent = true; return errors.New("refused") },
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := tel.Shutdown(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "refused")
		assert.Equal(t, time.Second, time.Since(began))
		assert.True(t, sent, "the hanging exporter does not delay the other one")
		close(hang)
	})
}
