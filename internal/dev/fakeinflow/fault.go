package fakeinflow

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault makes the API answer wrongly. Faults wait in a queue, and a request meets the first one
// that matches it. A field that is zero changes nothing.
type Fault struct {
	// Route that it matches, such as [RouteGetSalesOrder]; empty matches every route.
	Route string
	// SalesOrderID that it matches; empty matches every request.
	SalesOrderID string
	// Every is N if one in N matching requests meets the fault; 0 means that each one does.
	Every int
	// Times is the number of requests that meet the fault before it ends; 0 means no limit. See
	// also [Server.ClearFaults].
	Times int

	// Latency before the request is applied.
	Latency time.Duration
	// Status to answer instead.
	Status int
	// RetryAfter is the value of that header, in whole seconds; it needs a Status.
	RetryAfter time.Duration
	// Body to answer instead, such as garbage. Without a Status, the status is 200.
	Body string
	// SlowBody is a pause in the middle of the answer's body.
	SlowBody time.Duration
	// Cut breaks the connection in the middle of the answer's body.
	Cut bool
	// Dropped breaks the connection before the request is applied.
	Dropped bool
	// AnswerLost applies the request and breaks the connection before the answer.
	AnswerLost bool
	// Stale answers with the sales orders as they were that long ago, at most a minute: an order
	// created since is unknown, and one edited since has its previous version.
	Stale time.Duration
	// Incomplete leaves lines, payments and other lists out of sales orders that were created
	// within that time before the request.
	Incomplete time.Duration
	// LeftOut leaves these includes, such as "lines" or "lines.product", out of sales orders,
	// although the request named them.
	LeftOut []string
	// Write changes what a PUT of a sales order does.
	Write WriteFault
}

func (f *Fault) validate() error {
	var wrong []error
	refuse := func(when bool, format string, args ...any) {
		if when {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	reads := f.Stale > 0 || f.Incomplete > 0 || len(f.LeftOut) > 0
	writes := !f.Write.isZero()
	replaces := f.Status != 0 || f.Body != ""
	breaks := f.Dropped || f.AnswerLost
	slows := f.Latency != 0 || f.SlowBody != 0

	refuse(f.Status != 0 && (f.Status < 200 || f.Status > 599),
		"status %d is not from 200 to 599", f.Status)
	refuse(f.Route != "" && !slices.Contains(apiRoutes, f.Route),
		"route %q is none of: %s", f.Route, strings.Join(apiRoutes, ", "))
	refuse(f.Every < 0 || f.Times < 0 || f.Latency < 0 || f.RetryAfter < 0 || f.SlowBody < 0 ||
		f.Stale < 0 || f.Incomplete < 0,
		"every, times, latency, retry after, slow body, stale and incomplete cannot be negative")
	refuse(f.Stale > maxStale,
		"stale %s is over %s, and older versions of orders are not kept", f.Stale, maxStale)
	refuse(f.RetryAfter > 0 && f.Status == 0, "retry after needs a status, such as 429")
	if _, err := parseInclude(f.LeftOut); err != nil {
		wrong = append(wrong, fmt.Errorf("left out: %w", err))
	}
	refuse(writes && replaces,
		"status and body answer before anything is written: set either these, or what a write does")
	refuse(!slows && !f.Cut && !reads && !replaces && !breaks && !writes,
		"it changes nothing: set latency, status, body, slow body, cut, dropped, answer lost, stale, "+
			"incomplete, left out, serials dropped, timestamp ignored or changed")
	refuse(f.Dropped && f.AnswerLost || breaks && (replaces || reads || f.SlowBody > 0 || f.Cut),
		"dropped and answer lost leave no answer: set one of the two, and beside it latency at most")
	refuse(replaces && reads,
		"stale, incomplete and left out change the answer that status and body replace: set either")
	if len(wrong) > 0 {
		return fmt.Errorf("fault: %w", errors.Join(wrong...))
	}
	return nil
}

// SetFault appends a fault to the queue.
func (s *Server) SetFault(fault Fault) error {
	if err := fault.validate(); err != nil {
		return fmt.Errorf("fake InFlow: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.add(fault, fault.Every, fault.Times)
	return nil
}

// ClearFaults empties both queues: the API's and the deliveries'.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
	s.deliveries.faults = nil
}

// takeFault returns the fault that a request meets, or the zero Fault if there is none.
func (s *Server) takeFault(route, salesOrderID string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults.take(func(f Fault) bool {
		return (f.Route == "" || f.Route == route) &&
			(f.SalesOrderID == "" || strings.EqualFold(f.SalesOrderID, salesOrderID))
	})
}

// apply waits for the latency, and reports whether the fault has replaced the answer.
func (f *Fault) apply(stopping context.Context, answer *answer, r *http.Request) bool {
	pause(r.Context(), stopping, f.Latency)
	if f.Dropped {
		panic(http.ErrAbortHandler) // makes net/http break the connection
	}
	answer.stale, answer.incomplete, answer.leftOut, answer.write =
		f.Stale, f.Incomplete, f.LeftOut, f.Write
	if f.Status == 0 && f.Body == "" {
		return false
	}
	if f.RetryAfter > 0 {
		answer.Header().Set("Retry-After", strconv.FormatInt(wholeSeconds(f.RetryAfter), 10))
	}
	status := cmp.Or(f.Status, http.StatusOK)
	if f.Body == "" {
		writeError(answer, status, http.StatusText(status))
		return true
	}
	answer.Header().Set("Content-Type", "application/json; charset=utf-8")
	answer.WriteHeader(status)
	_, _ = answer.Write([]byte(f.Body))
	return true
}

// send sends the answer as the fault says, and returns its status.
func (f *Fault) send(
	stopping context.Context, w http.ResponseWriter, r *http.Request, answer *answer,
) int {
	if f.AnswerLost {
		panic(http.ErrAbortHandler)
	}
	if f.SlowBody == 0 && !f.Cut {
		return answer.send(w)
	}
	body := answer.body.Bytes()
	half := len(body) / 2
	answer.sendHeader(w)
	_, _ = w.Write(body[:half])
	_ = http.NewResponseController(w).Flush()
	pause(r.Context(), stopping, f.SlowBody)
	if f.Cut {
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(body[half:])
	return answer.status
}

func pause(ctx, stopping context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-stopping.Done():
	}
}

// answer records what a handler answers, so that a fault can change how it is sent.
type answer struct {
	header       http.Header
	status       int
	body         bytes.Buffer
	orderVersion string
	// The handler reads these parts of the fault.
	stale, incomplete time.Duration
	leftOut           []string
	write             WriteFault
}

// answerOf returns the answer that a handler of the API writes to.
func answerOf(w http.ResponseWriter) *answer {
	a, ok := w.(*answer)
	if !ok {
		return newAnswer()
	}
	return a
}

func newAnswer() *answer { return &answer{header: http.Header{}} }

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

func (a *answer) sendHeader(w http.ResponseWriter) {
	a.WriteHeader(http.StatusOK)
	for name, values := range a.header {
		w.Header()[name] = values
	}
	if a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		w.Header().Set("Content-Length", strconv.Itoa(a.body.Len()))
	}
	w.WriteHeader(a.status)
}

func (a *answer) send(w http.ResponseWriter) int {
	a.sendHeader(w)
	_, _ = w.Write(a.body.Bytes())
	return a.status
}
