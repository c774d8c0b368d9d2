package e2e_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
)

var rotationKills = flag.Int("rotations", 8, "how often 'gate webhooks rotate' is killed")

// rotating returns a subscriber whose order is edited until stop is called.
func rotating(t *testing.T) (s *subscriber, stop func()) {
	t.Helper()
	s = newSubscriber(t)
	s.webhooks("subscribe", s.url, "--secret-file", s.secrets)
	s.startIngress()
	s.webhooks("subscribe", s.url, "--secret-file", s.secrets, "--test")
	id := s.create("plain")
	s.mustResult(id)
	return s, s.editing([]string{id})
}

func (s *subscriber) startRotation(env []string, id string) *command {
	s.t.Helper()
	return startGate(s.t, env, "webhooks", "rotate", id, "--secret-file", s.secrets, "--overlap",
		"300ms", "--in-a-row", "3")
}

// rotated runs a rotation, which must succeed, and returns the new subscription.
func (s *subscriber) rotated(old subscription) subscription {
	s.t.Helper()
	rotation := s.startRotation(s.env, old.ID)
	require.Zero(s.t, rotation.exit(), rotation.stderr.String())
	now := s.theSubscription()
	assert.NotEqual(s.t, old.ID, now.ID)
	assert.Equal(s.t, old.URL, now.URL)
	assert.Equal(s.t, old.Events, now.Events)
	return now
}

// nothingLost stops the edits and checks that no delivery was refused and that each order's latest
// version was fetched.
func (s *subscriber) nothingLost(stop func()) (deliveries int) {
	s.t.Helper()
	stop()
	for _, n := range s.noneRefused() {
		deliveries += n
	}
	for _, order := range s.fake.Orders() {
		require.Eventually(s.t, func() bool {
			fetches := s.fetches(order.ID)
			return len(fetches) > 0 && fetches[len(fetches)-1].OrderVersion == order.Version
		}, waitFor, tick)
	}
	return deliveries
}

func (s *subscriber) puts() (n int) {
	for _, request := range s.fake.Requests() {
		if request.Route == fakeinflow.RoutePutWebhook {
			n++
		}
	}
	return n
}

// TestRotationKilledAtAnyMoment kills 'gate webhooks rotate' at moments spread over its whole run,
// and runs it again at once. Two thirds of the moments are after the ingress has accepted the new
// secret. InFlow has no faults only in every fourth run.
func TestRotationKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	const (
		beforeAcceptance = 3 * time.Second
		afterAcceptance  = 4 * time.Second // until 5 s after the start
	)
	groups := min(4, *rotationKills)
	for group := range groups {
		t.Run(fmt.Sprint(group), func(t *testing.T) {
			t.Parallel()
			s, stop := rotating(t)
			now := s.theSubscription()
			killed := 0
			for moment := group; moment < *rotationKills; moment += groups {
				share := float64(moment) / float64(*rotationKills)
				routes := []string{fakeinflow.RoutePutWebhook, fakeinflow.RouteDeleteWebhook,
					fakeinflow.RouteListWebhooks}
				fault := fakeinflow.Fault{Route: routes[moment/4%3], Times: 1}
				switch moment % 4 {
				case 1:
					fault.AnswerLost = true
				case 2:
					fault.Status = http.StatusInternalServerError
				case 3:
					fault.Status, fault.RetryAfter = http.StatusTooManyRequests, time.Second
				}
				if moment%4 > 0 {
					require.NoError(t, s.fake.SetFault(fault))
				}
				puts := s.puts()
				rotation := s.startRotation(s.env, now.ID)
				wait := time.Duration(3 * share * float64(beforeAcceptance))
				if share >= 1.0/3 {
					wait = time.Duration(1.5 * (share - 1.0/3) * float64(afterAcceptance))
					require.Eventually(t, func() bool {
						return s.puts() >= puts+2
					}, waitFor, 5*time.Millisecond)
				}
				select {
				case <-rotation.done:
				case <-time.After(wait):
					if rotation.Process.Kill() == nil {
						killed++
					}
					<-rotation.done
				}
				s.fake.ClearFaults()
				next := s.startRotation(s.env, now.ID)
				require.Zero(t, next.exit(), "moment %d: %s", moment, next.stderr.String())
				after := s.theSubscription()
				assert.NotEqual(t, now.ID, after.ID)
				assert.Equal(t, now.URL, after.URL)
				assert.Equal(t, now.Events, after.Events)
				now = after
			}
			t.Logf("%d runs killed, %d deliveries, none refused", killed, s.nothingLost(stop))
		})
	}
}

