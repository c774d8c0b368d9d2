package dev

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	netmail "net/mail"
	"net/url"
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
	"error-check-gate/internal/signin"
	"error-check-gate/worker"
)

// trial runs the parts of the gate in this process. Temporal and the mail catcher, which are
// processes of their own, have already started.
type trial struct {
	Options
	listeners *listeners
	server    *temporalserver.Server
	mail      *mailcatcher.Server
	temporal  client.Client

	// run sets these.
	links    *desklink.Signer
	notifier *notify.Notifier
	fake     *fakeinflow.Server
	parts    *errgroup.Group
}

// run starts the parts and waits for their end. They stop in the same order as in production: HTTP
// servers, then the worker, then Temporal and the mail catcher.
func (t *trial) run(ctx context.Context) (err error) {
	if t.links, err = newLinks(); err != nil {
		return err
	}
	if t.notifier, err = t.newNotifier(); err != nil {
		return err
	}
	t.fake, err = fakeinflow.New(fakeinflow.Options{
		RequestsPerMinute: t.InflowRequestsPerMinute,
		RetryJitter:       0.2,
		Logger:            t.Telemetry.Logger.With("part", "fake-inflow"),
	})
	if err != nil {
		return err
	}
	defer t.fake.Close()
	t.parts, ctx = errgroup.WithContext(ctx)
	t.startHelpers(ctx)
	t.parts.Go(func() error { return t.runGate(ctx) })
	return t.parts.Wait()
}

func (t *trial) newNotifier() (*notify.Notifier, error) {
	return notify.New(notify.Options{
		DeskURL: "http://" + reachable(t.listeners.desk), DeskLinks: t.links,
		SMTP: notify.SMTP{
			Addr: t.mail.SMTPAddr,
			TLS:  notify.TLSNone,
			From: netmail.Address{Name: "Error Check Gate", Address: "gate@example.com"},
		},
		To:            []netmail.Address{{Name: "Office", Address: "office@example.com"}},
		TemporalUIURL: t.server.UIURL,
		Namespace:     namespace,
		Location:      time.Local,
		MeterProvider: t.Telemetry.MeterProvider,
	})
}

// startHelpers starts the parts that the gate depends on.
func (t *trial) startHelpers(ctx context.Context) {
	t.stopAfter(ctx, t.server)
	t.stopAfter(ctx, t.mail)
	l := t.listeners
	t.parts.Go(func() error { return t.Rules.Run(ctx) })
	t.parts.Go(func() error { return part("the mail catcher's page", t.mail.ServePage(ctx, l.mail)) })
	t.parts.Go(func() error { return part("the stand-in for InFlow", t.fake.Serve(ctx, l.inflow)) })
	t.parts.Go(func() error {
		return part("the operators' page", t.Telemetry.ServeAdmin(ctx, l.admin))
	})
	if l.codec == nil {
		return
	}
	t.parts.Go(func() error {
		ui := t.server.UIURL
		return codec.NewServer(codec.ServerOptions{
			Keys: t.PayloadKeys, Logger: t.Telemetry.Logger.With("part", "codec"),
			Origins: []string{ui, strings.Replace(ui, "127.0.0.1", "localhost", 1)},
		}).Serve(ctx, l.codec)
	})
}

// stopAfter stops all parts when another process ends by itself.
func (t *trial) stopAfter(ctx context.Context, process interface {
	Done() <-chan struct{}
	Err() error
}) {
	t.parts.Go(func() error {
		select {
		case <-process.Done():
			return process.Err()
		case <-ctx.Done():
			return nil
		}
	})
}

// runGate starts the ingress, the desk and a worker, and then plays the sample orders.
func (t *trial) runGate(ctx context.Context) error {
	orders, err := inflow.NewClient(inflow.Options{
		BaseURL:   "http://" + t.listeners.inflow.Addr().String(),
		CompanyID: t.fake.CompanyID(), APIKey: t.fake.APIKey(),
		MeterProvider: t.Telemetry.MeterProvider,
	})
	if err != nil {
		return err
	}
	subscription, err := orders.Subscribe(ctx, inflow.SubscriptionRequest{
		ID: uuid.NewString(), RequestID: uuid.NewString(),
		URL:    "http://" + reachable(t.listeners.ingress) + "/webhook/inflow",
		Events: []string{"salesOrder.created", "salesOrder.updated"},
	})
	if err != nil {
		return fmt.Errorf("subscribe to the stand-in's webhooks: %w", err)
	}
	marks, err := activities.NewHoldMarks(t.HoldField, t.HoldText, time.Local, t.HoldPending)
	if err != nil {
		return err
	}
	g := gate.Gate{
		Temporal: t.temporal, Namespace: namespace, PayloadKeys: t.PayloadKeys, Telemetry: t.Telemetry,
	}
	edge, err := newIngress(g, t.Ingress, subscription.Secret)
	if err != nil {
		return err
	}
	board, err := newDesk(g, t.links, t.server.UIURL)
	if err != nil {
		return err
	}
	t.parts.Go(func() error { return part("the desk", board.Serve(ctx, t.listeners.desk)) })
	t.startIngressAndWorker(ctx, g, edge, &activities.Activities{
		Orders: orders, Rules: t.Rules.Set, Count: t.Rules.Count, Notifier: t.notifier, HoldMarks: marks,
	})
	t.Telemetry.ReadyWhen(edge.Ready)
	announce(t.Options, t.listeners, t.server)
	table := &watcher{
		temporal: t.temporal, out: t.Out, logger: t.Telemetry.Logger,
		since: time.Now(), shown: make(chan struct{}, 64),
	}
	t.parts.Go(func() error {
		table.run(ctx)
		return nil
	})
	return play(ctx, t.fake, table.shown, t.Out)
}

// startIngressAndWorker starts both. The worker stops after the ingress, so it can still check the
// last deliveries.
func (t *trial) startIngressAndWorker(
	ctx context.Context, g gate.Gate, edge *ingress.Server, a *activities.Activities,
) {
	workerCtx, stopWorker := context.WithCancel(context.WithoutCancel(ctx))
	t.parts.Go(func() error {
		defer stopWorker()
		return part("the ingress", edge.Serve(ctx, t.listeners.ingress))
	})
	t.parts.Go(func() error {
		return part("the worker", g.RunWorker(workerCtx, worker.Options{
			Settings: t.Settings,
			Sweep: worker.Sweep{
				Every: t.SweepEvery, Days: t.SweepDays,
				// The stand-in forgets everything, so order versions start again with every run.
				Account: t.fake.CompanyID() + " since " + time.Now().UTC().Format(time.RFC3339),
			},
			RuleFilesDecide:         true,
			CountOutcome:            t.Rules.CountOutcome,
			InflowRequestsPerMinute: t.InflowRequestsPerMinute,
			StopTimeout:             t.StopTimeout,
		}, a))
	})
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
