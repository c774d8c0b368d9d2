package desk

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"error-check-gate/internal/ordercheck"
)

// deadWorker is a Temporal whose first questions reach a worker that has died.
type deadWorker struct {
	client.Client
	unanswered int
	asked      []time.Duration // since began
	began      time.Time
}

func (d *deadWorker) QueryWorkflowWithOptions(
	ctx context.Context, _ *client.QueryWorkflowWithOptionsRequest,
) (*client.QueryWorkflowWithOptionsResponse, error) {
	d.asked = append(d.asked, time.Since(d.began))
	if len(d.asked) <= d.unanswered {
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

func TestAnOrderIsAskedAgainAfterAWorkerDied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), getWithin)
		defer cancel()
		temporal := &deadWorker{unanswered: 1, began: time.Now()}
		view, err := (&runs{temporal: temporal}).ask(ctx, "1", "")
		require.NoError(t, err)
		assert.Equal(t, "Al", view.SalesRep)
		assert.Equal(t, []time.Duration{0, askAgainAfter}, temporal.asked)

		temporal = &deadWorker{unanswered: 2, began: time.Now()}
		_, err = (&runs{temporal: temporal}).ask(ctx, "1", "")
		require.ErrorIs(t, err, ErrUnavailable)
		assert.Len(t, temporal.asked, 2)
	})
}
