package e2e_test

import (
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/fakeinflow"
	"error-check-gate/internal/mailcatcher"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

func newCatcher(t *testing.T) *mailcatcher.Server {
	t.Helper()
	catcher, err := mailcatcher.Start(t.Context(), mailcatcher.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, catcher.Stop()) })
	return catcher
}

// mailNotifier mails two people by the catcher.
func mailNotifier(t *testing.T, catcher *mailcatcher.Server) *notify.Notifier {
	t.Helper()
	notifier, err := notify.New(notify.Options{
		SMTP: notify.SMTP{Addr: catcher.SMTPAddr, TLS: notify.TLSNone, From: mail.Address{Address: "gate@example.com"}},
		To:   []mail.Address{{Address: "office@example.com"}, {Address: "boss@example.com"}},
	})
	require.NoError(t, err)
	return notifier
}

var toldOf = regexp.MustCompile(`(?m)^\* \[([A-Z]+)\] (SO-\d+)|^Subject: \[([A-Z]+)\] (SO-\d+)`)

// told returns how often each receiver was told of an order's state, such as "office@example.com
// FAILED SO-000123", and the number of collective mails of each receiver.
func told(t *testing.T, catcher *mailcatcher.Server) (times, collective map[string]int) {
	t.Helper()
	times, collective = map[string]int{}, map[string]int{}
	list, err := catcher.List(t.Context())
	require.NoError(t, err)
	for _, summary := range list {
		receiver := summary.To[0].Address
		text := "Subject: " + summary.Subject
		if strings.HasPrefix(summary.Subject, "[COLLECTED]") {
			collective[receiver]++
			m, err := catcher.Read(t.Context(), summary.ID)
			require.NoError(t, err)
			text = strings.ReplaceAll(m.Text, "\r\n", "\n")
		}
		for _, found := range toldOf.FindAllStringSubmatch(text, -1) {
			times[receiver+" "+found[1]+found[3]+" "+found[2]+found[4]]++
		}
	}
	return times, collective
}

// TestBurstOfNoticesIsOneMail: 60 orders are confirmed at once, and workers come and go. Each receiver
// gets 5 mails and then a collective one, and is told of each order once, by one or the other.
func TestBurstOfNoticesIsOneMail(t *testing.T) {
	t.Parallel()
	catcher := newCatcher(t)
	s := newStack(t, options{
		settings: orderlife.Settings{SettleQuiet: settleQuiet, SettleMax: time.Second, HoldMax: time.Hour},
		notifier: mailNotifier(t, catcher), noWorker: true, noticesPerWindow: 5, noticeWindow: 30 * time.Second,
	})
	stop := s.startWorker()
	const orders = 60
	ids := make([]string, orders)
	for i := range ids {
		order := s.sample("balance-wrong")
		order["orderNumber"] = fmt.Sprintf("SO-2%05d", i)
		var err error
		ids[i], err = s.fake.AddOrder(order)
		require.NoError(t, err)
	}
	for _, id := range ids[:orders/2] {
		s.waitForReport(id, ordercheck.StatusFailed)
	}
	stop() // in the middle of it
	stop = s.startWorker()
	want := map[string]int{}
	numbers := map[string]bool{}
	for _, id := range ids {
		number := s.waitForReport(id, ordercheck.StatusFailed).OrderNumber
		numbers[number] = true
		for _, receiver := range []string{"office@example.com", "boss@example.com"} {
			want[receiver+" FAILED "+number] = 1
		}
	}
	require.Len(t, numbers, orders)
	// A resolved one never overtakes the failed one that waits.
	fixed := ids[orders-1]
	s.fix(fixed)
	number := s.mustResult(fixed).OrderNumber
	for _, receiver := range []string{"office@example.com", "boss@example.com"} {
		want[receiver+" RESOLVED "+number] = 1
	}
	stop()
	s.startWorker()

	var times, collective map[string]int
	require.Eventually(t, func() bool {
		times, collective = told(t, catcher)
		return len(times) == len(want)
	}, waitFor, tick, "%v", times)
	assert.Equal(t, want, times)
	assert.Len(t, collective, 2)
	gathered := 0
	for _, id := range ids {
		for _, entry := range s.report(id).Timeline {
			if strings.Contains(entry.Text, "will be told in the next collective message: failed.") {
				gathered++
			}
		}
	}
	assert.Positive(t, gathered, "the timelines say so")
	names := map[string]bool{}
	for _, target := range s.notifier.Receivers() {
		names[target.Name] = true
	}
	require.Len(t, names, 2)
	for name := range names {
		for _, event := range s.events(ordercheck.GatherWorkflowID(name), "") {
			assert.NotContains(t, event.String(), "@example.com", "an address in a history")
		}
	}
}

// TestGatheredNoticesFollowTheSalesRep: reps are limited each on their own, and an order whose rep
// changes before the collective mail is told to the new one.
func TestGatheredNoticesFollowTheSalesRep(t *testing.T) {
	t.Parallel()
	catcher := newCatcher(t)
	notifier, err := notify.New(notify.Options{
		SMTP:     notify.SMTP{Addr: catcher.SMTPAddr, TLS: notify.TLSNone, From: mail.Address{Address: "gate@example.com"}},
		SalesRep: true,
	})
	require.NoError(t, err)
	s := newStack(t, options{
		settings: orderlife.Settings{SettleQuiet: settleQuiet, SettleMax: time.Second, HoldMax: time.Hour},
		notifier: notifier, salesRep: true, noticesPerWindow: 1, noticeWindow: 20 * time.Second,
	})
	rep := func(name string) map[string]any {
		return map[string]any{"teamMemberId": name, "name": name, "email": name + "@example.com"}
	}
	create := func(number, name string) string {
		order := s.sample("balance-wrong")
		order["orderNumber"], order["salesRepTeamMember"] = number, rep(name)
		id, err := s.fake.AddOrder(order)
		require.NoError(t, err)
		return id
	}
	require.NoError(t, s.fake.SetDeliveryFault(fakeinflow.DeliveryFault{Lost: true})) // each is checked once
	says := func(id, what string) {
		t.Helper()
		s.post(id)
		s.waitForReport(id, ordercheck.StatusFailed)
		require.Eventually(t, func() bool {
			return slices.ContainsFunc(s.report(id).Timeline, func(e ordercheck.TimelineEntry) bool { return strings.Contains(e.Text, what) })
		}, waitFor, tick, "%s: %v", what, s.report(id).Timeline)
	}
	says(create("SO-1", "ann"), "Told mail:sales-rep: failed.")
	says(create("SO-2", "ann"), "mail:sales-rep will be told in the next collective message: failed.")
	moves := create("SO-3", "ann")
	says(moves, "mail:sales-rep will be told in the next collective message: failed.")
	says(create("SO-4", "bob"), "Told mail:sales-rep: failed.")
	require.NoError(t, s.fake.EditOrder(moves, func(order map[string]any) { order["salesRepTeamMember"] = rep("bob") }))
	want := map[string]int{
		"ann@example.com FAILED SO-1": 1, "ann@example.com FAILED SO-2": 1,
		"bob@example.com FAILED SO-3": 1, "bob@example.com FAILED SO-4": 1,
	}
	var times map[string]int
	require.Eventually(t, func() bool {
		times, _ = told(t, catcher)
		return len(times) == len(want)
	}, waitFor, tick, "%v", times)
	assert.Equal(t, want, times)
}
