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

// rotationCalls is how many calls a rotation makes of InFlow: list, make, list, change, remove, list.
const rotationCalls = 6

// editing saves an order before and after each call of InFlow.
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
	assert.Equal(t, []string{string(result.New.Secret), string(old.Secret)}, w.secrets(), "the new one first; the old one is kept for retries")

	again, _, err := w.rotate(w.client, old.ID, w.keeper())
	require.NoError(t, err)
	assert.True(t, again.Already)
	assert.Equal(t, now.ID, again.New.ID)
	assert.Equal(t, now, w.works(), "a second run changes nothing")

	next, _, err := w.rotate(w.client, now.ID, w.keeper())
	require.NoError(t, err)
	assert.Equal(t, next.New.ID, w.works().ID)
}

// TestRotateKilledAnywhere: a run that is killed before or after any call leaves a state
// in which no delivery is refused, and the next run finishes.
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
				require.Greater(t, w.delivered(), before, "orders are still announced")

				result, lines, err := w.rotate(w.editing(), old.ID, w.keeper())
				require.NoError(t, err, lines.text())
				assert.Equal(t, result.New.ID, w.works().ID)
				assert.NotEqual(t, old.ID, result.New.ID)
			})
		}
	}
}

// TestRotateKilledWithTheSecret: the run is killed before or after it has written the secret.
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
			assert.Contains(t, lines.text(), "left by an earlier run")
			w.works()
		})
	}
}

