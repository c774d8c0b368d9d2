package e2e_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"error-check-gate/activities"
	"error-check-gate/ingress"
	"error-check-gate/internal/codec"
	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/gate"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/orderlife"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/rules/rulefile"
	"error-check-gate/internal/telemetry"
	"error-check-gate/internal/temporalconn"
	"error-check-gate/worker"
)

// stack is a gate with its own InFlow and namespace.
type stack struct {
	t testing.TB
	options
	namespace string
	temporal  client.Client
	fake      *fakeinflow.Server
	inflow    *inflow.Client
	keys      []inflow.SigningKey
	inflowURL string
	url       string // URL of the webhook
	// stopIngress stops the ingress that newStack started.
	stopIngress func()
}

type options struct {
	settings      orderlife.Settings
	rules         func() *rules.Set
	inflowTimeout time.Duration
	form          fakeinflow.PayloadForm
	allowance     int // requests per minute of worker and InFlow; 0 means plenty
	ingress       ingress.Options
	telemetry     *telemetry.Telemetry
	temporalAddr  string // empty means the shared server
	payloadKeys   *codec.Keys
	noWorker      bool
	retryDelays   []time.Duration // for InFlow's deliveries; nil means the fake's default
	sweep         worker.Sweep
	digest        worker.Digest
	// noticesPerWindow limits the messages to one receiver per noticeWindow.
	noticesPerWindow int
	noticeWindow     time.Duration
	// notifier sends notices; nil sends none.
	notifier *notify.Notifier
	// salesRep sends notices to the order's sales rep too.
	salesRep bool
	// holdMarks shows holds in InFlow; nil writes no order.
	holdMarks *activities.HoldMarks
	// plainDesk serves the desk without TLS.
	plainDesk bool
	// orders wraps the worker's InFlow client.
	orders func(*inflow.Client) activities.Orders
}

const plenty = 60_000

func newStack(t testing.TB, o options) *stack {
	t.Helper()
	if o.settings == (orderlife.Settings{}) {
		o.settings = holding(0)
	}
	if o.rules == nil {
		o.rules = rulefile.Default
	}
	if o.allowance == 0 {
		o.allowance = plenty
	}
	s := &stack{t: t, options: o, namespace: "default"}
	address := o.temporalAddr
	if address == "" {
		address = server.Addr
		s.namespace = newNamespace(t)
	}

	var err error
	s.temporal, err = temporalconn.Lazy(temporalconn.Options{Address: address,
		Namespace: s.namespace, Telemetry: o.telemetry, PayloadKeys: o.payloadKeys})
	require.NoError(t, err)
	t.Cleanup(s.temporal.Close)

	s.fake, err = fakeinflow.New(fakeinflow.Options{PayloadForm: o.form,
		RequestsPerMinute: o.allowance, RetryDelays: o.retryDelays})
	require.NoError(t, err)
	t.Cleanup(s.fake.Close)
	fakeListener := listen(t)
	serve(t, func(ctx context.Context) error { return s.fake.Serve(ctx, fakeListener) })
	s.inflowURL = "http://" + fakeListener.Addr().String()
	s.inflow, err = inflow.NewClient(inflow.Options{
		BaseURL: s.inflowURL, CompanyID: s.fake.CompanyID(), APIKey: s.fake.APIKey(),
		Timeout: o.inflowTimeout, MeterProvider: s.meter(),
	})
	require.NoError(t, err)

	edge := listen(t)
	s.url = "http://" + edge.Addr().String() + "/webhook/inflow"
	events := []string{"salesOrder.created", "salesOrder.updated"}
	if o.form == fakeinflow.PayloadLive {
		events = []string{"SalesOrderCreatedV1", "SalesOrderUpdatedV1"}
	}
	subscription, err := s.inflow.Subscribe(t.Context(), inflow.SubscriptionRequest{
		ID: uuid.NewString(), RequestID: uuid.NewString(), URL: s.url, Events: events,
	})
	require.NoError(t, err)
	s.keys, err = inflow.ParseSecrets(string(subscription.Secret))
	require.NoError(t, err)
	s.stopIngress = serve(t, s.newIngress(edge))
	if !o.noWorker {
		s.startWorker()
	}
	return s
}

// newNamespace returns an unused namespace. It creates one when the initial ones are used up.
func newNamespace(t testing.TB) string {
	t.Helper()
	n := int(namespacesUsed.Add(1))
	if n <= len(namespaces) {
		return namespaces[n-1]
	}
	name := fmt.Sprintf("e2e-%02d", n-1)
	c, err := temporalconn.Lazy(temporalconn.Options{Address: server.Addr, Namespace: name})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.WorkflowService().RegisterNamespace(t.Context(),
		&workflowservice.RegisterNamespaceRequest{
			Namespace: name, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
		})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return temporalconn.EnsureSearchAttributes(t.Context(), c, name) == nil
	}, waitFor, tick)
	return name
}

func (s *stack) newIngress(l net.Listener) func(context.Context) error {
	s.t.Helper()
	o := s.options.ingress
	var err error
	o.Secrets, err = ingress.NewFixedSecrets(s.keys)
	require.NoError(s.t, err)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	edge, err := s.gate().NewIngress(o)
	require.NoError(s.t, err)
	return func(ctx context.Context) error { return edge.Serve(ctx, l) }
}

// startWorker runs a worker until the test ends, or until stop is called.
func (s *stack) startWorker() (stop func()) {
	s.t.Helper()
	var orders activities.Orders = s.inflow
	if s.orders != nil {
		orders = s.orders(s.inflow)
	}
	return serve(s.t, func(ctx context.Context) error {
		return s.gate().RunWorker(ctx, worker.Options{
			Settings:                s.settings,
			Sweep:                   s.sweep,
			Digest:                  s.digest,
			InflowRequestsPerMinute: s.allowance,
			StopTimeout:             5 * time.Second,
		}, &activities.Activities{Orders: orders, Rules: s.rules, WebhookWait: webhookWait,
			Notifier:       s.notifier,
			NoticesPerHour: s.noticesPerWindow, NoticeWindow: s.noticeWindow, SalesRep: s.salesRep,
			HoldMarks: s.holdMarks})
	})
}

func (s *stack) gate() *gate.Gate {
	return &gate.Gate{Temporal: s.temporal, Namespace: s.namespace, PayloadKeys: s.payloadKeys,
		Telemetry: s.telemetry}
}

// meter returns the worker's meter provider, or nil if the test does not read metrics.
func (s *stack) meter() metric.MeterProvider {
	if s.telemetry == nil {
		return nil
	}
	return s.telemetry.MeterProvider
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l
}

// serve runs a component until the test ends or stop is called. It must end without an error.
func serve(t testing.TB, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		assert.NoError(t, <-done)
	}
	t.Cleanup(stop)
	return stop
}

// holding returns settings with a grace period that hold orders for up to an hour.
func holding(grace time.Duration) orderlife.Settings {
	return orderlife.Settings{
		SettleQuiet: settleQuiet, SettleMax: time.Second, GracePeriod: grace, HoldMax: time.Hour,
	}
}
