package pages

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

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static/*
var assetFiles embed.FS

// templates holds the parsed pages by name.
type templates map[string]*template.Template

// parseTemplates parses each page together with the templates that all pages share.
func parseTemplates(functions template.FuncMap) (templates, error) {
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	parsed := templates{}
	for _, name := range names {
		t, err := template.New("layout.html").Funcs(functions).
			ParseFS(templateFiles, name, "templates/layout.html", "templates/time.html")
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", name, err)
		}
		parsed[strings.TrimSuffix(path.Base(name), ".html")] = t
	}
	return parsed, nil
}

func (h *Handler) functions() template.FuncMap {
	return template.FuncMap{
		"asset": func(name string) string { return "/static/" + name + "?v=" + h.assets[name].version },
		"ago":   func(t time.Time) string { return ago(h.now(), t, h.location) },
		"exact": func(t time.Time) string {
			return t.In(h.location).Format("Monday 2 January 2006, 15:04:05 MST")
		},
		"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"money":   groupAmounts,
		"endOf":   func(t time.Time) string { return endOf(t, h.location) },
		"isolate": isolate,
		"count":   count,
		"timelineText": func(e ordercheck.TimelineEntry) string {
			return timelineText(&e, h.location)
		},
		"statusText": statusText,
	}
}

// layoutData is the data of the layout, which all pages share.
type layoutData struct {
	Nav     bool
	Section string
	Actor   *actor
	// Path is the page's own address. Signing in leads back to it.
	Path string
	Data any // of the page itself
}

// render writes a page. If the template fails, it writes an error and no part of the page.
func (h *Handler) render(
	w http.ResponseWriter, r *http.Request, status int, name, section string, data any,
) {
	var body bytes.Buffer
	who := h.actor(r)
	layout := layoutData{
		Section: section, Actor: who, Path: r.URL.Path, Data: data, Nav: who != nil && !who.ByLink,
	}
	if err := h.templates[name].ExecuteTemplate(&body, "layout.html", layout); err != nil {
		h.logger.ErrorContext(r.Context(), "a page could not be rendered", "page", name, "error", err)
		http.Error(w, "This page could not be shown. The reason is in the log.",
			http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // fails if the reader is gone
}

// message shows a page with one message.
func (h *Handler) message(w http.ResponseWriter, r *http.Request, status int, title, text string) {
	h.render(w, r, status, "message", "", struct{ Title, Text string }{title, text})
}

// unavailable logs err and answers 503.
func (h *Handler) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	h.logger.WarnContext(r.Context(), "the desk could not answer", "route", r.Pattern, "error", err)
	w.Header().Set("Retry-After", "10")
	h.message(w, r, http.StatusServiceUnavailable, "The order desk is not available now",
		"Nothing is lost: all orders stay as they are. Try again in a minute. "+
			"If that does not help, tell the person who runs the desk.")
}

// asset is a file that pages link to.
type asset struct {
	content     []byte
	contentType string
	version     string // part of the address, so that browsers may keep the file forever
}

func readAssets() (map[string]asset, error) {
	types := map[string]string{
		".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	}
	files, err := fs.ReadDir(assetFiles, "static")
	if err != nil {
		return nil, err
	}
	assets := map[string]asset{}
	for _, f := range files {
		content, err := assetFiles.ReadFile("static/" + f.Name())
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(content)
		assets[f.Name()] = asset{content, types[path.Ext(f.Name())], hex.EncodeToString(sum[:6])}
	}
	return assets, nil
}

func (h *Handler) serveAsset(w http.ResponseWriter, r *http.Request) {
	a, ok := h.assets[r.PathValue("file")]
	if !ok {
		h.message(w, r, http.StatusNotFound, "There is no such file",
			"The address may be wrong or incomplete.")
		return
	}
	w.Header().Set("Content-Type", a.contentType)
	// During an update, a page of one version may load files from a process of another version.
	// Browsers must not cache such an answer.
	if r.URL.Query().Get("v") == a.version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(a.content) // fails if the reader is gone
}
