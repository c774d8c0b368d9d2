package signin

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	stateCookie = "__Host-desk-oidc"
	// stateValid is the maximum time that somebody can spend at the provider.
	stateValid = 10 * time.Minute
)

// oidcState is the state of a sign-in while the person is at the provider. It is in a sealed
// cookie, so only the browser that started the sign-in can finish it.
type oidcState struct {
	State    string `json:"s"`
	Nonce    string `json:"o"`
	Verifier string `json:"v"` // of PKCE
	Issued   int64  `json:"t"` // Unix time in seconds
	Next     string `json:"n,omitempty"`
}

const (
	startPath = "/sign-in/oidc"
	// chooseParameter makes the provider ask which account to use.
	chooseParameter = "choose"
)

func (s *Service) startOIDC(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if !s.admitOrRefuse(w, r, s.attempts, r.URL.RequestURI()) {
		return
	}
	next := LocalPath(query.Get("next"))
	connection, err := s.provider.connect(r.Context())
	if err != nil {
		s.failProvider(w, r, next, err)
		return
	}
	state := oidcState{
		State: randomID(), Nonce: randomID(), Verifier: oauth2.GenerateVerifier(),
		Issued: s.now().Unix(), Next: next,
	}
	cookie, err := s.provider.states.seal(state)
	if err != nil {
		s.failProvider(w, r, next, err)
		return
	}
	http.SetCookie(w, newCookie(stateCookie, cookie, stateValid))
	options := []oauth2.AuthCodeOption{
		oidc.Nonce(state.Nonce), oauth2.S256ChallengeOption(state.Verifier),
	}
	if query.Has(chooseParameter) {
		options = append(options, oauth2.SetAuthURLParam("prompt", "select_account"))
	}
	http.Redirect(w, r, connection.oauth.AuthCodeURL(state.State, options...), http.StatusSeeOther)
}

func (s *Service) finishOIDC(w http.ResponseWriter, r *http.Request) {
	if !s.admitOrRefuse(w, r, s.attempts, r.URL.RequestURI()) {
		return
	}
	state, ok := s.takeState(w, r)
	if !ok {
		s.fail(w, r, faultState, "/")
		return
	}
	query := r.URL.Query()
	if code := query.Get("error"); code != "" {
		s.failByProvider(w, r, state.Next, code)
		return
	}
	ctx, cancel := context.WithTimeout(s.provider.context(r.Context()), 2*providerTimeout)
	defer cancel()
	connection, err := s.provider.connect(ctx)
	if err != nil {
		s.failProvider(w, r, state.Next, err)
		return
	}
	identity, err := connection.identify(ctx, query.Get("code"), state)
	var refused *refusedError
	switch {
	case errors.As(err, &refused):
		s.logger.WarnContext(r.Context(), "the provider's answer was refused", "error", err)
		s.fail(w, r, faultRefused, state.Next)
		return
	case err != nil:
		s.failProvider(w, r, state.Next, err)
		return
	}
	chooseAgain := startPath + "?" + url.Values{chooseParameter: {"1"}, "next": {state.Next}}.Encode()
	address, err := parseAddress(identity.Email)
	if err != nil || !identity.verified(s.provider.settings.Issuer) {
		s.failAgain(w, r, faultUnverified, chooseAgain)
		return
	}
	if known, _ := s.Allowed(address); !known {
		s.failAgain(w, r, faultUnknown, chooseAgain)
		return
	}
	s.signInAndRedirect(w, r, address, state.Next)
}

// takeState deletes the browser's state cookie, and returns the state if it belongs to this answer.
func (s *Service) takeState(w http.ResponseWriter, r *http.Request) (oidcState, bool) {
	cookie, err := r.Cookie(stateCookie)
	if err != nil {
		return oidcState{}, false
	}
	http.SetCookie(w, newCookie(stateCookie, "", 0))
	var state oidcState
	if err := s.provider.states.open(cookie.Value, &state); err != nil {
		return oidcState{}, false
	}
	query := r.URL.Query()
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(state.State)) != 1 ||
		expired(state.Issued, stateValid, s.now()) {
		return oidcState{}, false
	}
	// RFC 9207: an answer that names another issuer is not for us.
	if issuer := query.Get("iss"); issuer != "" && issuer != s.provider.settings.Issuer {
		return oidcState{}, false
	}
	return state, true
}

