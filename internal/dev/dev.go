// Package dev runs the whole gate on one machine, for trials and development: Temporal's
// development server, a stand-in for InFlow with sample orders, the ingress, the desk and a worker.
package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"error-check-gate/ingress"
	"error-check-gate/internal/codec"
	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/dev/mailcatcher"
	"error-check-gate/internal/dev/temporalserver"
	"error-check-gate/internal/orderlife"
	"error-check-gate/internal/rules/live"
	"error-check-gate/internal/telemetry"
	"error-check-gate/internal/temporalconn"
)

// Options are the addresses of the parts and the settings of the gate.
type Options struct {
	// Dir keeps Temporal's database and the logs between starts.
	Dir string
	// The addresses that the ingress, the desk, /metrics and the stand-in listen on.
	ListenAddr, DeskAddr, AdminAddr, InflowAddr string
	// TemporalPort and TemporalUIPort are ports of 127.0.0.1. 0 means a free port.
	TemporalPort, TemporalUIPort int
	// SMTPPort is the mail catcher's port on 127.0.0.1. MailAddr is the address of its page.
	SMTPPort int
	MailAddr string
	Settings orderlife.Settings
	// SweepEvery and SweepDays are the settings of [worker.Sweep].
	SweepEvery              time.Duration
	SweepDays               int
	InflowRequestsPerMinute int
	StopTimeout             time.Duration
	// Ingress has settings of the ingress. Run fills in the rest.
	Ingress ingress.Options
	// HoldField is the stand-in's custom field for hold marks. If it is empty, the gate writes no
	// marks. HoldText and HoldPending are the settings of the marks.
	HoldField, HoldText string
	HoldPending         bool
	// Rules has the rule set, and reloads it when its files change.
	Rules *live.Rules
	// PayloadKeys encrypt Temporal's history. If there are any, a codec server for the Web UI
	// listens on CodecAddr.
	PayloadKeys *codec.Keys
	CodecAddr   string
	// Telemetry logs to a file, because the terminal shows the table.
	Telemetry *telemetry.Telemetry
	// Out is the terminal.
	Out io.Writer
}

const namespace = "default"

