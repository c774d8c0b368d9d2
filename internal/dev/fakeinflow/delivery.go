package fakeinflow

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// DefaultDeliveriesAtOnce is that of [Options].
const DefaultDeliveriesAtOnce = 32

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
	DeliveryGivenUp   DeliveryState = "given up"  // every attempt failed, or its subscription ended
	DeliveryLost      DeliveryState = "lost"      // by a fault, without an attempt
)

// Delivery is one webhook to one subscriber.
type Delivery struct {
	Number         int    `json:"number"` // from 1
	SubscriptionID string `json:"webHookSubscriptionId"`
	URL            string `json:"url"`
	Event          string `json:"event"`
	// SalesOrderID is set for the events of sales orders, EntityID for every event.
	SalesOrderID string `json:"salesOrderId,omitempty"`
	EntityID     string `json:"entityId"`
	// OrderVersion is that of the order, or of another entity, when it happened.
	OrderVersion string        `json:"orderVersion"`
	HappenedAt   time.Time     `json:"happenedAt"`
	Body         string        `json:"body"`
	State        DeliveryState `json:"state"`
	Attempts     []Attempt     `json:"attempts"`
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
	// Every lets others pass: 5 is met by each fifth delivery that it fits; 0 by each.
	Every int
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

	fitted int // how many deliveries it fitted
}

const maxHold = 5 * time.Second

func (f *DeliveryFault) validate() error {
	var wrong []error
	if f.Every < 0 || f.Times < 0 || f.Delay < 0 {
		wrong = append(wrong, errors.New("every, times and delay cannot be negative"))
	}
	if !f.Lost && !f.Doubled && !f.Reordered && f.Delay == 0 {
		wrong = append(wrong, errors.New("it changes nothing: set lost, doubled, delay or reordered"))
	}
	if f.Lost && (f.Doubled || f.Reordered || f.Delay > 0) {
		wrong = append(wrong, errors.New("lost is never sent: set it, or doubled, delay and reordered"))
	}
	if len(wrong) > 0 {
		return fmt.Errorf("delivery fault: %w", errors.Join(wrong...))
	}
	return nil
}

