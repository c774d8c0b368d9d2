package notify_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/notify"
	"error-check-gate/internal/ordercheck"
)

// mattermost returns options with a chat at the receiver. Errors must not show its token.
func mattermost(t *testing.T, r *receiver) notify.Options {
	t.Helper()
	return notify.Options{
		Destinations: destinations(t,
			"mattermost://gate@"+strings.TrimPrefix(r.URL, "http://")+"/hush-token?disabletls=yes"),
		TemporalUIURL: "https://temporal.example.com", Namespace: "default",
	}
}

func chatText(t *testing.T, r *receiver) string {
	t.Helper()
	requests := r.requests()
	require.NotEmpty(t, requests)
	var body struct{ Text string }
	require.NoError(t, json.Unmarshal([]byte(requests[len(requests)-1].body), &body))
	return body.Text
}

func TestChatGetsAShortText(t *testing.T) {
	t.Parallel()
	chat := newReceiver(t)
	require.NoError(t, send(t, mattermost(t, chat), failed()))
	require.Len(t, chat.requests(), 1)
	assert.Equal(t, "/hooks/hush-token", chat.requests()[0].path)
	assert.Equal(t, `[FAILED] SO-000123: 2 errors
Acme Kitchens
• line 2: The line's subtotal is not quantity × price less discount. → Type the quantity again.
• order: The PO number is missing. → Ask the customer for it.
and 1 warning
https://app.inflowinventory.com/sales-orders/8a3c6d4e-0000-4000-8000-000000000001
https://temporal.example.com/namespaces/default/workflows/sales-order-8a3c6d4e-0000-4000-8000-000000000001/run-1/user-metadata`, chatText(t, chat))

	require.NoError(t, send(t, mattermost(t, chat), resolved()))
	assert.True(t, strings.HasPrefix(chatText(t, chat), `[RESOLVED] SO-000123
Acme Kitchens
• line 2: The line's subtotal is not quantity × price less discount.
• order: The PO number is missing.
and 1 warning
https://app.`), chatText(t, chat))

	notice := failed()
	notice.Kind = ordercheck.NoticeOverridden
	f := notice.Report.Findings[:1]
	f[0].State, f[0].Override = ordercheck.FindingOverridden,
		&ordercheck.Override{By: "Ann Chef", Reason: "agreed by phone", Until: noon}
	notice.Report.Findings = f
	require.NoError(t, send(t, mattermost(t, chat), notice))
	assert.Contains(t, chatText(t, chat),
		"→ Type the quantity again. (Ann Chef: agreed by phone)\n")

	notice = failed()
	for range 5 {
		notice.Report.Findings = append(notice.Report.Findings, notice.Report.Findings[0])
	}
	require.NoError(t, send(t, mattermost(t, chat), notice))
	assert.Equal(t, 5, strings.Count(chatText(t, chat), "• "))
	assert.Contains(t, chatText(t, chat), "\nand 2 more\n")
}

func TestChatTextAfterRulesChanged(t *testing.T) {
	t.Parallel()
	hook := newReceiver(t)
	notice := resolved()
	notice.Kind, notice.EndReason = ordercheck.NoticeEnded, ordercheck.EndRulesChanged
	notice.Lifted, notice.Resolved = notice.Resolved, nil
	require.NoError(t, send(t, notify.Options{Destinations: destinations(t, hook.URL)}, notice))
	var body struct {
		Text   string               `json:"text"`
		Lifted []ordercheck.Finding `json:"lifted"`
	}
	require.NoError(t, json.Unmarshal([]byte(hook.requests()[0].body), &body))
	assert.Equal(t, notice.Lifted, body.Lifted)
	assert.Contains(t, body.Text, "[ENDED] SO-000123: rules changed")
	assert.Contains(t, body.Text, "the rules that it broke no longer apply.")
	assert.Contains(t, body.Text, "• order: The PO number is missing.\n")
	assert.NotContains(t, body.Text, "fixed")
}

func TestOrderTextCannotMentionEverybody(t *testing.T) {
	t.Parallel()
	chat := newReceiver(t)
	notice := failed()
	notice.Report.OrderNumber = "@channel"
	notice.Report.Customer = "<!here>\n@all"
	notice.Report.Findings[0].Message = "[Open](https://evil.example)"
	notice.Report.Findings[0].Fix = strings.Repeat("x", 5000)
	require.NoError(t, send(t, mattermost(t, chat), notice))
	text := chatText(t, chat)
	for _, mark := range []string{"@channel", "<!here>", "@all", "]("} {
		assert.NotContains(t, text, mark)
	}
	assert.Less(t, len(text), 2000)
}

