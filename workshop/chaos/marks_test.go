package chaos_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/holdmark"
	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
)

// holdField is the custom field for hold marks.
const holdField = "custom9"

// writes counts the gate's requests to write orders.
type writes struct {
	applied int // includes requests whose answer was lost
	stale   int // refused with 409
	failed  int // failed with another status, or not answered
}

// judgeMark returns an error if an order has the wrong mark. The order's run is at rest.
func judgeMark(order map[string]any, report *ordercheck.Report, open bool) error {
	custom, _ := order["customFields"].(map[string]any)
	mark, _ := custom[holdField].(string)
	held := open && report.Status == ordercheck.StatusFailed
	if !held {
		if mark != "" {
			return fmt.Errorf("it is %s, its run is open: %t, and its mark is %q", report.Status, open, mark)
		}
		return nil
	}
	text, err := holdmark.ParseText("", time.UTC)
	if err != nil {
		return err
	}
	// The mark has the day of the hold, which may be today or yesterday.
	now := time.Now().UTC()
	for _, since := range []time.Time{now, now.AddDate(0, 0, -1)} {
		want := text.Format(ordercheck.HoldMark{
			Since: since, Error: firstError(report).Message, More: report.Errors() - 1,
		})
		if mark == want {
			return nil
		}
	}
	return fmt.Errorf("it is held because %q (+%d more), and its mark is %q",
		firstError(report).Message, report.Errors()-1, mark)
}

func firstError(report *ordercheck.Report) ordercheck.Finding {
	for _, finding := range report.Findings {
		if finding.Severity == ordercheck.SeverityError {
			return finding
		}
	}
	return ordercheck.Finding{}
}

// judgeWrites checks that the gate changed only the mark of an order, and never stopped hold marks.
func (r *chaos) judgeWrites(t *testing.T, v *verdict) {
	t.Helper()
	stop, err := operations.HoldMarksStopped(t.Context(), r.temporalClient)
	require.NoError(t, err)
	assert.Nil(t, stop, "hold marks are stopped, although no write damaged an order")
	for id, written := range r.written {
		order, err := r.fake.Order(id)
		require.NoError(t, err)
		assert.Empty(t, strings.Join(written.differences(order), ", "),
			"sales order %s differs from what people wrote", id)
	}
	for _, request := range r.fake.Requests() {
		if request.Route != fakeinflow.RoutePutSalesOrder {
			continue
		}
		if request.OrderVersion != "" {
			v.writes.applied++
		}
		switch request.Status {
		case http.StatusOK:
		case http.StatusConflict:
			v.writes.stale++
		default:
			v.writes.failed++
		}
	}
	assert.Positive(t, v.writes.applied, "no order was marked")
}
