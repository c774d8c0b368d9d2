package fakeinflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// DefaultDeliveriesAtOnce is the default of [Options.DeliveriesAtOnce].
const DefaultDeliveriesAtOnce = 32

// DefaultRetryDelays are the default of [Options.RetryDelays]: immediately, then with exponential
// backoff, for about five minutes.
func DefaultRetryDelays() []time.Duration {
	delays := []time.Duration{0}
	for d := 5 * time.Second; d <= 160*time.Second; d *= 2 {
		delays = append(delays, d)
	}
	return delays
}

// DeliveryState is the state of a [Delivery].
type DeliveryState string

// The states of a delivery.
const (
	DeliveryPending   DeliveryState = "pending"   // has not ended
	DeliveryDelivered DeliveryState = "delivered" // answered with 2xx
	DeliveryGivenUp   DeliveryState = "given up"  // every attempt failed, or its subscription ended
	DeliveryLost      DeliveryState = "lost"      // not sent, because of a fault
)

// Delivery is a webhook for one subscriber.
type Delivery struct {
	Number         int    `json:"number"` // counts from 1
	SubscriptionID string `json:"webHookSubscriptionId"`
	URL            string `json:"url"`
	Event          string `json:"event"`
	// SalesOrderID is set for events of sales orders, EntityID for every event.
	SalesOrderID string `json:"salesOrderId,omitempty"`
	EntityID     string `json:"entityId"`
	// OrderVersion is the version of the order, or of another entity, at HappenedAt.
	OrderVersion string        `json:"orderVersion"`
	HappenedAt   time.Time     `json:"happenedAt"`
	Body         string        `json:"body"`
	State        DeliveryState `json:"state"`
	Attempts     []Attempt     `json:"attempts"`
}

// Attempt is a request that tries to make a [Delivery].
type Attempt struct {
	Start  time.Time `json:"start"`
	End    time.Time `json:"end"`
	Status int       `json:"status,omitempty"` // 0 if there was no answer
	Error  string    `json:"error,omitempty"`
}

// DeliveryFault makes deliveries go wrong. Faults wait in a queue, and a delivery meets the first
// one that matches it.
type DeliveryFault struct {
	// SalesOrderID that it matches; empty matches every order.
	SalesOrderID string
	// Every is N if one in N matching deliveries meets the fault; 0 means that each one does.
	Every int
	// Times is the number of deliveries that meet the fault before it ends; 0 means no limit. See
	// also [Server.ClearFaults].
	Times int

	// Lost deliveries are never sent.
	Lost bool
	// Doubled deliveries are sent twice at the same time.
	Doubled bool
	// Delay is the wait before the first attempt.
	Delay time.Duration
	// Reordered deliveries wait until the next one to the same subscriber has been attempted. They
	// wait at most for Delay, or for 5 seconds if Delay is 0.
	Reordered bool
}

const maxHold = 5 * time.Second

func (f *DeliveryFault) validate() error {
	var wrong []error
	if f.Every < 0 || f.Times < 0 || f.Delay < 0 {
		wrong = append(wrong, errors.New("every, times and delay cannot be negative"))
	}
	if !f.Lost && !f.Doubled && !f.Reordered && f.Delay == 0 {
		wrong = append(wrong,
			errors.New("it changes nothing: set lost, doubled, delay or reordered"))
	}
	if f.Lost && (f.Doubled || f.Reordered || f.Delay > 0) {
		wrong = append(wrong,
			errors.New("lost is never sent: set it, or doubled, delay and reordered"))
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
	s.deliveries.faults.add(fault, fault.Every, fault.Times)
	return nil
}

// deliveries holds all deliveries, in flight and ended. The server's mutex guards it.
type deliveries struct {
	log    []*Delivery
	last   int // number of the latest delivery
	faults faultQueue[DeliveryFault]
	lanes  map[string]*lane // by the id of the subscription
	// waiting has the deliveries whose delay has not passed.
	waiting map[*outgoing]struct{}
	// pending counts deliveries that have not ended. idle is closed while there are none.
	pending int
	idle    chan struct{}
}

// lane has the deliveries to one subscription. Several are in flight at a time, as with a real
// sender.
type lane struct {
	ready  []*outgoing
	active int         // in flight
	held   []*outgoing // waiting for the next delivery to be attempted
	failed int         // deliveries given up since the last success
}

// outgoing is a delivery that has not ended. It is ready, in flight or waiting.
type outgoing struct {
	*Delivery
	subscription *subscription
	overtaken    []*outgoing // held until this one was attempted
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
	return d.faults.take(func(f DeliveryFault) bool {
		return f.SalesOrderID == "" || strings.EqualFold(f.SalesOrderID, salesOrderID)
	})
}

// Deliveries lists the deliveries in the order of their events: all that have not ended, and at
// least the latest 100,000 others.
func (s *Server) Deliveries() []Delivery { return s.latestDeliveries(-1) }

// latestDeliveries returns the last n deliveries, or all if n is negative.
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

// WaitIdle waits until every delivery has ended.
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

// announce makes a delivery to each subscriber of a change. The caller holds the mutex, so the
// numbers of deliveries have the order of the versions.
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
			Number: s.deliveries.last, SubscriptionID: sub.id, URL: sub.url, Event: event,
			SalesOrderID: salesOrderID, EntityID: about.id, OrderVersion: about.text("timestamp"),
			HappenedAt: now, Body: body, State: DeliveryPending, Attempts: []Attempt{},
		}
		s.logDelivery(delivery)
		if fault.Lost || s.stopping.Err() != nil {
			delivery.State = DeliveryLost
			continue
		}
		s.start(&outgoing{Delivery: delivery, subscription: sub}, fault)
	}
}

// logDelivery appends a delivery to the log. If the log has 2*maxLog entries, it first drops the
// older half, except deliveries that have not ended.
func (s *Server) logDelivery(delivery *Delivery) {
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
