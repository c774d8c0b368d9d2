package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"error-check-gate/internal/config"
	"error-check-gate/internal/telemetry"
)

// telemetryStopTimeout is for the last spans and metrics of a process that ends.
const telemetryStopTimeout = 5 * time.Second

// process runs a long-lived part of the gate with its logs, traces and operators'
// page, until ctx is done or one of them fails. Telemetry stops last, with a
// context of its own, so that the end of everything else is still seen.
func process(ctx context.Context, service string, log config.Log, admin config.Admin,
	run func(context.Context, *telemetry.Telemetry) error,
) (err error) {
	t, stop, err := startTelemetry(ctx, service, log)
	if err != nil {
		return err
	}
	defer stop()

	metricsPage, err := listen(ctx, "ADMIN_ADDR", admin.AdminAddr)
	if err != nil {
		return err
	}
	t.Logger.InfoContext(ctx, "starts", "version", version, "metrics", "http://"+metricsPage.Addr().String()+"/metrics")
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return t.ServeAdmin(ctx, metricsPage) })
	group.Go(func() error {
		if err := run(ctx, t); err != nil {
			return err
		}
		return errStopped // ends the operators' page too
	})
	if err := group.Wait(); !errors.Is(err, errStopped) {
		return err
	}
	t.Logger.InfoContext(ctx, "has stopped")
	return nil
}

// startTelemetry makes a process's logs, traces and metrics. stop is to be called last.
func startTelemetry(ctx context.Context, service string, log config.Log) (t *telemetry.Telemetry, stop func(), err error) {
	t, err = telemetry.Start(ctx, telemetry.Options{
		Service: service, Version: version, LogLevel: log.LogLevel, LogFormat: log.LogFormat,
	})
	if err != nil {
		return nil, nil, &exitError{code: exitUsage, err: err}
	}
	return t, func() {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), telemetryStopTimeout)
		defer cancel()
		if stopErr := t.Shutdown(stopCtx); stopErr != nil {
			t.Logger.WarnContext(ctx, "the last traces and metrics were not sent", "error", stopErr)
		}
	}, nil
}

var errStopped = errors.New("stopped")

// listen binds an address and names the setting where that fails.
func listen(ctx context.Context, variable, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s=%s: %w", variable, address, err)
	}
	return l, nil
}
