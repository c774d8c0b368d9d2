package telemetry

import (
	"bytes"
	"context"
	"io"
	"sync"
	"sync/atomic"
)

// maxQueuedLog is the maximum size of the queued lines, in bytes. It is enough for some 10,000
// lines.
const maxQueuedLog = 4 << 20

// logQueue writes log lines in the background, in order. Standard error may be a pipe that nobody
// reads, and a logger that waited for it would stop deliveries and probes. Lines that do not fit
// into the queue are lost and counted.
type logQueue struct {
	out io.Writer
	// resumed gets the number of lost lines once lines can be written again.
	resumed func(lost int64)
	lost    atomic.Int64

	mu      sync.Mutex // never held while writing
	lines   [][]byte
	size    int             // of lines, in bytes
	flushes []chan struct{} // closed when the queue is empty
	wake    chan struct{}   // has one element if there is work
}

// newLogQueue returns a queue. [logQueue.run] writes its lines.
func newLogQueue(out io.Writer) *logQueue {
	return &logQueue{out: out, wake: make(chan struct{}, 1)}
}

// Write queues a line. It never blocks and never fails.
func (q *logQueue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.size+len(line) > maxQueuedLog {
		q.lost.Add(1)
		return len(line), nil
	}
	q.lines = append(q.lines, bytes.Clone(line))
	q.size += len(line)
	q.wakeUp()
	return len(line), nil
}

// flush waits until all lines are written or ctx is done.
func (q *logQueue) flush(ctx context.Context) error {
	flushed := make(chan struct{})
	q.mu.Lock()
	q.flushes = append(q.flushes, flushed)
	q.wakeUp()
	q.mu.Unlock()
	select {
	case <-flushed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q *logQueue) wakeUp() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// run writes lines until the process ends.
func (q *logQueue) run() {
	var reported int64
	for range q.wake {
		for line, ok := q.next(); ok; line, ok = q.next() {
			// There is no other place to report the error.
			if _, err := q.out.Write(line); err != nil {
				q.lost.Add(1)
			} else if lost := q.lost.Load(); lost > reported {
				q.resumed(lost - reported)
				reported = lost
			}
		}
	}
}

// next removes the oldest line. If there is none, it ends the pending flushes.
func (q *logQueue) next() (line []byte, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.lines) == 0 {
		for _, flushed := range q.flushes {
			close(flushed)
		}
		q.lines, q.flushes = nil, nil
		return nil, false
	}
	line = q.lines[0]
	q.lines[0] = nil
	q.lines = q.lines[1:]
	q.size -= len(line)
	return line, true
}
