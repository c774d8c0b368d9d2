package pages

import (
	"net/http"
	"net/url"
)

// actor is the person behind a request, and what that person may do.
type actor struct {
	// Address is the person's email address. It is empty if nobody has to sign in.
	Address     string
	MayOverride bool
	// ByLink is true if the person followed the link in a mail. It opens one order only.
	ByLink bool
	// Operator is true if the person may see links to runs in Temporal.
	Operator   bool
	CanSignOut bool
}

// by returns the name that is stored with an action.
func (a *actor) by() string {
	if a.Address == "" {
		return "somebody at the order desk"
	}
	return a.Address
}

// actor returns the person behind a request, or nil if nobody is signed in.
func (h *Handler) actor(r *http.Request) *actor {
	if person, ok := h.signIn.Who(r); ok {
		return &actor{
			Address: person.Address, MayOverride: person.MayOverride, Operator: true,
			CanSignOut: person.Address != "",
		}
	}
	if receiver, ok := h.linkReceiver(r); ok {
		_, mayOverride := h.signIn.Allowed(receiver)
		return &actor{Address: receiver, MayOverride: mayOverride, ByLink: true}
	}
	return nil
}

// requireSignIn sends people who are not signed in to the sign-in page. A link from a mail is not
// enough.
func (h *Handler) requireSignIn(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if who := h.actor(r); who == nil || who.ByLink {
			page := signInURL(r.URL.RequestURI())
			http.Redirect(w, r, page, http.StatusSeeOther) //nolint:gosec // it escapes the address
			return
		}
		next(w, r)
	}
}

// signInURL returns the address of the sign-in page that leads back to a page.
func signInURL(page string) string { return "/sign-in?next=" + url.QueryEscape(page) }

// orderURL returns the address of an order's page.
func orderURL(id string) string { return "/orders/" + url.PathEscape(id) }
