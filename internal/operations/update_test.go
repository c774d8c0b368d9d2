package operations_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"

	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
)

const (
	id      = "0f1c3a52-7c7f-4d0e-9d2e-7b8a1c2d3e4f"
	dropped = "Unable to perform workflow execution update due to unexpected workflow task failure."
)

// answering returns the handle of a completed update.
func answering() *mocks.WorkflowUpdateHandle {
	handle := &mocks.WorkflowUpdateHandle{}
	handle.On("Get", mock.Anything, mock.Anything).Return(nil)
	return handle
}

// TestDroppedUpdatesAreSentAgain repeats the answers of a production server while the first task
// of a run failed.
func TestDroppedUpdatesAreSentAgain(t *testing.T) {
	t.Parallel()
	c := &mocks.Client{}
	c.On("NewWithStartWorkflowOperation", mock.Anything, mock.Anything, mock.Anything).
		Return(client.WithStartWorkflowOperation(nil))
	c.On("UpdateWithStartWorkflow", mock.Anything, mock.Anything).
		Return(nil, serviceerror.NewWorkflowNotReady(dropped)).
		Once()
	c.On("UpdateWithStartWorkflow", mock.Anything, mock.Anything).Return(answering(), nil).Once()
	c.On("UpdateWorkflow", mock.Anything, mock.Anything).
		Return(nil, serviceerror.NewWorkflowNotReady(dropped)).
		Twice()
	c.On("UpdateWorkflow", mock.Anything, mock.Anything).Return(answering(), nil).Once()

	_, err := operations.CheckNow(t.Context(), c, id)
	require.NoError(t, err)
	_, err = operations.Override(t.Context(), c, id, ordercheck.OverrideRequest{})
	require.NoError(t, err)
	c.AssertExpectations(t)
}

// TestUpdateDroppedEveryTimeEndsWithItsContext checks that the error says why Temporal dropped
// the update, and not only that the time is over.
func TestUpdateDroppedEveryTimeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c := &mocks.Client{}
	c.On("UpdateWorkflow", mock.Anything, mock.Anything).
		Return(nil, serviceerror.NewWorkflowNotReady(dropped))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := operations.Override(ctx, c, id, ordercheck.OverrideRequest{})
	require.ErrorContains(t, err, dropped)
	assert.NotEmpty(t, c.Calls)
}
