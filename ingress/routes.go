package ingress

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc/codes"
)

const (
	webhookPath = "/webhook/inflow"
	livePath    = "/livez"
	readyPath   = "/readyz"
)

func isProbe(path string) bool { return path == livePath || path == readyPath }

// routes returns the ingress's handler. It compares paths as they are: [http.ServeMux] would redirect
// some that it cleans, and a redirected webhook is a lost one.
func (s *Server) routes() http.Handler {
	post := map[string]handler{webhookPath: s.takeWebhook}
	get := map[string]handler{webhookPath: s.listening, livePath: s.alive, readyPath: s.ready}
	notFound := func(*http.Request) answer {
		return refused(http.StatusNotFound, "", "there is nothing here; webhooks go to "+webhookPath)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers := get
		switch r.Method {
		case http.MethodPost:
			handlers = post
		case http.MethodGet, http.MethodHead:
		default:
			handlers = nil
		}
		path := r.URL.Path
		switch {
		case handlers[path] != nil:
			r.Pattern = path // names the request's span and metrics
			s.respond(w, r, handlers[path])
		case post[path] != nil:
			w.Header().Set("Allow", "POST, GET, HEAD")
			s.respond(w, r, s.refuseMethod)
		case get[path] != nil:
			w.Header().Set("Allow", "GET, HEAD")
			s.respond(w, r, s.refuseMethod)
		default:
			s.respond(w, r, notFound)
		}
	})
}

func (s *Server) listening(*http.Request) answer {
	return answer{status: http.StatusOK, body: map[string]string{"status": "listening"}}
}

// alive fails only if something hangs. A restart doesn't help if another system is down.
func (s *Server) alive(*http.Request) answer {
	if err := s.watchdog.Check(); err != nil {
		return unavailable(err)
	}
	return answer{status: http.StatusOK, body: map[string]string{"status": "alive"}}
}

func (s *Server) ready(r *http.Request) answer {
	if err := s.Ready(r.Context()); err != nil {
		return unavailable(err)
	}
	return answer{status: http.StatusOK, body: map[string]string{"status": "ready"}}
}

func unavailable(err error) answer {
	return answer{status: http.StatusServiceUnavailable, body: map[string]string{"error": err.Error()}}
}

var (
	errDraining    = errors.New("shutting down")
	errUnreachable = errors.New("Temporal cannot be reached")
	errRefused     = errors.New("nothing may be sent to Temporal; the log says why")
)

// firstAnswer is how long a probe right after the start waits for Temporal's first answer.
const firstAnswer = time.Second

// temporalError returns why Temporal's latest health check failed, or nil. It doesn't wait.
func (s *Server) temporalError() error {
	_, err := s.health.Get()
	return err
}

// Ready returns nil, or why deliveries should go elsewhere. GET /readyz answers the same.
func (s *Server) Ready(ctx context.Context) error {
	if s.draining.Load() {
		return errDraining
	}
	first, cancel := context.WithTimeout(ctx, firstAnswer)
	defer cancel()
	s.health.Wait(first)
	if err := s.temporalError(); err != nil {
		reason := errUnreachable
		if serviceerror.ToStatus(err).Code() == codes.PermissionDenied {
			reason = errRefused
		}
		s.logUnready.Do(func() {
			s.logger.WarnContext(ctx, "not ready: "+reason.Error(), "error", err)
		})
		return reason
	}
	return nil
}
