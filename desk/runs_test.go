package desk

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"error-check-gate/internal/ordercheck"
)

// lossyTemporal loses the first queries.
type lossyTemporal struct {
	client.Client
	unanswered int
	began      time.Time

	mu    sync.Mutex
	asked []time.Duration // since began
}

func (d *lossyTemporal) QueryWorkflowWithOptions(
	ctx context.Context, _ *client.QueryWorkflowWithOptionsRequest,
) (*client.QueryWorkflowWithOptionsResponse, error) {
	d.mu.Lock()
	d.asked = append(d.asked, time.Since(d.began))
	lost := len(d.asked) <= d.unanswered
	d.mu.Unlock()
	if lost {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(ordercheck.DeskView{SalesRep: "Al"})
	if err != nil {
		return nil, err
	}
	return &client.QueryWorkflowWithOptionsResponse{
		QueryResult: client.NewValue(payloads),
	}, nil
}

func TestALostQueryIsSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), getWithin)
		defer cancel()
		temporal := &lossyTemporal{unanswered: 1, began: time.Now()}
		view, err := (&runs{temporal: temporal}).ask(ctx, "1", "")
		require.NoError(t, err)
		assert.Equal(t, "Al", view.SalesRep)
		assert.Equal(t, []time.Duration{0, askAgainAfter}, temporal.asked)

		temporal = &lossyTemporal{unanswered: 2, began: time.Now()}
		_, err = (&runs{temporal: temporal}).ask(ctx, "1", "")
		require.ErrorIs(t, err, ErrUnavailable)
		assert.Len(t, temporal.asked, 2)
	})
}
