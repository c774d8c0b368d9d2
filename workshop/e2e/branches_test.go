package e2e_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"

	"error-check-gate/activities"
	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
)

// recordVariable names the folder for recorded histories, if set: see 'make record-histories'.
const recordVariable = "RECORD_HISTORIES"

// branch takes a run through one branch of a workflow and records its history under a name.
type branch func(t *testing.T, name string)

// TestBranches takes a real run through each branch of the workflows. Package workflows replays the
// recorded histories.
func TestBranches(t *testing.T) {
	t.Parallel()
	for _, branches := range []map[string]branch{
		checkBranches(), holdBranches(), markBranches(), endBranches(), noticeBranches(),
		sweepBranches(), outcomeBranches(),
	} {
		for name, run := range branches {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run(t, name)
			})
		}
	}
}

// checkBranches returns the branches of a run that only checks an order.
func checkBranches() map[string]branch {
	return map[string]branch{
		"passed": func(t *testing.T, name string) {
			s := newStack(t, options{})
			id := s.create("percent-discount")
			assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
			s.record(name, id)
		},
		"shown-at-start": func(t *testing.T, name string) {
			s := newStack(t, options{settings: holding(time.Hour)})
			id := s.create("plain")
			assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
			shown := 0
			for _, event := range s.history(id) {
				if event.GetUpsertWorkflowSearchAttributesEventAttributes() != nil {
					shown++
				}
			}
			assert.Equal(t, 1, shown, "values that the delivery set are not set again")
			s.record(name, id)
		},
		"failed": func(t *testing.T, name string) {
			s := newStack(t, options{})
			id := s.create("total-wrong")
			s.waitForReport(id, ordercheck.StatusFailed)
			s.record(name, id)
		},
		"retried": func(t *testing.T, name string) {
			s := newStack(t, options{})
			require.NoError(t,
				s.fake.SetFault(fakeinflow.Fault{Route: fakeinflow.RouteGetSalesOrder, Status: 503,
					Times: 2}))
			id := s.create("plain")
			assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
			s.record(name, id)
		},
		"not-found": func(t *testing.T, name string) {
			s := newStack(t, options{})
			require.NoError(t,
				s.fake.SetFault(fakeinflow.Fault{Route: fakeinflow.RouteGetSalesOrder,
					Status: 404}))
			id := s.create("plain")
			_, err := s.result(id)
			require.Error(t, err)
			s.record(name, id)
		},
		"delivered-during-check": func(t *testing.T, name string) {
			s, id := deliveredDuringCheck(t, 1)
			s.mustResult(id)
			assert.Len(t, s.fetches(id), 2)
			s.record(name, id)
		},
		"continued-as-new": func(t *testing.T, name string) {
			s, id := deliveredDuringCheck(t, 2001)
			s.mustResult(id)
			assert.Len(t, s.fetches(id), 2)
			assert.Len(t, s.runs(id), 2)
			s.record(name, id)
		},
		"checked-now": func(t *testing.T, name string) {
			s := newStack(t, options{})
			id := s.create("quantity-zero")
			s.waitForReport(id, ordercheck.StatusFailed)
			assert.Equal(t, ordercheck.StatusFailed, s.checkNow(id).Status)
			s.record(name, id)
		},
		"handed-over-with-others": func(t *testing.T, name string) {
			s := newStack(t, options{})
			ids := s.createUnannounced(2)
			id := s.startHandOver(ids)
			for _, order := range ids {
				s.mustResult(order)
			}
			require.NoError(t, s.temporal.GetWorkflow(t.Context(), id, "").Get(t.Context(), nil))
			s.recordEvents(name, s.events(id, ""))
		},
	}
}

