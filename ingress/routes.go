package ingress

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc/codes"
)

const (
	webhookPath = "/webhook/inflow"
	livePath    = "/livez"
	readyPath   = "/readyz"
)

func isProbe(path string) bool { return path == livePath || path == readyPath }

func (s *Server) routes() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false // a redirected webhook is a lost one
	engine.ForwardedByClientIP = false   // we use edge.OriginOf
	engine.Use(s.recovered, namedByRoute)
	engine.POST(webhookPath, s.answering(s.takeWebhook))
	for path, handle := range map[string]handler{
		webhookPath: s.listening, livePath: s.alive, readyPath: s.ready,
	} {
		engine.GET(path, s.answering(handle))
		engine.HEAD(path, s.answering(handle))
	}
	engine.NoRoute(s.answering(func(*http.Request) answer {
		return refused(http.StatusNotFound, "", "there is nothing here; webhooks go to "+webhookPath)
	}))
	engine.NoMethod(s.answering(s.refuseMethod)) // gin sets Allow
	return engine
}

// namedByRoute names the request's span and metrics after its route.
func namedByRoute(c *gin.Context) {
	if route := c.FullPath(); route != "" {
		c.Request.Pattern = route
	}
}

func (s *Server) listening(*http.Request) answer {
	return answer{status: http.StatusOK, body: gin.H{"status": "listening"}}
}

// alive fails only if something hangs. A restart doesn't help if another system is down.
func (s *Server) alive(*http.Request) answer {
	if err := s.watchdog.Check(); err != nil {
		return unavailable(err)
	}
	return answer{status: http.StatusOK, body: gin.H{"status": "alive"}}
}

func (s *Server) ready(r *http.Request) answer {
	if err := s.Ready(r.Context()); err != nil {
		return unavailable(err)
	}
	return answer{status: http.StatusOK, body: gin.H{"status": "ready"}}
}

func unavailable(err error) answer {
	return answer{status: http.StatusServiceUnavailable, body: gin.H{"error": err.Error()}}
}

var (
	errDraining    = errors.New("shutting down")
	errUnreachable = errors.New("Temporal cannot be reached")
	errRefused     = errors.New("nothing may be sent to Temporal; the log says why")
)

// firstAnswer limits the wait of a probe right after the start for Temporal's first answer.
const firstAnswer = time.Second

// temporalError returns why Temporal's latest health check failed, or nil. It doesn't wait.
func (s *Server) temporalError() error {
	_, err := s.health.Get()
	return err
}

// Ready returns an error if deliveries should go to another ingress. GET /readyz then answers
// 503.
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
			s.logger.WarnContext(ctx, "not ready", "reason", reason, "error", err)
		})
		return reason
	}
	return nil
}
