package subscriptions

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
)

// rotationCalls is the number of calls to InFlow per rotation: list, create, list, change, remove,
// list.
const rotationCalls = 6

// editing returns an API that saves an order before and after each call.
func (w *world) editing() *hookedAPI {
	edit := func(int) error {
		w.edit()
		return nil
	}
	return &hookedAPI{API: w.client, before: edit, after: edit}
}

func TestRotateRefusesNoDelivery(t *testing.T) {
	w := newWorld(t, 0)
	old := w.mustSubscribe()
	api := w.editing()
	result, lines, err := w.rotate(api, old.ID, w.keeper())
	require.NoError(t, err, lines.text())
	assert.Equal(t, rotationCalls, api.calls)
	assert.GreaterOrEqual(t, w.delivered(), 2*rotationCalls)
	now := w.works()
	assert.Equal(t, result.New.ID, now.ID)
	assert.Equal(t, old.ID, result.Old)
	assert.NotEqual(t, old.ID, now.ID)
	assert.Equal(t, []string{string(result.New.Secret), string(old.Secret)}, w.secrets(),
		"the new secret comes first; the old one stays for retries")

	again, _, err := w.rotate(w.client, old.ID, w.keeper())
	require.NoError(t, err)
	assert.True(t, again.Already)
	assert.Equal(t, now.ID, again.New.ID)
	assert.Equal(t, now, w.works(), "a second run changes nothing")

	next, _, err := w.rotate(w.client, now.ID, w.keeper())
	require.NoError(t, err)
	assert.Equal(t, next.New.ID, w.works().ID)
}

// TestRotateKilledAnywhere kills a run before or after each call. No delivery may be refused, and
// the next run must finish the rotation.
func TestRotateKilledAnywhere(t *testing.T) {
	for call := 1; call <= rotationCalls; call++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("call %d, after %t", call, after), func(t *testing.T) {
				w := newWorld(t, 0)
				old := w.mustSubscribe()
				api := w.editing()
				dead := false
				crash := func(at int, here bool) error {
					if dead = dead || here && at >= call; dead {
						return errCrash
					}
					w.edit()
					return nil
				}
				api.before = func(at int) error { return crash(at, !after) }
				api.after = func(at int) error { return crash(at, after) }
				_, _, err := w.rotate(api, old.ID, w.keeper())
				require.ErrorIs(t, err, errCrash)
				before := w.delivered()
				w.edit()
				require.Greater(t, w.delivered(), before, "InFlow still sends deliveries")

				result, lines, err := w.rotate(w.editing(), old.ID, w.keeper())
				require.NoError(t, err, lines.text())
				assert.Equal(t, result.New.ID, w.works().ID)
				assert.NotEqual(t, old.ID, result.New.ID)
			})
		}
	}
}

// TestRotateKilledWithTheSecret kills the run before or after it has written the secret.
func TestRotateKilledWithTheSecret(t *testing.T) {
	for name, write := range map[string]bool{"before": false, "after": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 0)
			old := w.mustSubscribe()
			api, dead := w.editing(), false
			api.before = func(int) error {
				if dead {
					return errCrash
				}
				return nil
			}
			keeper := w.keeper()
			_, _, err := w.rotate(api, old.ID, Show(func(s inflow.Subscription) error {
				if write {
					require.NoError(t, keeper.Keep(s))
				}
				dead = true
				return errCrash
			}))
			require.ErrorIs(t, err, errCrash)
			require.Len(t, w.list(), 2)
			w.edit()
			w.delivered()
			_, lines, err := w.rotate(w.editing(), old.ID, w.keeper())
			require.NoError(t, err)
			assert.Contains(t, lines.text(), "which an earlier run left")
			w.works()
		})
	}
}

func TestRotateWithLostAnswers(t *testing.T) {
	for name, fault := range map[string]fakeinflow.Fault{
		"applied, no answer": {AnswerLost: true}, "half an answer": {Cut: true},
		"not applied":  {Dropped: true},
		"server error": {Status: 500}, "quota used up": {Status: 429, RetryAfter: 3 * time.Second},
	} {
		for _, route := range []string{fakeinflow.RouteListWebhooks, fakeinflow.RoutePutWebhook,
			fakeinflow.RouteDeleteWebhook} {
			for skip := range 2 { // a rotation makes two PUTs
				if skip > 0 && route != fakeinflow.RoutePutWebhook {
					continue
				}
				t.Run(fmt.Sprintf("%s, %s, %d", name, route, skip), func(t *testing.T) {
					w := newWorld(t, 0)
					old := w.mustSubscribe()
					api := w.editing()
					api.before = func(call int) error {
						w.edit()
						if call == 1+2*skip {
							fault.Route, fault.Times = route, 1
							require.NoError(t, w.fake.SetFault(fault))
						}
						return nil
					}
					_, lines, err := w.rotate(api, old.ID, w.keeper())
					require.NoError(t, err, lines.text())
					w.works()
				})
			}
		}
	}
}

