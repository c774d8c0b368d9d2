package ingress

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"error-check-gate/internal/edge"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// TestSlowConnectionsGiveWay fills all places with slow connections of every kind. Deliveries must
// still find a place. The oldest connection is closed first, and one that carried deliveries last.
func TestSlowConnectionsGiveWay(t *testing.T) {
	const places = 5
	reader := sdkmetric.NewManualReader()
	ts := startServer(t, &fakeTemporal{}, patience(0), withOptions(func(o *Options) {
		o.MaxConnections = places
		o.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	}))
	// This delivery's client keeps its connection.
	require.Equal(t, http.StatusOK, ts.do(t, ts.webhookRequest(t, documentedBody("known"))).status)
	var slow []net.Conn
	for i, beginning := range []string{
		"",
		"POST /webhook/inflow HTTP/1.1\r\nHost: ga",
		"POST /webhook/inflow HTTP/1.1\r\nHost: gate\r\nContent-Length: 100\r\n\r\n{",
		"GET /livez HTTP/1.1\r\nHost: gate\r\n\r\n", // answered, then silent
	} {
		slow = append(slow, ts.dial(t, beginning))
		ts.requireConnections(t, 2+i)
	}
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	_, err := bufio.NewReader(slow[3]).ReadString('\n')
	require.NoError(t, err)
	body := documentedBody(orderID)
	for i := range slow {
		status, err := ts.deliver(t.Context(), fresh, body, sign(t, firstSecret, body))
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
		require.Eventually(t, func() bool { return isCut(slow[i]) }, generous, time.Millisecond,
			"slow connection %d", i)
		ts.requireConnections(t, places-1) // the delivery's connection is closed
		slow = append(slow, ts.dial(t, ""))
		ts.requireConnections(t, places)
	}
	require.Equal(t, http.StatusOK, ts.do(t, ts.webhookRequest(t, documentedBody("known"))).status,
		"over the first connection")
	assert.EqualValues(t, len(slow)/2, sum(t, reader, "gate.webhook.connections.evicted"))
	assert.EqualValues(t, places, sum(t, reader, "gate.webhook.connections"))
	assert.Equal(t, 1, strings.Count(ts.log.String(), "too many connections"))
}

