// Package e2e_test runs the whole gate against a real Temporal server: deliveries
// come from the stand-in for InFlow over HTTP, and what is judged is what an
// outsider sees, the stand-in's log of requests and Temporal's history.
package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"error-check-gate/activities"
	"error-check-gate/ingress"
	"error-check-gate/internal/codec"
	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/dev/temporalserver"
	"error-check-gate/internal/gate"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/telemetry"
	"error-check-gate/internal/temporalconn"
	"error-check-gate/worker"
)

// Each test has a namespace of its own on one server, so that tests run side by
// side and no worker takes another test's work.
var (
	server         *temporalserver.Server
	production     *productionServer // where it takes the development server's place
	namespaces     = make([]string, 64)
	namespacesUsed atomic.Int32
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(playRole(role))
	}
	for i := range namespaces {
		namespaces[i] = fmt.Sprintf("e2e-%02d", i)
	}
	// These tests wait for each other's Temporal more than they compute.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var err error
	if os.Getenv(productionVariable) != "" {
		namespaces = nil
		production, err = startProduction(context.Background())
	}
	var folder string
	if err == nil && production == nil {
		folder, err = os.MkdirTemp("", "e2e")
	}
	if err == nil && production == nil {
		// Its in-memory database is lost with the connection that a query's time limit closes, which a
		// busy machine brings about.
		server, err = temporalserver.Start(context.Background(), temporalserver.Options{
			Namespaces: namespaces, DBFile: filepath.Join(folder, "temporal.db"), Pragmas: []string{"synchronous=OFF"},
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	stop := func() error { return server.Stop() }
	if production != nil {
		server = &temporalserver.Server{Addr: production.Addr}
		stop = production.Stop
	}
	code := m.Run()
	if err := errors.Join(stop(), os.RemoveAll(folder)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

const (
	settleQuiet = 50 * time.Millisecond
	// webhookPatience is more than a delivery takes on its way here.
	webhookPatience = 200 * time.Millisecond
	// waitFor limits the wait for something that happens by itself, such as an entry in Temporal's
	// list of runs. It is long enough for a machine with ten times more work than processors.
	waitFor = 5 * time.Minute
	tick    = 50 * time.Millisecond
)

// stack is one gate with its own InFlow.
type stack struct {
	t testing.TB
	options
	namespace string
	temporal  client.Client
	fake      *fakeinflow.Server
	inflow    *inflow.Client
	keys      []inflow.SigningKey
	inflowURL string
	url       string // of the webhook
	// stopIngress ends the ingress that the stack began with.
	stopIngress func()
}

type options struct {
	settings      orderlife.Settings
	rules         func() *rules.Set
	inflowTimeout time.Duration
	form          fakeinflow.PayloadForm
	allowance     int // requests a minute, of worker and InFlow; 0 is plenty
	ingress       ingress.Options
	telemetry     *telemetry.Telemetry
	temporalAddr  string // empty is the server that tests share
	payloadKeys   *codec.Keys
	noWorker      bool
	retryDelays   []time.Duration // of InFlow's deliveries; nil is the stand-in's own
	sweep         worker.Sweep
	digest        worker.Digest
	// noticesPerWindow is the limit of messages to one receiver, in noticeWindow.
	noticesPerWindow int
	noticeWindow     time.Duration
	// notifier tells people; nil tells nobody.
	notifier *notify.Notifier
	// salesRep has the notifier tell the order's sales rep too.
	salesRep bool
	// plainDesk serves a desk without TLS, as on loopback.
	plainDesk bool
	// orders stands between the worker and its client of InFlow.
	orders func(*inflow.Client) activities.Orders
}

const plenty = 60_000

func newStack(t testing.TB, o options) *stack {
	t.Helper()
	if o.settings == (orderlife.Settings{}) {
		o.settings = holding(0)
	}
	if o.rules == nil {
		o.rules = rules.Default
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
	s.temporal, err = temporalconn.Lazy(temporalconn.Options{Address: address, Namespace: s.namespace, Telemetry: o.telemetry, PayloadKeys: o.payloadKeys})
	require.NoError(t, err)
	t.Cleanup(s.temporal.Close)

	s.fake, err = fakeinflow.New(fakeinflow.Options{PayloadForm: o.form, RequestsPerMinute: o.allowance, RetryDelays: o.retryDelays})
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

// newNamespace is one that no test has had; past those that the server began with, it is made.
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
	_, err = c.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
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
		}, &activities.Activities{Orders: orders, Rules: s.rules, WebhookPatience: webhookPatience, Notifier: s.notifier,
			NoticesPerHour: s.noticesPerWindow, NoticeWindow: s.noticeWindow, SalesRep: s.salesRep})
	})
}

func (s *stack) gate() *gate.Gate {
	return &gate.Gate{Temporal: s.temporal, Namespace: s.namespace, PayloadKeys: s.payloadKeys, Telemetry: s.telemetry}
}

// meter is nil where a test looks at no metrics.
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

// serve runs a part until the test ends, or until stop is called; it must end without error.
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

// sample is a copy of a sample order of the stand-in, under an id of its own.
func (s *stack) sample(name string) map[string]any {
	s.t.Helper()
	samples, err := fakeinflow.Samples()
	require.NoError(s.t, err)
	for _, sample := range samples {
		if sample.Name == name {
			sample.Order["salesOrderId"] = uuid.NewString()
			return sample.Order
		}
	}
	require.Failf(s.t, "no such sample", "%q", name)
	return nil
}

// create makes a sample order at InFlow, which announces it.
func (s *stack) create(name string) (id string) {
	s.t.Helper()
	id, err := s.fake.AddOrder(s.sample(name))
	require.NoError(s.t, err)
	return id
}

// post delivers by hand, so that the test knows what was answered and when.
func (s *stack) post(id string) (status int, answered time.Time) {
	s.t.Helper()
	body, err := inflow.NewWebhookBody(inflow.FormDocumented, "salesOrder.updated", id, time.Now())
	require.NoError(s.t, err)
	status, _ = s.send(body, http.Header{
		"Content-Type":         {"application/json"},
		inflow.SignatureHeader: {inflow.Sign(s.keys[0], body)},
	})
	return status, time.Now()
}

// becomes waits until path is answered with status.
func (s *stack) becomes(path string, status int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return s.get(path) == status }, waitFor, tick, "%s is not answered with %d", path, status)
}

