package poll

import (
	"context"
	"time"

	"go.temporal.io/sdk/client"

	"error-check-gate/internal/watchdog"
)

const (
	healthEvery   = time.Second
	healthTimeout = time.Second
	healthMaxAge  = 10 * time.Second // leaves room for a busy machine
)

// Temporal is the part of Temporal's client that checks the health of its server.
type Temporal interface {
	CheckHealth(
		ctx context.Context, request *client.CheckHealthRequest,
	) (*client.CheckHealthResponse, error)
}

// TemporalHealth checks once per second whether Temporal can be reached. w and now may be nil.
func TemporalHealth(
	t Temporal, w *watchdog.Watchdog, now func() time.Time,
) *Value[*client.CheckHealthResponse] {
	return New(func(ctx context.Context) (*client.CheckHealthResponse, error) {
		return t.CheckHealth(ctx, &client.CheckHealthRequest{})
	}, Options{
		Name: "Temporal's health check", Every: healthEvery, Timeout: healthTimeout,
		MaxAge: healthMaxAge, Watchdog: w, Now: now,
	})
}