// holdBranches returns the branches of a held order until it is right.
func holdBranches() map[string]branch {
	return map[string]branch{
		"hold-passed": func(t *testing.T, name string) {
			s := newStack(t, options{settings: holding(time.Hour)})
			id := s.create("plain")
			assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
			s.record(name, id)
		},
		"hold-pending-fixed": func(t *testing.T, name string) {
			s := newStack(t, options{settings: holding(time.Hour)})
			id := s.create("balance-wrong")
			s.waitForStatus(id, ordercheck.StatusPending)
			s.fix(id)
			assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
			s.record(name, id)
		},
		"hold-confirmed-fixed": func(t *testing.T, name string) {
			s := newStack(t, options{settings: holding(time.Second)})
			id := s.create("balance-wrong")
			s.waitForStatus(id, ordercheck.StatusFailed)
			s.fix(id)
			assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
			s.record(name, id)
		},
		"hold-overridden": func(t *testing.T, name string) {
			s := newStack(t, options{settings: holding(0)})
			id := s.create("balance-wrong")
			s.waitForStatus(id, ordercheck.StatusFailed)
			report, err := operations.Override(t.Context(), s.temporal, id,
				ordercheck.OverrideRequest{
					Findings: []string{"balance"}, By: "Anna", Reason: "agreed",
					Until: time.Now().AddDate(50, 0, 0),
				})
			require.NoError(t, err)
			assert.Equal(t, ordercheck.StatusOverridden, report.Status)
			s.fix(id)
			assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
			s.record(name, id)
		},
		"hold-failed-fetch": func(t *testing.T, name string) {
			s := newStack(t, options{settings: holding(0)})
			require.NoError(t,
				s.fake.SetFault(fakeinflow.Fault{Route: fakeinflow.RouteGetSalesOrder,
					Status: 401}))
			id := s.create("balance-wrong")
			_, err := s.result(id)
			require.ErrorContains(t, err, "INFLOW_API_KEY")
			s.record(name, id)
		},
		"hold-continued-as-new": func(t *testing.T, name string) {
			s := newStack(t, options{settings: holding(0)})
			id := s.create("balance-wrong")
			s.waitForStatus(id, ordercheck.StatusFailed)
			firstSeen := s.report(id).Findings[0].FirstSeen
			s.signal(id, 2001)
			require.Eventually(t, func() bool { return len(s.runs(id)) == 2 }, waitFor, tick)
			require.Eventually(t, func() bool { return len(s.fetches(id)) >= 2 }, waitFor, tick)
			assert.Equal(t, firstSeen, s.report(id).Findings[0].FirstSeen,
				"the error's age does not restart")
			s.fix(id)
			assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
			s.record(name, id)
		},
	}
}

// markBranches returns the branches of a hold that InFlow shows in a custom field.
func markBranches() map[string]branch {
	return map[string]branch{
		"hold-marked": func(t *testing.T, name string) {
			s := newMarkStack(t, options{settings: holding(0)})
			id := s.create("balance-wrong")
			s.waitForMark(id, "HOLD since ")
			s.waitForCompleted(id, ordercheck.ActivityReadHoldField, 2)
			s.fix(id)
			assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
			s.record(name, id)
		},
		"hold-marked-answer-lost": func(t *testing.T, name string) {
			s := newMarkStack(t, options{settings: holding(0)})
			require.NoError(t, s.fake.SetFault(fakeinflow.Fault{
				Route: fakeinflow.RoutePutSalesOrder, AnswerLost: true, Times: 1,
			}))
			id := s.create("balance-wrong")
			s.waitForMark(id, "HOLD since ")
			s.waitForCompleted(id, ordercheck.ActivityReadHoldField, 2)
			s.fix(id)
			assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
			s.record(name, id)
		},
		"hold-marks-stopped": func(t *testing.T, name string) {
			s := newMarkStack(t, options{settings: holding(0)})
			require.NoError(t, s.fake.SetFault(fakeinflow.Fault{
				Route: fakeinflow.RoutePutSalesOrder, Status: 403, Times: 1,
			}))
			id := s.create("balance-wrong")
			require.Eventually(t, func() bool {
				stop, err := operations.HoldMarksStopped(t.Context(), s.temporal)
				return err == nil && stop != nil
			}, waitFor, tick)
			s.resumeMarks()
			s.waitForMark(id, "HOLD since ")
			s.waitForCompleted(id, ordercheck.ActivityReadHoldField, 2)
			s.fix(id)
			assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
			s.record(name, id)
		},
	}
}

