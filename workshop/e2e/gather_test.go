package e2e_test

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// endWindow restarts the worker with a window that ends at once. Then it holds one more order,
// whose notice has the new setting. It returns the order's number.
func (s *stack) endWindow(stop func()) (number string) {
	s.t.Helper()
	stop()
	s.noticeWindow = time.Millisecond
	s.startWorker()
	order := s.sample("balance-wrong")
	order["orderNumber"] = "SO-999"
	id, err := s.fake.AddOrder(order)
	require.NoError(s.t, err)
	s.post(id)
	s.waitForReport(id, ordercheck.StatusFailed)
	return "SO-999"
}

// holds waits until all orders are held and their timelines say who was or will be notified.
func (s *stack) holds(ids []string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		for _, id := range ids {
			answer, err := s.temporal.QueryWorkflow(s.t.Context(), ordercheck.WorkflowID(id), "",
				ordercheck.QueryReport)
			var report ordercheck.Report
			if err != nil || answer.Get(&report) != nil || !slices.ContainsFunc(report.Timeline,
				func(e ordercheck.TimelineEntry) bool {
					return e.Kind == ordercheck.TimelineNotified
				}) {
				return false
			}
		}
		return true
	}, 3*waitFor, time.Second, "activities of a stopped worker continue after a timeout")
}

// TestBurstOfNoticesIsOneMail confirms 60 orders at once, while the worker restarts. Each receiver
// gets 5 single mails and one collective mail, and is notified of each order exactly once.
func TestBurstOfNoticesIsOneMail(t *testing.T) {
	t.Parallel()
	catcher := newCatcher(t)
	s := newStack(t, options{
		settings: orderlife.Settings{SettleQuiet: settleQuiet, SettleMax: time.Second,
			HoldMax: time.Hour},
		notifier: mailNotifier(t, catcher), noWorker: true, noticesPerWindow: 5,
		noticeWindow: 10 * time.Hour,
	})
	stop := s.startWorker()
	receivers := []string{"office@example.com", "boss@example.com"}
	want := map[string]int{}
	const orders = 60
	ids := make([]string, orders)
	for i := range ids {
		order := s.sample("balance-wrong")
		number := fmt.Sprintf("SO-2%05d", i)
		order["orderNumber"] = number
		var err error
		ids[i], err = s.fake.AddOrder(order)
		require.NoError(t, err)
		for _, receiver := range receivers {
			want[receiver+" FAILED "+number] = 1
		}
	}
	s.holds(ids[:orders/2])
	stop() // while notices are in flight
	stop = s.startWorker()
	s.holds(ids)
	gathered := map[string]int{} // number of receivers per order that wait for a collective mail
	for _, id := range ids {
		for _, entry := range s.report(id).Timeline {
			if strings.Contains(entry.Text,
				"will be told in the next collective message: failed.") {
				gathered[id]++
			}
		}
	}
	assert.GreaterOrEqual(t, len(gathered), orders-5,
		"the timelines say who will be notified later")
	times, collective := notified(t, catcher)
	assert.Len(t, times, 2*5)
	assert.Empty(t, collective)

	// A "resolved" notice never overtakes the waiting "failed" notice.
	for id := range gathered {
		s.fix(id)
		number := s.mustResult(id).OrderNumber
		for _, receiver := range receivers {
			want[receiver+" RESOLVED "+number] = 1
		}
		break
	}
	last := s.endWindow(stop)
	for _, receiver := range receivers {
		want[receiver+" FAILED "+last] = 1
	}
	require.Eventually(t, func() bool {
		times, collective = notified(t, catcher)
		return len(times) == len(want)
	}, 3*waitFor, time.Second, "%v", times)
	assert.Equal(t, want, times)
	assert.Equal(t, map[string]int{receivers[0]: 1, receivers[1]: 1}, collective)
	for _, target := range s.notifier.Receivers() {
		for _, event := range s.events(ordercheck.GatherWorkflowID(target.Name), "") {
			assert.NotContains(t, event.String(), "@example.com", "an address in a history")
		}
	}
}

// TestEachSalesRepHasItsOwnLimit checks that notices to one sales rep do not count for another one.
func TestEachSalesRepHasItsOwnLimit(t *testing.T) {
	t.Parallel()
	catcher := newCatcher(t)
	notifier, err := notify.New(notify.Options{
		SMTP: notify.SMTP{Addr: catcher.SMTPAddr, TLS: notify.TLSNone,
			From: mail.Address{Address: "gate@example.com"}},
		SalesRep: true,
	})
	require.NoError(t, err)
	s := newStack(t, options{
		settings: orderlife.Settings{SettleQuiet: settleQuiet, SettleMax: time.Second,
			HoldMax: time.Hour},
		notifier: notifier, salesRep: true, noWorker: true, noticesPerWindow: 1,
		noticeWindow: 10 * time.Hour,
	})
	stop := s.startWorker()
	rep := func(name string) map[string]any {
		return map[string]any{"teamMemberId": name, "name": name, "email": name + "@example.com"}
	}
	// Lose the webhooks, so that each order is checked once.
	require.NoError(t, s.fake.SetDeliveryFault(fakeinflow.DeliveryFault{Lost: true}))
	hold := func(number, name, says string) {
		t.Helper()
		order := s.sample("balance-wrong")
		order["orderNumber"], order["salesRepTeamMember"] = number, rep(name)
		id, err := s.fake.AddOrder(order)
		require.NoError(t, err)
		s.post(id)
		s.holds([]string{id})
		timeline := s.report(id).Timeline
		assert.Equal(t, says, timeline[len(timeline)-1].Text)
	}
	const now, later = "Told mail:sales-rep: failed.", "mail:sales-rep will be told in the next " +
		"collective message: failed."
	hold("SO-1", "ann", now)
	hold("SO-2", "ann", later)
	hold("SO-3", "bob", now)
	stop()
	s.noticeWindow = time.Millisecond
	s.startWorker()
	hold("SO-4", "ann", later) // ends the window
	want := map[string]int{
		"ann@example.com FAILED SO-1": 1, "ann@example.com FAILED SO-2": 1,
		"ann@example.com FAILED SO-4": 1,
		"bob@example.com FAILED SO-3": 1,
	}
	var times map[string]int
	require.Eventually(t, func() bool {
		times, _ = notified(t, catcher)
		return len(times) == len(want)
	}, 3*waitFor, time.Second, "%v", times)
	assert.Equal(t, want, times)
}
