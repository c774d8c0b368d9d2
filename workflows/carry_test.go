package workflows

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
)

// leftBehind are the fields of a run that the next run does not get, and why.
var leftBehind = map[string]string{
	"id":               "the next run has it from its start",
	"missedVersion":    "for the sweep's count; the fetch that is due is carried",
	"notFoundVersion":  "such a run ends",
	"dueKept":          "the next run fetches",
	"kept":             "the next run fetches: an order is too large to carry",
	"overridesEnded":   "for the check under way, as lift",
	"lift":             "for the check under way, and a run that continues as new has none",
	"settings":         "the next run reads those in force",
	"deliveries":       "Temporal's channel of this run",
	"priority":         "of a fetch under way, and a run that continues as new has none",
	"overheard":        "empty: signals are received before the run continues as new",
	"deliveriesNoted":  "the next run begins an entry of its own",
	"deliveriesInRun":  "counts this run's events",
	"fetches":          "counts this run's fetches; equal to checks or a fetch is due",
	"checks":           "counts this run's checks",
	"changed":          "wakes a run that waits, and the next one begins awake",
	"sending":          "false: a run that sends a notice does not continue as new",
	"sendingPaused":    "the next run sends",
	"interruptSending": "nothing is being sent",
	"cancelRequested":  "a run that was cancelled does not continue as new before it has acted on it",
	"ownSignals":       "see cancelRequested",
	"endedByHand":      "such a run ends, or starts afresh",
	"restarted":        "the next run is the fresh one",
	"published":        "the next run has the search attributes of this one",
	"observer":         "the worker's",
}

// TestNothingIsForgottenBetweenRuns fills every field of a run, hands it to the next one, and
// compares. A new field is carried, or has its reason in leftBehind.
func TestNothingIsForgottenBetweenRuns(t *testing.T) {
	filled := &salesOrder{
		report:        ordercheck.Report{SalesOrderID: "1", Status: ordercheck.StatusFailed, Findings: []ordercheck.Finding{{ID: "f"}}},
		due:           true,
		dueNow:        true,
		duePriority:   ordercheck.PrioritySweep,
		firstDelivery: time.Unix(1, 0).UTC(),
		lastDelivery:  time.Unix(2, 0).UTC(),
		accepted:      time.Unix(3, 0).UTC(),
		outcome:       temporal.NewNonRetryableApplicationError("not checked", "InflowUnavailable", nil),
		missingOnce:   true,
		hold:          ordercheck.Hold{Since: time.Unix(4, 0).UTC(), Thread: "t", CheckAgainAt: time.Unix(5, 0).UTC()},
		holdEnded:     true,
	}
	data, err := json.Marshal(filled.carry())
	require.NoError(t, err)
	var carried ordercheck.Carried
	require.NoError(t, json.Unmarshal(data, &carried))
	next := &salesOrder{}
	next.resume(&carried)

	from, to := reflect.ValueOf(filled).Elem(), reflect.ValueOf(next).Elem()
	for i := range from.NumField() {
		name := from.Type().Field(i).Name
		if leftBehind[name] != "" {
			continue
		}
		require.False(t, from.Field(i).IsZero(), "field %q of salesOrder is not filled: carry it and fill it here, or say in leftBehind why not", name)
		if name == "outcome" {
			assert.Equal(t, filled.outcome.Error(), next.outcome.Error())
			continue
		}
		assert.Equal(t, exported(from.Field(i)), exported(to.Field(i)), "field %q is not the same in the next run", name)
	}
	for name := range leftBehind {
		_, ok := from.Type().FieldByName(name)
		assert.True(t, ok, "leftBehind has %q, which is no field", name)
	}
}

// exported returns the value of an unexported field.
func exported(v reflect.Value) any {
	return reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem().Interface()
}
