package ingress

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
)

const (
	// healthTimeout is how long Temporal has to say that it is well.
	healthTimeout = time.Second
	// healthAge is how long an answer counts, so that probes do not hammer Temporal.
	healthAge = time.Second
)

// health is whether Temporal can be reached.
type health struct {
	temporal Temporal
	now      func() time.Time

	mu    sync.Mutex // held while asking: who comes meanwhile shares the answer
	asked time.Time
	err   error
}

func (h *health) check() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if age := h.now().Sub(h.asked); !h.asked.IsZero() && age >= 0 && age < healthAge {
		return h.err
	}
	// Not the probe's context: that it hung up says nothing of Temporal.
	ctx, cancel := context.WithTimeout(context.Background(), healthTimeout)
	defer cancel()
	_, h.err = h.temporal.CheckHealth(ctx, &client.CheckHealthRequest{})
	h.asked = h.now()
	return h.err
}
