package activities_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"error-check-gate/activities"
	"error-check-gate/internal/ordercheck"
)

// outcomesRun is a client of Temporal that records signals. Each call takes a second.
type outcomesRun struct {
	mu      sync.Mutex
	signals [][]string // keys
	err     error
}

func (o *outcomesRun) SignalWithStartWorkflow(
	_ context.Context, workflowID, signalName string, arg any, options client.StartWorkflowOptions,
	workflow any, _ ...any,
) (client.WorkflowRun, error) {
	var keys []string
	for _, order := range arg.([]ordercheck.OrderOutcomes) { //nolint:errcheck // a test
		keys = append(keys, order.Key)
	}
	slices.Sort(keys)
	time.Sleep(time.Second)
	o.mu.Lock()
	defer o.mu.Unlock()
	if workflowID != ordercheck.OutcomesWorkflowID || options.ID != workflowID ||
		signalName != ordercheck.SignalOutcomes || workflow != ordercheck.OutcomesWorkflowType {
		return nil, fmt.Errorf("%s %s %v", workflowID, signalName, workflow)
	}
	o.signals = append(o.signals, keys)
	return nil, o.err
}

// sent returns the keys of each signal.
func (o *outcomesRun) sent() [][]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.signals)
}

func orderOutcomes(key string, n int) ordercheck.OrderOutcomes {
	return ordercheck.OrderOutcomes{Key: key, Outcomes: make([]ordercheck.RuleOutcome, n)}
}

// While a signal is in flight, the outcomes of other orders wait for the next signal and share
// it.
func TestOutcomesShareASignal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := &outcomesRun{}
		record := &activities.RecordOutcomes{Temporal: run}
		begin := time.Now()
		var group sync.WaitGroup
		for i := range 5 {
			group.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				in := orderOutcomes(fmt.Sprint(i), 900)
				assert.NoError(t, record.RecordOutcomes(t.Context(), in))
			})
		}
		group.Wait()
		// 900 outcomes of two orders fit a signal.
		assert.Equal(t, [][]string{{"0"}, {"1", "2"}, {"3", "4"}}, run.sent())
		assert.Equal(t, 3*time.Second, time.Since(begin))

		require.NoError(t, record.RecordOutcomes(t.Context(), orderOutcomes("late", 1)))
		assert.Equal(t, []string{"late"}, run.sent()[3])
	})
}

func TestOutcomesThatAreNotSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := &outcomesRun{err: errors.New("busy")}
		record := &activities.RecordOutcomes{Temporal: run}
		err := record.RecordOutcomes(t.Context(), orderOutcomes("a", 1))
		require.ErrorIs(t, err, run.err)

		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		err = record.RecordOutcomes(ctx, orderOutcomes("a", 1))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(time.Minute) // the call to Temporal ends
		assert.Len(t, run.sent(), 2)
	})
}