func TestRotateRollsBackIfTheIngressRefuses(t *testing.T) {
	w := newWorld(t, 0)
	old := w.mustSubscribe()
	file := w.keeper()
	m, lines := w.manager(w.editing())
	m.pause = waits(10, retryDelay)
	_, err := m.Rotate(t.Context(), old.ID,
		RotateOptions{Keeper: &elsewhere{t.TempDir() + "/secrets", &SecretFile{}}})
	var refused *NotAccepted
	require.ErrorAs(t, err, &refused)
	assert.Contains(t, refused.Reason, "does not know the secret")
	require.ErrorContains(t, err, "still works")
	assert.Contains(t, lines.text(), "was removed again")
	assert.Equal(t, old.ID, w.works().ID)
	assert.Equal(t, []string{string(old.Secret)}, w.secrets())

	// A person stops the command while it waits.
	ctx, cancel := context.WithCancel(t.Context())
	m.Say = func(string) { cancel() }
	_, err = m.Rotate(ctx, old.ID, RotateOptions{Keeper: Show(func(inflow.Subscription) error {
		return nil
	})})
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, old.ID, w.works().ID)

	// The secret is in the ingress's file, but another URL refuses it: the file is restored.
	dead := httptest.NewServer(http.NotFoundHandler())
	defer dead.Close()
	m.pause = waits(10, retryDelay)
	_, err = m.Rotate(t.Context(), old.ID,
		RotateOptions{Keeper: file,
			Acceptance: Acceptance{URLs: []string{w.url, dead.URL}, InARow: 2}})
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, dead.URL, refused.URL, "the first URL accepts, the second does not")
	assert.Contains(t, refused.Reason, "404")
	assert.Equal(t, old.ID, w.works().ID)
	assert.Equal(t, []string{string(old.Secret)}, w.secrets())
}

// elsewhere stores secrets in a file that no ingress reads.
type elsewhere struct {
	path string
	*SecretFile
}

func (e *elsewhere) Ready() error {
	e.Path = e.path
	return e.SecretFile.Ready()
}

// TestRotateWithManualSecret rotates a secret that a person copies to the ingress while the
// command waits.
func TestRotateWithManualSecret(t *testing.T) {
	w := newWorld(t, 0)
	old := w.mustSubscribe()
	var given inflow.Subscription
	m, _ := w.manager(w.editing())
	m.Say = func(string) {
		if given.Secret != "" {
			assert.NoError(t, w.keeper().Keep(given))
		}
	}
	result, err := m.Rotate(t.Context(), old.ID,
		RotateOptions{Keeper: Show(func(s inflow.Subscription) error {
			given = s
			return nil
		})})
	require.NoError(t, err)
	assert.Equal(t, given.ID, result.New.ID)
	w.works()
}

// TestRotateBehindABalancer checks that Rotate waits until both ingresses behind a balancer have
// read the new secret.
func TestRotateBehindABalancer(t *testing.T) {
	w := newWorld(t, 0)
	slow := t.TempDir() + "/secrets"
	slowReceiver, fastReceiver := receiverOf(slow), receiverOf(w.file)
	var n, refused atomic.Int64
	balancer := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if n.Add(1)%2 == 0 {
			fastReceiver(out, r)
			return
		}
		recorder := httptest.NewRecorder()
		slowReceiver(recorder, r)
		if recorder.Code == http.StatusUnauthorized && refused.Add(1) == 3 {
			assert.NoError(t,
				(&SecretFile{Path: slow}).Keep(inflow.Subscription{Secret: inflow.Secret(w.secrets()[0])}))
		}
		out.WriteHeader(recorder.Code)
		_, _ = recorder.Body.WriteTo(out)
	}))
	defer balancer.Close()
	w.url = balancer.URL + WebhookPath
	old := w.mustSubscribe()
	require.NoError(t, (&SecretFile{Path: slow}).Keep(old.Subscription))
	_, lines, err := w.rotate(w.editing(), old.ID, w.keeper())
	require.NoError(t, err, lines.text())
	assert.EqualValues(t, 3, refused.Load(), "refused test deliveries")
	w.works()
}

