package orderexport

import (
	"context"
	"errors"
	"fmt"
	"time"

	"error-check-gate/internal/inflow"
)

const (
	// rateLimitedDelay is used after a 429 without Retry-After; InFlow's quota is per minute.
	rateLimitedDelay = 20 * time.Second
	// maxRetryAfter is the longest Retry-After that the export waits for. After a longer one it
	// stops, and a person can run it again later.
	maxRetryAfter = 15 * time.Minute
	// The backoff doubles with each failure in a row, from firstBackoff to maxBackoff.
	firstBackoff = time.Second
	maxBackoff   = time.Minute
	// maxFailures is the number of failed attempts in a row after which the export stops: about
	// five minutes.
	maxFailures = 10
	// minPageSize is the smallest page that makes progress, in orders. The first order of a page is
	// the last one of the page before it.
	minPageSize = 2
	// smallerAfter is the number of failed attempts after which a page is requested with half the
	// orders, because InFlow may be too slow for all of them.
	smallerAfter = 2
)

// pace spaces out requests.
type pace struct {
	interval time.Duration
	next     time.Time
}

func newPace(perMinute int) *pace {
	if perMinute <= 0 {
		return &pace{}
	}
	return &pace{interval: time.Minute / time.Duration(perMinute)}
}

// wait blocks until the next request may start.
func (p *pace) wait(ctx context.Context) error {
	now := time.Now()
	if err := sleep(ctx, p.next.Sub(now)); err != nil {
		return err
	}
	p.next = maxTime(now, p.next).Add(p.interval)
	return nil
}

// sleep returns early with an error if ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// fetch requests a page. It retries after retryable errors, and makes the page smaller if InFlow
// cannot send it.
func (e *export) fetch(
	ctx context.Context, query inflow.PageQuery,
) (inflow.SalesOrderPage, error) {
	for failures := 0; ; {
		if err := e.pace.wait(ctx); err != nil {
			return inflow.SalesOrderPage{}, err
		}
		query.Size = e.size
		e.requests++
		page, err := e.Orders.SalesOrderPage(ctx, query)
		if err == nil {
			return page, nil
		}
		if ctx.Err() != nil {
			return page, context.Cause(ctx)
		}
		var failed *inflow.Error
		if !errors.As(err, &failed) {
			return page, err
		}
		if failed.Kind == inflow.KindTooLarge && e.size > minPageSize {
			e.size = max(e.size/2, minPageSize)
			continue
		}
		failures++
		delay, ok := e.retryDelay(failed, failures)
		if !ok {
			return page, stopped(failed, failures)
		}
		e.report(delay)
		if err := sleep(ctx, delay); err != nil {
			return page, err
		}
	}
}

// retryDelay returns the wait before the next attempt. ok is false if there is none.
func (e *export) retryDelay(failed *inflow.Error, failures int) (delay time.Duration, ok bool) {
	if failures >= maxFailures || failed.RetryAfter > maxRetryAfter {
		return 0, false
	}
	switch failed.Kind {
	case inflow.KindRateLimited:
		if failed.RetryAfter > 0 {
			return failed.RetryAfter, true
		}
		return rateLimitedDelay, true
	case inflow.KindUnavailable:
		if failures%smallerAfter == 0 {
			e.size = max(e.size/2, minPageSize)
		}
		backoff := min(firstBackoff<<min(failures-1, 10), maxBackoff)
		return max(backoff, failed.RetryAfter), true
	default:
		return 0, false
	}
}

func stopped(failed *inflow.Error, failures int) error {
	switch failed.Kind {
	case inflow.KindRateLimited, inflow.KindUnavailable:
		return fmt.Errorf("%w (attempt %d); run the command again later: it continues from here",
			failed, failures)
	default:
		return failed
	}
}
