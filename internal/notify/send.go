package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	gomail "github.com/wneessen/go-mail"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Send sends a notice to one target. The error is an [*Error]. If the call was interrupted, the
// notice may still have reached the target.
func (n *Notifier) Send(ctx context.Context, t Target, notice *Notice) error {
	if err := notice.Validate(); err != nil {
		t.fault = err.Error()
	}
	return n.attempt(ctx, t, string(notice.Kind), func(ctx context.Context) error {
		if t.destination != nil {
			return t.destination.post(ctx, n.message(notice))
		}
		msg, err := n.compose(notice, t)
		return n.deliver(ctx, msg, err)
	})
}

// attempt sends something to a target and counts the outcome.
func (n *Notifier) attempt(
	ctx context.Context, t Target, kind string, send func(context.Context) error,
) error {
	err := n.send(ctx, t, send)
	outcome := "sent"
	var failed *Error
	switch {
	case errors.As(err, &failed) && failed.Permanent:
		outcome = "refused"
	case err != nil:
		outcome = "failed"
	}
	n.sent.Add(ctx, 1, metric.WithAttributes(
		attribute.String("kind", kind), attribute.String("via", t.via),
		attribute.String("outcome", outcome)))
	return err
}

func (n *Notifier) send(ctx context.Context, t Target, send func(context.Context) error) error {
	if t.fault != "" {
		return &Error{Target: t.name, Permanent: true, Reason: t.fault}
	}
	limited, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	err := send(limited)
	if err == nil {
		return nil
	}
	var failed *Error
	switch {
	case ctx.Err() != nil:
		failed = &Error{Reason: "it was interrupted"}
	case expired(limited) && !errors.As(err, &failed):
		failed = &Error{Reason: fmt.Sprintf("there was no response within %v", n.timeout)}
	case !errors.As(err, &failed):
		failed = &Error{Reason: networkReason(err)}
	}
	withTarget := *failed
	withTarget.Target = t.name
	return &withTarget
}

// expired reports whether ctx is done or its deadline has passed. A connection's own deadline may
// end a call a moment before the context is done.
func expired(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// deliver sends a composed mail. err is the error of composing it.
func (n *Notifier) deliver(ctx context.Context, msg *gomail.Msg, err error) error {
	if err != nil {
		return &Error{Permanent: true, Reason: err.Error()}
	}
	if err := n.mail.send(ctx, msg); err != nil {
		if expired(ctx) { // this caused the error
			return cmp.Or(ctx.Err(), context.DeadlineExceeded)
		}
		return err
	}
	return nil
}