func (s *stack) send(body []byte, header http.Header) (status int, answer map[string]string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url, bytes.NewReader(body))
	if !assert.NoError(s.t, err) {
		return 0, nil
	}
	for name, values := range header {
		for _, value := range values {
			request.Header.Add(name, value)
		}
	}
	response, err := http.DefaultClient.Do(request)
	if !assert.NoError(s.t, err) {
		return 0, nil
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	assert.NoError(s.t, err)
	return response.StatusCode, decodeAnswer(s.t, data)
}

// decodeAnswer reads the JSON object of texts that every answer is.
func decodeAnswer(t testing.TB, data []byte) (answer map[string]string) {
	t.Helper()
	assert.NoError(t, json.Unmarshal(data, &answer), "%s", data)
	return answer
}

// get asks the ingress for a page beside the webhook.
func (s *stack) get(path string) (status int) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, strings.TrimSuffix(s.url, "/webhook/inflow")+path, http.NoBody)
	require.NoError(s.t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	require.NoError(s.t, response.Body.Close())
	return response.StatusCode
}

// checkNow is what 'gate check' does.
func (s *stack) checkNow(id string) *ordercheck.Report {
	s.t.Helper()
	report, err := operations.CheckNow(s.t.Context(), s.temporal, id)
	require.NoError(s.t, err)
	return report
}

