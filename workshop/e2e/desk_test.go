package e2e_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// TestAnOrderFromItsMistakeToItsRelease goes through the main use of the desk from beginning to
// end.
func TestAnOrderFromItsMistakeToItsRelease(t *testing.T) {
	t.Parallel()
	d := newDeskStack(t, options{settings: orderlife.Settings{SettleQuiet: settleQuiet,
		HoldMax: time.Hour}})

	// An order breaks, and the sales rep gets a mail.
	id := d.create("balance-wrong")
	d.waitForStatus(id, ordercheck.StatusFailed)
	number := d.report(id).OrderNumber
	assert.Equal(t, "no", d.release(id))
	link := linkInMail.FindString(d.mailTo(rep, "[FAILED] "+number, "").Text)

	// The mail's link opens the order without signing in. Its key does not stay in the address.
	dana := d.browser()
	status, page := dana.get(link)
	require.Equal(t, http.StatusOK, status)
	assert.Contains(t, page, number)
	assert.Contains(t, page, "Acting as <strong><bdi>"+rep)
	assert.NotContains(t, page, `name="reason"`, "taking responsibility needs signing in")

	// The rep comments and checks again. The link allows nothing else.
	_, page = dana.post("/orders/"+id+"/comment",
		url.Values{"text": {"The customer paid by check."}})
	assert.Contains(t, page, "The customer paid by check.")
	_, page = dana.post("/orders/"+id+"/check", nil)
	assert.Contains(t, page, "The order was checked just now.")
	status, page = dana.post("/orders/"+id+"/override",
		url.Values{"finding": {"all"}, "reason": {"trust me"}, "until": {"2999-01-01"}})
	assert.Equal(t, http.StatusUnprocessableEntity, status)
	assert.Contains(t, page, "You may not take responsibility")
	_, page = dana.get("/")
	assert.Contains(t, page, "Enter your email address", "the list needs signing in")

	// The manager signs in and takes responsibility for a while.
	boss := d.browser()
	boss.signIn(manager, "/orders/"+id)
	_, page = boss.get("/?q=" + number)
	assert.Contains(t, page, "/orders/"+id)
	boss.override(id, "The check is in the mail.", time.Now().AddDate(1, 0, 0))
	d.waitForStatus(id, ordercheck.StatusOverridden)
	assert.Equal(t, "yes", d.release(id))

	// The manager chooses an earlier end of the override. After that, the order is held again.
	boss.override(id, "The check has not come.", time.Now().Add(2*time.Second))
	d.waitForStatus(id, ordercheck.StatusFailed)
	assert.Equal(t, "no", d.release(id))
	d.mailTo(rep, "[FAILED] "+number, "The override by "+manager+" has ended")

	// The rep fixes the order, and it may leave.
	d.fix(id)
	assert.Equal(t, ordercheck.StatusPassed, d.mustResult(id).Status)
	assert.Equal(t, "yes", d.release(id))
	_, page = dana.get("/orders/" + id)
	assert.Contains(t, page, "<strong>Yes</strong>")

	// The timeline has an entry for each step.
	kinds := map[ordercheck.TimelineKind]bool{}
	for _, entry := range d.report(id).Timeline {
		kinds[entry.Kind] = true
	}
	for _, kind := range []ordercheck.TimelineKind{
		ordercheck.TimelineDelivery, ordercheck.TimelineConfirmed, ordercheck.TimelineNotified,
		ordercheck.TimelineCommented,
		ordercheck.TimelineOverridden, ordercheck.TimelineOverrideEnded,
		ordercheck.TimelineResolved,
	} {
		assert.True(t, kinds[kind], kind)
	}
	assert.Contains(t, page, "The check is in the mail.")
	for _, sentence := range []string{
		"InFlow announced", "Checked: 1 error", "Checked: nothing is wrong.",
		"Held from now on, because of 1 error",
		"Told the sales rep: the order is held.", "Took responsibility for 1 error until",
		"This responsibility has ended.",
	} {
		assert.Contains(t, page, sentence, "the page says it in plain words")
	}
}

// TestADeliveryOnItsWayHoldsTheOrder asks for a release while a delivery is in a batch: the ingress
// has accepted it, but the order's run has not received it yet.
func TestADeliveryOnItsWayHoldsTheOrder(t *testing.T) {
	t.Parallel()
	d := newDeskStack(t, options{settings: orderlife.Settings{SettleQuiet: settleQuiet,
		HoldMax: time.Hour}})
	id, other := d.create("plain"), d.create("plain")
	d.mustResult(id)
	d.mustResult(other)
	require.Equal(t, "yes", d.release(id))

	// No worker handles this batch, because its task queue has none.
	run, err := d.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: ordercheck.HandOverWorkflowID(uuid.NewString()), TaskQueue: "nobody",
	}, ordercheck.HandOverWorkflowType,
		ordercheck.DeliveryBatch{Orders: []ordercheck.OrderDeliveries{
			{SalesOrderID: strings.ToUpper(id),
				Deliveries: []ordercheck.Delivery{{Event: "salesOrder.updated"}}},
		}})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return d.release(id) == "unknown" }, waitFor, tick)
	assert.Equal(t, "yes", d.release(other))
	require.NoError(t, d.temporal.TerminateWorkflow(t.Context(), run.GetID(), run.GetRunID(),
		"the test has seen it"))
	require.Eventually(t, func() bool { return d.release(id) == "yes" }, waitFor, tick)
}