// endBranches returns the branches of a hold that ends although the order has errors.
func endBranches() map[string]branch {
	return map[string]branch{
		"hold-expired": func(t *testing.T, name string) {
			settings := holding(0)
			settings.HoldMax, settings.RemindEvery = 2*time.Second, 1500*time.Millisecond
			s := newStack(t, options{settings: settings})
			id := s.create("balance-wrong")
			report := s.mustResult(id)
			assert.Equal(t, ordercheck.StatusFailed, report.Status)
			assert.Contains(t, report.Note, "stopped waiting")
			s.record(name, id)
		},
		"hold-deleted": func(t *testing.T, name string) {
			s := newStack(t, options{settings: holding(0)})
			id := s.create("balance-wrong")
			s.waitForStatus(id, ordercheck.StatusFailed)
			require.NoError(t, s.fake.DeleteOrder(id))
			status, _ := s.post(id)
			require.Equal(t, 200, status)
			assert.Contains(t, s.mustResult(id).Note, "deleted")
			s.record(name, id)
		},
		"hold-cancelled": func(t *testing.T, name string) {
			r := newReceiver(t)
			s := newStack(t, options{settings: holding(0), notifier: r.notifier(t)})
			id := s.create("balance-wrong")
			s.waitForStatus(id, ordercheck.StatusFailed)
			require.NoError(t, s.cancel(id))
			assert.Equal(t, ordercheck.StatusFailed, s.cancelled(id).Status)
			s.record(name, id)
		},
		"hold-cancelled-and-delivered": func(t *testing.T, name string) {
			r := newReceiver(t)
			r.ask(func() bool { return false })
			s := newStack(t, options{settings: holding(0), notifier: r.notifier(t)})
			id := s.create("balance-wrong")
			s.waitForStatus(id, ordercheck.StatusFailed)
			require.NoError(t, s.cancel(id))
			require.Eventually(t, func() bool { return s.report(id).Note == byAnna }, waitFor, tick)
			s.postAccepted(id)
			require.Eventually(t, func() bool { return len(s.runs(id)) == 2 }, waitFor, tick)
			r.ask(nil)
			s.fix(id)
			assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
			s.record(name, id)
		},
	}
}

// noticeBranches returns the branches of collective notices and digests.
func noticeBranches() map[string]branch {
	return map[string]branch{
		"digest": func(t *testing.T, name string) {
			s := newStack(t, options{digest: rarely, notifier: mailNotifier(t, newCatcher(t))})
			s.waitForReport(s.create("balance-wrong"), ordercheck.StatusFailed)
			s.listed(1)
			assert.Len(t, s.digestNow().Sent, 2)
			s.recordEvents(name, s.events(s.latestDigest(), ""))
		},
		"notices-gathered": func(t *testing.T, name string) {
			catcher := newCatcher(t)
			s := newStack(t, options{
				settings: holding(0), notifier: mailNotifier(t, catcher), noWorker: true,
				noticesPerWindow: 1, noticeWindow: 10 * time.Hour,
			})
			stop := s.startWorker()
			s.holds([]string{s.create("balance-wrong")})
			id := s.create("total-wrong")
			s.holds([]string{id})
			s.endWindow(stop)
			require.Eventually(t, func() bool {
				_, collective := notified(t, catcher)
				return len(collective) == 2
			}, waitFor, tick)
			s.record(name+"-order", id)
			for i, target := range s.notifier.Receivers() {
				s.recordEvents(fmt.Sprintf("%s-%d", name, i+1),
					s.events(ordercheck.GatherWorkflowID(target.Name), ""))
			}
		},
	}
}

