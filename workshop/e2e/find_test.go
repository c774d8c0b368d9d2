package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
)

// TestOrdersAreFoundByTheirNumber names orders by their numbers, because people know SO-001051, not
// its UUID. A number without an order leaves no failed run.
func TestOrdersAreFoundByTheirNumber(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{})
	orders, err := inflow.NewClient(inflow.Options{BaseURL: s.inflowURL,
		CompanyID: s.fake.CompanyID(), APIKey: s.fake.APIKey()})
	require.NoError(t, err)

	id := s.create("plain")
	number := s.mustResult(id).OrderNumber
	require.NotEmpty(t, number)
	require.Eventually(t, func() bool {
		found, err := operations.Find(t.Context(), s.temporal, nil, number)
		return err == nil && found == id
	}, waitFor, tick, "Temporal's list does not have the number")

	unseen, err := s.fake.AddOrder(s.sample("balance-wrong"))
	require.NoError(t, err)
	order, err := orders.SalesOrder(t.Context(), unseen, nil)
	require.NoError(t, err)
	found, err := operations.Find(t.Context(), s.temporal, orders, order.OrderNumber)
	require.NoError(t, err)
	assert.Equal(t, unseen, found)

	for name, says := range map[string]string{"SO-999999": "InFlow has no order with the number " +
		"SO-999999", "": "neither an order's id nor its number", "a'b": "neither"} {
		_, err = operations.Find(t.Context(), s.temporal, orders, name)
		assert.True(t, operations.IsUnknownOrder(err), name)
		require.ErrorContains(t, err, says)
	}
	_, err = operations.Find(t.Context(), s.temporal, nil, "SO-999999")
	require.ErrorContains(t, err, "set INFLOW_COMPANY_ID")
	absent := uuid.NewString()
	_, err = operations.Find(t.Context(), s.temporal, orders, absent)
	assert.True(t, operations.IsUnknownOrder(err), "an id that nobody knows: %v", err)
	found, err = operations.Find(t.Context(), s.temporal, orders, strings.ToUpper(id))
	require.NoError(t, err)
	assert.Equal(t, id, found)
	count, err := s.temporal.CountWorkflow(t.Context(),
		&workflowservice.CountWorkflowExecutionsRequest{
			Query: fmt.Sprintf("WorkflowId IN ('%s', '%s')", ordercheck.WorkflowID("SO-999999"),
				ordercheck.WorkflowID(absent)),
		})
	require.NoError(t, err)
	assert.Zero(t, count.GetCount())
}
