package mailcatcher

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"strings"
	"time"

	"error-check-gate/internal/localonly"
)

//go:embed page.html
var pageHTML string

var page = template.Must(template.New("page").Parse(pageHTML))

type pageData struct {
	Nonce    string
	Mails    []Summary
	Selected *Mail
}

// Page shows the mail in a browser on this machine. Mailpit has a page too, but not if it was built
// from its Go module, which lacks the compiled scripts.
func (s *Server) Page() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.showPage)
	mux.HandleFunc("GET /mail/{id}", s.showPage)
	mux.HandleFunc("GET /mail/{id}/html", s.showHTML)
	mux.HandleFunc("GET /mail/{id}/source", s.showSource)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !localonly.Host(r.Host) {
			http.Error(w, "This page answers under the names localhost, 127.0.0.1 and [::1] only.",
				http.StatusForbidden)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}

func (s *Server) showPage(w http.ResponseWriter, r *http.Request) {
	data := pageData{Nonce: rand.Text()}
	var err error
	if data.Mails, err = s.List(r.Context()); err != nil {
		showError(w, err)
		return
	}
	if id := r.PathValue("id"); id != "" {
		if data.Selected, err = s.Read(r.Context(), id); err != nil {
			showError(w, err)
			return
		}
	}
	var body bytes.Buffer
	if err := page.Execute(&body, data); err != nil {
		showError(w, fmt.Errorf("render the page: %w", err))
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; "+
		"frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "+
		"script-src 'nonce-"+data.Nonce+"'; style-src 'nonce-"+data.Nonce+"'")
	_, _ = w.Write(body.Bytes()) // the browser may be gone
}

// showHTML shows the mail's HTML as a mail program does: without scripts, and loading nothing from
// other servers.
func (s *Server) showHTML(w http.ResponseWriter, r *http.Request) {
	m, err := s.Read(r.Context(), r.PathValue("id"))
	if err != nil {
		showError(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; "+
		"img-src data:; base-uri 'none'; form-action 'none'; "+
		"frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox")
	// Links open in a new tab, not in the frame.
	_, _ = w.Write([]byte(strings.Replace(m.HTML, "<head>", `<head><base target="_blank">`, 1)))
}

func (s *Server) showSource(w http.ResponseWriter, r *http.Request) {
	raw, err := s.Raw(r.Context(), r.PathValue("id"))
	if err != nil {
		showError(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(raw) //nolint:gosec // plain text, because of nosniff
}

func showError(w http.ResponseWriter, err error) {
	status := http.StatusBadGateway
	if errors.Is(err, ErrNoSuchMail) {
		status = http.StatusNotFound
	}
	http.Error(w, err.Error(), status)
}

const (
	pageHeaderTimeout = 5 * time.Second
	pageStopTimeout   = 2 * time.Second
)

// ServePage serves [Server.Page] on l until ctx is done.
func (s *Server) ServePage(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: s.Page(), ReadHeaderTimeout: pageHeaderTimeout}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), pageStopTimeout)
		defer cancel()
		stopped <- server.Shutdown(stop)
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the caught mail on %s: %w", l.Addr(), err)
	}
	return <-stopped
}