// TestRotateWhenInflowChangesTheSecret checks a rotation in which InFlow changes the secret
// together with the events, although its documentation says that it does not.
func TestRotateWhenInflowChangesTheSecret(t *testing.T) {
	w := newWorld(t, 0)
	old := w.mustSubscribe()
	result, lines, err := w.rotate(&secretChanger{w.client}, old.ID, w.keeper())
	require.NoError(t, err)
	assert.Contains(t, lines.text(), "changed the secret")
	assert.Len(t, w.secrets(), 3)
	assert.Equal(t, string(result.New.Secret), w.secrets()[0])
	w.works()
}

type secretChanger struct{ API }

func (r *secretChanger) Subscribe(
	ctx context.Context, request inflow.SubscriptionRequest,
) (*inflow.Subscription, error) {
	if err := r.Unsubscribe(ctx, request.ID); err != nil && !isUnknown(err) {
		return nil, err
	}
	return r.API.Subscribe(ctx, request)
}

// TestRotateWhenInflowKeepsTheEvents checks that the old subscription stays if InFlow confirms a
// change of events but does not make it.
func TestRotateWhenInflowKeepsTheEvents(t *testing.T) {
	w := newWorld(t, 0)
	old := w.mustSubscribe()
	_, _, err := w.rotate(&eventKeeper{w.client}, old.ID, w.keeper())
	require.ErrorContains(t, err, "did not change them")
	assert.NotNil(t, find(w.list(), old.ID))
	w.edit()
	assert.Equal(t, 1, w.delivered())
}

type eventKeeper struct{ API }

func (u *eventKeeper) Subscribe(
	ctx context.Context, request inflow.SubscriptionRequest,
) (*inflow.Subscription, error) {
	list, err := u.Subscriptions(ctx)
	if err != nil {
		return nil, err
	}
	if have := find(list, request.ID); have != nil {
		return have, nil
	}
	return u.API.Subscribe(ctx, request)
}

// TestRotateAfterALostSecret rotates a subscription whose secret nobody has, so that all its
// deliveries are refused.
func TestRotateAfterALostSecret(t *testing.T) {
	w := newWorld(t, 0)
	orphan := w.newSubscription(w.url, DefaultEvents()...)
	_, _, err := w.rotate(w.client, orphan, w.keeper())
	require.NoError(t, err)
	w.works()
}

// TestConcurrentRotations runs a second rotation during the first. The second one takes the first
// one's subscription for a leftover and removes it.
func TestConcurrentRotations(t *testing.T) {
	w := newWorld(t, 0)
	old := w.mustSubscribe()
	var second *Rotated
	_, _, err := w.rotate(w.editing(), old.ID, Show(func(s inflow.Subscription) (err error) {
		require.NoError(t, w.keeper().Keep(s))
		second, _, err = w.rotate(w.editing(), old.ID, w.keeper())
		return err
	}))
	require.ErrorContains(t, err, "during the rotation")
	assert.Equal(t, second.New.ID, w.works().ID)
}

func TestRotateUnknownSubscription(t *testing.T) {
	w := newWorld(t, 0)
	_, _, err := w.rotate(w.client, "7c0e4a52-0000-4000-8000-000000000001", w.keeper())
	require.ErrorContains(t, err, "gate webhooks subscribe")
	old := w.mustSubscribe()
	_, _, err = w.rotate(w.client, "7c0e4a52-0000-4000-8000-000000000001", w.keeper())
	require.ErrorContains(t, err, "it has "+old.ID)
	assert.Equal(t, old.ID, w.works().ID)
}

func TestRotateKeepsOtherSubscriptions(t *testing.T) {
	w := newWorld(t, 0)
	old := w.mustSubscribe()
	// looks like a staged one, but is not a successor
	same := w.newSubscription(w.url, "vendor.created")
	_, _, err := w.rotate(w.client, old.ID, w.keeper())
	require.NoError(t, err)
	assert.NotNil(t, find(w.list(), same))
}

func TestSuccessorsAreRecognized(t *testing.T) {
	old, other := uuid.NewString(), uuid.NewString()
	for range 100 {
		id := successorID(old)
		parsed, err := uuid.Parse(id)
		require.NoError(t, err)
		assert.Equal(t, uuid.RFC4122, parsed.Variant())
		assert.True(t, isSuccessor(id, old))
		assert.False(t, isSuccessor(id, other))
		assert.False(t, isSuccessor(uuid.NewString(), old))
	}
	assert.NotEqual(t, successorID(old), successorID(old))
	assert.False(t, isSuccessor("not a GUID", old))
}
