package signin

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// askForLink gives the same answer for known and unknown addresses, so it reveals neither.
func (s *Service) askForLink(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.failForm(w, r, err)
		return
	}
	next := LocalPath(r.PostForm.Get("next"))
	if !s.admitOrRefuse(w, r, s.mail.asking, Path(next)) {
		return
	}
	address, err := parseAddress(r.PostForm.Get("email"))
	if err != nil {
		s.render(w, r, http.StatusBadRequest, "sign-in", signInPage{
			Mode: s.mode, Next: next, Fault: "Enter your email address, such as jane@example.com.",
		})
		return
	}
	s.mail.ask(r.Context(), linkRequest{address: address, next: next})
	s.render(w, r, http.StatusOK, "sign-in-sent", sentPage{Address: address, Again: Path(next)})
}

// showLink asks the person to confirm. It does not use up the link, because mail scanners open
// every link.
func (s *Service) showLink(w http.ResponseWriter, r *http.Request) {
	key := r.PathValue("key")
	l, ok := s.openLink(w, r, key)
	if !ok {
		return
	}
	s.render(w, r, http.StatusOK, "sign-in-confirm", confirmPage{Address: l.Address, Key: key})
}

// useOnceTimeout limits a call of [Options.UseOnce].
const useOnceTimeout = 10 * time.Second

func (s *Service) useLink(w http.ResponseWriter, r *http.Request) {
	if !s.admitOrRefuse(w, r, s.attempts, r.URL.EscapedPath()) {
		return
	}
	l, ok := s.openLink(w, r, r.PathValue("key"))
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), useOnceTimeout)
	defer cancel()
	first, err := s.mail.useOnce(ctx, l.ID)
	if err != nil {
		s.logger.ErrorContext(r.Context(), "a sign-in link could not be used; it stays valid",
			"error", err)
		s.failAgain(w, r, faultUnavailable, r.URL.EscapedPath())
		return
	}
	if !first {
		// The button was pressed twice, or the page was reloaded.
		if person, ok := s.Who(r); ok && person.Address == l.Address {
			http.Redirect(w, r, LocalPath(l.Next), http.StatusSeeOther)
			return
		}
		s.fail(w, r, faultUsed, l.Next)
		return
	}
	s.signInAndRedirect(w, r, l.Address, l.Next)
}

// openLink returns the link of a key. If the key is not valid, it answers the request and returns
// false.
func (s *Service) openLink(w http.ResponseWriter, r *http.Request, key string) (link, bool) {
	l, err := s.mail.open(key)
	switch {
	case errors.Is(err, errExpired):
		s.fail(w, r, faultExpired, l.Next)
		return link{}, false
	case err != nil:
		s.fail(w, r, faultInvalid, "/")
		return link{}, false
	}
	if known, _ := s.Allowed(l.Address); !known {
		s.fail(w, r, faultRemoved, l.Next)
		return link{}, false
	}
	return l, true
}

// signInAndRedirect starts a session and redirects to the page that the person wanted.
func (s *Service) signInAndRedirect(w http.ResponseWriter, r *http.Request, address, next string) {
	if err := s.startSession(w, r, address); err != nil {
		s.logger.ErrorContext(r.Context(), "a session could not be started", "error", err)
		s.failAgain(w, r, faultUnavailable, Path(next))
		return
	}
	http.Redirect(w, r, LocalPath(next), http.StatusSeeOther)
}

// admitOrRefuse counts the request and reports whether its peer is within the limit. If not, it
// answers 429 with a link to the address again.
func (s *Service) admitOrRefuse(
	w http.ResponseWriter, r *http.Request, limit *limiter, again string,
) bool {
	wait, ok := limit.take(s.peer(r), s.now())
	if !ok {
		setRetryAfter(w, wait)
		s.failAgain(w, r, faultTooMany, again)
	}
	return ok
}

func (s *Service) failForm(w http.ResponseWriter, r *http.Request, err error) {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		s.fail(w, r, faultTooLarge, "/")
		return
	}
	s.fail(w, r, faultForm, "/")
}
