package main

import (
	"context"
	"time"

	"go.temporal.io/sdk/client"

	"error-check-gate/internal/temporalconn"
)

// withTemporal calls do with a client for Temporal, and closes the client.
func withTemporal(ctx context.Context, do func(client.Client) error) error {
	c, err := temporalconn.Dial(ctx, temporalconn.Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	return do(c)
}

// withTemporalAtMost is withTemporal with a time limit: see [waitAtMost].
func withTemporalAtMost(
	ctx context.Context, wait time.Duration, do func(context.Context, client.Client) error,
) error {
	ctx, cancel := waitAtMost(ctx, wait)
	defer cancel()
	return withTemporal(ctx, func(c client.Client) error { return do(ctx, c) })
}
