package ingress

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/trace"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// maxBodySize is far above any webhook of InFlow's, in bytes.
const maxBodySize = 256 << 10

// What is kept of a body in memory is mostly the sender's choice, before anything vouches for it.
const (
	// smallBody is above what InFlow sends, in bytes; each request may have that.
	smallBody = 16 << 10
	// maxLargeBodies is how many requests at once may have more: 64 MiB together, half of it room to grow.
	maxLargeBodies = 128
)

const (
	// retryLimited is for a sender over the limit, whose burst fills up again every second.
	retryLimited = time.Second
	// retryUnavailable is for a sender whose delivery Temporal did not take.
	retryUnavailable = 5 * time.Second
)

// outcome is what became of a request, as a metric's label.
type outcome string

const (
	outcomeReceived outcome = "received" // committed
	outcomeIgnored  outcome = "ignored"  // verified, and not about a sales order
	outcomeRefused  outcome = "refused"  // the sender's fault
	outcomeFailed   outcome = "failed"   // ours, or Temporal's
)

// Reasons for the audit log and metrics, besides those of [inflow.SignatureError]
// and [inflow.PayloadReason].
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

const (
	internalError   = "internal error"
	signatureError  = "invalid signature" // one text for all: a forger learns nothing from it
	notCommittedYet = "the delivery could not be recorded in time; please send it again"
)

// answer is what a webhook request is answered, and what is recorded of it.
type answer struct {
	status     int
	outcome    outcome
	reason     string
	body       gin.H
	retryAfter time.Duration // 0 is none
	hangUp     bool          // the rest of the request is not read
	err        error         // for the log

	origin       origin
	event        string
	salesOrderID string
	bodySize     *int // nil where the body was not read whole
	bodySHA256   string
	verified     bool
	secretIndex  int // where verified
}

func (a *answer) refuse(status int, reason, message string) {
	a.status, a.outcome, a.reason, a.body = status, outcomeRefused, reason, gin.H{"error": message}
}

func (a *answer) fail(status int, reason, message string) {
	a.status, a.outcome, a.reason, a.body = status, outcomeFailed, reason, gin.H{"error": message}
}

// takeWebhook answers POST /webhook/inflow.
func (s *Server) takeWebhook(c *gin.Context) {
	began := time.Now()
	a := &answer{origin: originOf(c.Request.Context())}
	s.decide(c, a)
	s.finish(c, a, began)
}

// refuseMethod answers a known route asked in the wrong way; gin has set Allow.
func (s *Server) refuseMethod(c *gin.Context) {
	began := time.Now()
	const message = "this address does not take that method; see the Allow header"
	if c.Request.URL.Path != webhookPath {
		s.withinBudget(c)
		fail(c, http.StatusMethodNotAllowed, message)
		return
	}
	a := &answer{origin: originOf(c.Request.Context())}
	if s.admits(a) {
		a.refuse(http.StatusMethodNotAllowed, reasonMethod, message)
	}
	s.finish(c, a, began)
}

// decide goes through the cases of the HTTP contract in their order.
func (s *Server) decide(c *gin.Context, a *answer) {
	ctx := c.Request.Context()
	defer func() {
		if panicked := recover(); panicked != nil {
			s.logPanic(ctx, panicked)
			a.fail(http.StatusInternalServerError, reasonPanic, internalError)
		}
	}()

	webhook, received, ok := s.read(c, a)
	if !ok {
		return
	}
	if !webhook.IsSalesOrder() {
		a.status, a.outcome, a.reason = http.StatusOK, outcomeIgnored, reasonIgnoredEntity
		if !webhook.Known() {
			a.reason = reasonIgnoredEvent
		}
		a.body = gin.H{"status": "ignored", "event": webhook.Event}
		return
	}

	// Not before the signature verified: no stranger can make the process look hung.
	defer s.watchdog.Begin("a delivery")()
	err := s.handover.deliver(ctx, webhook.SalesOrderID, ordercheck.Delivery{
		Event:      webhook.Event,
		OccurredAt: webhook.OccurredAt,
		ReceivedAt: received.UTC(),
	})
	if err != nil {
		a.fail(http.StatusServiceUnavailable, reasonNotCommitted, notCommittedYet)
		if errors.Is(err, errTooManyWaiting) {
			a.reason = reasonTooManyWaiting
		}
		a.retryAfter, a.err = retryUnavailable, err
		return
	}
	a.status, a.outcome, a.reason = http.StatusOK, outcomeReceived, reasonReceived
	a.body = gin.H{"status": "received", "salesOrderId": webhook.SalesOrderID}
}

