package pages

import (
	"fmt"
	"net/http"
	"runtime/debug"

	"error-check-gate/internal/localonly"
)

// maxForm is the maximum size of a form, in bytes. A reason or a comment has at most 2,000
// characters.
const maxForm = 64 << 10

func (h *Handler) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.requireSignIn(h.showList))
	mux.HandleFunc("GET /orders/{id}", h.showOrder)
	for name, do := range map[string]action{
		"check": h.check, "override": h.override, "comment": h.comment,
	} {
		mux.HandleFunc("POST /orders/{id}/"+name, h.act(do))
		// The page of a refused action has the action's address. Signing in from there, or Enter in
		// the address bar, requests it with GET.
		mux.HandleFunc("GET /orders/{id}/"+name, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, orderURL(r.PathValue("id")), http.StatusSeeOther)
		})
	}
	mux.HandleFunc("GET /rules", h.requireSignIn(h.showRules))
	mux.HandleFunc("GET /static/{file}", h.serveAsset)
	h.signIn.Register(mux)

	// Another site's form must not act in the name of a person who is signed in here.
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.message(w, r, http.StatusForbidden, "This came from another website",
			"Nothing was done. Open the order desk and try again there.")
	}))
	handler := sameOrigin.Handler(limitBody(h.notFound(mux)))
	return h.recovered(withHeaders(h.requireLocalHost(handler)))
}

// notFound answers requests that match no route with one of our pages.
func (h *Handler) notFound(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refusal, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		// The mux's own answer says which methods the address accepts.
		discarded := discardedResponse{}
		refusal.ServeHTTP(discarded, r)
		if allow := http.Header(discarded).Get("Allow"); allow != "" {
			w.Header().Set("Allow", allow)
			h.message(w, r, http.StatusMethodNotAllowed, "This page cannot do that",
				"Nothing was done. The page only accepts "+allow+".")
			return
		}
		h.message(w, r, http.StatusNotFound, "There is no such page",
			"The address may be wrong or incomplete.")
	})
}

// discardedResponse is a response writer that keeps only the header.
type discardedResponse http.Header

func (d discardedResponse) Header() http.Header         { return http.Header(d) }
func (d discardedResponse) Write(p []byte) (int, error) { return len(p), nil }
func (d discardedResponse) WriteHeader(int)             {}

// requireLocalHost refuses other host names if nobody has to sign in. A website can give itself a
// name that resolves to 127.0.0.1, and browsers would then treat it and the desk as one site.
func (h *Handler) requireLocalHost(next http.Handler) http.Handler {
	if !h.open {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !localonly.Host(r.Host) {
			http.Error(w, "This order desk needs no sign-in, so it only answers at localhost or 127.0.0.1.",
				http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// contentPolicy allows only our own files, and no frames.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; " +
	"connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", contentPolicy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		// Other sites must not see the address of an order, or the key in a link.
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// recovered turns a panic into status 500 and a line in the log.
func (h *Handler) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			panicked := recover()
			if panicked == nil {
				return
			}
			if panicked == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so too
				panic(panicked)
			}
			h.logger.ErrorContext(r.Context(), "a page panicked", "route", r.Pattern,
				"panic", fmt.Sprintf("%T", panicked), "stack", string(debug.Stack()))
			http.Error(w, "Something went wrong. The reason is in the log.",
				http.StatusInternalServerError)
		}()
		next.ServeHTTP(w, r)
	})
}
