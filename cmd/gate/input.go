package main

import (
	"context"
	"io"
	"os"

	"error-check-gate/internal/nowait"
)

// openInput opens a file, or standard input if the name is - or empty. Reads end with ctx, so
// people who forgot to name a file can interrupt the command.
func openInput(ctx context.Context, stdin io.Reader, name string) (io.ReadCloser, error) {
	if name == "" || name == "-" {
		return &interruptible{ctx: ctx, from: io.NopCloser(stdin)}, nil
	}
	file, err := nowait.Open(name)
	if err != nil {
		return nil, err
	}
	return &interruptible{ctx: ctx, from: file}, nil
}

// readInput reads the whole file.
func readInput(ctx context.Context, name string) ([]byte, error) {
	file, err := openInput(ctx, os.Stdin, name)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	return io.ReadAll(file)
}

// interruptible reads until ctx is done, even while it waits for somebody to type.
type interruptible struct {
	ctx  context.Context //nolint:containedctx // belongs to one command
	from io.ReadCloser
}

func (r *interruptible) Close() error { return r.from.Close() }

func (r *interruptible) Read(into []byte) (int, error) {
	type outcome struct {
		n   int
		err error
	}
	// An abandoned read may still write.
	own := make([]byte, len(into))
	done := make(chan outcome, 1)
	go func() {
		n, err := r.from.Read(own)
		done <- outcome{n, err}
	}()
	select {
	case read := <-done:
		copy(into, own[:read.n])
		return read.n, read.err
	case <-r.ctx.Done():
		return 0, context.Cause(r.ctx)
	}
}