// read gives what a verified request says, and when it was verified, or answers why not. Nothing of
// the body is looked into before its signature verified, and nothing of it is kept after.
func (s *Server) read(c *gin.Context, a *answer) (webhook inflow.Webhook, received time.Time, ok bool) {
	r := c.Request
	if !s.admits(a) {
		return inflow.Webhook{}, time.Time{}, false
	}
	body, release, ok := s.readBody(c, a)
	defer release()
	if !ok {
		return inflow.Webhook{}, time.Time{}, false
	}
	if encoding := strings.Join(r.Header.Values("Content-Encoding"), ""); encoding != "" {
		a.refuse(http.StatusUnsupportedMediaType, reasonContentEncoding, "the body must be sent as it is, without a Content-Encoding")
		return inflow.Webhook{}, time.Time{}, false
	}
	if !isJSON(r.Header.Values("Content-Type")) {
		a.refuse(http.StatusUnsupportedMediaType, reasonContentType, "the Content-Type must be application/json")
		return inflow.Webhook{}, time.Time{}, false
	}

	index, err := s.secrets.Verifier().Verify(r.Header.Values(inflow.SignatureHeader), body)
	if err != nil {
		a.refuse(http.StatusUnauthorized, err.Error(), signatureError)
		return inflow.Webhook{}, time.Time{}, false
	}
	a.verified, a.secretIndex = true, index
	vouch(r.Context())
	received = s.now()

	if reason, ok := s.limits.allow(a.origin.peer, received); !ok {
		a.refuse(http.StatusTooManyRequests, reason, "too many deliveries at once; please send it again")
		a.retryAfter = retryLimited
		return inflow.Webhook{}, time.Time{}, false
	}

	if webhook, err = inflow.ParseWebhook(body); err != nil {
		a.refuse(http.StatusBadRequest, payloadReason(err), err.Error())
		return inflow.Webhook{}, time.Time{}, false
	}
	a.event, a.salesOrderID = webhook.Event, webhook.SalesOrderID
	return webhook, received, true
}

// admits refuses peers that are not on the list, where there is one, before anything of theirs is read.
func (s *Server) admits(a *answer) bool {
	if len(s.allowed) == 0 || s.allowed.Contain(a.origin.peer) {
		return true
	}
	a.refuse(http.StatusForbidden, reasonPeer, "webhooks are not taken from this address")
	a.hangUp = true
	return false
}

// readBody reads the whole body, or answers why not. Call release once the body is not needed any more.
func (s *Server) readBody(c *gin.Context, a *answer) (body []byte, release func(), ok bool) {
	release = func() {}
	tooLarge := func() {
		a.refuse(http.StatusRequestEntityTooLarge, reasonBodyTooLarge, fmt.Sprintf("the body is over %d bytes", maxBodySize))
		a.hangUp = true
	}
	if c.Request.ContentLength > maxBodySize {
		tooLarge()
		return nil, release, false
	}
	var content bytes.Buffer
	limited := http.MaxBytesReader(c.Writer, c.Request.Body, maxBodySize)
	_, err := io.CopyN(&content, limited, smallBody)
	if err == nil {
		select {
		case s.large <- struct{}{}:
			release = func() { <-s.large }
		default:
			a.fail(http.StatusServiceUnavailable, reasonTooManyLarge, "too many large bodies at once; please send it again")
			a.retryAfter, a.hangUp = retryUnavailable, true
			return nil, release, false
		}
		_, err = content.ReadFrom(limited)
	} else if errors.Is(err, io.EOF) {
		err = nil
	}
	var tooMany *http.MaxBytesError
	switch {
	case err == nil:
		size, digest := content.Len(), sha256.Sum256(content.Bytes())
		a.bodySize, a.bodySHA256 = &size, hex.EncodeToString(digest[:])
		return content.Bytes(), release, true
	case errors.As(err, &tooMany):
		tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		a.refuse(http.StatusRequestTimeout, reasonBodyTooSlow, "the body did not come in time")
		a.hangUp, a.err = true, err
	default:
		a.refuse(http.StatusBadRequest, reasonBodyIncomplete, "the body could not be read to its end")
		a.hangUp, a.err = true, err
	}
	return nil, release, false
}