// Run starts everything, prints the addresses, creates the sample orders and edits some. It returns
// when ctx is done, or with an error when a part ends by itself. It leaves no process behind.
func Run(ctx context.Context, o Options) (err error) {
	temporalCLI, err := temporalserver.FindCLI()
	if err != nil {
		return err
	}
	mailCLI, err := mailcatcher.FindCLI()
	if err != nil {
		return err
	}
	listeners, err := listenAll(ctx, o)
	if err != nil {
		return err
	}
	defer listeners.close()

	temporalLog, err := os.OpenFile(
		filepath.Join(o.Dir, "temporal.log"),
		os.O_CREATE|os.O_WRONLY|os.O_APPEND,
		0o600,
	) //nolint:gosec // the operator's own folder
	if err != nil {
		return fmt.Errorf("open Temporal's log: %w", err)
	}
	defer temporalLog.Close()
	fmt.Fprintln(o.Out, "Starting Temporal …")
	codecEndpoint := ""
	if listeners.codec != nil {
		codecEndpoint = "http://" + reachable(listeners.codec)
	}
	server, err := temporalserver.Start(ctx, temporalserver.Options{
		CLI:    temporalCLI,
		DBFile: filepath.Join(o.Dir, "temporal.db"),
		Port:   o.TemporalPort, UI: true, UIPort: o.TemporalUIPort, UICodecEndpoint: codecEndpoint,
		Output: temporalLog,
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil // Ctrl-C while it started
		}
		return fmt.Errorf(
			"%w (its ports are DEV_TEMPORAL_PORT and DEV_TEMPORAL_UI_PORT, its log is %s)",
			err,
			temporalLog.Name(),
		)
	}
	defer func() { err = errors.Join(err, server.Stop()) }()

	mail, err := mailcatcher.Start(ctx, mailcatcher.Options{
		CLI:    mailCLI,
		DBFile: filepath.Join(o.Dir, "mail.db"), SMTPPort: o.SMTPPort, Output: temporalLog,
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("%w (its port is DEV_SMTP_PORT)", err)
	}
	defer func() { err = errors.Join(err, mail.Stop()) }()

	temporal, err := temporalconn.Dial(ctx, temporalconn.Options{
		Telemetry: o.Telemetry, Address: server.Addr, Namespace: namespace,
		PayloadKeys: o.PayloadKeys, RecordKeys: true,
	})
	if err != nil {
		return err
	}
	defer temporal.Close()
	t := &trial{
		Options: o, listeners: listeners, server: server, mail: mail, temporal: temporal,
	}
	return t.run(ctx)
}

func announce(o Options, l *listeners, server *temporalserver.Server) {
	encrypted := ""
	if l.codec != nil {
		encrypted = fmt.Sprintf(
			"  codec server     http://%s   --codec-endpoint of the temporal CLI\n",
			l.codec.Addr(),
		)
	}
	fmt.Fprintf(o.Out, `
The Error Check Gate is running on this machine.

  order desk       http://%s/   held orders
  Temporal Web UI  %s/namespaces/%s/workflows
  fake InFlow      http://%s/_fake/   edit an order here, and watch the gate check it
  mail             http://%s/
  webhooks to      http://%s/webhook/inflow
  metrics          http://%s/metrics
  logs             %s
%s
Press Ctrl-C to stop everything. The history stays in %s.

`, reachable(l.desk), server.UIURL, namespace, l.inflow.Addr(), l.mail.Addr(),
		reachable(l.ingress), l.admin.Addr(), filepath.Join(o.Dir, "*.log"), encrypted, o.Dir)
}

// listeners are opened before anything starts, so a port in use is found at once.
type listeners struct {
	ingress, desk, admin, inflow, mail net.Listener
	codec                              net.Listener // nil without payload keys
}

func listenAll(ctx context.Context, o Options) (*listeners, error) {
	var l listeners
	for _, want := range []struct {
		listener       *net.Listener
		variable, addr string
	}{
		{&l.ingress, "LISTEN_ADDR", o.ListenAddr},
		{&l.desk, "DESK_ADDR", o.DeskAddr},
		{&l.admin, "ADMIN_ADDR", o.AdminAddr},
		{&l.inflow, "DEV_INFLOW_ADDR", o.InflowAddr},
		{&l.mail, "DEV_MAIL_ADDR", o.MailAddr},
		{&l.codec, "CODEC_LISTEN_ADDR", o.CodecAddr},
	} {
		if want.listener == &l.codec && len(o.PayloadKeys.IDs()) == 0 {
			continue
		}
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", want.addr)
		if err != nil {
			l.close()
			return nil, fmt.Errorf(
				"%s=%s: %w; stop what uses it, or set %s to another address",
				want.variable,
				want.addr,
				err,
				want.variable,
			)
		}
		*want.listener = listener
	}
	return &l, nil
}

func (l *listeners) close() {
	for _, listener := range []net.Listener{l.ingress, l.desk, l.admin, l.inflow, l.mail, l.codec} {
		if listener != nil {
			_ = listener.Close() // its server has already closed it, unless the server never ran
		}
	}
}

// reachable returns the address at which this machine reaches a listener.
func reachable(l net.Listener) string {
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok || !addr.IP.IsUnspecified() {
		return l.Addr().String()
	}
	return fmt.Sprintf("127.0.0.1:%d", addr.Port)
}

// play creates the sample orders at the stand-in. When all are checked, it edits two of them.
func play(
	ctx context.Context,
	fake *fakeinflow.Server,
	shown <-chan struct{},
	out io.Writer,
) error {
	samples, err := fakeinflow.Samples()
	if err != nil {
		return err
	}
	ids := make(map[string]string, len(samples))
	for _, sample := range samples {
		id, err := fake.AddOrder(sample.Recent(time.Now()).Order)
		if err != nil {
			return fmt.Errorf("create sample order %s: %w", sample.Name, err)
		}
		ids[sample.Name] = id
	}
	for range samples {
		select {
		case <-shown:
		case <-ctx.Done():
			return nil
		}
	}
	fmt.Fprintln(out, "\nTwo orders change now: one error is fixed, and one is made.")
	for _, edit := range edits {
		id, ok := ids[edit.sample]
		if !ok {
			return fmt.Errorf("there is no sample order %q to edit", edit.sample)
		}
		if err := fake.EditOrder(id, edit.apply); err != nil {
			return fmt.Errorf("edit sample order %s: %w", edit.sample, err)
		}
	}
	return nil
}

var edits = []struct {
	sample string
	apply  func(order map[string]any)
}{
	{"balance-wrong", func(order map[string]any) { order["balance"] = "683.94" }},
	{"plain", func(order map[string]any) { order["total"] = "1.00" }},
}
