// Package signin signs people in to the desk, by a link in a mail or by OpenID Connect. There is no
// user database. A session is a signed cookie, so every process with the same secret accepts it.
//
// A session ends 12 hours after signing in, when the secret that signed it is removed, when the
// person is removed from [Options.People], and at sign-out. Sign-out deletes the browser's cookie,
// and the process refuses copies of that cookie. Other processes, and this one after a restart,
// don't know of the sign-out: there a copied cookie works until its 12 hours are over.
package signin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"error-check-gate/internal/localonly"
)

// Mode is the way to sign in. A desk has one.
type Mode string

// The modes.
const (
	// ModeMail sends a link to people in [Options.People] who ask for one.
	ModeMail Mode = "mail"
	// ModeOIDC asks an OpenID Connect provider.
	ModeOIDC Mode = "oidc"
	// ModeNone lets everybody act. Use it only if nobody but this machine can reach the desk.
	ModeNone Mode = "none"
)

// Person is the person who sent a request.
type Person struct {
	// Address is the person's mail address, with ASCII letters in lower case. It is empty in
	// [ModeNone].
	Address string
	// MayOverride is true if the person may take responsibility for findings.
	MayOverride bool
	// Method is how the person signed in.
	Method Mode
}

// OIDC names the OpenID Connect provider and our client there. The client must allow the redirect
// URI {BaseURL}/sign-in/oidc/callback.
type OIDC struct {
	// Issuer is an https:// URL. http:// is allowed on loopback.
	Issuer       string
	ClientID     string
	ClientSecret string
}

// MinSecret is the minimum length of a secret, in bytes.
const MinSecret = 32

// Options configure a [Service]. Render is required, and so are Secrets, BaseURL and People unless
// Mode is [ModeNone].
type Options struct {
	Mode Mode
	// Secrets sign cookies and links. The first one signs, all of them verify.
	Secrets []string
	// BaseURL is the desk's address for browsers, such as https://desk.example.com.
	BaseURL *url.URL
	// People lists who may sign in: mail addresses, or @domain for everybody in a domain.
	People []string
	// MayOverride lists who may take responsibility. Nil means everybody in People.
	MayOverride []string
	// Mail sends a mail. [ModeMail] requires it. Its errors are logged, so they must not name people.
	Mail func(ctx context.Context, to, subject, text string) error
	// UseOnce reports whether this is the first call with an id. [ModeMail] requires it. A link stays
	// usable if it returns an error.
	UseOnce func(ctx context.Context, id string) (first bool, err error)
	// OIDC is the provider of [ModeOIDC].
	OIDC OIDC
	// Render writes one of the pages sign-in, sign-in-sent, sign-in-confirm and sign-in-failed.
	Render func(w http.ResponseWriter, r *http.Request, status int, page string, data any)
	// Peer identifies the sender of a request for rate limits. Behind a proxy it must return the
	// address that the proxy saw. Nil uses the address of the connection, or its /64 network for
	// IPv6.
	Peer func(r *http.Request) string
	// Logger is slog.Default() if nil.
	Logger *slog.Logger
	// Now is time.Now if nil.
	Now func() time.Time
}

// Service signs people in and recognizes them. Several goroutines may use it at once.
type Service struct {
	mode        Mode
	baseURL     string
	people      people
	mayOverride people
	sessions    *sealer
	revoked     *revocations
	attempts    *limiter // per peer: links used, and round trips to the provider
	mail        *mailer  // nil unless the mode is ModeMail
	provider    *provider
	render      func(w http.ResponseWriter, r *http.Request, status int, page string, data any)
	peer        func(r *http.Request) string
	logger      *slog.Logger
	now         func() time.Time
}

// Format hides the fields, because some of them contain keys.
func (s *Service) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "signin.Service") }

// New checks the options and returns all faults at once. It makes no connection.
func New(o Options) (*Service, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Peer == nil {
		o.Peer = connectionPeer
	}
	s := &Service{
		mode: o.Mode, render: o.Render, peer: o.Peer, logger: o.Logger, now: o.Now,
		revoked:  newRevocations(),
		attempts: newPeerLimiter(),
	}
	faults := o.Faults()
	if o.Render == nil {
		faults.Add("Render", "is not set")
	}
	if o.Mode == ModeMail && (o.Mail == nil || o.UseOnce == nil) {
		faults.Add("Mode", "is mail, which needs both {Mail} and {UseOnce}")
	}
	if err := faults.Err(); err != nil {
		return nil, fmt.Errorf("set up signing in: %w", err)
	}
	if o.Mode == ModeNone {
		return s, nil
	}
	if err := s.setUpMode(&o); err != nil {
		return nil, fmt.Errorf("set up signing in: %w", err)
	}
	return s, nil
}

