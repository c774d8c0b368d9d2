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
)

// ServerOptions say whom the codec server decrypts for.
type ServerOptions struct {
	Keys *Keys
	// Token must come with each request as "Authorization: Bearer TOKEN"; empty asks for
	// none, and is for loopback only.
	Token string
	// Origins of pages that may ask from a browser, such as https://temporal.example.com.
	Origins []string
	// TLSCertFile and TLSKeyFile are both set, or neither.
	TLSCertFile, TLSKeyFile string
	// Logger is told of what could not be decrypted, and of what was refused; nil is nobody.
	Logger *slog.Logger
}

// Server is what Temporal calls a codec server: it decrypts what the Web UI and the temporal CLI
// show, and encrypts what they send. It hands out plaintext, and never a key.
type Server struct {
	token       [sha256.Size]byte
	open        bool
	origins     []string
	certificate func() (certFile, keyFile string)
	logger      *slog.Logger
	codec       http.Handler
}

// Bounds of a request.
const (
	// maxRequest is more than a page of a history has, in bytes.
	maxRequest     = 64 << 20
	headerTimeout  = 5 * time.Second
	requestTimeout = time.Minute
	stopTimeout    = 10 * time.Second
)

// NewServer makes a server that serves nothing yet.
func NewServer(o ServerOptions) *Server {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Server{
		token:       sha256.Sum256([]byte(o.Token)),
		open:        o.Token == "",
		origins:     o.Origins,
		certificate: func() (string, string) { return o.TLSCertFile, o.TLSKeyFile },
		logger:      o.Logger,
		codec:       converter.NewPayloadCodecHTTPHandler(&readable{New(o.Keys), o.Logger}),
	}
}

// Serve answers until ctx is done, or the listener fails. It closes the listener.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout, WriteTimeout: requestTimeout,
		IdleTimeout: requestTimeout, MaxHeaderBytes: 64 << 10, BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() {
		if certFile, keyFile := s.certificate(); certFile != "" {
			served <- server.ServeTLS(listener, certFile, keyFile)
			return
		}
		served <- server.Serve(listener)
	}()
	select {
	case err := <-served:
		return fmt.Errorf("the codec server: %w", err)
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

// ServeHTTP implements Temporal's remote codec: POST …/encode and …/decode. GET /livez is for probes.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Add("Vary", "Origin")
	if r.Method == http.MethodGet && r.URL.Path == "/livez" {
		_, _ = w.Write([]byte("alive\n")) // who asked may have gone
		return
	}
	// A browser says where a page is from; without this, any page could ask in its user's name.
	if origin := r.Header.Get("Origin"); origin != "" {
		if !slices.Contains(s.origins, origin) {
			s.refuse(w, r, http.StatusForbidden, "pages of this origin may not ask: see CODEC_ALLOWED_ORIGINS")
			return
		}
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Allow-Credentials", "true") // the cookie of a login in front
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
		s.refuse(w, r, http.StatusUnauthorized, "a token is needed: Authorization: Bearer, and the CODEC_TOKEN")
		return
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); r.Method == http.MethodPost && (err != nil || media != "application/json") {
		s.refuse(w, r, http.StatusUnsupportedMediaType, "the body must be application/json")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	s.codec.ServeHTTP(w, r)
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, status int, reason string) {
	s.logger.WarnContext(r.Context(), "a request was refused", "status", status, "peer", r.RemoteAddr, "origin", r.Header.Get("Origin"), "reason", reason)
	http.Error(w, reason, status)
}

// allowed compares digests, so that the time it takes says nothing of the token.
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

// readable leaves a payload that cannot be decrypted as it is, so that one lost key does not
// hide the rest of a page. The page then shows its key's id.
type readable struct {
	converter.PayloadCodec
	logger *slog.Logger
}

// Decode implements [converter.PayloadCodec].
func (c *readable) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	decoded := make([]*commonpb.Payload, len(payloads))
	var failed error
	for i, payload := range payloads {
		one, err := c.PayloadCodec.Decode([]*commonpb.Payload{payload})
		if err != nil {
			decoded[i], failed = payload, err
			continue
		}
		decoded[i] = one[0]
	}
	if failed != nil {
		c.logger.Warn("what was asked for stays encrypted in part", "error", failed)
	}
	return decoded, nil
}