// isJSON takes application/json and application/…+json with any parameters, and silence.
func isJSON(contentTypes []string) bool {
	for _, contentType := range contentTypes {
		if contentType == "" {
			continue
		}
		mediaType, _, _ := strings.Cut(contentType, ";")
		subtype, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(mediaType)), "application/")
		if !ok || (subtype != "json" && !(strings.HasSuffix(subtype, "+json") && len(subtype) > len("+json"))) {
			return false
		}
	}
	return true
}

func payloadReason(err error) string {
	var refused *inflow.PayloadError
	if errors.As(err, &refused) {
		return string(refused.Reason)
	}
	return "payload"
}

// withinBudget charges a request that is refused before anything vouched for it. Over the
// budget, the connection ends with the answer, unless others' requests come over it too.
func (s *Server) withinBudget(c *gin.Context) bool {
	from := originOf(c.Request.Context())
	within := s.strangers.charge(from.peer, s.now())
	if !within && !from.proxied {
		c.Header("Connection", "close")
	}
	return within
}

// finish sends the answer, and records it everywhere.
func (s *Server) finish(c *gin.Context, a *answer, began time.Time) {
	if a.verified {
		defer s.watchdog.Begin("the answer to a delivery")()
	}
	oneByOne := a.verified || a.outcome != outcomeRefused || s.withinBudget(c)
	if a.retryAfter > 0 {
		c.Header("Retry-After", strconv.Itoa(int(a.retryAfter/time.Second)))
	}
	if a.hangUp {
		c.Header("Connection", "close")
	}
	s.partIfDraining(c) // which may have begun since the request did
	c.AbortWithStatusJSON(a.status, a.body)

	ctx := c.Request.Context()
	s.metrics.answered(ctx, a)
	if !oneByOne {
		s.strangers.count(refusal{a.origin.text(), a.status, a.reason})
		return
	}
	s.auditAnswer(c, a, time.Since(began))
	attributes := []slog.Attr{
		slog.String("outcome", string(a.outcome)), slog.String("reason", a.reason), slog.Int("status", a.status), slog.String("peer", a.origin.text()),
	}
	if a.event != "" {
		attributes = append(attributes, slog.String("event", a.event))
	}
	if a.salesOrderID != "" {
		attributes = append(attributes, slog.String("salesOrderId", a.salesOrderID))
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

func (s *Server) auditAnswer(c *gin.Context, a *answer, took time.Duration) {
	if s.audit == nil {
		return
	}
	record := &auditRecord{
		Time:         s.now().UTC(),
		Peer:         a.origin.text(),
		Route:        webhookPath,
		Method:       auditedMethod(c.Request.Method),
		Status:       a.status,
		Reason:       a.reason,
		Event:        a.event,
		SalesOrderID: a.salesOrderID,
		BodySize:     a.bodySize,
		BodySHA256:   a.bodySHA256,
		DurationMS:   float64(took.Microseconds()) / 1000,
	}
	if a.verified {
		record.SecretIndex = &a.secretIndex
	}
	if id := trace.SpanContextFromContext(c.Request.Context()).TraceID(); id.IsValid() {
		record.TraceID = id.String()
	}
	s.audit.record(record)
}

// auditedMethod keeps a made-up method from filling the log: HTTP's own are short.
func auditedMethod(method string) string {
	const longest = len(http.MethodOptions)
	if len(method) > longest {
		return method[:longest] + "…"
	}
	return method
}

// logPanic leaves a panic's value out, unless it is the runtime's own: it could quote a body.
func (s *Server) logPanic(ctx context.Context, panicked any) {
	value := fmt.Sprintf("%T", panicked)
	if err, ok := panicked.(runtime.Error); ok {
		value = err.Error()
	}
	s.logger.ErrorContext(ctx, "the ingress panicked", "panic", value, "stack", string(debug.Stack()))
}