func TestChatErrors(t *testing.T) {
	t.Parallel()
	chat := newReceiver(t)
	for _, test := range []struct {
		name      string
		answer    http.HandlerFunc
		permanent bool
		code      int
		reason    string
	}{
		{"500", status(500), false, 500, "it responded with 500 Internal Server Error"},
		{"400", status(400), true, 400, "it responded with 400 Bad Request"},
		{"429", status(429), false, 429, "it responded with 429 Too Many Requests"},
		{"cut", func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}, false, 0, "the connection broke"},
	} {
		t.Run(test.name, func(t *testing.T) {
			chat.answer(test.answer)
			sent := sendError(t, mattermost(t, chat), failed())
			assert.Equal(t, test.reason, sent.Reason)
			assert.Equal(t, test.permanent, sent.Permanent)
			assert.Equal(t, test.code, sent.Code)
			assert.NotContains(t, sent.Error(), "hush-token")
			assert.NotContains(t, sent.Error(), "/hooks/")
		})
	}
	chat.Close()
	sent := sendError(t, mattermost(t, chat), failed())
	assert.Equal(t, "connection refused", sent.Reason)
	assert.False(t, sent.Permanent)
}

func TestServiceErrorsDoNotLeakSecrets(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"generic://127.0.0.1:1/hush-token?disabletls=yes",
		"ntfy://gate:hush-token@127.0.0.1:1/topic?scheme=http",
		"gotify://127.0.0.1:1/AhushTOKEN-abcde?disabletls=yes",
		"rocketchat://127.0.0.1:1/hush-token/channel",
		"matrix://gate:hush-token@127.0.0.1:1/?rooms=!room:example.com&disableTLS=yes",
	} {
		service, _, _ := strings.Cut(address, "://")
		t.Run(service, func(t *testing.T) {
			sent := sendError(t, notify.Options{Destinations: destinations(t, address)}, failed())
			assert.False(t, sent.Permanent)
			assert.NotContains(t, sent.Error(), "hush")
			assert.NotContains(t, sent.Error(), "AhushTOKEN")
		})
	}
}

func TestGenericServiceGetsIdempotencyKey(t *testing.T) {
	t.Parallel()
	hook := newReceiver(t)
	host := strings.TrimPrefix(hook.URL, "http://")
	for _, address := range []string{
		"generic://" + host + "/hook?disabletls=yes&template=json&@X-Own=mine",
		"generic+http://" + host + "/hook?template=json&@X-Own=mine",
	} {
		require.NoError(t, send(t, notify.Options{Destinations: destinations(t, address)},
			failed()))
		requests := hook.requests()
		last := requests[len(requests)-1]
		assert.Equal(t, "run-1-set-1", last.header.Get("Idempotency-Key"))
		assert.Equal(t, "mine", last.header.Get("X-Own"))
		assert.Equal(t, "/hook", last.path)
		assert.Contains(t, last.body, "SO-000123")
	}
}

// redirected sends every request to a receiver instead of its real host.
type redirected struct {
	*receiver
	hosts []string
}

func (r *redirected) RoundTrip(req *http.Request) (*http.Response, error) {
	r.hosts = append(r.hosts, req.URL.Host)
	req = req.Clone(req.Context())
	req.URL.Scheme, req.URL.Host = "http", strings.TrimPrefix(r.URL, "http://")
	return http.DefaultTransport.RoundTrip(req)
}

