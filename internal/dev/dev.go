// Package dev runs the whole gate on one machine, for trials and development: Temporal's
// development server, a stand-in for InFlow with sample orders, the ingress, the desk and a worker.
package dev

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	netmail "net/mail"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"error-check-gate/activities"
	"error-check-gate/desk"
	"error-check-gate/ingress"
	"error-check-gate/internal/codec"
	"error-check-gate/internal/desklink"
	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/dev/mailcatcher"
	"error-check-gate/internal/dev/temporalserver"
	"error-check-gate/internal/gate"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/orderlife"
	"error-check-gate/internal/rules/live"
	"error-check-gate/internal/signin"
	"error-check-gate/internal/telemetry"
	"error-check-gate/internal/temporalconn"
	"error-check-gate/worker"
)

// Options are the addresses of the parts and the settings of the gate.
type Options struct {
	// Dir keeps Temporal's database and the logs between starts.
	Dir string
	// Addresses to listen on: of the ingress, the desk, /metrics and the stand-in.
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
	// HoldField is the custom field for hold marks in the stand-in; empty writes none. HoldText and
	// HoldPending are the settings of the marks.
	HoldField, HoldText string
	HoldPending         bool
	// Rules is reloaded when its files change.
	Rules *live.Rules
	// PayloadKeys encrypt Temporal's history. If there are any, a codec server for the Web UI listens
	// on CodecAddr.
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
	return runGate(ctx, o, listeners, server, mail, temporal)
}