// SetDeliveryFault appends a fault to the queue.
func (s *Server) SetDeliveryFault(fault DeliveryFault) error {
	if err := fault.validate(); err != nil {
		return fmt.Errorf("fake InFlow: %w", err)
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
	lanes  map[string]*lane // by the id of the subscription
	// waiting are those whose time has not come.
	waiting map[*outgoing]struct{}
	// pending counts those that have not ended. idle is closed while there are none.
	pending int
	idle    chan struct{}
}

// lane is the way to one subscription: a number of requests at once, as a real sender
// has it, so that a burst finds its receiver no slower than it is.
type lane struct {
	ready  []*outgoing
	active int
	held   []*outgoing // until the next delivery is attempted, or their time comes
	failed int         // given up since the last that was delivered
}

// outgoing is a delivery that has not ended. It is in its lane's ready, or active, or waiting.
type outgoing struct {
	*Delivery
	subscription *subscription
	overtaken    []*outgoing // let go after the next attempt
	timer        *time.Timer // while it waits
}

func newDeliveries() deliveries {
	idle := make(chan struct{})
	close(idle)
	return deliveries{lanes: map[string]*lane{}, waiting: map[*outgoing]struct{}{}, idle: idle}
}

func (d *deliveries) lane(subscriptionID string) *lane {
	l := d.lanes[subscriptionID]
	if l == nil {
		l = &lane{}
		d.lanes[subscriptionID] = l
	}
	return l
}

func (d *deliveries) takeFault(salesOrderID string) DeliveryFault {
	for i, fault := range d.faults {
		if fault.SalesOrderID != "" && !strings.EqualFold(fault.SalesOrderID, salesOrderID) {
			continue
		}
		if fault.fitted++; fault.Every > 1 && fault.fitted%fault.Every != 0 {
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
func (s *Server) Deliveries() []Delivery { return s.latestDeliveries(-1) }

// latestDeliveries is the end of the log, or all of it where n is negative.
func (s *Server) latestDeliveries(n int) []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := latest(s.deliveries.log, n)
	list := make([]Delivery, len(log))
	for i, delivery := range log {
		list[i] = *delivery
		list[i].Attempts = slices.Clone(delivery.Attempts)
	}
	return list
}

func latest[T any](log []T, n int) []T {
	if n < 0 {
		return log
	}
	return log[max(0, len(log)-n):]
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

// announce tells the subscribers what happened. The caller holds the mutex, so that
// deliveries are numbered as versions are.
func (s *Server) announce(changes []change) {
	now := s.options.Clock()
	for _, change := range changes {
		for _, sub := range s.subscriptions {
			if name := sub.match(change.record.kind, change.what); name != "" && !sub.off {
				s.enqueue(sub, change, name, now)
			}
		}
	}
}

func (s *Server) enqueue(sub *subscription, change change, name string, now time.Time) {
	about := change.record
	salesOrderID := ""
	if about.kind == kindSalesOrder {
		salesOrderID = about.id
	}
	fault := s.deliveries.takeFault(salesOrderID)
	event, body := payload(s.options.PayloadForm, change, name, s.deliveries.last+1, now)
	copies := 1
	if fault.Doubled {
		copies = 2
	}
	for range copies {
		s.deliveries.last++
		delivery := &Delivery{
			Number: s.deliveries.last, SubscriptionID: sub.id, URL: sub.url, Event: event, SalesOrderID: salesOrderID, EntityID: about.id,
			OrderVersion: about.text("timestamp"), HappenedAt: now, Body: body, State: DeliveryPending, Attempts: []Attempt{},
		}
		s.remember(delivery)
		if fault.Lost || s.stopping.Err() != nil {
			delivery.State = DeliveryLost
			continue
		}
		s.start(&outgoing{Delivery: delivery, subscription: sub}, fault)
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

func (s *Server) start(out *outgoing, fault DeliveryFault) {
	d := &s.deliveries
	if d.pending == 0 {
		d.idle = make(chan struct{})
	}
	d.pending++
	lane := d.lane(out.SubscriptionID)
	if fault.Reordered {
		lane.held = append(lane.held, out)
		s.wait(out, cmp.Or(fault.Delay, maxHold))
		return
	}
	out.overtaken, lane.held = lane.held, nil
	s.wait(out, fault.Delay)
}

// wait makes a delivery ready after the delay.
func (s *Server) wait(out *outgoing, delay time.Duration) {
	d := &s.deliveries
	if delay <= 0 {
		lane := d.lane(out.SubscriptionID)
		lane.ready = append(lane.ready, out)
		s.dispatch(lane)
		return
	}
	d.waiting[out] = struct{}{}
	out.timer = time.AfterFunc(delay, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stopWaiting(out)
	})
}

// stopWaiting makes a delivery ready that waits, and does nothing to another.
func (s *Server) stopWaiting(out *outgoing) {
	d := &s.deliveries
	if _, waits := d.waiting[out]; !waits {
		return
	}
	delete(d.waiting, out)
	out.timer.Stop()
	lane := d.lane(out.SubscriptionID)
	lane.held = slices.DeleteFunc(lane.held, func(held *outgoing) bool { return held == out })
	s.wait(out, 0)
}

// dispatch sends what is ready, as much at once as is allowed.
func (s *Server) dispatch(l *lane) {
	for l.active < s.options.DeliveriesAtOnce && len(l.ready) > 0 {
		out := l.ready[0]
		l.ready[0] = nil
		l.ready = l.ready[1:]
		l.active++
		s.running.Go(func() { s.send(l, out) })
	}
}

// send makes one attempt. Where it failed, another follows after its delay, unless there
// were enough.
func (s *Server) send(l *lane, out *outgoing) {
	attempt := s.attempt(out.Delivery, out.subscription.secret)
	s.mu.Lock()
	defer s.mu.Unlock()
	l.active--
	out.Attempts = append(out.Attempts, attempt)
	for _, held := range out.overtaken {
		s.stopWaiting(held)
	}
	out.overtaken = nil
	tried := len(out.Attempts)
	switch {
	case attempt.Error == "":
		l.failed = 0
		s.end(out, DeliveryDelivered)
	case s.stopping.Err() != nil || !slices.ContainsFunc(s.subscriptions, func(sub *subscription) bool { return sub.id == out.SubscriptionID }):
		s.end(out, DeliveryGivenUp)
	case tried > len(s.options.RetryDelays):
		s.logAttempt(out, attempt)
		s.end(out, DeliveryGivenUp)
		l.failed++
		s.switchOff(l, out.SubscriptionID)
	default:
		s.logAttempt(out, attempt)
		delay := s.options.RetryDelays[tried-1]
		s.wait(out, delay+time.Duration(rand.Float64()*s.options.RetryJitter*float64(delay))) //nolint:gosec // no secret
	}
	s.dispatch(l)
}

func (s *Server) logAttempt(out *outgoing, attempt Attempt) {
	s.logger.WarnContext(s.stopping, "a delivery failed", "delivery", out.Number, "event", out.Event,
		"entityId", out.EntityID, "attempt", len(out.Attempts), "error", attempt.Error)
}

func (s *Server) end(out *outgoing, state DeliveryState) {
	d := &s.deliveries
	out.State = state
	s.logger.InfoContext(s.stopping, "a delivery ended", "delivery", out.Number, "event", out.Event,
		"entityId", out.EntityID, "state", string(state))
	if d.pending--; d.pending == 0 {
		close(d.idle)
	}
}

// switchOff ends a subscription's deliveries where too many in a row were given up.
func (s *Server) switchOff(l *lane, subscriptionID string) {
	i := s.findSubscription(subscriptionID)
	if s.options.SwitchOffAfter == 0 || l.failed < s.options.SwitchOffAfter || i < 0 || s.subscriptions[i].off {
		return
	}
	off := *s.subscriptions[i]
	off.off = true
	s.subscriptions[i] = &off
	s.changed()
	s.logger.WarnContext(s.stopping, "a subscription was switched off: PUT it again to switch it on",
		"webHookSubscriptionId", subscriptionID, "givenUp", l.failed)
	s.giveUp(func(out *outgoing) bool { return out.SubscriptionID == subscriptionID })
	l.failed = 0
}

// giveUp ends the deliveries that are ready or waiting. Those under way have their answer.
func (s *Server) giveUp(which func(*outgoing) bool) {
	d := &s.deliveries
	for out := range d.waiting {
		if which(out) {
			out.timer.Stop()
			delete(d.waiting, out)
			s.end(out, DeliveryGivenUp)
		}
	}
	for _, l := range d.lanes {
		l.ready = slices.DeleteFunc(l.ready, func(out *outgoing) bool {
			if !which(out) {
				return false
			}
			s.end(out, DeliveryGivenUp)
			return true
		})
		l.held = slices.DeleteFunc(l.held, which)
	}
}

// unsubscribed ends the deliveries of a subscription that is deleted.
func (s *Server) unsubscribed(sub *subscription) {
	s.giveUp(func(out *outgoing) bool { return out.SubscriptionID == sub.id })
	delete(s.deliveries.lanes, sub.id)
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
