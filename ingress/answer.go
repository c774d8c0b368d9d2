package ingress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/trace"

	"error-check-gate/internal/edge"
)

// handler returns the answer to a request. It writes nothing; see [Server.answering].
type handler func(*http.Request) answer

// answer holds the answer to a request, and facts to record about it.
type answer struct {
	status     int
	body       gin.H
	retryAfter time.Duration // 0 means none
	close      bool          // close the connection: the rest of the request is not read

	outcome outcome
	reason  string
	err     error           // for the log
	request *webhookRequest // nil if the request is not for the webhook and not recorded
}

// outcome classifies an answer, as a label of a metric.
type outcome string

const (
	outcomeReceived outcome = "received" // committed
	outcomeIgnored  outcome = "ignored"  // verified, and not about a sales order
	outcomeRefused  outcome = "refused"  // the sender's fault
	outcomeFailed   outcome = "failed"   // our fault, or Temporal's
)

// Reasons for the audit log and metrics. [inflow.SignatureError] and [inflow.PayloadReason] have
// further ones.
const (
	reasonReceived        = "received"
	reasonIgnoredEntity   = "other-entity"
	reasonIgnoredEvent    = "unknown-event"
	reasonMethod          = "method-not-allowed"
	reasonPeer            = "peer-not-allowed"
	reasonBodyTooLarge    = "body-too-large"
	reasonBodyTooSlow     = "body-too-slow"
	reasonBodyIncomplete  = "body-incomplete"
	reasonContentEncoding = "content-encoding"
	reasonContentType     = "content-type"
	reasonRateLimit       = "rate-limit"
	reasonPeerRateLimit   = "peer-rate-limit"
	reasonNotCommitted    = "not-committed"
	reasonTooManyWaiting  = "too-many-waiting"
	reasonTooManyLarge    = "too-many-large-bodies"
	reasonPanic           = "panic"
)

const internalError = "internal error"

// refused returns an answer to a request that is the sender's fault.
func refused(status int, reason, message string) answer {
	return answer{
		status: status, outcome: outcomeRefused, reason: reason, body: gin.H{"error": message},
	}
}

// failed returns an answer to a request that failed because of us or Temporal.
func failed(status int, reason, message string) answer {
	return answer{
		status: status, outcome: outcomeFailed, reason: reason, body: gin.H{"error": message},
	}
}

// verified reports whether the request's signature was verified.
func (a *answer) verified() bool { return a.request != nil && a.request.secretIndex != nil }

// answering returns a handler for gin that writes the answer of h and records it.
func (s *Server) answering(h handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		began := time.Now()
		a := h(c.Request)
		if a.verified() {
			defer s.watchdog.Begin("the answer to a delivery")()
		}
		overBudget := a.outcome == outcomeRefused && !a.verified() && s.chargeFailure(c.Request, &a)
		s.write(c, a)
		if a.request != nil {
			s.record(a, overBudget, time.Since(began))
		}
	}
}

// chargeFailure charges the peer for a request that was refused before its sender was verified, and
// reports whether the peer is over its budget. If so, it closes the connection with the answer,
// unless the connection carries other clients' requests too.
func (s *Server) chargeFailure(r *http.Request, a *answer) (overBudget bool) {
	origin := edge.OriginOf(r.Context())
	overBudget = !s.failures.Charge(origin.Peer, s.now())
	a.close = a.close || overBudget && !origin.ViaProxy
	return overBudget
}

// write is the only function that writes answers.
func (s *Server) write(c *gin.Context, a answer) {
	if a.retryAfter > 0 {
		c.Header("Retry-After", strconv.Itoa(int(a.retryAfter/time.Second)))
	}
	// A chunked request may have a Content-Length too, by which a proxy in front of us would see
	// another request in the rest. net/http hides that header and goes on, so close the connection
	// after any chunked request, as RFC 9112, 6.1 demands.
	if a.close || s.draining.Load() || len(c.Request.TransferEncoding) > 0 {
		c.Header("Connection", "close")
	}
	c.AbortWithStatusJSON(a.status, a.body)
}

// record puts the answer to a webhook request into metrics, audit log and log. Requests over the
// failure budget are only counted.
func (s *Server) record(a answer, overBudget bool, took time.Duration) {
	q := a.request
	ctx, peer := q.Context(), q.origin.String()
	s.metrics.answered(ctx, a.outcome, a.reason, q.secretIndex)
	if overBudget {
		s.refusals.count(refusal{peer, a.status, a.reason})
		return
	}
	s.auditAnswer(a, took)
	attributes := []slog.Attr{
		slog.String("outcome", string(a.outcome)), slog.String("reason", a.reason),
		slog.Int("status", a.status), slog.String("peer", peer),
	}
	if q.webhook.Event != "" {
		attributes = append(attributes, slog.String("event", q.webhook.Event))
	}
	if q.webhook.SalesOrderID != "" {
		attributes = append(attributes, slog.String("salesOrderId", q.webhook.SalesOrderID))
	}
	if a.err != nil {
		attributes = append(attributes, slog.Any("error", a.err))
	}
	level := slog.LevelInfo
	if a.outcome == outcomeReceived || a.outcome == outcomeIgnored {
		level = slog.LevelDebug
	}
	s.logger.LogAttrs(ctx, level, "webhook answered", attributes...)
}

func (s *Server) auditAnswer(a answer, took time.Duration) {
	if s.audit == nil {
		return
	}
	q := a.request
	record := &auditRecord{
		Time:         s.now().UTC(),
		Peer:         q.origin.String(),
		Route:        webhookPath,
		Method:       auditedMethod(q.Method),
		Status:       a.status,
		Reason:       a.reason,
		Event:        q.webhook.Event,
		SalesOrderID: q.webhook.SalesOrderID,
		BodySize:     q.bodySize,
		BodySHA256:   q.bodySHA256,
		SecretIndex:  q.secretIndex,
		DurationMS:   float64(took.Microseconds()) / 1000,
	}
	if id := trace.SpanContextFromContext(q.Context()).TraceID(); id.IsValid() {
		record.TraceID = id.String()
	}
	s.audit.record(record)
}

// auditedMethod shortens a made-up method, so that it cannot fill the log. HTTP's own are short.
func auditedMethod(method string) string {
	const longest = len(http.MethodOptions)
	if len(method) > longest {
		return method[:longest] + "…"
	}
	return method
}

// recovered answers 500 after a panic outside of [Server.takeWebhook].
func (s *Server) recovered(c *gin.Context) {
	defer func() {
		panicked := recover()
		if panicked == nil {
			return
		}
		if err, ok := panicked.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(panicked) // net/http's own way to drop a connection
		}
		s.logPanic(c.Request.Context(), panicked)
		if !c.Writer.Written() {
			s.write(c, failed(http.StatusInternalServerError, reasonPanic, internalError))
		}
	}()
	c.Next()
}

// logPanic omits the value of a panic, which could quote a body, unless it is the runtime's own.
func (s *Server) logPanic(ctx context.Context, panicked any) {
	value := fmt.Sprintf("%T", panicked)
	if err, ok := panicked.(runtime.Error); ok {
		value = err.Error()
	}
	s.logger.ErrorContext(ctx, "the ingress panicked", "panic", value, "stack", string(debug.Stack()))
}
