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

// TestSlowConnectionsGiveWay: the places are full of connections that bring nothing, whichever way,
// and deliveries find room; the longest waited for goes first, and one that has brought deliveries
// last.
func TestSlowConnectionsGiveWay(t *testing.T) {
	const places = 5
	reader := sdkmetric.NewManualReader()
	ts := startServer(t, &fakeTemporal{}, patience(0), withOptions(func(o *Options) {
		o.MaxConnections = places
		o.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	}))
	require.Equal(t, http.StatusOK, ts.do(t, ts.webhookRequest(t, documentedBody("known"))).status) // its connection is kept
	var slow []net.Conn
	for i, beginning := range []string{
		"",
		"POST /webhook/inflow HTTP/1.1\r\nHost: ga",
		"POST /webhook/inflow HTTP/1.1\r\nHost: gate\r\nContent-Length: 100\r\n\r\n{",
		"GET /livez HTTP/1.1\r\nHost: gate\r\n\r\n", // answered, and then silent
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
		require.Eventually(t, func() bool { return isCut(slow[i]) }, generous, time.Millisecond, "slow connection %d", i)
		ts.requireConnections(t, places-1) // the delivery's own has gone
		slow = append(slow, ts.dial(t, ""))
		ts.requireConnections(t, places)
	}
	require.Equal(t, http.StatusOK, ts.do(t, ts.webhookRequest(t, documentedBody("known"))).status, "over the first connection")
	assert.EqualValues(t, len(slow)/2, sum(t, reader, "gate.webhook.connections.evicted"))
	assert.EqualValues(t, places, sum(t, reader, "gate.webhook.connections"))
	assert.Equal(t, 1, strings.Count(ts.log.String(), "too many connections"))
}

// TestAnsweringKeepsThePlace: with every place taken by deliveries that Temporal has not committed
// yet, a newcomer waits for one.
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
	ts := startServer(t, temporal, patience(0), withOptions(func(o *Options) { o.MaxConnections = places }))
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
	require.Eventually(t, func() bool { return temporal.attempted() == places }, generous, time.Millisecond)
	send(places)
	ts.requireConnections(t, places+1) // accepted, and held back
	assert.Equal(t, places, temporal.attempted())
	close(release)
	for range places + 1 {
		assert.Equal(t, http.StatusOK, <-statuses)
	}
}

// TestOnePeerCannotTakeAllPlaces: it is bounded by itself, and trusted proxies are not.
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
					assert.Eventually(t, func() bool { return isCut(conn) }, generous, time.Millisecond, "connection %d", i)
				} else {
					assert.False(t, isCut(conn), "connection %d", i)
				}
			}
		})
	}
}

// TestLimitedServerStops: a newcomer that is held back does not hold the stop up, and is heard out.
func TestLimitedServerStops(t *testing.T) {
	ts := startServer(t, &fakeTemporal{}, patience(time.Hour), withOptions(func(o *Options) { o.MaxConnections = 1 }))
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

// TestLargeBodiesAreBounded: senders of large bodies that do not come to an end cannot fill the
// memory, and what InFlow sends goes on.
func TestLargeBodiesAreBounded(t *testing.T) {
	ts := startServer(t, &fakeTemporal{})
	large := func(size int) string {
		return "POST /webhook/inflow HTTP/1.1\r\nHost: gate\r\nContent-Length: 200000\r\n\r\n" + strings.Repeat(" ", size)
	}
	var slow []net.Conn
	for range maxLargeBodies {
		slow = append(slow, ts.dial(t, large(smallBody+1)))
	}
	require.Eventually(t, func() bool { return len(ts.server.largeBodies) == maxLargeBodies }, generous, time.Millisecond)
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
	require.Eventually(t, func() bool { return len(ts.server.largeBodies) == 0 }, generous, time.Millisecond)
	big := documentedBody(orderID)
	assert.Equal(t, http.StatusOK, ts.do(t, ts.webhookRequest(t, big+strings.Repeat(" ", maxBodySize-len(big)))).status)
}

// TestSlowLoris: beside 500 slow connections, all that their address may have, which dribble
// headers, bodies or nothing, every delivery is answered, and nothing grows. It logs the times,
// which show whether deliveries beside the slow connections keep under twice the p99 that they have
// alone; no test fails for them, since a busy machine changes them.
func TestSlowLoris(t *testing.T) {
	const slow, rounds, deliveries = 500, 3, 100
	ts := startServer(t, &fakeTemporal{forget: true}, withOptions(func(o *Options) {
		o.Logger = slog.New(slog.DiscardHandler)
		o.MaxConnections, o.PeerMaxConnections = DefaultMaxConnections, slow+1 // and the one that is kept
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
	besieged := func() time.Duration {
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
						_, _ = io.WriteString(conn, "x") // those that were cut fail
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
	alone, under := []time.Duration{p99()}, []time.Duration{besieged()}
	requireNoGrowth(t, 2<<20, func() {
		for range rounds - 1 {
			alone, under = append(alone, p99()), append(under, besieged())
		}
	})
	kept.CloseIdleConnections()
	slices.Sort(alone)
	slices.Sort(under)
	t.Logf("p99 of deliveries alone %v, beside %d slow connections %v", alone, slow, under)
}