func TestRotateWithLostAnswers(t *testing.T) {
	for name, fault := range map[string]fakeinflow.Fault{
		"applied, no answer": {AnswerLost: true}, "half an answer": {Cut: true}, "not applied": {Dropped: true},
		"a fault at InFlow": {Status: 500}, "allowance spent": {Status: 429, RetryAfter: 3 * time.Second},
	} {
		for _, route := range []string{fakeinflow.RouteListWebhooks, fakeinflow.RoutePutWebhook, fakeinflow.RouteDeleteWebhook} {
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

func TestRotateRollsBackWhereTheIngressDoesNotAccept(t *testing.T) {
	w := newWorld(t, 0)
	old := w.mustSubscribe()
	file := w.keeper()
	m, lines := w.manager(w.editing())
	m.pause = waits(10, afterRefusal)
	_, err := m.Rotate(t.Context(), old.ID, RotateOptions{Keeper: &elsewhere{t.TempDir() + "/secrets", &SecretFile{}}})
	var refused *NotAccepted
	require.ErrorAs(t, err, &refused)
	assert.Contains(t, refused.Reason, "does not know the secret")
	require.ErrorContains(t, err, "goes on as before")
	assert.Contains(t, lines.text(), "was removed again")
	assert.Equal(t, old.ID, w.works().ID)
	assert.Equal(t, []string{string(old.Secret)}, w.secrets())

	// Stopped by a person while it waits.
	ctx, cancel := context.WithCancel(t.Context())
	m.Say = func(string) { cancel() }
	_, err = m.Rotate(ctx, old.ID, RotateOptions{Keeper: Show(func(inflow.Subscription) error { return nil })})
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, old.ID, w.works().ID)

	// In the very file of the ingress, which asks elsewhere: the file is as it was.
	dead := httptest.NewServer(http.NotFoundHandler())
	defer dead.Close()
	m.pause = waits(10, afterRefusal)
	_, err = m.Rotate(t.Context(), old.ID, RotateOptions{Keeper: file, Acceptance: Acceptance{URLs: []string{w.url, dead.URL}, InARow: 2}})
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, dead.URL, refused.URL, "the first URL accepts, the second does not")
	assert.Contains(t, refused.Reason, "404")
	assert.Equal(t, old.ID, w.works().ID)
	assert.Equal(t, []string{string(old.Secret)}, w.secrets())
}

// elsewhere keeps secrets where no ingress looks.
type elsewhere struct {
	path string
	*SecretFile
}

func (e *elsewhere) Ready() error {
	e.Path = e.path
	return e.SecretFile.Ready()
}

// TestRotateByHand: a person puts the printed secret where the ingress finds it, while the command waits.
func TestRotateByHand(t *testing.T) {
	w := newWorld(t, 0)
	old := w.mustSubscribe()
	var given inflow.Subscription
	m, _ := w.manager(w.editing())
	m.Say = func(string) {
		if given.Secret != "" {
			assert.NoError(t, w.keeper().Keep(given))
		}
	}
	result, err := m.Rotate(t.Context(), old.ID, RotateOptions{Keeper: Show(func(s inflow.Subscription) error {
		given = s
		return nil
	})})
	require.NoError(t, err)
	assert.Equal(t, given.ID, result.New.ID)
	w.works()
}

// TestRotateBehindABalancer: one of two ingresses learns the secret later; nothing is moved before.
func TestRotateBehindABalancer(t *testing.T) {
	w := newWorld(t, 0)
	slow := t.TempDir() + "/secrets"
	slowEdge, fastEdge := edgeOf(slow), edgeOf(w.file)
	var n, refused atomic.Int64
	balancer := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if n.Add(1)%2 == 0 {
			fastEdge(out, r)
			return
		}
		recorder := httptest.NewRecorder()
		slowEdge(recorder, r)
		if recorder.Code == http.StatusUnauthorized && refused.Add(1) == 3 {
			assert.NoError(t, (&SecretFile{Path: slow}).Keep(inflow.Subscription{Secret: inflow.Secret(w.secrets()[0])}))
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
	assert.EqualValues(t, 3, refused.Load(), "of the test deliveries")
	w.works()
}

// TestRotateWhereInflowGivesAnotherSecret when the events are changed, which its description rules out.
func TestRotateWhereInflowGivesAnotherSecret(t *testing.T) {
	w := newWorld(t, 0)
	old := w.mustSubscribe()
	result, lines, err := w.rotate(&resecreting{w.client}, old.ID, w.keeper())
	require.NoError(t, err)
	assert.Contains(t, lines.text(), "another secret")
	assert.Len(t, w.secrets(), 3)
	assert.Equal(t, string(result.New.Secret), w.secrets()[0])
	w.works()
}

type resecreting struct{ API }

func (r *resecreting) Subscribe(ctx context.Context, request inflow.SubscriptionRequest) (*inflow.Subscription, error) {
	if err := r.Unsubscribe(ctx, request.ID); err != nil && !isUnknown(err) {
		return nil, err
	}
	return r.API.Subscribe(ctx, request)
}

// TestRotateWhereInflowDoesNotChange the events, though it says so: the old subscription stays.
func TestRotateWhereInflowDoesNotChange(t *testing.T) {
	w := newWorld(t, 0)
	old := w.mustSubscribe()
	_, _, err := w.rotate(&unchanging{w.client}, old.ID, w.keeper())
	require.ErrorContains(t, err, "and they were not")
	assert.NotNil(t, find(w.list(), old.ID))
	w.edit()
	assert.Equal(t, 1, w.delivered())
}

type unchanging struct{ API }

func (u *unchanging) Subscribe(ctx context.Context, request inflow.SubscriptionRequest) (*inflow.Subscription, error) {
	list, err := u.Subscriptions(ctx)
	if err != nil {
		return nil, err
	}
	if have := find(list, request.ID); have != nil {
		return have, nil
	}
	return u.API.Subscribe(ctx, request)
}

// TestRotateAfterALostSecret: nobody has the subscription's secret, and all it sends is refused.
func TestRotateAfterALostSecret(t *testing.T) {
	w := newWorld(t, 0)
	orphan := w.newSubscription(w.url, DefaultEvents()...)
	_, _, err := w.rotate(w.client, orphan, w.keeper())
	require.NoError(t, err)
	w.works()
}

// TestTwoRotationsAtOnce: the second takes the first one's new subscription for a leftover.
func TestTwoRotationsAtOnce(t *testing.T) {
	w := newWorld(t, 0)
	old := w.mustSubscribe()
	var second *Rotated
	_, _, err := w.rotate(w.editing(), old.ID, Show(func(s inflow.Subscription) (err error) {
		require.NoError(t, w.keeper().Keep(s))
		second, _, err = w.rotate(w.editing(), old.ID, w.keeper())
		return err
	}))
	require.ErrorContains(t, err, "was removed meanwhile")
	assert.Equal(t, second.New.ID, w.works().ID)
}

func TestRotateOfAnUnknownSubscription(t *testing.T) {
	w := newWorld(t, 0)
	_, _, err := w.rotate(w.client, "7c0e4a52-0000-4000-8000-000000000001", w.keeper())
	require.ErrorContains(t, err, "gate webhooks subscribe")
	old := w.mustSubscribe()
	_, _, err = w.rotate(w.client, "7c0e4a52-0000-4000-8000-000000000001", w.keeper())
	require.ErrorContains(t, err, "it has "+old.ID)
	assert.Equal(t, old.ID, w.works().ID)
}

func TestRotateLeavesOthersAlone(t *testing.T) {
	w := newWorld(t, 0)
	old := w.mustSubscribe()
	same := w.newSubscription(w.url, "vendor.created") // as a rotation's in its first step, but somebody's own
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
	assert.False(t, isSuccessor("no GUID", old))
}
