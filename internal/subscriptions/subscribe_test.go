package subscriptions

import (
	"context"
	"errors"
	"net/http/httptrace"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
)

func TestSubscribeKeepsTheSecret(t *testing.T) {
	w := newWorld(t, 0)
	created := w.mustSubscribe()
	assert.Equal(t, []string{string(created.Secret)}, w.secrets())
	w.works()
}

func TestSubscribeIsIdempotentByURL(t *testing.T) {
	w := newWorld(t, 0)
	created := w.mustSubscribe()
	other := w.newSubscription("https://elsewhere.example/hook", "customer.created")
	before := w.list()
	puts := len(w.fake.Requests())

	again, _, err := w.subscribe(w.client)
	require.NoError(t, err)
	assert.Equal(t, created.ID, again.ID)
	assert.False(t, again.Created || again.Changed || again.OtherEvents)
	assert.Empty(t, again.Secret)
	m, _ := w.manager(w.client)
	differs, err := m.Subscribe(t.Context(),
		SubscribeOptions{URL: w.url + "/", Events: []string{"SalesOrderUpdatedV1"},
			Keeper: w.keeper()})
	require.NoError(t, err)
	assert.True(t, differs.OtherEvents)
	assert.Equal(t, created.ID, differs.ID)
	for _, request := range w.fake.Requests()[puts:] {
		assert.Equal(t, "GET", request.Method)
	}
	assert.Equal(t, before, w.list())
	assert.Len(t, w.secrets(), 1)

	changed, err := m.Subscribe(t.Context(),
		SubscribeOptions{URL: w.url, Events: []string{"SalesOrderUpdatedV1"}, ChangeEvents: true,
			Keeper: w.keeper()})
	require.NoError(t, err)
	assert.True(t, changed.Changed)
	assert.Equal(t, created.ID, changed.ID)
	assert.Equal(t, []string{"SalesOrderUpdatedV1"}, find(w.list(), created.ID).Events)
	w.edit()
	assert.Equal(t, 1, w.delivered(), "the secret is the same")
	assert.NotNil(t, find(w.list(), other))
}

func TestSubscribeReportsSubscriptionsWithTheSameURL(t *testing.T) {
	w := newWorld(t, 0)
	second := w.newSubscription(w.url, "customer.created")
	first := w.newSubscription(w.url, DefaultEvents()...)
	got, _, err := w.subscribe(w.client)
	require.NoError(t, err)
	assert.Equal(t, first, got.ID, "the one with the requested events")
	require.Len(t, got.Also, 1)
	assert.Equal(t, second, got.Also[0].ID)
}

// TestSubscribeWithLostAnswers loses responses. In the end there must be exactly one subscription,
// with a known secret.
func TestSubscribeWithLostAnswers(t *testing.T) {
	put := func(fault fakeinflow.Fault) fakeinflow.Fault {
		fault.Route = fakeinflow.RoutePutWebhook
		return fault
	}
	for name, tc := range map[string]struct {
		faults  []fakeinflow.Fault
		rotated bool // whether the subscription is replaced, and a message says so
	}{
		"applied, no answer": {[]fakeinflow.Fault{put(fakeinflow.Fault{AnswerLost: true,
			Times: 1})}, true},
		"applied, half an answer": {[]fakeinflow.Fault{put(fakeinflow.Fault{Cut: true, Times: 1})},
			true},
		"applied, three times": {[]fakeinflow.Fault{put(fakeinflow.Fault{AnswerLost: true,
			Times: 3})}, true},
		"not applied": {[]fakeinflow.Fault{put(fakeinflow.Fault{Dropped: true,
			Times: 2})}, false},
		"server error": {[]fakeinflow.Fault{put(fakeinflow.Fault{Status: 500, Times: 2})},
			false},
		"not JSON": {[]fakeinflow.Fault{put(fakeinflow.Fault{Body: "<html>",
			Times: 1})}, false},
		"quota used up": {[]fakeinflow.Fault{put(fakeinflow.Fault{Status: 429,
			RetryAfter: time.Second, Times: 2})}, false},
		"list fails too": {[]fakeinflow.Fault{
			put(fakeinflow.Fault{AnswerLost: true, Times: 1}),
			{Route: fakeinflow.RouteDeleteWebhook, AnswerLost: true, Times: 2},
			{Route: fakeinflow.RouteListWebhooks, Status: 503, Times: 3},
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 0)
			for _, fault := range tc.faults {
				require.NoError(t, w.fake.SetFault(fault))
			}
			result, lines, err := w.subscribe(w.client)
			require.NoError(t, err, lines.text())
			assert.True(t, result.Created)
			assert.Equal(t, []string{string(result.Secret)}, w.secrets())
			w.works()
			if tc.rotated {
				assert.Contains(t, lines.text(), "is lost: replacing it")
			} else {
				assert.NotContains(t, lines.text(), "replacing it")
			}
		})
	}
}

