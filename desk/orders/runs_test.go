package orders

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
)

// lossyTemporal is a Temporal client that loses the first queries.
type lossyTemporal struct {
	client.Client
	lost  int // number of queries that get no answer
	start time.Time

	mu      sync.Mutex
	queries []time.Duration // times of the queries, since start
}

func (l *lossyTemporal) QueryWorkflowWithOptions(
	ctx context.Context, _ *client.QueryWorkflowWithOptionsRequest,
) (*client.QueryWorkflowWithOptionsResponse, error) {
	l.mu.Lock()
	l.queries = append(l.queries, time.Since(l.start))
	lost := len(l.queries) <= l.lost
	l.mu.Unlock()
	if lost {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	view := ordercheck.DeskView{SalesRep: "Al"}
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(view)
	if err != nil {
		return nil, err
	}
	return &client.QueryWorkflowWithOptionsResponse{QueryResult: client.NewValue(payloads)}, nil
}

func TestLostQueryIsSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), getTimeout)
		defer cancel()
		temporal := &lossyTemporal{lost: 1, start: time.Now()}
		view, err := (&Runs{temporal: temporal}).query(ctx, "1", "")
		require.NoError(t, err)
		assert.Equal(t, "Al", view.SalesRep)
		assert.Equal(t, []time.Duration{0, queryAgainAfter}, temporal.queries)

		temporal = &lossyTemporal{lost: 2, start: time.Now()}
		_, err = (&Runs{temporal: temporal}).query(ctx, "1", "")
		require.ErrorIs(t, err, ErrUnavailable)
		assert.Len(t, temporal.queries, 2)
	})
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		serviceerror.NewUnavailable("x"), serviceerror.NewDeadlineExceeded("x"),
		serviceerror.NewWorkflowNotReady("x"), &serviceerror.ResourceExhausted{},
		serviceerror.NewFailedPrecondition("no poller seen for task queue recently"),
		&client.WorkflowUpdateServiceTimeoutOrCanceledError{}, context.DeadlineExceeded,
		context.Canceled,
	} {
		assert.ErrorIs(t, classify(fmt.Errorf("query: %w", err)), ErrUnavailable, err)
	}
	assert.ErrorIs(t, classify(serviceerror.NewNotFound("x")), ErrUnknownOrder)
	for _, err := range []error{
		errors.New("x"), temporal.NewApplicationError("x", "y"), serviceerror.NewInternal("x"), nil,
	} {
		assert.Equal(t, err, classify(err))
	}
}
