package ingress

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"error-check-gate/internal/edge"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

const (
	// retryLimited is the Retry-After for a sender over its limit, whose burst refills every
	// second.
	retryLimited = time.Second
	// retryUnavailable is the Retry-After if Temporal didn't commit the delivery.
	retryUnavailable = 5 * time.Second
)

// webhookRequest is a request to the webhook's address. The fields below origin are set as we
// learn them. They are recorded even if we refuse the request.
type webhookRequest struct {
	*http.Request
	server *Server
	origin edge.Origin

	bodySize    *int // in bytes; nil if the body was not read to the end
	bodySHA256  string
	secretIndex *int           // of the secret that verified the signature; nil if none did
	verifiedAt  time.Time      // when it did
	webhook     inflow.Webhook // zero until parsed
}

func (s *Server) newWebhookRequest(r *http.Request) *webhookRequest {
	return &webhookRequest{Request: r, server: s, origin: edge.OriginOf(r.Context())}
}

// takeWebhook answers POST /webhook/inflow.
func (s *Server) takeWebhook(r *http.Request) (a answer) {
	q := s.newWebhookRequest(r)
	defer func() {
		if panicked := recover(); panicked != nil {
			s.logPanic(r.Context(), panicked)
			a = failed(http.StatusInternalServerError, reasonPanic, internalError)
		}
		a.request = q
	}()
	if refused := q.read(); refused != nil {
		return *refused
	}
	if !q.webhook.IsSalesOrder() {
		return q.ignore()
	}
	return q.commit()
}

// refuseMethod answers a request to a known route with a method that it doesn't take.
func (s *Server) refuseMethod(r *http.Request) answer {
	a := refused(http.StatusMethodNotAllowed, reasonMethod,
		"this address does not take that method; see the Allow header")
	if r.URL.Path != webhookPath {
		return a
	}
	q := s.newWebhookRequest(r)
	if notAllowed := q.checkPeer(); notAllowed != nil {
		a = *notAllowed
	}
	a.request = q
	return a
}

// read reads, verifies and parses the request, in the order of the HTTP contract. It returns nil,
// or the answer if the request is refused. It doesn't look into the body before the signature is
// verified, and doesn't keep it afterwards.
func (q *webhookRequest) read() *answer {
	if refused := q.checkPeer(); refused != nil {
		return refused
	}
	body, release, refused := q.readBody()
	defer release()
	if refused != nil {
		return refused
	}
	if refused := q.checkHeaders(); refused != nil {
		return refused
	}
	if refused := q.verify(body); refused != nil {
		return refused
	}
	if refused := q.checkRate(); refused != nil {
		return refused
	}
	return q.parse(body)
}

// checkPeer refuses peers that are not on the list of allowed peers, if any.
func (q *webhookRequest) checkPeer() *answer {
	if allowed := q.server.allowed; len(allowed) == 0 || allowed.Contain(q.origin.Peer) {
		return nil
	}
	a := refused(http.StatusForbidden, reasonPeer, "webhooks are not taken from this address")
	a.close = true
	return &a
}

func (q *webhookRequest) checkHeaders() *answer {
	if strings.Join(q.Header.Values("Content-Encoding"), "") != "" {
		a := refused(http.StatusUnsupportedMediaType, reasonContentEncoding,
			"the body must be sent as it is, without a Content-Encoding")
		return &a
	}
	if !isJSON(q.Header.Values("Content-Type")) {
		a := refused(http.StatusUnsupportedMediaType, reasonContentType,
			"the Content-Type must be application/json")
		return &a
	}
	return nil
}

// isJSON accepts application/json and application/*+json with any parameters, and no Content-Type.
func isJSON(contentTypes []string) bool {
	for _, contentType := range contentTypes {
		if contentType == "" {
			continue
		}
		mediaType, _, _ := strings.Cut(contentType, ";")
		mediaType = strings.ToLower(strings.TrimSpace(mediaType))
		subtype, ok := strings.CutPrefix(mediaType, "application/")
		isSuffix := strings.HasSuffix(subtype, "+json") && len(subtype) > len("+json")
		if !ok || subtype != "json" && !isSuffix {
			return false
		}
	}
	return true
}

func (q *webhookRequest) verify(body []byte) *answer {
	index, err := q.server.secrets.Verifier().Verify(q.Header.Values(inflow.SignatureHeader), body)
	if err != nil {
		// The same message for every fault, so that a forger learns nothing from it.
		a := refused(http.StatusUnauthorized, err.Error(), "invalid signature")
		return &a
	}
	q.secretIndex, q.verifiedAt = &index, q.server.now()
	edge.MarkVerified(q.Context())
	return nil
}

// checkRate comes after verify, so that a forger cannot use up InFlow's limit.
func (q *webhookRequest) checkRate() *answer {
	err := q.server.limits.Allow(q.origin.Peer, q.verifiedAt)
	if err == nil {
		return nil
	}
	reason := reasonRateLimit
	if errors.Is(err, edge.ErrPeerLimit) {
		reason = reasonPeerRateLimit
	}
	a := refused(http.StatusTooManyRequests, reason,
		"too many deliveries at once; please send it again")
	a.retryAfter = retryLimited
	return &a
}

func (q *webhookRequest) parse(body []byte) *answer {
	webhook, err := inflow.ParseWebhook(body)
	if err != nil {
		a := refused(http.StatusBadRequest, payloadReason(err), err.Error())
		return &a
	}
	q.webhook = webhook
	return nil
}

func payloadReason(err error) string {
	var refused *inflow.PayloadError
	if errors.As(err, &refused) {
		return string(refused.Reason)
	}
	return "payload"
}

// ignore answers a valid webhook that is not about a sales order.
func (q *webhookRequest) ignore() answer {
	reason := reasonIgnoredEntity
	if !q.webhook.Known() {
		reason = reasonIgnoredEvent
	}
	return answer{
		status: http.StatusOK, outcome: outcomeIgnored, reason: reason,
		body: gin.H{"status": "ignored", "event": q.webhook.Event},
	}
}

// commit answers a webhook about a sales order, once Temporal has committed it.
func (q *webhookRequest) commit() answer {
	// Begin the watch only after verifying the sender, so nobody else can make the process look
	// hung.
	defer q.server.watchdog.Begin("a delivery")()
	err := q.server.committer.commit(q.Context(), q.webhook.SalesOrderID, ordercheck.Delivery{
		Event:      q.webhook.Event,
		OccurredAt: q.webhook.OccurredAt,
		ReceivedAt: q.verifiedAt.UTC(),
	})
	if err != nil {
		reason := reasonNotCommitted
		if errors.Is(err, errTooManyWaiting) {
			reason = reasonTooManyWaiting
		}
		a := failed(http.StatusServiceUnavailable, reason,
			"the delivery could not be recorded in time; please send it again")
		a.retryAfter, a.err = retryUnavailable, err
		return a
	}
	return answer{
		status: http.StatusOK, outcome: outcomeReceived, reason: reasonReceived,
		body: gin.H{"status": "received", "salesOrderId": q.webhook.SalesOrderID},
	}
}
