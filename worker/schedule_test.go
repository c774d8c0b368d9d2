package worker

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestReconcileChecksItsUpdate checks that reconcile looks at the schedule again after an update,
// because Temporal may drop an update without an error.
func TestReconcileChecksItsUpdate(t *testing.T) {
	away := errors.New("Temporal is away")
	type answer struct {
		done string
		err  error
	}
	for name, tt := range map[string]struct {
		answers []answer
		calls   int
	}{
		"up to date":           {[]answer{{}}, 1},
		"created":              {[]answer{{done: created}}, 1},
		"updated":              {[]answer{{done: "was paused"}, {}}, 2},
		"the update is lost":   {[]answer{{done: "was paused"}, {done: "was paused"}, {}}, 3},
		"undone by others":     {[]answer{{done: "1 h"}, {done: "1 h"}, {done: "1 h"}}, 3},
		"away, then updated":   {[]answer{{err: away}, {done: "was paused"}, {}}, 3},
		"away after an update": {[]answer{{done: "was paused"}, {err: away}, {}}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls, began := 0, time.Now()
				m := managedSchedule{logger: slog.New(slog.DiscardHandler),
					ensure: func(context.Context) (string, error) {
						calls++
						a := tt.answers[calls-1]
						return a.done, a.err
					}}
				m.reconcile(t.Context())
				assert.Equal(t, tt.calls, calls)
				assert.Equal(t, time.Duration(calls-1)*scheduleRetry, time.Since(began))
			})
		})
	}
}
