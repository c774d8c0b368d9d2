package telemetry

import (
	"bytes"
	"context"
	"io"
	"sync"
	"sync/atomic"
)

// maxQueuedLog is the maximum size of the lines that wait to be written, in bytes: some 10,000.
const maxQueuedLog = 4 << 20

// logQueue writes log lines in the background, in order. Standard error may be a pipe that nobody
// reads any more: loggers that waited for it would stop deliveries and probes. Lines
// that do not fit into the queue are lost and counted.
type logQueue struct {
	out io.Writer
	// resumed is called with the number of lost lines when lines can be written again.
	resumed func(lost int64)
	lost    atomic.Int64

	mu      sync.Mutex // never held while writing
	lines   [][]byte
	size    int             // of lines, in bytes
	flushes []chan struct{} // closed when no line is left
	wake    chan struct{}   // holds one if there is something to do
}

// newLogQueue returns a queue whose lines [logQueue.run] writes.
func newLogQueue(out io.Writer) *logQueue {
	return &logQueue{out: out, wake: make(chan struct{}, 1)}
}

// Write takes a line. It never waits and never fails.
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

// flush returns when all lines have been written, or ctx ends.
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

// run lives as long as the process.
func (q *logQueue) run() {
	var reported int64
	for range q.wake {
		for line, ok := q.next(); ok; line, ok = q.next() {
			// An error cannot be told to anybody: the line was for the one place that is gone.
			if _, err := q.out.Write(line); err != nil {
				q.lost.Add(1)
			} else if lost := q.lost.Load(); lost > reported {
				q.resumed(lost - reported)
				reported = lost
			}
		}
	}
}

// next takes the oldest line. If there is none, it ends the flushes.
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
