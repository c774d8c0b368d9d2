package desk

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
)

// maxForm limits the body of a form, in bytes. The longest reason or comment is 2,000 characters.
const maxForm = 64 << 10

func (s *Server) routes(mux *http.ServeMux) {
	html := http.NewServeMux()
	html.HandleFunc("GET /{$}", s.signedIn(s.listOrders))
	html.HandleFunc("GET /orders/{id}", s.showOrder)
	html.HandleFunc("POST /orders/{id}/check", s.act(s.checkAgain))
	html.HandleFunc("POST /orders/{id}/override", s.act(s.override))
	html.HandleFunc("POST /orders/{id}/comment", s.act(s.comment))
	html.HandleFunc("GET /rules", s.signedIn(s.showRules))
	html.HandleFunc("GET /static/{file}", s.pages.serveAsset)
	s.signIn.Register(html)
	html.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.message(w, r, http.StatusNotFound, "There is no such page", "The address may be wrong, or cut off.")
	})
	// A form of another site must not act as whoever is signed in here.
	protected := http.NewCrossOriginProtection()
	protected.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.message(w, r, http.StatusForbidden, "This came from another site",
			"Nothing was done. Open the order desk itself and try again.")
	}))
	mux.Handle("/", withHeaders(protected.Handler(withBoundedForm(html))))
	mux.HandleFunc("GET /livez", s.probe(func(context.Context) error { return s.watchdog.Check() }))
	mux.HandleFunc("GET /readyz", s.probe(s.Ready))
}

// contentPolicy allows what the desk serves itself. Nobody may frame it.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		// The address of an order, and a link's key before it is taken out, are nobody else's business.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func withBoundedForm(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

func (s *Server) probe(check func(context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := check(r.Context()); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(w, `{"status":"unavailable"}`)
			return
		}
		fmt.Fprintln(w, `{"status":"ok"}`)
	}
}

// recovered turns a panic into a 500 and a line in the log.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			panicked := recover()
			if panicked == nil {
				return
			}
			if panicked == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so too
				panic(panicked)
			}
			s.logger.ErrorContext(r.Context(), "a request of the desk panicked", "route", r.Pattern,
				"panic", fmt.Sprintf("%T", panicked), "stack", string(debug.Stack()))
			http.Error(w, "Something went wrong here. It is in the log.", http.StatusInternalServerError)
		}()
		next.ServeHTTP(w, r)
	})
}
