package ordersignal_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/dev/temporalserver"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/ordersignal"
	"error-check-gate/internal/temporalconn"
)

// TestSearchAttributesAreOptional checks that a delivery is committed even if the search attributes
// are not registered. If they are, a run shows its status before a worker has looked at it.
func TestSearchAttributesAreOptional(t *testing.T) {
	server, err := temporalserver.Start(t.Context(), temporalserver.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Stop()) })
	c, err := temporalconn.Dial(t.Context(), temporalconn.Options{Address: server.Addr})
	require.NoError(t, err)
	defer c.Close()

	status := func(salesOrderID string) string {
		require.NoError(
			t,
			ordersignal.Send(t.Context(), c, salesOrderID, ordercheck.PriorityWebhook,
				[]ordercheck.Delivery{{Event: "salesOrder.updated"}}),
		)
		events := c.GetWorkflowHistory(t.Context(), ordercheck.WorkflowID(salesOrderID), "", false,
			0)
		start, err := events.Next()
		require.NoError(t, err)
		signal, err := events.Next()
		require.NoError(t, err)
		assert.Equal(t, ordercheck.SignalWebhookDelivered,
			signal.GetWorkflowExecutionSignaledEventAttributes().GetSignalName())
		payload, ok :=
			start.GetWorkflowExecutionStartedEventAttributes().GetSearchAttributes().GetIndexedFields()[ordercheck.SearchGateStatus]
		if !ok {
			return ""
		}
		return string(payload.GetData())
	}
	assert.Equal(t, `"checking"`, status("registered"))

	_, err = c.OperatorService().
		RemoveSearchAttributes(t.Context(), &operatorservice.RemoveSearchAttributesRequest{
			Namespace: client.DefaultNamespace, SearchAttributes: []string{ordercheck.SearchErrorCount},
		})
	require.NoError(t, err)
	assert.Empty(t, status("not-registered"))
}