// TestOrphanIsRemovedAtOnce checks that a subscription whose secret is lost is removed before the
// next attempt, because the ingress would refuse its deliveries.
func TestOrphanIsRemovedAtOnce(t *testing.T) {
	w := newWorld(t, 0)
	require.NoError(t, w.fake.SetFault(fakeinflow.Fault{Route: fakeinflow.RoutePutWebhook,
		AnswerLost: true, Times: 1}))
	_, _, err := w.subscribe(w.client)
	require.NoError(t, err)
	var routes []string
	for _, request := range w.fake.Requests() {
		routes = append(routes, request.Route)
	}
	assert.Equal(t, []string{
		fakeinflow.RouteListWebhooks, fakeinflow.RoutePutWebhook, // the response is lost
		fakeinflow.RouteListWebhooks, fakeinflow.RouteDeleteWebhook,
		fakeinflow.RoutePutWebhook, fakeinflow.RouteListWebhooks, // checks that the orphan is gone
	}, routes)
}

// impatient cancels its first request for a subscription as soon as it is sent.
type impatient struct {
	API
	gaveUp bool
}

func (i *impatient) Subscribe(
	ctx context.Context, request inflow.SubscriptionRequest,
) (*inflow.Subscription, error) {
	if !i.gaveUp {
		i.gaveUp = true
		var giveUp context.CancelFunc
		ctx, giveUp = context.WithCancel(ctx)
		ctx = httptrace.WithClientTrace(ctx,
			&httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) {
				giveUp()
			}})
	}
	return i.API.Subscribe(ctx, request)
}

// TestSubscribeAppliedLate checks a request that InFlow applies after the client has given up.
func TestSubscribeAppliedLate(t *testing.T) {
	const late = 500 * time.Millisecond
	w := newWorld(t, 0)
	require.NoError(t, w.fake.SetFault(fakeinflow.Fault{Route: fakeinflow.RoutePutWebhook,
		Latency: late, Times: 1}))
	result, lines, err := w.subscribe(&impatient{API: w.client})
	require.NoError(t, err, lines.text())
	assert.Equal(t, string(result.Secret), w.secrets()[0])
	require.Eventually(t, func() bool { // wait until InFlow has handled the late request
		for _, request := range w.fake.Requests() {
			if request.Route == fakeinflow.RoutePutWebhook &&
				request.End.Sub(request.Start) >= late {
				return true
			}
		}
		return false
	}, time.Minute, 10*time.Millisecond)
	w.works()
}

