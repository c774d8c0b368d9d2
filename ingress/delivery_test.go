package ingress

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
)

// TestBurstOverHTTP checks that 200 concurrent deliveries for one order need two calls, and that no
// delivery is answered before its call has committed. The first call hangs until all deliveries
// have arrived.
func TestBurstOverHTTP(t *testing.T) {
	const deliveries = 200
	release := make(chan struct{})
	temporal := &fakeTemporal{signal: func(context.Context, int) error { <-release; return nil }}
	ts := startServer(t, temporal)
	answered := make([]time.Time, deliveries)
	var group sync.WaitGroup
	for i := range deliveries {
		body := fmt.Sprintf(
			`{"event":"salesOrder.updated","data":{"salesOrderId":%q},"timestamp":"%d"}`, orderID,
			i)
		r := ts.webhookRequest(t, body)
		group.Go(func() {
			response, err := ts.client.Do(r)
			if !assert.NoError(t, err) {
				return
			}
			answered[i] = time.Now()
			assert.Equal(t, 200, response.StatusCode)
			assert.NoError(t, response.Body.Close())
		})
	}
	ts.requireWaiting(t, deliveries)
	close(release)
	group.Wait()

	calls := temporal.committed()
	assert.Len(t, calls, 2)
	carried := map[string]time.Time{}
	for _, call := range calls {
		assert.Equal(t, ordercheck.WorkflowID(orderID), call.workflowID)
		for _, delivery := range call.deliveries {
			require.NotContains(t, carried, delivery.OccurredAt)
			carried[delivery.OccurredAt] = call.committedAt
		}
	}
	require.Len(t, carried, deliveries)
	for i, at := range answered {
		assert.False(t, at.Before(carried[fmt.Sprint(i)]),
			"delivery %d was answered before its commit", i)
	}
}

// TestIdenticalBodiesAreAllCarried checks that we never deduplicate by body: two real edits can
// send the same bytes.
func TestIdenticalBodiesAreAllCarried(t *testing.T) {
	temporal := &fakeTemporal{}
	ts := startServer(t, temporal)
	for range 3 {
		require.Equal(t, 200, ts.do(t, ts.webhookRequest(t, documentedBody(orderID))).status)
	}
	total := 0
	for _, call := range temporal.committed() {
		total += len(call.deliveries)
	}
	assert.Equal(t, 3, total)
}

func TestTemporalDownAndBack(t *testing.T) {
	down := make(chan struct{})
	temporal := &fakeTemporal{
		signal: func(ctx context.Context, n int) error {
			select {
			case <-down:
				return nil
			default:
				return hang(ctx, n)
			}
		},
	}
	ts := startServer(t, temporal, commitTime(time.Millisecond))
	got := ts.do(t, ts.webhookRequest(t, documentedBody(orderID)))
	assert.Equal(t, 503, got.status)
	assert.Equal(t, "5", got.header.Get("Retry-After"))
	assertAlike(t, `{"error":"…"}`, got.body)
	close(down)
	require.Eventually(t, func() bool {
		return ts.do(t, ts.webhookRequest(t, documentedBody(orderID))).status == http.StatusOK
	}, generous, time.Millisecond)
}

// TestClientHangsUp checks that a client that hangs up cancels neither its own delivery nor the
// deliveries that wait behind it.
func TestClientHangsUp(t *testing.T) {
	release := make(chan struct{})
	began := make(chan struct{}, 10)
	temporal := &fakeTemporal{signal: func(ctx context.Context, _ int) error {
		began <- struct{}{}
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	ts := startServer(t, temporal)
	ctx, hangUp := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	request := ts.webhookRequest(t, documentedBody(orderID)).WithContext(ctx)
	go func() {
		response, err := ts.client.Do(request)
		if err == nil {
			err = response.Body.Close()
		}
		gone <- err
	}()
	<-began
	hangUp()
	require.ErrorIs(t, <-gone, context.Canceled)

	var group sync.WaitGroup
	for range 5 {
		r := ts.webhookRequest(t, documentedBody(orderID))
		group.Go(func() {
			response, err := ts.client.Do(r)
			if assert.NoError(t, err) {
				assert.Equal(t, 200, response.StatusCode)
				assert.NoError(t, response.Body.Close())
			}
		})
	}
	ts.requireWaiting(t, 6)
	close(release)
	group.Wait()
	total := 0
	for _, call := range temporal.committed() {
		total += len(call.deliveries)
	}
	assert.Equal(t, 6, total)
}
