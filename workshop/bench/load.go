package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/ordersignal"
)

// operation makes one delivery. n counts the deliveries of a load.
type operation func(ctx context.Context, n int) error

// measured is the result of a load.
type measured struct {
	perSecond float64
	p50, p99  float64 // milliseconds
}

// load runs an operation from several senders for some time. Each sender waits for its answer
// before it sends again. The first failure ends the load, because failures are often fast.
func load(ctx context.Context, senders int, lasting time.Duration, do operation) (measured, error) {
	var (
		next      atomic.Int64
		mu        sync.Mutex
		latencies []float64
		failed    error
		sending   sync.WaitGroup
	)
	began := time.Now()
	for range senders {
		sending.Go(func() {
			var mine []float64
			var err error
			for time.Since(began) < lasting && err == nil {
				sent := time.Now()
				err = do(ctx, int(next.Add(1)))
				mine = append(mine, milliseconds(time.Since(sent)))
			}
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, mine...)
			failed = errors.Join(failed, err)
		})
	}
	sending.Wait()
	took := time.Since(began)
	return measured{
		perSecond: float64(len(latencies)) / took.Seconds(),
		p50:       quantile(latencies, .5), p99: quantile(latencies, .99),
	}, failed
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func quantile(list []float64, q float64) float64 {
	if len(list) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// sender posts deliveries, over connections that it keeps.
type sender struct {
	url    string
	client *http.Client
	key    inflow.SigningKey
	peer   string // the address in X-Forwarded-For
	want   int    // the status that a delivery must get
}

func newSender(url string) (*sender, error) {
	keys, err := inflow.ParseSecrets(secret)
	if err != nil {
		return nil, err
	}
	return &sender{
		url: url, key: keys[0], want: http.StatusOK, peer: "203.0.113.1",
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256},
			Timeout: 30 * time.Second},
	}, nil
}

// forger returns a sender that signs with a wrong secret.
func (s *sender) forger() (*sender, error) {
	keys, err := inflow.ParseSecrets("another-secret-than-the-right-one")
	if err != nil {
		return nil, err
	}
	forger := *s
	forger.key, forger.want, forger.peer = keys[0], http.StatusUnauthorized, "203.0.113.2"
	return &forger, nil
}

func (s *sender) deliver(ctx context.Context, salesOrderID string) error {
	body, err := inflow.NewWebhookBody(inflow.FormDocumented, event, salesOrderID, time.Now())
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(inflow.SignatureHeader, inflow.Sign(s.key, body))
	request.Header.Set("X-Forwarded-For", s.peer)
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != s.want {
		return fmt.Errorf("answered %s, want %d", response.Status, s.want)
	}
	return nil
}

const event = "salesOrder.updated"

// signalOrder makes the same call to Temporal that the gate makes for a single order.
func signalOrder(ctx context.Context, t ordersignal.Temporal, salesOrderID string) error {
	now := time.Now().UTC()
	return ordersignal.Send(ctx, t, salesOrderID, ordercheck.PriorityWebhook,
		[]ordercheck.Delivery{{Event: event, OccurredAt: now.Format(time.RFC3339), ReceivedAt: now}})
}

// distinct returns a function that returns a new order for each delivery.
func distinct() func(n int) string {
	return func(int) string { return uuid.NewString() }
}

// among returns a load whose deliveries cycle through a number of orders.
func among(orders int) func() func(n int) string {
	return func() func(n int) string {
		ids := make([]string, orders)
		for i := range ids {
			ids[i] = uuid.NewString()
		}
		return func(n int) string { return ids[n%orders] }
	}
}

// oneHot returns a function that returns the same order for every second delivery, and a new order
// for each of the others.
func oneHot() func(n int) string {
	hot := uuid.NewString()
	return func(n int) string {
		if n%2 == 0 {
			return hot
		}
		return uuid.NewString()
	}
}
