package workflows

import (
	"encoding/json"
	"fmt"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// receive takes every signal that has been delivered. A signal that cannot be read counts as "check
// again": it is an operator's typing error at worst, and is never dropped.
func (o *salesOrder) receive(ctx workflow.Context) {
	var raw converter.RawValue
	for o.nextSignal(&raw) {
		now := workflow.Now(ctx)
		got, err := readDeliveries(raw)
		raw = converter.RawValue{}
		if err != nil {
			workflow.GetLogger(ctx).Warn("a webhook-delivered signal is not a list of deliveries: taken as a plain check", "error", err)
		}
		if got.webhooks > 0 {
			o.state.Delivered(now, got.webhooks, got.accepted)
		}
		if got.missed != "" {
			o.state.Missed(now, got.missed)
		}
		if got.rulesDigest != "" {
			o.state.RulesChanged(got.rulesDigest)
		}
		if got.plain() {
			o.state.Asked()
		}
		o.deliveriesInRun += max(got.webhooks, 1)
	}
}

// signalContent is what a signal brings.
type signalContent struct {
	webhooks    int
	missed      string    // the newest version that the sweep found missed; empty if it found none
	rulesDigest string    // of the rule set in force, if another took over
	accepted    time.Time // when the ingress accepted the first of the webhooks; zero if unknown
}

// plain reports whether a person asks to check again, by a signal without content.
func (s *signalContent) plain() bool { return s.webhooks == 0 && s.missed == "" && s.rulesDigest == "" }

func (s *signalContent) priority() int {
	switch {
	case s.webhooks > 0:
		return ordercheck.PriorityWebhook
	case s.plain():
		return ordercheck.PriorityPerson
	default:
		return ordercheck.PrioritySweep
	}
}

// readDeliveries reads a signal.
func readDeliveries(raw converter.RawValue) (s signalContent, err error) {
	if raw.Payload() == nil {
		return s, nil
	}
	var deliveries []json.RawMessage
	if err := converter.GetDefaultDataConverter().FromPayload(raw.Payload(), &deliveries); err != nil {
		return s, fmt.Errorf("decode the signal: %w", err)
	}
	for _, entry := range deliveries {
		var d ordercheck.Delivery
		readable := json.Unmarshal(entry, &d) == nil
		if readable && d.Event == ordercheck.EventMissedWebhook {
			if version, ok := ordercheck.ParseVersion(d.OrderVersion); ok {
				s.missed = max(s.missed, version)
				continue
			}
		}
		if readable && d.Event == ordercheck.EventRulesChanged && d.RulesDigest != "" {
			s.rulesDigest = d.RulesDigest
			continue
		}
		s.webhooks++ // also what cannot be read
		if readable {
			s.accepted = orderlife.Earlier(s.accepted, d.ReceivedAt)
		}
	}
	return s, nil
}

// nextSignal returns the signals in the order in which they came, those overheard first.
func (o *salesOrder) nextSignal(raw *converter.RawValue) bool {
	if len(o.overheard) > 0 {
		*raw, o.overheard = o.overheard[0], o.overheard[1:]
		return true
	}
	return o.readSignal(raw)
}

// readSignal takes a signal from Temporal's channel, if one is to be read: see unreadSignals.
func (o *salesOrder) readSignal(raw *converter.RawValue) bool {
	if o.unreadSignals() == 0 {
		return false
	}
	if o.state.Cancellation == orderlife.CancelRequested {
		o.ownSignals--
	}
	return o.deliveries.ReceiveAsync(raw)
}

// unreadSignals counts the signals to read. Those that come after a cancellation are left until the
// hold has ended: they begin the order's next life.
func (o *salesOrder) unreadSignals() int {
	if o.state.Cancellation == orderlife.CancelRequested {
		return o.ownSignals
	}
	return o.deliveries.Len()
}

// overtaken reports whether somebody more urgent has asked than those the check in flight is for. It
// reads signals without receiving them; receive takes them later, in their order.
func (o *salesOrder) overtaken() bool {
	overtaken := o.state.Outbid()
	var raw converter.RawValue
	for o.readSignal(&raw) {
		o.overheard = append(o.overheard, raw)
		raw = converter.RawValue{}
	}
	for _, signal := range o.overheard {
		got, _ := readDeliveries(signal)
		overtaken = overtaken || got.priority() < o.state.InFlight.Priority
	}
	return overtaken
}
