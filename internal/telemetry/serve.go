package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	headerTimeout = 5 * time.Second
	// writeTimeout leaves 20 s for a scraper that reads slowly.
	writeTimeout = scrapeTimeout + 20*time.Second
	idleTimeout  = 2 * time.Minute
	stopTimeout  = 2 * time.Second
	// readyTimeout is shorter than the timeout of probes.
	readyTimeout = 2 * time.Second
)

var errStarting = errors.New("the process is starting")

// ReadyWhen sets the check behind GET /readyz. The process is ready if check returns nil.
// Otherwise the answer is 503 with the text of the error. Until ReadyWhen is called, the answer
// is 503 too, because the process is starting.
func (t *Telemetry) ReadyWhen(check func(context.Context) error) { t.ready.Store(&check) }

// ServeAdmin serves GET /metrics, and GET /livez and GET /readyz for probes, on l until ctx is
// done. It then returns nil. It returns an error if l fails.
func (t *Telemetry) ServeAdmin(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", t.MetricsHandler())
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		if err := t.Watchdog.Check(); err != nil {
			writeProbe(w, http.StatusServiceUnavailable, map[string]string{"error": err.Error()})
			return
		}
		writeProbe(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		asked, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		err := errStarting
		switch check := t.ready.Load(); {
		case ctx.Err() != nil:
			err = errors.New("the process is stopping")
		case check != nil:
			err = (*check)(asked)
		}
		if err != nil {
			writeProbe(w, http.StatusServiceUnavailable, map[string]string{"error": err.Error()})
			return
		}
		writeProbe(w, http.StatusOK, map[string]string{"status": "ready"})
	})
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: headerTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout,
		ErrorLog:    slog.NewLogLogger(t.Logger.Handler(), slog.LevelDebug),
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		err := server.Shutdown(stop)
		if errors.Is(err, context.DeadlineExceeded) {
			// The process is not at fault if a scraper is slow, or if a probe connects and sends nothing.
			err = server.Close()
		}
		stopped <- err
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the operators' page on %s: %w", l.Addr(), err)
	}
	return <-stopped
}

func writeProbe(w http.ResponseWriter, status int, answer map[string]string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the probe may be gone
}
