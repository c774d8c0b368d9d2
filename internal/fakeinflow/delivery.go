package fakeinflow

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// PayloadForm is the form of a webhook's body.
type PayloadForm string

// The forms of a webhook's body.
const (
	// PayloadAsSubscribed is the documented form for events subscribed to under their
	// documented names, and the live form for the others.
	PayloadAsSubscribed PayloadForm = ""
	// PayloadDocumented is {"event":"salesOrder.updated","data":{"salesOrderId":"…"},"timestamp":"…"}.
	PayloadDocumented PayloadForm = "documented"
	// PayloadLive is {"eventType":"SalesOrderUpdatedV1","salesOrderId":"…"}; by turns an
	// update is a SalesOrderUpdatedV2, and two without a timestamp follow two with one.
	PayloadLive PayloadForm = "live"
	// PayloadAlternate is the documented and the live form by turns.
	PayloadAlternate PayloadForm = "alternate"
)

// ParsePayloadForm reads the name of a form.
func ParsePayloadForm(name string) (PayloadForm, error) {
	switch form := PayloadForm(name); form {
	case PayloadAsSubscribed, PayloadDocumented, PayloadLive, PayloadAlternate:
		return form, nil
	}
	return "", fmt.Errorf("the payload form %q is none of documented, live, alternate", name)
}

// DefaultRetryDelays are those of [Options]: at once, then exponential, for about five minutes.
func DefaultRetryDelays() []time.Duration {
	return []time.Duration{0, 5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second}
}

// DeliveryState is how far a delivery has come.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryPending   DeliveryState = "pending"   // an attempt is under way or to come
	DeliveryDelivered DeliveryState = "delivered" // answered with 2xx
	DeliveryGivenUp   DeliveryState = "given up"  // every attempt failed
	DeliveryLost      DeliveryState = "lost"      // by a fault, without an attempt
)

// Delivery is one webhook to one subscriber.
type Delivery struct {
	Number         int           `json:"number"` // from 1
	SubscriptionID string        `json:"webHookSubscriptionId"`
	URL            string        `json:"url"`
	Event          string        `json:"event"`
	SalesOrderID   string        `json:"salesOrderId"`
	OrderVersion   string        `json:"orderVersion"` // that the order had when it happened
	Body           string        `json:"body"`
	State          DeliveryState `json:"state"`
	Attempts       []Attempt     `json:"attempts"`
}

// Attempt is one request of a [Delivery].
type Attempt struct {
	Start  time.Time `json:"start"`
	End    time.Time `json:"end"`
	Status int       `json:"status,omitempty"` // 0 where there was no answer
	Error  string    `json:"error,omitempty"`
}

// DeliveryFault makes deliveries go wrong. Faults stand in a queue: a delivery meets the
// first that fits it.
type DeliveryFault struct {
	// SalesOrderID it fits; empty fits every order.
	SalesOrderID string
	// Times it is met before it ends; 0 is until [Server.ClearFaults].
	Times int

	// Lost is never sent.
	Lost bool
	// Doubled is sent twice at once.
	Doubled bool
	// Delay before the first attempt.
	Delay time.Duration
	// Reordered waits for the next delivery to the same subscriber to be attempted, for
	// Delay at most, or 5 seconds where that is 0.
	Reordered bool
}

const maxHold = 5 * time.Second

