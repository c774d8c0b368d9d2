package desk

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"

	"error-check-gate/internal/localonly"
)

// maxForm limits the body of a form, in bytes. The longest reason or comment is 2,000 characters.
const maxForm = 64 << 10

func (s *Server) routes(mux *http.ServeMux) {
	html := http.NewServeMux()
	html.HandleFunc("GET /{$}", s.signedIn(s.listOrders))
	html.HandleFunc("GET /orders/{id}", s.showOrder)
	for name, do := range map[string]action{"check": s.checkAgain, "override": s.override, "comment": s.comment} {
		html.HandleFunc("POST /orders/{id}/"+name, s.act(do))
		// After a refused action the address names it. Signing in, or Enter in the address bar, then
		// asks for it without a form.
		html.HandleFunc("GET /orders/{id}/"+name, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, orderPageURL(r.PathValue("id")), http.StatusSeeOther)
		})
	}
	html.HandleFunc("GET /rules", s.signedIn(s.showRules))
	html.HandleFunc("GET /static/{file}", s.pages.serveAsset)
	s.signIn.Register(html)
	// A form of another site must not act as whoever is signed in here.
	protected := http.NewCrossOriginProtection()
	protected.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.message(w, r, http.StatusForbidden, "This came from another site",
			"Nothing was done. Open the order desk itself and try again.")
	}))
	mux.Handle("/", withHeaders(s.ownName(protected.Handler(withBoundedForm(s.found(html))))))
	mux.HandleFunc("GET /livez", s.probe(func(context.Context) error { return s.watchdog.Check() }))
	mux.HandleFunc("GET /readyz", s.probe(s.Ready))
}

// found answers with a page what no route takes.
func (s *Server) found(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refusal, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		plain := refusalHeader{}
		refusal.ServeHTTP(plain, r)
		if allow := http.Header(plain).Get("Allow"); allow != "" {
			w.Header().Set("Allow", allow)
			s.message(w, r, http.StatusMethodNotAllowed, "This address does not do that",
				"Nothing was done. It answers "+allow+" only.")
			return
		}
		s.message(w, r, http.StatusNotFound, "There is no such page", "The address may be wrong, or cut off.")
	})
}

// refusalHeader is the header of an answer that nobody gets.
type refusalHeader http.Header

func (h refusalHeader) Header() http.Header         { return http.Header(h) }
func (h refusalHeader) Write(p []byte) (int, error) { return len(p), nil }
func (h refusalHeader) WriteHeader(int)             {}

// ownName refuses requests under foreign names if nobody has to sign in. A web page elsewhere can
// reach this machine by a name of its own that resolves to 127.0.0.1, and browsers then take the
// page and the desk for one site.
func (s *Server) ownName(next http.Handler) http.Handler {
	if !s.open {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !localonly.Host(r.Host) {
			http.Error(w, "Without signing in, the order desk answers as localhost or 127.0.0.1 only.",
				http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
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
