package notify_test

import (
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"error-check-gate/internal/dev/mailcatcher"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/ordercheck"
)

func TestNoOptionsMeanNoTargets(t *testing.T) {
	t.Parallel()
	assert.Empty(t, notifier(t, notify.Options{}).Targets(failed()))
}

func TestMailNeedsAMailServer(t *testing.T) {
	t.Parallel()
	for _, options := range []notify.Options{{To: to("", jane).To}, {SalesRep: true},
		{Redirect: jane}} {
		_, err := notify.New(options)
		require.ErrorContains(t, err, "is set, and Addr is not")
	}
}

func TestTargetNamesAreStable(t *testing.T) {
	t.Parallel()
	options := to("127.0.0.1:25", jane, jim)
	options.To[0].Address = "Jane@Example.com"
	options.To = append(options.To, jane)
	options.Destinations = destinations(t, "https://hooks.example.com/hush-token",
		"slack://hook:AAAAAAAAA-BBBBBBBBB-123456789123456789123456@webhook")
	want := []string{"mail:8c87b4", "mail:05fb2d", "webhook:060104", "slack:d316d7"}
	assert.Equal(t, want, names(notifier(t, options), failed()))
	assert.Equal(t, want, names(notifier(t, options), resolved()))
}

func TestRetryOfOneFailedTarget(t *testing.T) {
	t.Parallel()
	s := catcher(t, mailcatcher.Options{})
	down, up := newReceiver(t), newReceiver(t)
	down.answer(status(http.StatusServiceUnavailable, "Retry-After", "30"))
	options := to(s.SMTPAddr, jane)
	options.Destinations = destinations(t, down.URL+"/down", up.URL+"/up")

	n := notifier(t, options)
	all := names(n, failed())
	errs := sendAll(t, n, failed())
	require.Len(t, errs, 1, "a failing target does not affect the others")
	sent := asError(t, errs[all[1]])
	assert.EqualError(t, sent, "notice to "+all[1]+": it responded with 503 Service Unavailable")
	assert.Equal(t, all[1], sent.Target)
	assert.Equal(t, 30*time.Second, sent.RetryAfter)

	// Another process retries the failed target, which it finds by name.
	down.answer(nil)
	n = notifier(t, options)
	for _, target := range n.Targets(failed()) {
		if target.Name() == sent.Target {
			require.NoError(t, n.Send(t.Context(), target, failed()))
		}
	}
	assert.Len(t, down.requests(), 2)
	assert.Len(t, up.requests(), 1)
	received(t, s)
}

func TestInvalidNoticeIsNotSent(t *testing.T) {
	t.Parallel()
	hook := newReceiver(t)
	for _, test := range []struct {
		name   string
		change func(*notify.Notice)
		want   string
	}{
		{"kind", func(n *notify.Notice) { n.Kind = "fialed" }, `the kind "fialed" is unknown`},
		{"key", func(n *notify.Notice) { n.Key = "" }, "the key is empty"},
		{"key with a line break", func(n *notify.Notice) {
			n.Key = "a\r\nX-Evil: yes"
		}, "the key has a space, a control character or a letter outside ASCII"},
		{"long key", func(n *notify.Notice) {
			n.Key = string(make([]byte, 201))
		}, "the key has 201 bytes, and at most 200 are allowed"},
		{"order", func(n *notify.Notice) {
			n.Report.SalesOrderID = ""
		}, "the sales order id is empty"},
		{"end", func(n *notify.Notice) {
			n.Kind = ordercheck.NoticeEnded
		}, `the end reason "" is unknown`},
	} {
		t.Run(test.name, func(t *testing.T) {
			notice := failed()
			test.change(notice)
			sent := sendError(t, notify.Options{Destinations: destinations(t, hook.URL)}, notice)
			assert.True(t, sent.Permanent)
			assert.Equal(t, "the notice is invalid: "+test.want, sent.Reason)
		})
	}
	assert.Empty(t, hook.requests())
}

func TestAttemptsAreCounted(t *testing.T) {
	t.Parallel()
	hook := newReceiver(t)
	reader := sdkmetric.NewManualReader()
	n := notifier(t, notify.Options{
		Destinations:  destinations(t, hook.URL+"/hush"),
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
	})
	for _, code := range []int{200, 500, 400} {
		hook.answer(status(code))
		assert.Equal(t, code != 200, len(sendAll(t, n, failed())) == 1)
	}
	var collected metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &collected))
	require.Len(t, collected.ScopeMetrics, 1)
	sum, ok := collected.ScopeMetrics[0].Metrics[0].Data.(metricdata.Sum[int64])
	require.True(t, ok)
	counts := map[string]int64{}
	for _, point := range sum.DataPoints {
		outcome, _ := point.Attributes.Value("outcome")
		via, _ := point.Attributes.Value("via")
		kind, _ := point.Attributes.Value("kind")
		counts[kind.AsString()+" "+via.AsString()+" "+outcome.AsString()] = point.Value
	}
	assert.Equal(t, map[string]int64{"failed webhook sent": 1, "failed webhook failed": 1,
		"failed webhook refused": 1}, counts)
}

// TestFailedTargetsLeaveNoGoroutines is not parallel because it counts goroutines.
func TestFailedTargetsLeaveNoGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("send", func(t *testing.T) {
		silentMail := newScript(t, map[string]string{"RCPT": silence})
		hook, chat := newReceiver(t), newReceiver(t)
		release := make(chan struct{})
		hang := func(http.ResponseWriter, *http.Request) { <-release }
		hook.answer(hang)
		chat.answer(hang)
		transport := &http.Transport{DisableKeepAlives: true}
		options := to(silentMail.addr, jane)
		options.Destinations = append(destinations(t, hook.URL),
			mattermost(t, chat).Destinations...)
		options.Timeout, options.Transport = 50*time.Millisecond, transport
		n := notifier(t, options)
		assert.Len(t, sendAll(t, n, failed()), 3)
		close(release)
	})
	// Eventually runs the condition in a goroutine of its own.
	assert.Eventually(t, func() bool {
		return runtime.NumGoroutine() <= before+1
	}, time.Minute, time.Millisecond)
}