// slowInflow is a proxy in front of the fake InFlow. It delays one request until its sender is
// dead.
type slowInflow struct {
	upstream  string
	holds     int64 // number of the delayed request
	requests  atomic.Int64
	held      chan struct{}
	release   chan struct{}
	forwarded chan struct{}
}

func (p *slowInflow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	holds := p.requests.Add(1) == p.holds
	if holds {
		close(p.held)
		<-p.release
		defer close(p.forwarded)
	}
	request, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method,
		p.upstream+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return
	}
	request.Header = r.Header.Clone()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer response.Body.Close()
	for name, values := range response.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body)
}

// TestRotationKilledWithARequestInFlight kills a rotation whose request is in flight. InFlow
// applies the request two seconds later, while the next rotation runs.
func TestRotationKilledWithARequestInFlight(t *testing.T) {
	t.Parallel()
	for i, name := range []string{"list", "make", "list again", "move the events", "remove",
		"last look"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, stop := rotating(t)
			slow := &slowInflow{
				upstream: s.inflowURL, holds: int64(i + 1),
				held: make(chan struct{}), release: make(chan struct{}),
				forwarded: make(chan struct{}),
			}
			api := httptest.NewServer(slow)
			t.Cleanup(api.Close)
			release := sync.OnceFunc(func() { close(slow.release) })
			t.Cleanup(release)
			old := s.theSubscription()
			rotation := s.startRotation(append(s.env, "INFLOW_API_URL="+api.URL), old.ID)
			select {
			case <-slow.held:
			case <-rotation.done:
				require.Fail(t, "the rotation ended too early", rotation.stderr.String())
			}
			require.NoError(t, rotation.Process.Kill())
			<-rotation.done
			time.AfterFunc(2*time.Second, release)
			s.rotated(old)
			<-slow.forwarded
			s.theSubscription()
			s.nothingLost(stop)
		})
	}
}

// TestRotationLocksItsFile runs a second rotation of the same file. It ends before it calls InFlow.
func TestRotationLocksItsFile(t *testing.T) {
	t.Parallel()
	s, stop := rotating(t)
	old, puts := s.theSubscription(), s.puts()
	first := s.startRotation(s.env, old.ID)
	require.Eventually(t, func() bool { return s.puts() > puts }, waitFor, tick)
	second := s.startRotation(s.env, old.ID)
	assert.Equal(t, 1, second.exit())
	assert.Contains(t, second.stderr.String(), "wait until it has ended")
	assert.Zero(t, first.exit(), first.stderr.String())
	assert.NotEqual(t, old.ID, s.theSubscription().ID)
	assert.Greater(t, s.nothingLost(stop), 0)
}

// TestRotationWhileTheIngressIsDown runs a rotation without the ingress. It changes nothing, and
// succeeds when the ingress is back.
func TestRotationWhileTheIngressIsDown(t *testing.T) {
	t.Parallel()
	s := newSubscriber(t)
	s.webhooks("subscribe", s.url, "--secret-file", s.secrets)
	old := s.theSubscription()
	before, err := os.ReadFile(s.secrets)
	require.NoError(t, err)
	failed := startGate(t, s.env, "webhooks", "rotate", old.ID, "--secret-file", s.secrets,
		"--wait", "2s")
	assert.Equal(t, 1, failed.exit())
	assert.Contains(t, failed.stderr.String(), "nothing listens there")
	assert.Equal(t, old, s.theSubscription())
	after, err := os.ReadFile(s.secrets)
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after))
	s.startIngress()
	now := s.rotated(old)
	content, err := os.ReadFile(s.secrets)
	require.NoError(t, err)
	assert.Len(t, strings.Fields(string(content)), 2)
	assert.NotEqual(t, old.ID, now.ID)
}
