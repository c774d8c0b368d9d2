package desk

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"error-check-gate/internal/ordercheck"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed static/*
var assetFiles embed.FS

// pages renders the desk's templates. Each is parsed once, at the start.
type pages struct {
	server    *Server
	templates map[string]*template.Template
	assets    map[string]asset
}

type asset struct {
	content     []byte
	contentType string
	version     string // part of the address, so that browsers may keep it for ever
}

var assetTypes = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}

// shared are the templates that every page can use.
var shared = []string{"pages/layout.html", "pages/time.html"}

func newPages(s *Server) (*pages, error) {
	p := &pages{server: s, templates: map[string]*template.Template{}, assets: map[string]asset{}}
	files, err := fs.ReadDir(assetFiles, "static")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		content, err := assetFiles.ReadFile("static/" + f.Name())
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(content)
		p.assets[f.Name()] = asset{content, assetTypes[path.Ext(f.Name())], hex.EncodeToString(sum[:6])}
	}
	names, err := fs.Glob(pageFiles, "pages/*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		t, err := template.New("layout.html").Funcs(p.functions()).ParseFS(pageFiles, append([]string{name}, shared...)...)
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", name, err)
		}
		p.templates[strings.TrimSuffix(path.Base(name), ".html")] = t
	}
	return p, nil
}

func (p *pages) functions() template.FuncMap {
	s := p.server
	return template.FuncMap{
		"asset":        func(name string) string { return "/static/" + name + "?v=" + p.assets[name].version },
		"ago":          func(t time.Time) string { return ago(s.now(), t, s.location) },
		"exact":        func(t time.Time) string { return t.In(s.location).Format("Monday 2 January 2006, 15:04:05 MST") },
		"iso":          func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"money":        readableMoney,
		"endOf":        func(t time.Time) string { return endOf(t, s.location) },
		"isolate":      isolate,
		"plural":       plural,
		"timelineText": func(e ordercheck.TimelineEntry) string { return timelineText(&e, s.location) },
		"statusText":   statusText,
	}
}

// page is what the layout shows around a page's own data.
type page struct {
	Nav     bool
	Section string
	Actor   *actor
	// Path is the page's own address, for coming back after signing in.
	Path string
	Data any
}

// render writes a page. A page that cannot be rendered is a 500, never half a page.
func (s *Server) render(w http.ResponseWriter, r *http.Request, status int, name, section string, data any) {
	var body bytes.Buffer
	who := s.actor(r)
	shown := page{Section: section, Actor: who, Path: r.URL.Path, Data: data, Nav: who != nil && !who.ByLink}
	if err := s.pages.templates[name].ExecuteTemplate(&body, "layout.html", shown); err != nil {
		s.logger.ErrorContext(r.Context(), "a page could not be rendered", "page", name, "error", err)
		http.Error(w, "This page could not be shown. The reason is in the log.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the reader may have gone
}

// message shows a page that says one thing.
func (s *Server) message(w http.ResponseWriter, r *http.Request, status int, title, text string) {
	s.render(w, r, status, "message", "", struct{ Title, Text string }{title, text})
}

func (p *pages) serveAsset(w http.ResponseWriter, r *http.Request) {
	a, ok := p.assets[r.PathValue("file")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", a.contentType)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(a.content) // the reader may have gone
}