// SetDeliveryFault appends a fault to the queue.
func (s *Server) SetDeliveryFault(fault DeliveryFault) error {
	switch {
	case fault.Times < 0 || fault.Delay < 0:
		return errors.New("fake InFlow: delivery fault: times and delay cannot be negative")
	case !fault.Lost && !fault.Doubled && !fault.Reordered && fault.Delay == 0:
		return errors.New("fake InFlow: delivery fault: it changes nothing: set lost, doubled, delay or reordered")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deliveries.faults = append(s.deliveries.faults, &fault)
	return nil
}

// deliveries are those made and under way. The server's mutex guards them.
type deliveries struct {
	log    []*Delivery
	last   int // number of the latest
	faults []*DeliveryFault
	// held wait for the next delivery to the same subscription, by its id.
	held map[string][]chan struct{}
	// pending counts those that have not ended. idle is closed while there are none.
	pending int
	idle    chan struct{}
}

func newDeliveries() deliveries {
	idle := make(chan struct{})
	close(idle)
	return deliveries{held: map[string][]chan struct{}{}, idle: idle}
}

func (d *deliveries) takeFault(salesOrderID string) DeliveryFault {
	for i, fault := range d.faults {
		if fault.SalesOrderID != "" && !strings.EqualFold(fault.SalesOrderID, salesOrderID) {
			continue
		}
		met := *fault
		if fault.Times > 0 {
			if fault.Times--; fault.Times == 0 {
				d.faults = slices.Delete(d.faults, i, i+1)
			}
		}
		return met
	}
	return DeliveryFault{}
}

// Deliveries lists the deliveries in the order in which they were caused: those under way,
// and of the others the latest 100,000 at least.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Delivery, len(s.deliveries.log))
	for i, delivery := range s.deliveries.log {
		list[i] = *delivery
		list[i].Attempts = slices.Clone(delivery.Attempts)
	}
	return list
}

// WaitIdle waits until no delivery is under way or to come.
func (s *Server) WaitIdle(ctx context.Context) error {
	s.mu.Lock()
	idle := s.deliveries.idle
	s.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("fake InFlow: wait until every delivery has ended: %w", ctx.Err())
	}
}

// announce tells the subscribers what happened to an order. The caller holds the mutex,
// so that deliveries are numbered as the order's versions are.
func (s *Server) announce(what happening, o *order) {
	now := s.options.Clock()
	for _, sub := range s.subscriptions {
		if name := sub.match(what); name != "" {
			s.enqueue(sub, what, name, o, now)
		}
	}
}

func (s *Server) enqueue(sub *subscription, what happening, name string, o *order, now time.Time) {
	fault := s.deliveries.takeFault(o.id)
	event, body := payload(s.options.PayloadForm, what, name, s.deliveries.last+1, o.id, now)
	copies := 1
	if fault.Doubled {
		copies = 2
	}
	for range copies {
		s.deliveries.last++
		delivery := &Delivery{
			Number: s.deliveries.last, SubscriptionID: sub.id, URL: sub.url, Event: event,
			SalesOrderID: o.id, OrderVersion: o.text("timestamp"), Body: string(body), State: DeliveryPending, Attempts: []Attempt{},
		}
		s.remember(delivery)
		if fault.Lost {
			delivery.State = DeliveryLost
			continue
		}
		s.start(delivery, sub, fault)
	}
}

// remember bounds the log, without those under way.
func (s *Server) remember(delivery *Delivery) {
	d := &s.deliveries
	if len(d.log) >= 2*maxLog {
		excess := len(d.log) - maxLog
		d.log = slices.DeleteFunc(d.log, func(old *Delivery) bool {
			ended := excess > 0 && old.State != DeliveryPending
			if ended {
				excess--
			}
			return ended
		})
	}
	d.log = append(d.log, delivery)
}

func (s *Server) start(delivery *Delivery, sub *subscription, fault DeliveryFault) {
	d := &s.deliveries
	if s.stopping.Err() != nil {
		delivery.State = DeliveryLost
		return
	}
	if d.pending == 0 {
		d.idle = make(chan struct{})
	}
	d.pending++
	var hold chan struct{}
	var overtaken []chan struct{}
	if fault.Reordered {
		hold = make(chan struct{})
		d.held[sub.id] = append(d.held[sub.id], hold)
	} else {
		overtaken = d.held[sub.id]
		delete(d.held, sub.id)
	}
	s.running.Go(func() {
		defer s.ended()
		s.waitForTurn(fault, hold)
		s.deliver(delivery, sub.secret, overtaken)
	})
}

func (s *Server) ended() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deliveries.pending--; s.deliveries.pending == 0 {
		close(s.deliveries.idle)
	}
}

func (s *Server) waitForTurn(fault DeliveryFault, hold <-chan struct{}) {
	delay := fault.Delay
	if hold != nil && delay == 0 {
		delay = maxHold
	}
	if delay == 0 {
		return
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-hold: // nil, and so never, unless it is held
	case <-timer.C:
	case <-s.stopping.Done():
	}
}