// sweepBranches returns the branches of sweeps, and of orders that a sweep finds.
func sweepBranches() map[string]branch {
	return map[string]branch{
		"sweep-missed": func(t *testing.T, name string) {
			s := newStack(t, options{settings: holding(time.Hour), sweep: byHand})
			require.NoError(t, s.fake.SetDeliveryFault(fakeinflow.DeliveryFault{Lost: true}))
			id := s.createRecent("plain")
			first := s.sweepNow()
			assert.Equal(t, 1, first.Missed)
			assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
			assert.Zero(t, s.sweepNow().Missed)
			s.record(name+"-check", id)
			s.recordEvents(name, s.events(s.latestSweep(), ""))
		},
		"sweep-missed-held": func(t *testing.T, name string) {
			s := newStack(t, options{settings: holding(0), sweep: byHand})
			id := s.createRecent("balance-wrong")
			s.waitForStatus(id, ordercheck.StatusFailed)
			require.NoError(t, s.fake.SetDeliveryFault(fakeinflow.DeliveryFault{Lost: true}))
			s.save(id)
			assert.Equal(t, 1, s.sweepNow().Missed)
			s.sees(id)
			// This is the signal of a sweep that listed the orders a moment earlier.
			s.miss(id, "0000000000000001")
			s.fix(id)
			assert.Equal(t, 1, s.sweepNow().Missed)
			assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
			assert.Len(t, s.fetches(id), 3)
			s.record(name, id)
		},
		"sweep-moved": func(t *testing.T, name string) {
			hooked := &hookedOrders{entries: 2}
			s := newStack(t, options{settings: holding(time.Hour), sweep: byHand,
				orders: func(c *inflow.Client) activities.Orders {
					hooked.Client = c
					return hooked
				}})
			require.NoError(t, s.fake.SetDeliveryFault(fakeinflow.DeliveryFault{Lost: true}))
			ids := []string{s.createRecent("plain"), s.createRecent("plain"),
				s.createRecent("plain")}
			hooked.before = func(page int) {
				if page == 2 {
					assert.NoError(t, s.fake.EditOrder(s.inList()[1], func(order map[string]any) {
						order["orderRemarks"] = "x"
					}))
				}
			}
			s.sweepNow()
			for _, id := range ids {
				s.sees(id)
			}
			s.recordEvents(name, s.events(s.latestSweep(), ""))
		},
		"sweep-failed": func(t *testing.T, name string) {
			s := newStack(t, options{sweep: byHand})
			s.fake.SetAPIKey("another-key-at-inflow")
			s.waitForSchedule()
			_, err := operations.SweepNow(t.Context(), s.temporal, operations.SweepOptions{})
			require.ErrorContains(t, err, "INFLOW_API_KEY")
			s.recordEvents(name, s.events(s.latestSweep(), ""))
		},
	}
}

// deliveredDuringCheck returns an order that gets n deliveries during its first check.
func deliveredDuringCheck(t *testing.T, n int) (s *stack, id string) {
	t.Helper()
	slow := &slowOrders{fetched: make(chan struct{}), goOn: make(chan struct{})}
	s = newStack(t, options{orders: func(c *inflow.Client) activities.Orders {
		slow.Client = c
		return slow
	}})
	id = s.create("plain")
	<-slow.fetched
	s.signal(id, n)
	close(slow.goOn)
	return s, id
}

// slowOrders delays the end of the first fetch until goOn is closed.
type slowOrders struct {
	*inflow.Client
	once          sync.Once
	fetched, goOn chan struct{}
}

func (o *slowOrders) SalesOrder(
	ctx context.Context, id string, include []string,
) (*inflow.SalesOrder, error) {
	order, err := o.Client.SalesOrder(ctx, id, include)
	o.once.Do(func() {
		close(o.fetched)
		<-o.goOn
	})
	return order, err
}

// record writes an order's histories, one file per run, if recordVariable is set.
func (s *stack) record(name, id string) {
	s.t.Helper()
	for i, run := range s.runs(id) {
		file := name
		if i > 0 {
			file += "-" + string(rune('1'+i))
		}
		s.recordEvents(file, s.runHistory(id, run))
	}
}

func (s *stack) recordEvents(file string, events []*historypb.HistoryEvent) {
	s.t.Helper()
	folder := os.Getenv(recordVariable)
	if folder == "" {
		return
	}
	data, err := temporalproto.CustomJSONMarshalOptions{
		Indent: " "}.Marshal(&historypb.History{Events: events})
	require.NoError(s.t, err)
	var compressed bytes.Buffer
	writer := gzip.NewWriter(&compressed)
	_, err = writer.Write(data)
	require.NoError(s.t, errors.Join(err, writer.Close()))
	require.NoError(s.t, os.WriteFile(filepath.Join(folder, file+".json.gz"), compressed.Bytes(),
		0o644))
}
