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
	healthMaxAge  = 10 * time.Second // a busy machine may be late, a hung question never ends
)

// Temporal is the part of Temporal's client that tells how its server is.
type Temporal interface {
	CheckHealth(ctx context.Context, request *client.CheckHealthRequest) (*client.CheckHealthResponse, error)
}

// TemporalHealth polls whether Temporal can be reached, once a second. w and now may be nil.
func TemporalHealth(t Temporal, w *watchdog.Watchdog, now func() time.Time) *Value[*client.CheckHealthResponse] {
	return New(func(ctx context.Context) (*client.CheckHealthResponse, error) {
		return t.CheckHealth(ctx, &client.CheckHealthRequest{})
	}, Options{
		Name: "the question to Temporal how it is", Every: healthEvery, Timeout: healthTimeout, MaxAge: healthMaxAge,
		Watchdog: w, Now: now,
	})
}