// deliver makes attempts until one is answered with 2xx, or there are no more. Those that
// it overtakes are let go after its first.
func (s *Server) deliver(delivery *Delivery, secret string, overtaken []chan struct{}) {
	state := DeliveryGivenUp
	for i := 0; i <= len(s.options.RetryDelays); i++ {
		if i > 0 {
			pause(s.stopping, s.stopping, s.options.RetryDelays[i-1])
		}
		if s.stopping.Err() != nil {
			break
		}
		attempt := s.attempt(delivery, secret)
		s.mu.Lock()
		delivery.Attempts = append(delivery.Attempts, attempt)
		s.mu.Unlock()
		for _, hold := range overtaken {
			close(hold)
		}
		overtaken = nil
		if attempt.Error == "" {
			state = DeliveryDelivered
			break
		}
		s.logger.WarnContext(s.stopping, "a delivery failed", "delivery", delivery.Number, "event", delivery.Event,
			"salesOrderId", delivery.SalesOrderID, "attempt", i+1, "error", attempt.Error)
	}
	s.mu.Lock()
	delivery.State = state
	s.mu.Unlock()
	s.logger.InfoContext(s.stopping, "a delivery ended", "delivery", delivery.Number, "event", delivery.Event,
		"salesOrderId", delivery.SalesOrderID, "state", string(state))
}

// attempt fails where the answer is not 2xx, takes too long, or is cut: as InFlow has it.
func (s *Server) attempt(delivery *Delivery, secret string) Attempt {
	ctx, cancel := context.WithTimeout(s.stopping, s.options.DeliveryTimeout)
	defer cancel()
	attempt := Attempt{Start: time.Now()}
	status, err := s.post(ctx, delivery.URL, []byte(delivery.Body), secret)
	attempt.End, attempt.Status = time.Now(), status
	switch {
	case err != nil:
		attempt.Error = err.Error()
	case status < 200 || status > 299:
		attempt.Error = fmt.Sprintf("answered with %d", status)
	}
	return attempt
}

func (s *Server) post(ctx context.Context, target string, body []byte, secret string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("x-inflow-hmac-sha256", signature(secret, body))
	resp, err := s.client.Do(req)
	if err != nil {
		var failed *url.Error // the delivery has the URL
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)); err != nil {
		return resp.StatusCode, fmt.Errorf("the answer was cut: %w", err)
	}
	return resp.StatusCode, nil
}

// signature is what InFlow's documentation describes: the key is the secret's text in
// UTF-8, though it looks like base64.
func signature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body) // never fails: hash.Hash
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

type documentedPayload struct {
	Event string `json:"event"`
	Data  struct {
		SalesOrderID string `json:"salesOrderId"`
	} `json:"data"`
	Timestamp string `json:"timestamp"`
}

type livePayload struct {
	EventType    string `json:"eventType"`
	SalesOrderID string `json:"salesOrderId"`
	Timestamp    string `json:"timestamp,omitempty"`
}

// payload is a webhook's body, and the name of its event. name is the subscription's, and
// number the delivery's.
func payload(form PayloadForm, what happening, name string, number int, salesOrderID string, now time.Time) (event string, body []byte) {
	documented, live := eventNames[what][0], eventNames[what][1:]
	timestamp := now.UTC().Format(time.RFC3339)
	turn := number - 1
	switch form {
	case PayloadLive:
		event = live[turn%len(live)]
	case PayloadAlternate:
		event = documented
		if turn%2 == 1 {
			turn /= 2
			event = live[turn%len(live)]
		}
	case PayloadAsSubscribed:
		event = name
	default:
		event = documented
	}
	var value any
	if event == documented {
		sent := documentedPayload{Event: event, Timestamp: timestamp}
		sent.Data.SalesOrderID = salesOrderID
		value = sent
	} else {
		sent := livePayload{EventType: event, SalesOrderID: salesOrderID}
		if turn/2%2 == 1 {
			sent.Timestamp = timestamp
		}
		value = sent
	}
	body, err := json.Marshal(value)
	if err != nil {
		body = []byte("{}") // structs of strings always marshal
	}
	return event, body
}
