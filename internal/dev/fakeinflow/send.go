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
	"time"
)

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

// wait makes a delivery ready after a delay.
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

// stopWaiting makes a delivery ready if it is waiting.
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

// dispatch sends the deliveries that are ready, up to the limit of deliveries in flight.
func (s *Server) dispatch(l *lane) {
	for l.active < s.options.DeliveriesAtOnce && len(l.ready) > 0 {
		out := l.ready[0]
		l.ready[0] = nil
		l.ready = l.ready[1:]
		l.active++
		s.running.Go(func() { s.send(l, out) })
	}
}

// send makes one attempt. If that fails and retries remain, the next one follows after its delay.
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
	case s.stopping.Err() != nil || s.findSubscription(out.SubscriptionID) < 0:
		s.end(out, DeliveryGivenUp)
	case tried > len(s.options.RetryDelays):
		s.logAttempt(out, attempt)
		s.end(out, DeliveryGivenUp)
		l.failed++
		s.switchOff(l, out.SubscriptionID)
	default:
		s.logAttempt(out, attempt)
		delay := s.options.RetryDelays[tried-1]
		jitter := rand.Float64() * s.options.RetryJitter * float64(delay) //nolint:gosec // no secret
		s.wait(out, delay+time.Duration(jitter))
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

// switchOff turns a subscription off if too many deliveries in a row were given up.
func (s *Server) switchOff(l *lane, subscriptionID string) {
	i := s.findSubscription(subscriptionID)
	limit := s.options.SwitchOffAfter
	if limit == 0 || l.failed < limit || i < 0 || s.subscriptions[i].off {
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

// giveUp ends deliveries that are ready or waiting. Attempts in flight continue.
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

// unsubscribed gives up the deliveries of a deleted subscription.
func (s *Server) unsubscribed(sub *subscription) {
	s.giveUp(func(out *outgoing) bool { return out.SubscriptionID == sub.id })
	delete(s.deliveries.lanes, sub.id)
}

// attempt sends a delivery once. It fails, as in InFlow, if the answer is not 2xx, takes too long,
// or is cut off.
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

func (s *Server) post(
	ctx context.Context, target string, body []byte, secret string,
) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("x-inflow-hmac-sha256", signature(secret, body))
	resp, err := s.client.Do(req)
	if err != nil {
		var failed *url.Error // its text would repeat the URL
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

// signature signs as InFlow's documentation describes. The key is the text of the secret in UTF-8,
// although the secret looks like base64.
func signature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body) // never fails: hash.Hash
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
