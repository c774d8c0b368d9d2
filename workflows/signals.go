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

// receive reports every delivered signal to the state. A malformed signal is never dropped, but
// counts as "check again": most likely, an operator made a typing error.
func (o *salesOrder) receive(ctx workflow.Context) {
	var raw converter.RawValue
	for o.nextSignal(&raw) {
		now := workflow.Now(ctx)
		got, err := readDeliveries(raw)
		raw = converter.RawValue{}
		if err != nil {
			workflow.GetLogger(ctx).Warn(
				"a webhook-delivered signal is not a list of deliveries; taking it as a plain check",
				"error", err)
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
		if got.resumed {
			o.state.MarksResumed()
		}
		if got.plain() {
			o.state.Asked()
		}
		o.deliveriesInRun += max(got.webhooks, 1)
	}
}

// signalContent is the content of one signal.
type signalContent struct {
	webhooks    int
	missed      string    // newest version that the sweep found missed; empty if none
	rulesDigest string    // of the rule set that took over, if any
	resumed     bool      // hold marks are on again
	accepted    time.Time // when the ingress accepted the first webhook; zero if unknown
}

// plain reports whether the signal is empty: a person asks to check again.
func (s *signalContent) plain() bool {
	return s.webhooks == 0 && s.missed == "" && s.rulesDigest == "" && !s.resumed
}

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

// readDeliveries decodes a signal. An entry that cannot be decoded counts as a webhook.
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
		if readable && d.Event == ordercheck.EventMarksResumed {
			s.resumed = true
			continue
		}
		s.webhooks++
		if readable {
			s.accepted = orderlife.Earlier(s.accepted, d.ReceivedAt)
		}
	}
	return s, nil
}

// nextSignal returns the next signal in the order of arrival. shouldPreempt may have read it
// already.
func (o *salesOrder) nextSignal(raw *converter.RawValue) bool {
	if len(o.peeked) > 0 {
		*raw, o.peeked = o.peeked[0], o.peeked[1:]
		return true
	}
	return o.readSignal(raw)
}

// readSignal takes a signal from Temporal's channel, if unreadSignals counts any.
func (o *salesOrder) readSignal(raw *converter.RawValue) bool {
	if o.unreadSignals() == 0 {
		return false
	}
	if o.state.Cancellation == orderlife.CancelRequested {
		o.ownSignals--
	}
	return o.deliveries.ReceiveAsync(raw)
}

// unreadSignals counts the signals to read. Signals after a cancellation wait until the hold has
// ended, because they begin the order's next life.
func (o *salesOrder) unreadSignals() int {
	if o.state.Cancellation == orderlife.CancelRequested {
		return o.ownSignals
	}
	return o.deliveries.Len()
}

// shouldPreempt reports whether a check with a higher priority than the one in flight is due. It
// only peeks at signals: receive reports them to the state later, in order.
func (o *salesOrder) shouldPreempt() bool {
	should := o.state.ShouldPreempt()
	var raw converter.RawValue
	for o.readSignal(&raw) {
		o.peeked = append(o.peeked, raw)
		raw = converter.RawValue{}
	}
	for _, signal := range o.peeked {
		got, _ := readDeliveries(signal)
		should = should || got.priority() < o.state.InFlight.Priority
	}
	return should
}
