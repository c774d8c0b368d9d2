package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Progress is how far a notice has come. It is plain data, for an activity's heartbeats and
// its result.
type Progress struct {
	// Sent are the names of the targets that have it.
	Sent []string `json:"sent,omitempty"`
	// Refused are those that would refuse it again.
	Refused []Refusal `json:"refused,omitempty"`
}

// Refusal is a target that does not take a notice, with the reason.
type Refusal struct {
	Target string `json:"target"`
	Reason string `json:"reason"`
}

func (p *Progress) settled(target string) bool {
	return slices.Contains(p.Sent, target) ||
		slices.ContainsFunc(p.Refused, func(r Refusal) bool { return r.Target == target })
}

func (p *Progress) clone() Progress {
	return Progress{Sent: slices.Clone(p.Sent), Refused: slices.Clone(p.Refused)}
}

// Failures are why a notice is not settled yet. Another attempt may do.
type Failures []*Error

func (f Failures) Error() string {
	texts := make([]string, len(f))
	for i, failed := range f {
		texts[i] = failed.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap gives each failure to [errors.As].
func (f Failures) Unwrap() []error {
	errs := make([]error, len(f))
	for i, failed := range f {
		errs[i] = failed
	}
	return errs
}

// RetryAfter is the longest that a target asked to be left alone; 0 where none did.
func (f Failures) RetryAfter() time.Duration {
	var longest time.Duration
	for _, failed := range f {
		longest = max(longest, failed.RetryAfter)
	}
	return longest
}

// Deliver sends a notice to every target that an earlier attempt's progress has not settled,
// one after the other, each within [Options.Timeout], and goes on where one fails. record
// gets the progress after each one that it settles. The error is [Failures], or that of ctx.
// Targets that refuse the notice are no error: they are in the progress, and stay there.
func (n *Notifier) Deliver(ctx context.Context, notice *Notice, p Progress, record func(Progress)) (Progress, error) {
	p = p.clone()
	var failures Failures
	for _, target := range n.Targets(notice) {
		if p.settled(target.name) {
			continue
		}
		err := n.Send(ctx, target, notice)
		var failed *Error
		switch {
		case err == nil:
			p.Sent = append(p.Sent, target.name)
		case ctx.Err() != nil:
			return p, fmt.Errorf("send a notice: %w", context.Cause(ctx))
		case errors.As(err, &failed) && failed.Permanent:
			p.Refused = append(p.Refused, Refusal{Target: target.name, Reason: failed.Reason})
		case errors.As(err, &failed):
			failures = append(failures, failed)
			continue
		default:
			return p, err // Send has no other errors
		}
		record(p.clone())
	}
	if len(failures) > 0 {
		return p, failures
	}
	return p, nil
}