// TestAnsweringKeepsThePlace checks that a newcomer waits if every connection carries a delivery
// that Temporal has not committed yet.
func TestAnsweringKeepsThePlace(t *testing.T) {
	const places = 3
	release := make(chan struct{})
	temporal := &fakeTemporal{signal: func(ctx context.Context, _ int) error {
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	ts := startServer(t, temporal, patience(0),
		withOptions(func(o *Options) { o.MaxConnections = places }))
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	statuses := make(chan int, places+1)
	send := func(i int) {
		body := documentedBody(fmt.Sprint("order-", i))
		signature := sign(t, firstSecret, body)
		go func() {
			status, err := ts.deliver(context.Background(), fresh, body, signature)
			assert.NoError(t, err)
			statuses <- status
		}()
	}
	for i := range places {
		send(i)
	}
	require.Eventually(t, func() bool { return temporal.attempted() == places }, generous,
		time.Millisecond)
	send(places)
	ts.requireConnections(t, places+1) // accepted, but waiting for a place
	assert.Equal(t, places, temporal.attempted())
	close(release)
	for range places + 1 {
		assert.Equal(t, http.StatusOK, <-statuses)
	}
}

// TestOnePeerCannotTakeAllPlaces checks that a peer has a limit of its own, and a trusted proxy has
// none.
func TestOnePeerCannotTakeAllPlaces(t *testing.T) {
	for name, tc := range map[string]struct {
		proxies edge.Networks
		want    int
	}{"a peer": {nil, 4}, "a proxy": {networks("127.0.0.1"), 12}} {
		t.Run(name, func(t *testing.T) {
			ts := startServer(t, &fakeTemporal{}, patience(0), withOptions(func(o *Options) {
				o.MaxConnections, o.PeerMaxConnections, o.TrustedProxies = 100, 4, tc.proxies
			}))
			var conns []net.Conn
			for i := range 12 {
				conns = append(conns, ts.dial(t, "POST"))
				ts.requireConnections(t, min(i+1, tc.want))
			}
			for i, conn := range conns {
				if i < len(conns)-tc.want {
					assert.Eventually(t, func() bool { return isCut(conn) }, generous,
						time.Millisecond, "connection %d", i)
				} else {
					assert.False(t, isCut(conn), "connection %d", i)
				}
			}
		})
	}
}

// TestLimitedServerStops checks that a stop serves a newcomer that is waiting for a place.
func TestLimitedServerStops(t *testing.T) {
	ts := startServer(t, &fakeTemporal{}, patience(time.Hour),
		withOptions(func(o *Options) { o.MaxConnections = 1 }))
	first := ts.dial(t, "")
	ts.requireConnections(t, 1)
	body := documentedBody(orderID)
	request := raw{body: body}.text(t)
	second := ts.dial(t, request)
	ts.requireConnections(t, 2)
	ts.stop()
	response, err := http.ReadResponse(bufio.NewReader(second), nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusOK, response.StatusCode)
	require.NoError(t, first.Close())
	require.NoError(t, <-ts.stopped)
	ts.stopped <- nil
}

// TestLargeBodiesAreBounded checks that large bodies that never end cannot fill the memory, and
// don't affect bodies of the size that InFlow sends.
func TestLargeBodiesAreBounded(t *testing.T) {
	ts := startServer(t, &fakeTemporal{})
	large := func(size int) string {
		return "POST /webhook/inflow HTTP/1.1\r\nHost: gate\r\nContent-Length: 200000\r\n\r\n" +
			strings.Repeat(" ", size)
	}
	var slow []net.Conn
	for range maxLargeBodies {
		slow = append(slow, ts.dial(t, large(smallBody+1)))
	}
	require.Eventually(t, func() bool { return len(ts.server.largeBodies) == maxLargeBodies },
		generous, time.Millisecond)
	ts.dial(t, large(smallBody-1))
	got, err := ts.exchange(t.Context(), large(smallBody+1))
	require.NoError(t, err)
	assert.Equal(t, http.StatusServiceUnavailable, got.status)
	assert.Equal(t, "5", got.header.Get("Retry-After"))
	assertAlike(t, `{"error":"…"}`, got.body)
	assert.Equal(t, http.StatusOK, ts.do(t, ts.webhookRequest(t, documentedBody(orderID))).status)
	for _, conn := range slow {
		require.NoError(t, conn.Close())
	}
	require.Eventually(t, func() bool { return len(ts.server.largeBodies) == 0 }, generous,
		time.Millisecond)
	big := documentedBody(orderID)
	assert.Equal(t, http.StatusOK,
		ts.do(t, ts.webhookRequest(t, big+strings.Repeat(" ", maxBodySize-len(big)))).status)
}

// TestSlowLoris opens 500 slow connections, as many as one address may have, that send headers or
// bodies bytewise or nothing at all. Every delivery must still be answered, and memory must not
// grow. The test logs how long deliveries take with and without the slow connections. It checks no
// time, because that depends on the machine.
func TestSlowLoris(t *testing.T) {
	const slow, rounds, deliveries = 500, 3, 100
	ts := startServer(t, &fakeTemporal{forget: true}, withOptions(func(o *Options) {
		o.Logger = slog.New(slog.DiscardHandler)
		o.MaxConnections, o.PeerMaxConnections = DefaultMaxConnections, slow+1 // and the kept one
	}))
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: generous}
	kept := &http.Client{Transport: &http.Transport{}, Timeout: generous}
	p99 := func() time.Duration {
		var took []time.Duration
		for i := range deliveries {
			client := fresh
			if i%2 == 0 {
				client = kept
			}
			body := documentedBody(fmt.Sprint("order-", i))
			signature := sign(t, firstSecret, body)
			began := time.Now()
			status, err := ts.deliver(t.Context(), client, body, signature)
			took = append(took, time.Since(began))
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status)
		}
		slices.Sort(took)
		return took[deliveries*99/100-1]
	}
	underAttack := func() time.Duration {
		var conns []net.Conn
		for i := range slow {
			conns = append(conns, ts.dial(t, []string{
				"",
				"POST /webhook/inflow HTTP/1.1\r\nHost: gate\r\nX-Slow: ",
				"POST /webhook/inflow HTTP/1.1\r\nHost: gate\r\nContent-Length: 100000\r\n\r\n",
			}[i%3]))
		}
		ts.requireConnections(t, slow+1)
		ctx, stop := context.WithCancel(t.Context())
		var dribbling sync.WaitGroup
		dribbling.Go(func() {
			for tick := time.NewTicker(250 * time.Millisecond); ; {
				select {
				case <-tick.C:
					for _, conn := range conns {
						_, _ = io.WriteString(conn, "x") // fails for closed connections
					}
				case <-ctx.Done():
					tick.Stop()
					return
				}
			}
		})
		took := p99()
		stop()
		dribbling.Wait()
		for _, conn := range conns {
			_ = conn.Close()
		}
		ts.requireConnections(t, 1)
		return took
	}
	alone, under := []time.Duration{p99()}, []time.Duration{underAttack()}
	requireNoGrowth(t, 2<<20, func() {
		for range rounds - 1 {
			alone, under = append(alone, p99()), append(under, underAttack())
		}
	})
	kept.CloseIdleConnections()
	slices.Sort(alone)
	slices.Sort(under)
	t.Logf("p99 of deliveries alone %v, beside %d slow connections %v", alone, slow, under)
}
