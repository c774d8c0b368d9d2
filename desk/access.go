package desk

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// actor is who a request acts as.
type actor struct {
	// Address is the person's e-mail address; empty if nobody has to sign in.
	Address     string
	MayOverride bool
	// ByLink is true for the receiver of a notice who followed its link. It opens one order.
	ByLink bool
	// Operator is true for who may see what engineers work with: links to runs.
	Operator   bool
	CanSignOut bool
}

// by is the name that an action stays with.
func (a *actor) by() string {
	if a.Address == "" {
		return "somebody at the order desk"
	}
	return a.Address
}

// actor returns who is signed in; nil is nobody.
func (s *Server) actor(r *http.Request) *actor {
	if person, ok := s.signIn.Who(r); ok {
		return &actor{
			Address: person.Address, MayOverride: person.MayOverride, Operator: true, CanSignOut: person.Address != "",
		}
	}
	if receiver, ok := s.receiver(r); ok {
		_, mayOverride := s.signIn.Allowed(receiver)
		return &actor{Address: receiver, MayOverride: mayOverride, ByLink: true}
	}
	return nil
}

// linkCookie holds the keys of the links that were followed, as order=key pairs, the latest first.
const linkCookie = "__Host-desk-links"

const (
	linkCookieAge = 12 * 60 * 60 // seconds, as long as a session
	// maxLinks limits the links of a cookie, and maxLinkCookie its bytes: browsers drop a cookie of
	// over 4 KB.
	maxLinks      = 8
	maxLinkCookie = 3500
)

// receiver returns whose link opens the order that the request is about.
func (s *Server) receiver(r *http.Request) (string, bool) {
	id := r.PathValue("id")
	if s.links == nil || id == "" {
		return "", false
	}
	for _, link := range followedLinks(r) {
		order, key, _ := strings.Cut(link, "=")
		if order != id {
			continue
		}
		if receiver, err := s.links.Verify(key, id, s.now()); err == nil {
			return receiver, true
		}
	}
	return "", false
}

func followedLinks(r *http.Request) []string {
	cookie, err := r.Cookie(linkCookie)
	if err != nil || cookie.Value == "" {
		return nil
	}
	links := strings.Split(cookie.Value, "~")
	return links[:min(len(links), maxLinks)]
}

// followLink takes a link's key out of the address, so that it stays in no history and in no
// address that people copy. Nothing else happens: mail scanners follow links too.
func (s *Server) followLink(w http.ResponseWriter, r *http.Request, id, key string) {
	page := orderPageURL(id)
	if s.links == nil {
		http.Redirect(w, r, page, http.StatusSeeOther)
		return
	}
	if _, err := s.links.Verify(key, id, s.now()); err != nil {
		if s.actor(r) != nil {
			http.Redirect(w, r, page, http.StatusSeeOther)
			return
		}
		s.render(w, r, http.StatusForbidden, "link-failed", "", struct{ SignIn string }{signInFor(page)})
		return
	}
	links := slices.DeleteFunc(followedLinks(r), func(link string) bool { return strings.HasPrefix(link, id+"=") })
	links = slices.Insert(links, 0, id+"="+key)
	value := links[0]
	for _, link := range links[1:min(len(links), maxLinks)] {
		if len(value)+len(link) < maxLinkCookie {
			value += "~" + link
		}
	}
	http.SetCookie(w, &http.Cookie{
		Name: linkCookie, Value: value, Path: "/",
		MaxAge: linkCookieAge, HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode,
	})
	http.Redirect(w, r, page, http.StatusSeeOther)
}

func signInFor(page string) string { return "/sign-in?next=" + url.QueryEscape(page) }

// orderPageURL is the address of an order's page.
func orderPageURL(id string) string { return "/orders/" + url.PathEscape(id) }

// signedIn lets those in who are signed in, and sends others to the page where they do it.
func (s *Server) signedIn(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if who := s.actor(r); who == nil || who.ByLink {
			http.Redirect(w, r, signInFor(r.URL.RequestURI()), http.StatusSeeOther) //nolint:gosec // a path of the desk, with the address escaped in it
			return
		}
		next(w, r)
	}
}