// failByProvider shows a page for an error code of the provider. Anybody can write such an address,
// so we log only the codes of the standards.
func (s *Service) failByProvider(w http.ResponseWriter, r *http.Request, next, code string) {
	switch code {
	case "server_error", "temporarily_unavailable":
		s.failProvider(w, r, next, fmt.Errorf("it answered %s", code))
	case "invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope":
		s.failProvider(w, r, next, fmt.Errorf(
			"it answered %s; check the client that is registered there", code))
	default: // mostly access_denied and login_required
		s.fail(w, r, faultRefused, next)
	}
}

func (s *Service) failProvider(w http.ResponseWriter, r *http.Request, next string, err error) {
	s.logger.ErrorContext(r.Context(), "nobody can sign in: the OpenID Connect provider fails",
		"error", err)
	s.failAgain(w, r, faultProvider, withNext(startPath, next))
}

// refusedError means that the provider answered, but the answer signs nobody in.
type refusedError struct{ reason string }

func (e *refusedError) Error() string { return e.reason }

// identify exchanges the code for the identity of the person.
func (c *connection) identify(ctx context.Context, code string, state oidcState) (identity, error) {
	token, err := c.oauth.Exchange(ctx, code, oauth2.VerifierOption(state.Verifier))
	var answered *oauth2.RetrieveError
	switch {
	case errors.As(err, &answered) && answered.ErrorCode == "invalid_grant":
		return identity{}, &refusedError{"the provider does not know the code (invalid_grant)"}
	case errors.As(err, &answered):
		return identity{}, fmt.Errorf("exchange the code: the provider answered %d %.40q",
			answered.Response.StatusCode, answered.ErrorCode)
	case err != nil:
		return identity{}, fmt.Errorf("exchange the code: %w", shortened{err})
	}
	raw, _ := token.Extra("id_token").(string)
	idToken, err := c.verifier.Verify(ctx, raw)
	if err != nil {
		return identity{}, &refusedError{fmt.Sprintf("the ID token: %v", shortened{err})}
	}
	if subtle.ConstantTimeCompare([]byte(idToken.Nonce), []byte(state.Nonce)) != 1 {
		return identity{}, &refusedError{"the ID token is for another sign-in: its nonce differs"}
	}
	var person identity
	if err := idToken.Claims(&person); err != nil {
		return identity{}, &refusedError{"the ID token's claims cannot be read"}
	}
	if person.Email != "" || c.provider.UserInfoEndpoint() == "" {
		return person, nil
	}
	// Some providers don't put the address into the ID token.
	info, err := c.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return identity{}, fmt.Errorf("ask who signed in: %w", shortened{err})
	}
	if info.Subject != idToken.Subject {
		return identity{}, &refusedError{"the user info and the ID token are about different people"}
	}
	person = identity{}
	if err := info.Claims(&person); err != nil {
		return identity{}, &refusedError{"the user info cannot be read"}
	}
	return person, nil
}

// identity holds a provider's claims about a person.
type identity struct {
	Email string `json:"email"`
	// EmailVerified is nil if the provider doesn't say.
	EmailVerified *claimBool `json:"email_verified"`
	// DomainVerified is a claim of Microsoft's: the tenant owns the domain of the address.
	DomainVerified claimBool `json:"xms_edov"`
}

// microsoftHosts are the issuers whose claim xms_edov we trust. They never send email_verified.
var microsoftHosts = map[string]bool{
	"login.microsoftonline.com": true, "login.microsoftonline.us": true,
	"login.partner.microsoftonline.cn": true,
}

// verified reports whether the provider vouches that the address is the person's.
func (i *identity) verified(issuer string) bool {
	if i.EmailVerified != nil {
		return bool(*i.EmailVerified)
	}
	u, err := url.Parse(issuer)
	return err == nil && microsoftHosts[u.Hostname()] && bool(i.DomainVerified)
}

// claimBool is true for the values that providers send, true, "true", 1 and "1", and false for all
// others.
type claimBool bool

// UnmarshalJSON implements [json.Unmarshaler]. It never fails.
func (b *claimBool) UnmarshalJSON(text []byte) error {
	var value any
	_ = json.Unmarshal(text, &value)
	*b = value == true || value == "true" || value == "1" || value == float64(1)
	return nil
}
