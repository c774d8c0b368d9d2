package desk

import (
	"net/http"
	"strings"

	"error-check-gate/internal/edge"
)

// Requests/s without a valid token, for each peer.
const (
	failureRate  = 10
	failureBurst = 2 * failureRate
)

// authenticate returns the token that a request presents. A peer with too many wrong tokens still
// gets in with a right one: it may share its address with others. No rate of guesses finds 32
// random bytes, so the limit only keeps a broken client from making noise.
func (a *api) authenticate(r *http.Request) (*token, error) {
	if a.tokens == nil {
		return nil, a.unauthorized(r, "The API is off. Set DESK_API_TOKENS_FILE to a file with lines "+
			"such as scanner:read:<token>, then start the desk again.")
	}
	headers := r.Header["Authorization"]
	if len(headers) != 1 {
		return nil, a.unauthorized(r, "Send one header Authorization: Bearer <token>.")
	}
	scheme, presented, _ := strings.Cut(headers[0], " ")
	presented = strings.Trim(presented, " ")
	if !strings.EqualFold(scheme, "Bearer") || presented == "" {
		return nil, a.unauthorized(r, "Send the token as Authorization: Bearer <token>.")
	}
	if t := a.tokens.tokens.Get().find(presented); t != nil {
		return t, nil
	}
	return nil, a.unauthorized(r, "The token is none of DESK_API_TOKENS_FILE. "+
		"Send one that the file has now.")
}

func (a *api) unauthorized(r *http.Request, detail string) error {
	now := a.now()
	peer := a.peer(r)
	if a.failures.Get(edge.Subnet(peer), now).AllowN(now, 1) {
		return &problem{Status: http.StatusUnauthorized, authenticate: "Bearer", Detail: detail}
	}
	a.refused.Do(func() {
		a.logger.WarnContext(r.Context(), "many API requests come without a valid token",
			"peer", peer.String())
	})
	return &problem{Status: http.StatusTooManyRequests, retryAfter: 1,
		Detail: "Too many requests without a valid token came from your address. " +
			"Wait a second, then send a valid one."}
}