// setUpMode sets up ModeMail or ModeOIDC. The options must have no faults.
func (s *Service) setUpMode(o *Options) (err error) {
	if s.baseURL, err = checkBaseURL(o.BaseURL); err != nil {
		return err
	}
	if s.people, err = parsePeople(o.People); err != nil {
		return err
	}
	s.mayOverride = s.people
	if o.MayOverride != nil {
		if s.mayOverride, err = parsePeople(o.MayOverride); err != nil {
			return err
		}
	}
	if s.sessions, err = newSealer(o.Secrets, "session"); err != nil {
		return err
	}
	if o.Mode == ModeMail {
		s.mail, err = newMailer(o, s)
	} else {
		s.provider, err = newProvider(o, s)
	}
	return err
}

// checkBaseURL returns the URL without a slash at its end, or an error that says what is wrong.
func checkBaseURL(u *url.URL) (string, error) {
	switch {
	case u == nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "", errors.New("is not the desk's address for browsers: " +
			"write one such as https://desk.example.com")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return "", errors.New("has more than a scheme, a host and a port: " +
			"write it like https://desk.example.com")
	case u.Scheme == "http" && !isLocalHTTP(u):
		return "", errors.New("starts with http:// and is not on this machine: write https://, " +
			"because browsers keep a session only over https")
	}
	return u.Scheme + "://" + u.Host, nil
}

// isLocalHTTP reports whether a URL is http on this machine, which needs no encryption.
func isLocalHTTP(u *url.URL) bool {
	return u.Scheme == "http" && localonly.Host(u.Hostname())
}

// Register adds the routes for signing in and out. The caller must protect them from requests of
// other origins, as [http.CrossOriginProtection] does.
func (s *Service) Register(mux *http.ServeMux) {
	handle := func(pattern string, handler http.HandlerFunc) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			// The key in an address must not reach other sites or stay in a cache.
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("Referrer-Policy", "same-origin")
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
			handler(w, r)
		})
	}
	handle("GET /sign-in", s.showSignIn)
	handle("POST /sign-in", s.only(ModeMail, s.askForLink))
	handle("GET /sign-in/{key}", s.only(ModeMail, s.showLink))
	handle("POST /sign-in/{key}", s.only(ModeMail, s.useLink))
	handle("GET /sign-in/oidc", s.only(ModeOIDC, s.startOIDC))
	handle("GET /sign-in/oidc/callback", s.only(ModeOIDC, s.finishOIDC))
	handle("POST /sign-out", s.signOut)
}

// maxForm limits the body of a form, in bytes.
const maxForm = 64 << 10

// only wraps a handler that works in one mode. In other modes it answers 404.
func (s *Service) only(mode Mode, handler http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.mode != mode {
			s.fail(w, r, faultMode, "/")
			return
		}
		handler(w, r)
	}
}

// Run sends the mails that people ask for until ctx ends. Then it sends the queued mails, for at
// most 5 seconds, and returns.
func (s *Service) Run(ctx context.Context) {
	if s.mail == nil {
		<-ctx.Done()
		return
	}
	s.mail.run(ctx)
}

// Allowed reports whether an address may sign in, and whether it may override.
func (s *Service) Allowed(address string) (known, mayOverride bool) {
	if s.mode == ModeNone {
		return true, true
	}
	address, err := parseAddress(address)
	if err != nil {
		return false, false
	}
	if known, _ = s.people.match(address); !known {
		return false, false
	}
	mayOverride, _ = s.mayOverride.match(address)
	return true, mayOverride
}

func (s *Service) showSignIn(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	next := LocalPath(query.Get("next"))
	if _, ok := s.Who(r); ok && s.mode != ModeNone {
		http.Redirect(w, r, next, http.StatusSeeOther) //nolint:gosec // LocalPath keeps it here
		return
	}
	page := signInPage{Mode: s.mode, Next: next, SignedOut: query.Has("signed-out")}
	if s.provider != nil {
		page.Provider = s.provider.name
	}
	s.render(w, r, http.StatusOK, "sign-in", page)
}