// result waits for the latest run of an order to end.
func (s *stack) result(id string) (*ordercheck.Report, error) {
	s.t.Helper()
	s.waitForRun(id)
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*waitFor)
	defer cancel()
	var report ordercheck.Report
	if err := s.temporal.GetWorkflow(ctx, ordercheck.WorkflowID(id), "").Get(ctx, &report); err != nil {
		return nil, err
	}
	return &report, nil
}

func (s *stack) mustResult(id string) *ordercheck.Report {
	s.t.Helper()
	report, err := s.result(id)
	require.NoError(s.t, err)
	return report
}

// waitForReport waits until the latest run of an order, which may stay open, reports a status.
func (s *stack) waitForReport(id string, want ordercheck.Status) *ordercheck.Report {
	s.t.Helper()
	s.waitForRun(id)
	var report *ordercheck.Report
	require.Eventually(s.t, func() bool {
		report = s.report(id)
		return report.Status == want
	}, waitFor, tick, "order %s does not become %s", id, want)
	return report
}

// waitForRun waits until an order has a run: a delivery may still be on its way.
func (s *stack) waitForRun(id string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		_, err := s.temporal.DescribeWorkflowExecution(s.t.Context(), ordercheck.WorkflowID(id), "")
		return err == nil
	}, waitFor, tick, "no run was started for order %s", id)
}

// report is the answer to the query, of the latest run.
func (s *stack) report(id string) *ordercheck.Report {
	s.t.Helper()
	answer, err := s.temporal.QueryWorkflow(s.t.Context(), ordercheck.WorkflowID(id), "", ordercheck.QueryReport)
	require.NoError(s.t, err)
	var report ordercheck.Report
	require.NoError(s.t, answer.Get(&report))
	return &report
}

// fetches are the requests for an order that InFlow saw, in the order of their start.
func (s *stack) fetches(id string) []fakeinflow.Request {
	var fetches []fakeinflow.Request
	for _, request := range s.fake.Requests() {
		if request.Route == fakeinflow.RouteGetSalesOrder && request.SalesOrderID == id {
			fetches = append(fetches, request)
		}
	}
	return fetches
}

// runs are an order's runs, oldest first.
func (s *stack) runs(id string) []string {
	s.t.Helper()
	var ids []string
	require.Eventually(s.t, func() bool {
		answer, err := s.temporal.ListWorkflow(s.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Query: fmt.Sprintf("WorkflowId = '%s'", ordercheck.WorkflowID(id)),
		})
		if err != nil || len(answer.GetExecutions()) == 0 {
			return false
		}
		ids = ids[:0]
		for _, execution := range answer.GetExecutions() {
			ids = append([]string{execution.GetExecution().GetRunId()}, ids...)
		}
		return true
	}, waitFor, tick)
	return ids
}

// history is every event of an order's runs.
func (s *stack) history(id string) []*historypb.HistoryEvent {
	s.t.Helper()
	var events []*historypb.HistoryEvent
	for _, run := range s.runs(id) {
		events = append(events, s.runHistory(id, run)...)
	}
	return events
}

func (s *stack) runHistory(id, run string) []*historypb.HistoryEvent {
	s.t.Helper()
	return s.events(ordercheck.WorkflowID(id), run)
}

// events are those of one run; without its id, of the latest one.
func (s *stack) events(workflowID, run string) []*historypb.HistoryEvent {
	s.t.Helper()
	var events []*historypb.HistoryEvent
	iterator := s.temporal.GetWorkflowHistory(s.t.Context(), workflowID, run, false,
		enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for iterator.HasNext() {
		event, err := iterator.Next()
		require.NoError(s.t, err)
		events = append(events, event)
	}
	return events
}

func brokenRules(report *ordercheck.Report) []string {
	ids := []string{}
	for _, f := range report.Findings {
		ids = append(ids, f.RuleID)
	}
	return ids
}
