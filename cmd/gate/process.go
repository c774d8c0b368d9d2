package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os/signal"
	"syscall"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"golang.org/x/sync/errgroup"

	"error-check-gate/internal/config"
	"error-check-gate/internal/telemetry"
)

const (
	// telemetryStopTimeout limits sending the last spans and metrics of a process.
	telemetryStopTimeout = 5 * time.Second
	// logFlushTimeout limits writing the last lines of its log.
	logFlushTimeout = time.Second
)

// process runs a long-lived part of the gate with its logs, traces and operators' page, until
// ctx is done or one of them fails. Telemetry stops last, with its own context, so it still
// records how everything else stops. A process that hangs for minutes exits immediately, so its
// supervisor restarts it.
func process(ctx context.Context, service string, log config.Log, admin config.Admin,
	run func(context.Context, *telemetry.Telemetry) error,
) (err error) {
	t, stop, err := startTelemetry(ctx, service, log)
	if err != nil {
		return err
	}
	defer stop()

	limitMemory(ctx, t.Logger)
	metricsPage, err := listen(ctx, "ADMIN_ADDR", admin.AdminAddr)
	if err != nil {
		return err
	}
	t.Logger.InfoContext(ctx, "the process starts", "version", version, "metrics",
		"http://"+metricsPage.Addr().String()+"/metrics")
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return t.ServeAdmin(ctx, metricsPage) })
	group.Go(func() error {
		if err := run(ctx, t); err != nil {
			return err
		}
		return errStopped // ends the operators' page too
	})
	ended, hung := make(chan error, 1), make(chan error, 1)
	go func() { ended <- group.Wait() }()
	go func() {
		if err := t.Watchdog.Run(ctx); err != nil {
			hung <- err
		}
	}()
	select {
	case err = <-hung:
		return err
	case err = <-ended:
	}
	if !errors.Is(err, errStopped) {
		return err
	}
	t.Logger.InfoContext(ctx, "the process has stopped")
	return nil
}

// heapShare is the share of the container's memory limit that Go may use. The rest is for memory
// outside the heap, and for growth during a garbage collection.
const heapShare = 0.9

// limitMemory makes the garbage collector work harder when memory runs short, unless GOMEMLIMIT is
// set. Without a memory limit nothing changes.
func limitMemory(ctx context.Context, logger *slog.Logger) {
	limit, err := memlimit.Set(memlimit.WithProvider(memlimit.FromCgroup),
		memlimit.WithRatio(heapShare))
	switch {
	case errors.Is(err, memlimit.ErrNoLimit), errors.Is(err, memlimit.ErrNoCgroup),
		errors.Is(err, memlimit.ErrCgroupsNotSupported):
	case err != nil:
		logger.WarnContext(ctx, "the memory limit cannot be read; set GOMEMLIMIT if there is one",
			"error", err)
	case limit > 0 && limit < math.MaxInt64: // which is GOMEMLIMIT=off
		logger.InfoContext(ctx, "memory is limited", "bytes", limit)
	}
}

// startTelemetry sets up the logs, traces and metrics of a long-lived process. Call stop last.
func startTelemetry(
	ctx context.Context, service string, log config.Log,
) (t *telemetry.Telemetry, stop func(), err error) {
	// If the reader of standard error or output goes away, writes must fail and not end the process.
	signal.Ignore(syscall.SIGPIPE)
	t, err = telemetry.Start(ctx, telemetry.Options{
		Service: service, Version: version, LogLevel: log.LogLevel, LogFormat: log.LogFormat,
	})
	if err != nil {
		return nil, nil, &exitError{code: exitUsage, err: err}
	}
	return t, func() { stopTelemetry(ctx, t) }, nil
}

func stopTelemetry(ctx context.Context, t *telemetry.Telemetry) {
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), telemetryStopTimeout)
	defer cancel()
	if err := t.Shutdown(stop); err != nil {
		t.Logger.WarnContext(ctx, "the last traces and metrics were not sent", "error", err)
	}
	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), logFlushTimeout)
	defer cancel()
	_ = t.FlushLog(flush) // there is nowhere left to report it
}

var errStopped = errors.New("stopped")

// listen opens an address. Its error names the setting.
func listen(ctx context.Context, variable, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s=%s: %w", variable, address, err)
	}
	return l, nil
}