// runGate runs the parts that live in this process. They stop in the same order as in production:
// HTTP servers, then the worker, then Temporal and the mail catcher.
func runGate(
	ctx context.Context,
	o Options,
	l *listeners,
	server *temporalserver.Server,
	mail *mailcatcher.Server,
	temporal client.Client,
) error {
	logger := o.Telemetry.Logger
	links, err := newLinks()
	if err != nil {
		return err
	}
	notifier, err := notify.New(notify.Options{
		DeskURL: "http://" + reachable(l.desk), DeskLinks: links,
		SMTP: notify.SMTP{
			Addr: mail.SMTPAddr,
			TLS:  notify.TLSNone,
			From: netmail.Address{Name: "Error Check Gate", Address: "gate@example.com"},
		},
		To:            []netmail.Address{{Name: "Office", Address: "office@example.com"}},
		TemporalUIURL: server.UIURL,
		Namespace:     namespace,
		Location:      time.Local,
		MeterProvider: o.Telemetry.MeterProvider,
	})
	if err != nil {
		return err
	}
	fake, err := fakeinflow.New(fakeinflow.Options{
		RequestsPerMinute: o.InflowRequestsPerMinute,
		RetryJitter:       0.2,
		Logger:            logger.With("part", "fake-inflow"),
	})
	if err != nil {
		return err
	}
	defer fake.Close()

	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error {
		select {
		case <-server.Done():
			return server.Err()
		case <-ctx.Done():
			return nil
		}
	})
	parts.Go(func() error {
		select {
		case <-mail.Done():
			return mail.Err()
		case <-ctx.Done():
			return nil
		}
	})
	parts.Go(func() error { return o.Rules.Run(ctx) })
	parts.Go(func() error { return part("the mail catcher's page", mail.ServePage(ctx, l.mail)) })
	parts.Go(func() error { return part("the stand-in for InFlow", fake.Serve(ctx, l.inflow)) })
	parts.Go(func() error { return part("the operators' page", o.Telemetry.ServeAdmin(ctx, l.admin)) })
	if l.codec != nil {
		parts.Go(func() error {
			return codec.NewServer(codec.ServerOptions{
				Keys: o.PayloadKeys, Logger: logger.With("part", "codec"),
				Origins: []string{server.UIURL, strings.Replace(server.UIURL, "127.0.0.1", "localhost", 1)},
			}).Serve(ctx, l.codec)
		})
	}

	parts.Go(func() error {
		inflowClient, err := inflow.NewClient(inflow.Options{
			BaseURL: "http://" + l.inflow.Addr().
				String(),
			CompanyID: fake.CompanyID(), APIKey: fake.APIKey(),
			MeterProvider: o.Telemetry.MeterProvider,
		})
		if err != nil {
			return err
		}
		webhookURL := "http://" + reachable(l.ingress) + "/webhook/inflow"
		subscription, err := inflowClient.Subscribe(ctx, inflow.SubscriptionRequest{
			ID: uuid.NewString(), RequestID: uuid.NewString(), URL: webhookURL,
			Events: []string{"salesOrder.created", "salesOrder.updated"},
		})
		if err != nil {
			return fmt.Errorf("subscribe to the stand-in's webhooks: %w", err)
		}
		marks, err := activities.NewHoldMarks(o.HoldField, o.HoldText, time.Local, o.HoldPending)
		if err != nil {
			return err
		}
		g := gate.Gate{
			Temporal:    temporal,
			Namespace:   namespace,
			PayloadKeys: o.PayloadKeys,
			Telemetry:   o.Telemetry,
		}
		edge, err := newIngress(g, o.Ingress, subscription.Secret)
		if err != nil {
			return err
		}
		board, err := newDesk(g, links, server.UIURL)
		if err != nil {
			return err
		}
		parts.Go(func() error { return part("the desk", board.Serve(ctx, l.desk)) })
		// The worker stops after the ingress, so it can still check the last deliveries.
		ingressDone := make(chan struct{})
		workerCtx, stopWorker := context.WithCancel(context.WithoutCancel(ctx))
		parts.Go(func() error {
			defer close(ingressDone)
			return part("the ingress", edge.Serve(ctx, l.ingress))
		})
		parts.Go(func() error {
			<-ingressDone
			stopWorker()
			return nil
		})
		parts.Go(func() error {
			return part("the worker", g.RunWorker(workerCtx, worker.Options{
				Settings: o.Settings,
				Sweep: worker.Sweep{
					Every: o.SweepEvery, Days: o.SweepDays,
					// The stand-in forgets everything, so order versions start again with every run.
					Account: fake.CompanyID() + " since " + time.Now().UTC().Format(time.RFC3339),
				},
				RuleFilesDecide:         true,
				CountOutcome:            o.Rules.CountOutcome,
				InflowRequestsPerMinute: o.InflowRequestsPerMinute,
				StopTimeout:             o.StopTimeout,
			}, &activities.Activities{Orders: inflowClient, Rules: o.Rules.Set, Count: o.Rules.Count, Notifier: notifier, HoldMarks: marks}))
		})
		o.Telemetry.ReadyWhen(edge.Ready)
		announce(o, l, server)
		table := &watcher{
			temporal: temporal, out: o.Out, logger: logger,
			since: time.Now(), shown: make(chan struct{}, 64),
		}
		parts.Go(func() error {
			table.run(ctx)
			return nil
		})
		return play(ctx, fake, table.shown, o.Out)
	})
	return parts.Wait()
}

func newIngress(
	g gate.Gate,
	options ingress.Options,
	secret inflow.Secret,
) (*ingress.Server, error) {
	keys, err := inflow.ParseSecrets(string(secret))
	if err != nil {
		return nil, fmt.Errorf("the secret of the stand-in's subscription: %w", err)
	}
	options.Secrets, err = ingress.NewFixedSecrets(keys)
	if err != nil {
		return nil, err
	}
	return g.NewIngress(options)
}

// linkValid is the default of DESK_LINK_VALID.
const linkValid = 720 * time.Hour

// newLinks returns a signer of links with a new secret. Links from earlier starts become invalid.
func newLinks() (*desklink.Signer, error) {
	return desklink.New([]string{rand.Text() + rand.Text()}, linkValid)
}

// newDesk returns a desk without sign-in. It listens on loopback only.
func newDesk(g gate.Gate, links *desklink.Signer, uiURL string) (*desk.Server, error) {
	ui, err := url.Parse(uiURL)
	if err != nil {
		return nil, fmt.Errorf("the Web UI's address: %w", err)
	}
	return g.NewDesk(desk.Options{
		Links: links, TemporalUIURL: ui, Location: time.Local,
		SignIn: signin.Options{Mode: signin.ModeNone},
	})
}

func part(name string, err error) error {
	if err == nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
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
			_ = listener.Close() // its server has closed it already, unless that never ran
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