func TestTelegramChatsAreSeparateTargets(t *testing.T) {
	t.Parallel()
	api := &redirected{receiver: newReceiver(t)}
	options := notify.Options{Transport: api, Destinations: destinations(t,
		"telegram://110201543:AAHdq-hush@telegram?chats=@team,-1002:7&notification=no&preview=no&parsemode=HTML")}
	n := notifier(t, options)
	targets := n.Targets(failed())
	require.Len(t, targets, 2)
	assert.NotEqual(t, targets[0].Name(), targets[1].Name())
	for _, target := range targets {
		require.NoError(t, n.Send(t.Context(), target, failed()))
	}
	requests := api.requests()
	require.Len(t, requests, 2)
	assert.Equal(t, []string{"api.telegram.org", "api.telegram.org"}, api.hosts)
	assert.Equal(t, "/bot110201543:AAHdq-hush/sendMessage", requests[0].path)
	for i, want := range []string{
		`{"chat_id":"@team","disable_notification":true,"disable_web_page_preview":true}`,
		`{"chat_id":"-1002","message_thread_id":7,"disable_notification":true,` +
			`"disable_web_page_preview":true}`,
	} {
		var got map[string]any
		require.NoError(t, json.Unmarshal([]byte(requests[i].body), &got))
		text, ok := got["text"].(string)
		require.True(t, ok)
		assert.Contains(t, text, "[FAILED] SO-000123: 2 errors\n")
		delete(got, "text")
		rest, err := json.Marshal(got)
		require.NoError(t, err)
		assert.JSONEq(t, want, string(rest))
	}
}

// TestUnreachableTelegramIsAnError exists because shoutrrr's own sender would report success, see
// https://github.com/containrrr/shoutrrr/issues/473.
func TestUnreachableTelegramIsAnError(t *testing.T) {
	t.Parallel()
	api := &redirected{receiver: newReceiver(t)}
	options := notify.Options{Transport: api,
		Destinations: destinations(t, "telegram://110201543:AAHdq-hush@telegram?chats=@team")}
	api.answer(status(http.StatusBadGateway))
	sent := sendError(t, options, failed())
	assert.Equal(t, "it responded with 502 Bad Gateway", sent.Reason)
	assert.False(t, sent.Permanent)
	api.Close()
	sent = sendError(t, options, failed())
	assert.Equal(t, "connection refused", sent.Reason)
	assert.False(t, sent.Permanent)
	assert.NotContains(t, sent.Error(), "hush")
}

func TestAbandonedMessageIsNotPostedTwice(t *testing.T) {
	t.Parallel()
	chat := newReceiver(t)
	release, reached := make(chan struct{}), make(chan struct{}, 1)
	chat.answer(func(w http.ResponseWriter, _ *http.Request) {
		reached <- struct{}{}
		<-release
		w.WriteHeader(http.StatusOK)
	})
	n := notifier(t, mattermost(t, chat))
	target := n.Targets(failed())[0]
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-reached
		cancel()
	}()
	sent := asError(t, n.Send(ctx, target, failed()))
	assert.Equal(t, "it was interrupted", sent.Reason)

	close(release)
	require.NoError(t, n.Send(t.Context(), target, failed()), "the outcome of the first call")
	assert.Len(t, chat.requests(), 1)

	require.NoError(t, n.Send(t.Context(), target, failed()),
		"a call's outcome is reported once; the next send posts again")
	assert.Len(t, chat.requests(), 2)
	<-reached
}

func TestHangingCallsAreLimited(t *testing.T) {
	t.Parallel()
	chat := newReceiver(t)
	release, reached := make(chan struct{}), make(chan struct{}, 100)
	chat.answer(func(http.ResponseWriter, *http.Request) {
		reached <- struct{}{}
		<-release
	})
	options := mattermost(t, chat)
	options.Timeout = 200 * time.Millisecond
	n := notifier(t, options)
	reasons := map[string]int{}
	for i := range 8 {
		notice := failed()
		notice.Key = string(rune('a' + i))
		sent := asError(t, n.Send(t.Context(), n.Targets(notice)[0], notice))
		assert.False(t, sent.Permanent)
		reasons[sent.Reason]++
	}
	assert.Equal(t, map[string]int{"there was no response within 200ms": 4,
		"4 earlier messages to it are still in flight": 4}, reasons)
	for range 4 {
		<-reached
	}
	assert.Len(t, chat.requests(), 4)
	close(release)
	chat.answer(nil)
	for i := range 8 {
		notice := failed()
		notice.Key = string(rune('a' + i))
		// On a busy machine, a send may time out and need a retry. No retry posts twice.
		require.Eventually(t, func() bool {
			return n.Send(t.Context(), n.Targets(notice)[0], notice) == nil
		}, time.Minute, time.Millisecond)
	}
	assert.Len(t, chat.requests(), 8, "each message was posted once")
}
