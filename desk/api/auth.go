package api

import (
	"net/http"
	"strings"

	"error-check-gate/internal/edge"
)

// Limits for requests without a valid token, per peer.
const (
	failureRate  = 10 // requests per second
	failureBurst = 2 * failureRate
)

// authenticate returns the request's token. A peer that sent too many wrong tokens can still use a
// valid one, because others may share its address. Nobody guesses 32 random bytes at any rate, so
// the limit only keeps a broken client from making noise.
func (h *Handler) authenticate(r *http.Request) (*token, error) {
	if h.tokens == nil {
		return nil, h.unauthorized(r, "The API is off. Set DESK_API_TOKENS_FILE to a file with lines "+
			"such as scanner:read:<token>, then restart the desk.")
	}
	headers := r.Header["Authorization"]
	if len(headers) != 1 {
		return nil, h.unauthorized(r, "Send one header: Authorization: Bearer <token>.")
	}
	scheme, presented, _ := strings.Cut(headers[0], " ")
	presented = strings.Trim(presented, " ")
	if !strings.EqualFold(scheme, "Bearer") || presented == "" {
		return nil, h.unauthorized(r, "Send the token as Authorization: Bearer <token>.")
	}
	if t := h.tokens.tokens.Get().find(presented); t != nil {
		return t, nil
	}
	return nil, h.unauthorized(r, "The token is not in DESK_API_TOKENS_FILE. Send one that is.")
}

func (h *Handler) unauthorized(r *http.Request, detail string) error {
	now := h.now()
	peer := h.peer(r)
	if h.failures.Get(edge.Subnet(peer), now).AllowN(now, 1) {
		return &problem{Status: http.StatusUnauthorized, authenticate: "Bearer", Detail: detail}
	}
	h.refused.Do(func() {
		h.logger.WarnContext(r.Context(), "many API requests come without a valid token",
			"peer", peer.String())
	})
	return &problem{Status: http.StatusTooManyRequests, retryAfter: 1,
		Detail: "Your address has sent too many requests without a valid token. " +
			"Wait a second, then send a valid one."}
}
