package codec

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"

	"error-check-gate/internal/edge"
)

// ServerOptions configure a [Server].
type ServerOptions struct {
	Keys *Keys
	// Addr is the host:port that the server will listen on. [ServerOptions.Faults] requires a Token
	// if other machines can reach it.
	Addr string
	// Token is the token that each request must carry as "Authorization: Bearer TOKEN". If it is
	// empty, requests need no token. That is for loopback only.
	Token string
	// Origins lists the origins of pages that may send requests from a browser, such as
	// https://temporal.example.com.
	Origins []string
	// TLSCertFile and TLSKeyFile, in PEM, make the server speak TLS. It reads them again when they
	// change. Set both or neither.
	TLSCertFile, TLSKeyFile string
	// Logger logs refused requests and payloads that could not be decrypted. Nil logs nothing.
	Logger *slog.Logger
}

// Server is a codec server, as Temporal calls it: it decrypts what the Web UI and the temporal CLI
// show, and encrypts what they send. It returns plaintext, but never a key.
type Server struct {
	token             [sha256.Size]byte
	open              bool // needs no token
	origins           []string
	certFile, keyFile string
	logger            *slog.Logger
	codec             http.Handler
}

const (
	// maxRequest is the maximum size of a request's body, in bytes. A page of a history is
	// smaller.
	maxRequest     = 64 << 20
	headerTimeout  = 5 * time.Second
	requestTimeout = time.Minute
	stopTimeout    = 10 * time.Second
)

// NewServer returns a server. Call [Server.Serve] to start it.
func NewServer(o ServerOptions) *Server {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Server{
		token:   sha256.Sum256([]byte(o.Token)),
		open:    o.Token == "",
		origins: o.Origins, certFile: o.TLSCertFile, keyFile: o.TLSKeyFile,
		logger: o.Logger,
		codec:  converter.NewPayloadCodecHTTPHandler(&lenientCodec{New(o.Keys), o.Logger}),
	}
}

// Serve answers requests until ctx is done or the listener fails. It closes the listener.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout,
		WriteTimeout: requestTimeout, IdleTimeout: requestTimeout,
		MaxHeaderBytes: 64 << 10,
		BaseContext:    func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ErrorLog:       slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
	serve := server.Serve
	if s.certFile != "" {
		certificate, err := edge.OpenCertificate(s.certFile, s.keyFile, s.logger, nil)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		server.TLSConfig = certificate.TLSConfig()
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	served := make(chan error, 1)
	go func() { served <- serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("run the codec server: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := server.Shutdown(stop)
	if served := <-served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// ServeHTTP implements Temporal's remote codec: POST …/encode and POST …/decode. It also answers
// GET /livez, for probes.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Add("Vary", "Origin")
	if r.Method == http.MethodGet && r.URL.Path == "/livez" {
		_, _ = w.Write([]byte("alive\n")) // the caller may be gone
		return
	}
	// A browser sends the origin of a page. Without this check, any page could decrypt on behalf of
	// the person who opened it.
	if origin := r.Header.Get("Origin"); origin != "" {
		if !slices.Contains(s.origins, origin) {
			s.refuse(w, r, http.StatusForbidden,
				"pages of this origin are not allowed: see CODEC_ALLOWED_ORIGINS")
			return
		}
		header.Set("Access-Control-Allow-Origin", origin)
		// Lets the browser send the cookie of a proxy that asks for a login.
		header.Set("Access-Control-Allow-Credentials", "true")
		if r.Method == http.MethodOptions {
			header.Set("Access-Control-Allow-Methods", "POST")
			header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Namespace")
			header.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	if !s.allowed(r.Header.Values("Authorization")) {
		header.Set("WWW-Authenticate", "Bearer")
		s.refuse(w, r, http.StatusUnauthorized,
			"a token is missing or wrong: send the CODEC_TOKEN as Authorization: Bearer TOKEN")
		return
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method == http.MethodPost && (err != nil || media != "application/json") {
		s.refuse(w, r, http.StatusUnsupportedMediaType, "the body must be application/json")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	s.codec.ServeHTTP(w, r)
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, status int, reason string) {
	s.logger.WarnContext(r.Context(), "refused a request", "status", status, "peer", r.RemoteAddr,
		"origin", r.Header.Get("Origin"), "reason", reason)
	http.Error(w, reason, status)
}

// allowed reports whether a request carries the token. It compares digests, so its duration
// reveals nothing about the token.
func (s *Server) allowed(authorizations []string) bool {
	if s.open {
		return true
	}
	if len(authorizations) != 1 {
		return false
	}
	scheme, token, _ := strings.Cut(authorizations[0], " ")
	given := sha256.Sum256([]byte(token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(given[:], s.token[:]) == 1
}

// lenientCodec leaves payloads that it cannot decrypt as they are, so one lost key does not hide
// the rest of a page. The page then shows the key's id.
type lenientCodec struct {
	converter.PayloadCodec
	logger *slog.Logger
}

// Decode implements [converter.PayloadCodec].
func (c *lenientCodec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	decoded := make([]*commonpb.Payload, len(payloads))
	var lastErr error
	for i, payload := range payloads {
		one, err := c.PayloadCodec.Decode([]*commonpb.Payload{payload})
		if err != nil {
			decoded[i], lastErr = payload, err
			continue
		}
		decoded[i] = one[0]
	}
	if lastErr != nil {
		c.logger.Warn("some payloads stay encrypted", "error", lastErr)
	}
	return decoded, nil
}
