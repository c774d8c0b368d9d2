package signin

import (
	"net/http"
	"sync"
	"time"
)

const (
	// sessionCookie begins with __Host-, so that no other site under the same domain can set it.
	sessionCookie = "__Host-desk"
	// sessionValid is one working day.
	sessionValid = 12 * time.Hour
)

// session is the content of the session cookie.
type session struct {
	Address string `json:"a"`
	ID      string `json:"i"`
	Issued  int64  `json:"t"` // Unix time in seconds
	Method  Mode   `json:"m"`
}

// Who returns the person who sent a request. It looks the person up in [Options.People] every time.
func (s *Service) Who(r *http.Request) (Person, bool) {
	if s.mode == ModeNone {
		return Person{Method: ModeNone, MayOverride: true}, true
	}
	current, ok := s.session(r)
	if !ok {
		return Person{}, false
	}
	known, mayOverride := s.Allowed(current.Address)
	if !known {
		return Person{}, false
	}
	return Person{Address: current.Address, MayOverride: mayOverride, Method: current.Method}, true
}

// session returns the valid session of a request. It doesn't check whether the person is still in
// People.
func (s *Service) session(r *http.Request) (session, bool) {
	if s.sessions == nil {
		return session{}, false
	}
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return session{}, false
	}
	var current session
	if err := s.sessions.open(cookie.Value, &current); err != nil {
		return session{}, false
	}
	now := s.now()
	// When the mode changes, the sessions of the old mode end.
	if expired(current.Issued, sessionValid, now) || current.Method != s.mode ||
		s.revoked.has(current.ID, now) {
		return session{}, false
	}
	return current, true
}

// startSession signs a person in, and ends the browser's previous session.
func (s *Service) startSession(w http.ResponseWriter, r *http.Request, address string) error {
	now := s.now()
	value, err := s.sessions.seal(session{
		Address: address, ID: randomID(), Issued: now.Unix(), Method: s.mode,
	})
	if err != nil {
		return err
	}
	s.endSession(r)
	http.SetCookie(w, newCookie(sessionCookie, value, sessionValid))
	return nil
}

func (s *Service) endSession(r *http.Request) {
	if before, ok := s.session(r); ok {
		s.revoked.add(before.ID, time.Unix(before.Issued, 0).Add(sessionValid), s.now())
	}
}

// newCookie returns a cookie that lasts for valid. If valid is 0, the cookie deletes the
// browser's. SameSite is Lax, not Strict, because people come from links in mails and from the
// provider's page.
func newCookie(name, value string, valid time.Duration) *http.Cookie {
	maxAge := int(valid / time.Second)
	if valid == 0 {
		maxAge = -1
	}
	return &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode,
	}
}

func (s *Service) signOut(w http.ResponseWriter, r *http.Request) {
	if s.mode == ModeNone {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	s.endSession(r)
	http.SetCookie(w, newCookie(sessionCookie, "", 0))
	http.Redirect(w, r, "/sign-in?signed-out", http.StatusSeeOther)
}

// maxRevoked is the maximum number of ended sessions that we remember. Only people who are signed
// in can add one.
const maxRevoked = 10_000

// revocations remembers ended sessions until they would have expired.
type revocations struct {
	mu  sync.Mutex
	ids map[string]time.Time // when each session expires
}

func newRevocations() *revocations { return &revocations{ids: map[string]time.Time{}} }

func (v *revocations) has(id string, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	expires, ok := v.ids[id]
	return ok && now.Before(expires)
}

// add remembers an ended session. If there are too many, it forgets the one that expires first.
func (v *revocations) add(id string, expires, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.ids) >= maxRevoked {
		var first string
		for id, expires := range v.ids {
			if !now.Before(expires) {
				delete(v.ids, id)
			} else if first == "" || expires.Before(v.ids[first]) {
				first = id
			}
		}
		if len(v.ids) >= maxRevoked {
			delete(v.ids, first)
		}
	}
	v.ids[id] = expires
}