func TestFailedSubscribeLeavesNothing(t *testing.T) {
	t.Run("every answer is lost", func(t *testing.T) {
		w := newWorld(t, 0)
		require.NoError(t, w.fake.SetFault(fakeinflow.Fault{Route: fakeinflow.RoutePutWebhook,
			AnswerLost: true}))
		_, _, err := w.subscribe(w.client)
		require.ErrorContains(t, err, "secret was lost")
		assert.Empty(t, w.list())
		assert.NoFileExists(t, w.file)
	})
	t.Run("InFlow refuses the request", func(t *testing.T) {
		w := newWorld(t, 0)
		require.NoError(t, w.fake.SetFault(fakeinflow.Fault{Route: fakeinflow.RoutePutWebhook,
			Status: 422}))
		_, _, err := w.subscribe(w.client)
		require.ErrorContains(t, err, "HTTP 422")
		assert.Empty(t, w.list())
		assert.Equal(t, 1, puts(w), "no retry")
	})
	t.Run("stopped while waiting for the response", func(t *testing.T) {
		w := newWorld(t, 0)
		ctx, cancel := context.WithCancel(t.Context())
		api := &hookedAPI{API: w.client, after: func(call int) error {
			if call == 2 {
				cancel()
				return &inflow.Error{Kind: inflow.KindUnavailable, Err: context.Canceled}
			}
			return nil
		}}
		m, _ := w.manager(api)
		_, err := m.Subscribe(ctx, SubscribeOptions{URL: w.url, Events: DefaultEvents(),
			Keeper: w.keeper()})
		require.ErrorIs(t, err, context.Canceled)
		assert.Empty(t, w.list())
	})
	t.Run("the secret cannot be stored", func(t *testing.T) {
		w := newWorld(t, 0)
		m, _ := w.manager(w.client)
		broken := errors.New("the pipe is closed")
		_, err := m.Subscribe(t.Context(),
			SubscribeOptions{URL: w.url, Events: DefaultEvents(),
				Keeper: Show(func(inflow.Subscription) error {
					return broken
				})})
		require.ErrorIs(t, err, broken)
		assert.Empty(t, w.list())
	})
	t.Run("the secret file is invalid", func(t *testing.T) {
		w := newWorld(t, 0)
		m, _ := w.manager(w.client)
		_, err := m.Subscribe(t.Context(),
			SubscribeOptions{URL: w.url, Events: DefaultEvents(),
				Keeper: &SecretFile{Path: t.TempDir()}})
		require.ErrorContains(t, err, "not a regular file")
		assert.Empty(t, w.fake.Requests(), "no request to InFlow")
	})
	t.Run("InFlow is down afterwards", func(t *testing.T) {
		w := newWorld(t, 0)
		api := &hookedAPI{API: w.client, after: func(call int) error {
			if call >= 2 {
				return &inflow.Error{Kind: inflow.KindUnavailable, Op: "any", Err: errCrash}
			}
			return nil
		}, before: func(call int) error {
			if call > 2 {
				return &inflow.Error{Kind: inflow.KindUnavailable, Op: "any", Err: errCrash}
			}
			return nil
		}}
		_, _, err := w.subscribe(api)
		list := w.list()
		require.Len(t, list, 1)
		require.ErrorContains(t, err, "may exist at InFlow")
		require.ErrorContains(t, err, "gate webhooks unsubscribe "+list[0].ID)
	})
}

func puts(w *world) (n int) {
	for _, request := range w.fake.Requests() {
		if request.Route == fakeinflow.RoutePutWebhook {
			n++
		}
	}
	return n
}

func TestListAndGetRetry(t *testing.T) {
	w := newWorld(t, 0)
	created := w.mustSubscribe()
	m, lines := w.manager(w.client)
	for _, route := range []string{fakeinflow.RouteListWebhooks, fakeinflow.RouteGetWebhook} {
		require.NoError(t, w.fake.SetFault(fakeinflow.Fault{Route: route, Status: 429, Times: 1}))
		require.NoError(t, w.fake.SetFault(fakeinflow.Fault{Route: route, Cut: true, Times: 1}))
	}
	list, err := m.List(t.Context())
	require.NoError(t, err)
	assert.Len(t, list, 1)
	got, err := m.Get(t.Context(), created.ID)
	require.NoError(t, err)
	assert.Equal(t, list[0], *got)
	assert.Contains(t, lines.text(), quotaWait.String())

	// If InFlow asks for a long wait, the command fails and leaves the decision to a person.
	require.NoError(t, w.fake.SetFault(fakeinflow.Fault{Route: fakeinflow.RouteListWebhooks,
		Status: 429, RetryAfter: time.Hour, Times: 1}))
	_, err = m.List(t.Context())
	require.ErrorContains(t, err, "1h0m0s")
	_, err = m.Get(t.Context(), "no-such-id")
	assert.True(t, isUnknown(err))
}

func TestUnsubscribe(t *testing.T) {
	w := newWorld(t, 0)
	created := w.mustSubscribe()
	m, _ := w.manager(w.client)
	require.NoError(t, w.fake.SetFault(fakeinflow.Fault{Route: fakeinflow.RouteDeleteWebhook,
		AnswerLost: true, Times: 1}))
	require.NoError(t, m.Unsubscribe(t.Context(), created.ID),
		"the second try finds that it is gone")
	assert.Empty(t, w.list())
	w.edit()
	assert.Zero(t, w.delivered())
	assert.True(t, isUnknown(m.Unsubscribe(t.Context(), created.ID)))
}
