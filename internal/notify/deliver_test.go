package notify_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"error-check-gate/internal/mailcatcher"
	"error-check-gate/internal/notify"
)

func TestNothingConfiguredTellsNobody(t *testing.T) {
	t.Parallel()
	n := notifier(t, notify.Options{})
	assert.Empty(t, n.Targets(failed()))
	p, err := n.Deliver(t.Context(), failed(), notify.Progress{}, func(notify.Progress) { t.Error("there is nothing to record") })
	require.NoError(t, err)
	assert.Empty(t, p)
}

func TestMailNeedsAMailServer(t *testing.T) {
	t.Parallel()
	for _, options := range []notify.Options{{To: to("", jane).To}, {SalesRep: true}, {Redirect: jane}} {
		_, err := notify.New(options)
		require.ErrorContains(t, err, "there is no mail server to send mail by")
	}
}

func TestNamesOfTargetsAreStable(t *testing.T) {
	t.Parallel()
	options := to("127.0.0.1:25", jane, jim)
	options.To[0].Address = "Jane@Example.com"
	options.To = append(options.To, jane)
	options.Destinations = destinations(t, "https://hooks.example.com/hush-token", "slack://hook:AAAAAAAAA-BBBBBBBBB-123456789123456789123456@webhook")
	want := []string{"mail:jane@example.com", "mail:jim@example.com", "webhook:060104", "slack:d316d7"}
	assert.Equal(t, want, names(notifier(t, options), failed()))
	assert.Equal(t, want, names(notifier(t, options), resolved()))
}

func TestPartialSuccessRepeatsOnlyWhatFailed(t *testing.T) {
	t.Parallel()
	s := catcher(t, mailcatcher.Options{})
	down, up := newReceiver(t), newReceiver(t)
	down.answer(status(http.StatusServiceUnavailable, "Retry-After", "30"))
	options := to(s.SMTPAddr, jane)
	options.Destinations = destinations(t, down.URL+"/down", up.URL+"/up")
	var recorded []notify.Progress
	record := func(p notify.Progress) { recorded = append(recorded, p) }

	n := notifier(t, options)
	all := names(n, failed())
	p, err := n.Deliver(t.Context(), failed(), notify.Progress{}, record)
	var failures notify.Failures
	require.ErrorAs(t, err, &failures)
	require.Len(t, failures, 1)
	assert.EqualError(t, err, "notice to "+all[1]+": it answered with 503 Service Unavailable")
	assert.Equal(t, 30*time.Second, failures.RetryAfter())
	assert.Equal(t, 503, asError(t, err).Code)
	assert.Equal(t, notify.Progress{Sent: []string{all[0], all[2]}}, p)
	assert.Equal(t, []notify.Progress{{Sent: all[:1]}, {Sent: []string{all[0], all[2]}}}, recorded)

	// Another process goes on, with what a heartbeat kept.
	content, err := json.Marshal(p)
	require.NoError(t, err)
	var kept notify.Progress
	require.NoError(t, json.Unmarshal(content, &kept))
	down.answer(nil)
	n = notifier(t, options)
	p, err = n.Deliver(t.Context(), failed(), kept, record)
	require.NoError(t, err)
	assert.ElementsMatch(t, all, p.Sent)
	assert.Len(t, down.requests(), 2)
	assert.Len(t, up.requests(), 1)
	received(t, s)

	again, err := n.Deliver(t.Context(), failed(), p, record)
	require.NoError(t, err)
	assert.Equal(t, p, again)
	assert.Len(t, recorded, 3)
	assert.Len(t, down.requests(), 2)
}

func TestTargetThatRefusesIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	gone, up := newReceiver(t), newReceiver(t)
	gone.answer(status(http.StatusGone))
	n := notifier(t, notify.Options{Destinations: destinations(t, gone.URL+"/gone", up.URL+"/up")})
	all := names(n, failed())
	p, err := n.Deliver(t.Context(), failed(), notify.Progress{}, func(notify.Progress) {})
	require.NoError(t, err)
	want := notify.Progress{Sent: all[1:], Refused: []notify.Refusal{{Target: all[0], Reason: "it answered with 410 Gone"}}}
	assert.Equal(t, want, p)
	p, err = n.Deliver(t.Context(), failed(), p, func(notify.Progress) {})
	require.NoError(t, err)
	assert.Equal(t, want, p)
	assert.Len(t, gone.requests(), 1)
}

func TestInterruptedDeliveryKeepsWhatItDid(t *testing.T) {
	t.Parallel()
	first, second := newReceiver(t), newReceiver(t)
	ctx, cancel := context.WithCancel(t.Context())
	second.answer(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	n := notifier(t, notify.Options{Destinations: destinations(t, first.URL+"/1", second.URL+"/2", "http://127.0.0.1:1/3")})
	p, err := n.Deliver(ctx, failed(), notify.Progress{}, func(notify.Progress) {})
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, names(n, failed())[:1], p.Sent)
}

func TestNoticeThatLacksSomethingIsRefused(t *testing.T) {
	t.Parallel()
	hook := newReceiver(t)
	for _, test := range []struct {
		name   string
		change func(*notify.Notice)
		want   string
	}{
		{"kind", func(n *notify.Notice) { n.Kind = "fialed" }, `the kind "fialed" is not known`},
		{"key", func(n *notify.Notice) { n.Key = "" }, "the key is empty"},
		{"key with a line break", func(n *notify.Notice) { n.Key = "a\r\nX-Evil: yes" }, "the key has a space, a control character or a letter outside ASCII"},
		{"long key", func(n *notify.Notice) { n.Key = string(make([]byte, 201)) }, "the key has 201 bytes, at most 200 are carried"},
		{"order", func(n *notify.Notice) { n.Report.SalesOrderID = "" }, "the sales order id is empty"},
		{"end", func(n *notify.Notice) { n.Kind = notify.KindEnded }, `the end reason "" is not known`},
	} {
		t.Run(test.name, func(t *testing.T) {
			notice := failed()
			test.change(notice)
			sent := sendError(t, notify.Options{Destinations: destinations(t, hook.URL)}, notice)
			assert.True(t, sent.Permanent)
			assert.Equal(t, "the notice cannot be sent: "+test.want, sent.Reason)
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
		_, _ = n.Deliver(t.Context(), failed(), notify.Progress{}, func(notify.Progress) {})
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
	assert.Equal(t, map[string]int64{"failed webhook sent": 1, "failed webhook failed": 1, "failed webhook refused": 1}, counts)
}
