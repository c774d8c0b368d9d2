package fakeinflow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault makes the API answer wrongly. Faults stand in a queue: a request meets the first
// that fits it. What is zero in a fault is as without it.
type Fault struct {
	// Route it fits, such as [RouteGetSalesOrder]; empty fits every route.
	Route string
	// SalesOrderID it fits; empty fits every request.
	SalesOrderID string
	// Every lets others pass: 5 is met by each fifth request that it fits; 0 by each.
	Every int
	// Times it is met before it ends; 0 is until [Server.ClearFaults].
	Times int

	// Latency before anything is answered.
	Latency time.Duration
	// Status to answer instead.
	Status int
	// RetryAfter is sent in the header of that name, in whole seconds; it needs a Status.
	RetryAfter time.Duration
	// Body to answer instead, such as garbage; with Status 0 the status is 200.
	Body string
	// SlowBody is a pause within the answer's body.
	SlowBody time.Duration
	// Cut breaks the connection within the answer's body.
	Cut bool
	// Dropped breaks the connection before the request is applied.
	Dropped bool
	// AnswerLost applies the request and breaks the connection before any of the answer.
	AnswerLost bool
	// Stale answers with the sales orders as they were that long ago, a minute at most: an
	// order created since is unknown, one edited since has its version before.
	Stale time.Duration
	// Incomplete answers without lines, payments and whatever else there are lists of, for
	// sales orders created within that time before the request.
	Incomplete time.Duration
	// LeftOut answers sales orders without these includes, such as "lines" or "lines.product",
	// although the request named them.
	LeftOut []string
	// Write is what a PUT of a sales order does besides.
	Write WriteFault

	fitted int // how many requests it fitted
}

func (f *Fault) validate() error {
	var wrong []error
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		wrong = append(wrong, fmt.Errorf("status %d is not from 200 to 599", f.Status))
	}
	if f.Route != "" && !slices.Contains(apiRoutes, f.Route) {
		wrong = append(
			wrong,
			fmt.Errorf("route %q is none of: %s", f.Route, strings.Join(apiRoutes, ", ")),
		)
	}
	if f.Every < 0 || f.Times < 0 || f.Latency < 0 || f.RetryAfter < 0 || f.SlowBody < 0 ||
		f.Stale < 0 ||
		f.Incomplete < 0 {
		wrong = append(
			wrong,
			errors.New(
				"every, times, latency, retry after, slow body, stale and incomplete cannot be negative",
			),
		)
	}
	if f.Stale > maxStale {
		wrong = append(
			wrong,
			fmt.Errorf("stale %s is over %s: what orders were is kept no longer", f.Stale, maxStale),
		)
	}
	if f.RetryAfter > 0 && f.Status == 0 {
		wrong = append(wrong, errors.New("retry after needs a status, such as 429"))
	}
	if _, err := parseInclude(f.LeftOut); err != nil {
		wrong = append(wrong, fmt.Errorf("left out: %w", err))
	}
	reads := f.Stale > 0 || f.Incomplete > 0 || len(f.LeftOut) > 0
	replaces := f.Status != 0 || f.Body != ""
	breaks := f.Dropped || f.AnswerLost
	if !f.Write.isZero() && replaces {
		wrong = append(
			wrong,
			errors.New(
				"status and body answer before anything is written: set either these, or what a write does",
			),
		)
	}
	if f.Latency == 0 && f.SlowBody == 0 && !f.Cut && !reads && !replaces && !breaks &&
		f.Write.isZero() {
		wrong = append(
			wrong,
			errors.New(
				"it changes nothing: set latency, status, body, slow body, cut, dropped, answer lost, stale, incomplete, left out, serials dropped, timestamp ignored or changed",
			),
		)
	}
	if f.Dropped && f.AnswerLost || breaks && (replaces || reads || f.SlowBody > 0 || f.Cut) {
		wrong = append(
			wrong,
			errors.New(
				"dropped and answer lost leave no answer: set one of the two, and beside it latency at most",
			),
		)
	}
	if replaces && reads {
		wrong = append(
			wrong,
			errors.New(
				"stale, incomplete and left out are about the answer that status and body replace: set either",
			),
		)
	}
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
	s.faults = append(s.faults, &fault)
	return nil
}

// ClearFaults empties the queues of faults, of the API and of deliveries.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
	s.deliveries.faults = nil
}

// takeFault is the fault that a request meets; the zero fault is none.
func (s *Server) takeFault(route, salesOrderID string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, fault := range s.faults {
		if fault.Route != "" && fault.Route != route ||
			fault.SalesOrderID != "" && !strings.EqualFold(fault.SalesOrderID, salesOrderID) {
			continue
		}
		if fault.fitted++; fault.Every > 1 && fault.fitted%fault.Every != 0 {
			continue
		}
		met := *fault
		if fault.Times > 0 {
			if fault.Times--; fault.Times == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
		}
		return met
	}
	return Fault{}
}

// apply waits out the latency, and says whether the answer has been replaced.
func (f Fault) apply(stopping context.Context, answer *answer, r *http.Request) bool {
	pause(r.Context(), stopping, f.Latency)
	if f.Dropped {
		panic(http.ErrAbortHandler) // net/http's way to break a connection
	}
	answer.stale, answer.incomplete, answer.leftOut, answer.write = f.Stale, f.Incomplete, f.LeftOut, f.Write
	if f.Status == 0 && f.Body == "" {
		return false
	}
	if f.RetryAfter > 0 {
		answer.Header().Set("Retry-After", strconv.FormatInt(wholeSeconds(f.RetryAfter), 10))
	}
	status := f.Status
	if status == 0 {
		status = http.StatusOK
	}
	if f.Body == "" {
		writeError(answer, status, http.StatusText(status))
		return true
	}
	answer.Header().Set("Content-Type", "application/json; charset=utf-8")
	answer.WriteHeader(status)
	_, _ = answer.Write([]byte(f.Body))
	return true
}

// send sends the answer, slowly or in part, and gives its status.
func (f Fault) send(
	stopping context.Context,
	w http.ResponseWriter,
	r *http.Request,
	answer *answer,
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

// answer holds a handler's answer, so that a fault can send it in its own way.
type answer struct {
	header       http.Header
	status       int
	body         bytes.Buffer
	orderVersion string
	salesOrderID string // from the body of a write
	// stale, incomplete and leftOut are the fault's, for the handler.
	stale, incomplete time.Duration
	leftOut           []string
	write             WriteFault
}

// answerOf is the answer behind every handler of the API.
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
