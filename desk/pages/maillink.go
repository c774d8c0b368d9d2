package pages

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"error-check-gate/internal/desklink"
	"error-check-gate/internal/ordercheck"
)

// linkCookie holds the keys of followed links as order=key pairs, the latest first.
const linkCookie = "__Host-desk-links"

const (
	// linkCookieAge is the lifetime of the cookie, in seconds. A session has the same.
	linkCookieAge = 12 * 60 * 60
	// maxLinks is the maximum number of links in the cookie.
	maxLinks = 8
	// maxLinkCookie is the maximum size of the cookie, in bytes. Browsers drop a cookie of more than
	// 4 KB.
	maxLinkCookie = 3500
)

// linkReceiver returns the receiver of the link that opens the requested order.
func (h *Handler) linkReceiver(r *http.Request) (receiver string, ok bool) {
	id := ordercheck.CanonicalID(r.PathValue("id"))
	if h.links == nil || id == "" {
		return "", false
	}
	for _, link := range followedLinks(r) {
		order, key, _ := strings.Cut(link, "=")
		if order != id {
			continue
		}
		if receiver, err := h.links.Verify(key, id, h.now()); err == nil {
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

// followLink moves the key of a link from the address to a cookie, so that the browser's history
// and copied addresses don't contain it. It does nothing else, because mail scanners follow links
// too.
func (h *Handler) followLink(w http.ResponseWriter, r *http.Request, id, key string) {
	page := orderURL(id)
	if h.links == nil {
		http.Redirect(w, r, page, http.StatusSeeOther)
		return
	}
	if _, err := h.links.Verify(key, id, h.now()); err != nil {
		if h.actor(r) != nil {
			http.Redirect(w, r, page, http.StatusSeeOther)
			return
		}
		data := struct {
			Expired bool
			SignIn  string
		}{errors.Is(err, desklink.ErrExpired), signInURL(page)}
		h.render(w, r, http.StatusForbidden, "link-failed", "", data)
		return
	}
	// Ids in upper and lower case share a cookie entry and a page.
	id = ordercheck.CanonicalID(id)
	links := slices.DeleteFunc(followedLinks(r), func(link string) bool {
		return strings.HasPrefix(link, id+"=")
	})
	value := id + "=" + key
	for _, link := range links[:min(len(links), maxLinks-1)] {
		if len(value)+len(link) < maxLinkCookie {
			value += "~" + link
		}
	}
	http.SetCookie(w, &http.Cookie{
		Name: linkCookie, Value: value, Path: "/",
		MaxAge: linkCookieAge, HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode,
	})
	http.Redirect(w, r, orderURL(id), http.StatusSeeOther)
}
