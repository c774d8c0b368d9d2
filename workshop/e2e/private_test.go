package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"

	"error-check-gate/internal/codec"
	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/dev/mailcatcher"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// Planted texts. Each is unique, and has no character that an encoding would change.
var (
	// plantedSecrets must not show up anywhere.
	plantedSecrets = map[string]string{
		"INFLOW_API_KEY": "zqinflowkey", "WEBHOOK_SECRET": "zqwebhooksecret0123",
		"SMTP_PASSWORD": "zqsmtppassword",
		"NOTIFY_URLS":   "zqchattoken", "TEMPORAL_API_KEY": "zqtemporalkey",
	}
	// plantedPrivate has fields of an order that the gate does not use, by path.
	plantedPrivate = map[string]string{
		"contactName": "zqcontact", "email": "zqmail@customer.example", "phone": "zqphone5550108",
		"billingAddress.address1": "zqbillingstreet", "billingAddress.address2": "zqbillingsuite",
		"billingAddress.city":       "zqbillingtown",
		"billingAddress.postalCode": "zqbillingzip", "billingAddress.remarks": "zqbillingremarks",
		"shippingAddress.address1": "zqshippingstreet",
		"shippingAddress.address2": "zqshippingsuite", "shippingAddress.city": "zqshippingtown",
		"shippingAddress.postalCode": "zqshippingzip",
		"shippingAddress.remarks":    "zqshippingremarks",
		"salesRep":                   "zqtypedrep", "salesRepTeamMember.name": "zqrepname",
		"salesRepTeamMember.email": "zqrep@shop.example",
		"lastModifiedBy.name":      "zqeditor", "lastModifiedBy.email": "zqeditor@shop.example",
		"returnRemarks": "zqreturnremarks", "shipRemarks": "zqshipremarks",
		"pickRemarks": "zqpickremarks", "packRemarks": "zqpackremarks",
		"shipToCompanyName": "zqshipto", "externalId": "zqexternal",
		"customer.contactName": "zqcustomercontact",
		"customer.email":       "zqcustomermail@customer.example",
		"customer.phone":       "zqcustomerphone",
		"customer.fax":         "zqcustomerfax", "customer.website": "zqcustomerwebsite",
		"customer.remarks":         "zqcustomerremarks",
		"customer.taxExemptNumber": "zqtaxexempt", "paymentLines.0.referenceNumber": "zqreference",
		"paymentLines.0.remarks": "zqpaymentremarks",
	}
	// plantedForRules has fields that rules may use, so the digest contains them.
	plantedForRules = map[string]string{
		"customer.name": "zqcustomername", "orderRemarks": "zqorderremarks",
		"poNumber": "zqponumber", "customFields.custom1": "zqcustomone",
		"customFields.custom10": "zqcustomten", "billingAddress.state": "zqstate",
		"billingAddress.country": "zqcountry", "lines.0.description": "zqdescription",
	}
	// plantedPeople has the receivers of notices and the person who overrides an error.
	plantedAddresses = []string{"zqoffice@shop.example", "zqrefused@shop.example",
		"zqgate@shop.example"}
	plantedOverride = []string{"zqanna", "zqreason"}
)

const plantedNumber = "zqnumber1"

// plant fills an order's fields, by path.
func plant(t *testing.T, order map[string]any, fields map[string]string) {
	t.Helper()
	for path, text := range fields {
		var at any = order
		names := strings.Split(path, ".")
		for _, name := range names[:len(names)-1] {
			if list, ok := at.([]any); ok {
				at = list[0]
				continue
			}
			at = at.(map[string]any)[name]
		}
		if list, ok := at.([]any); ok {
			at = list[0]
		}
		at.(map[string]any)[names[len(names)-1]] = text
	}
}

func values(fields map[string]string) []string {
	var list []string
	for _, text := range fields {
		list = append(list, text)
	}
	return list
}

// smtpRelay forwards mail to a mail catcher. It refuses the first login and the recipient
// zqrefused. Like a careless server, it quotes the client in its errors.
type smtpRelay struct {
	addr     string
	upstream string
	refused  atomic.Bool // the first login
	rejected atomic.Int32
}

func startSMTPRelay(t *testing.T, upstream string) *smtpRelay {
	t.Helper()
	l := listen(t)
	r := &smtpRelay{addr: l.Addr().String(), upstream: upstream}
	var relaying sync.WaitGroup
	t.Cleanup(func() {
		assert.NoError(t, l.Close())
		relaying.Wait()
	})
	relaying.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			relaying.Go(func() { r.relay(client) })
		}
	})
	return r
}

func (r *smtpRelay) relay(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", r.upstream) //nolint:noctx // ends with the client
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	}()
	lines := bufio.NewReader(client)
	data := false
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		answer := ""
		switch {
		case data:
			data = line != ".\r\n"
		case strings.HasPrefix(line, "DATA"):
			data = true
		case strings.HasPrefix(line, "AUTH") && r.refused.CompareAndSwap(false, true):
			answer = "535 5.7.8 zqsmtppassword is wrong, said " + strings.TrimSpace(line) + "\r\n"
		case strings.HasPrefix(line, "RCPT TO:<zqrefused"):
			r.rejected.Add(1)
			answer = "550 5.1.1 zqrefused@shop.example is unknown, zqsmtppassword\r\n"
		}
		if answer != "" {
			_, err = io.WriteString(client, answer)
		} else {
			_, err = io.WriteString(server, line)
		}
		if err != nil {
			return
		}
	}
}

// TestHistoryLogsTracesAndMetricsArePrivate takes an order full of planted texts through its life,
// with all processes of the gate and everything that can go wrong. Then it searches everything that
// is stored for the texts.
func TestHistoryLogsTracesAndMetricsArePrivate(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"plain": "", "encrypted": newPayloadKey("2026-01")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys := &codec.Keys{}
			secrets := values(plantedSecrets)
			if key != "" {
				keys = payloadKeys(t, key)
				secrets = append(secrets, strings.TrimPrefix(key, "2026-01:"))
			}
			kept := liveThrough(t, key, keys)

			private := slices.Concat(secrets, values(plantedPrivate), plantedAddresses)
			shown := slices.Concat(values(plantedForRules), plantedOverride)
			for what, content := range kept {
				require.NotEmpty(t, content, what)
				// A memo has the customer's name for the desk. Only payload keys encrypt it.
				forDesk := key == "" && (what == "history" || what == "list and descriptions")
				for _, text := range private {
					if forDesk && text == "zqrepname" {
						continue
					}
					assert.False(t, contains(content, text), "%s has %s", what, text)
				}
				for _, text := range shown {
					if what == "history" && key == "" {
						assert.True(t, contains(content, text),
							"history lacks %s, which is no secret: does this test see anything?",
							text)
						continue
					}
					if forDesk && text == "zqcustomername" {
						continue
					}
					assert.False(t, contains(content, text), "%s has %s", what, text)
				}
			}
			// These are never encrypted: see docs/security.md.
			assert.True(t, contains(kept["history"], plantedNumber))
			assert.True(t, contains(kept["list and descriptions"], plantedNumber))
			assert.True(t, contains(kept["log of the worker"], ordercheck.ActivityFetchOrder),
				"the log is at debug level")
			assert.True(t, contains(kept["traces"], "RunActivity:Notify"))
			assert.True(t, contains(kept["metrics of the worker"], "gate_notices"))
			assert.True(t, contains(kept["audit log"], `"status":400`))
		})
	}
}

// contains reports whether content has the text or its base64, without case.
func contains(content []byte, text string) bool {
	content = bytes.ToLower(content)
	if bytes.Contains(content, bytes.ToLower([]byte(text))) {
		return true
	}
	encoded := base64.RawStdEncoding.EncodeToString([]byte(text))
	return bytes.Contains(content, bytes.ToLower([]byte(encoded[:len(encoded)-1])))
}

// liveThrough takes orders through their lives and returns everything that is stored about them, by
// location.
func liveThrough(t *testing.T, key string, keys *codec.Keys) map[string][]byte {
	t.Helper()
	p := startPrivateLife(t, key, keys)
	p.holdAndOverride()
	p.failChecks()
	p.refuseRequests()
	kept := p.stopAndCollect()
	p.collectHistories(kept)
	return kept
}

// privateLife is a gate whose settings, orders and people are full of planted texts.
type privateLife struct {
	t                         *testing.T
	s                         *stack
	traces                    *collector
	catcher                   *mailcatcher.Server
	relay                     *smtpRelay
	posted                    atomic.Int32 // notices to a chat that refuses them
	env                       []string     // environment of all processes
	edge, work                *command
	ingressAdmin, workerAdmin int    // ports
	audit                     string // file
	runs                      int    // number of runs of orders
}

// plantedEverything has all planted texts.
var plantedEverything = strings.Join(slices.Concat(values(plantedSecrets), values(plantedPrivate),
	values(plantedForRules)), " ")

func startPrivateLife(t *testing.T, key string, keys *codec.Keys) *privateLife {
	t.Helper()
	traces := &collector{spans: map[string]*tracepb.Span{}}
	traced := httptest.NewServer(traces)
	t.Cleanup(traced.Close)
	users := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(users, []byte("gate:"+plantedSecrets["SMTP_PASSWORD"]+"\n"),
		0o600))
	catcher, err := mailcatcher.Start(t.Context(), mailcatcher.Options{AuthFile: users})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, catcher.Stop()) })
	relay := startSMTPRelay(t, catcher.SMTPAddr)
	p := &privateLife{t: t}
	chat := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.posted.Add(1)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, "no %s %s", r.URL, body)
	}))
	t.Cleanup(chat.Close)

	s := newStack(t, options{noWorker: true, payloadKeys: keys})
	s.fake.SetAPIKey(plantedSecrets["INFLOW_API_KEY"])
	s.keys, err = inflow.ParseSecrets(plantedSecrets["WEBHOOK_SECRET"])
	require.NoError(t, err)

	audit := filepath.Join(t.TempDir(), "audit.log")
	ingressPort, ingressAdmin, workerAdmin := freePort(t), freePort(t), freePort(t)
	env := []string{
		"TEMPORAL_ADDRESS=" + server.Addr, "TEMPORAL_NAMESPACE=" + s.namespace,
		"TEMPORAL_API_KEY=" + plantedSecrets["TEMPORAL_API_KEY"], "TEMPORAL_TLS=false",
		"LOG_LEVEL=debug", "PAYLOAD_KEYS=" + key, "OTEL_EXPORTER_OTLP_ENDPOINT=" + traced.URL,
		"OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_METRICS_EXPORTER=none",
	}
	edge := startGate(t, slices.Concat(env, []string{
		fmt.Sprintf("LISTEN_ADDR=127.0.0.1:%d", ingressPort),
		fmt.Sprintf("ADMIN_ADDR=127.0.0.1:%d", ingressAdmin),
		"WEBHOOK_SECRET=" + plantedSecrets["WEBHOOK_SECRET"], "AUDIT_LOG=" + audit,
	}), "ingress")
	work := startGate(t, slices.Concat(env, []string{
		fmt.Sprintf("ADMIN_ADDR=127.0.0.1:%d", workerAdmin), "INFLOW_API_URL=" + s.inflowURL,
		"INFLOW_COMPANY_ID=" + s.fake.CompanyID(),
		"INFLOW_API_KEY=" + plantedSecrets["INFLOW_API_KEY"], "INFLOW_REQUESTS_PER_MINUTE=6000",
		"SETTLE_QUIET=50ms", "GRACE_PERIOD=0", "SWEEP_EVERY=0",
		"SMTP_ADDR=" + relay.addr, "SMTP_TLS=none", "SMTP_USERNAME=gate",
		"SMTP_PASSWORD=" + plantedSecrets["SMTP_PASSWORD"],
		"MAIL_FROM=" + plantedAddresses[2], "MAIL_TO=" + plantedAddresses[0] + "," +
			plantedAddresses[1], "NOTIFY_SALES_REP=true",
		"NOTIFY_URLS=" + chat.URL + "/" + plantedSecrets["NOTIFY_URLS"],
	}), "worker")
	s.url = fmt.Sprintf("http://127.0.0.1:%d/webhook/inflow", ingressPort)
	require.Eventually(t, func() bool {
		return listensOn(ingressPort) && listensOn(ingressAdmin) && listensOn(workerAdmin)
	}, waitFor, tick)
	p.s, p.traces, p.catcher, p.relay, p.env = s, traces, catcher, relay, env
	p.edge, p.work, p.audit = edge, work, audit
	p.ingressAdmin, p.workerAdmin = ingressAdmin, workerAdmin
	return p
}

// holdAndOverride creates an order with errors: people are notified, one notice fails, and a person
// overrides.
func (p *privateLife) holdAndOverride() {
	p.t.Helper()
	held := p.s.sample("balance-wrong")
	plant(p.t, held, plantedPrivate)
	plant(p.t, held, plantedForRules)
	held["orderNumber"] = plantedNumber
	id, err := p.s.fake.AddOrder(held)
	require.NoError(p.t, err)
	require.NoError(p.t, p.s.fake.WaitIdle(p.t.Context()))
	p.s.postAccepted(id)
	p.s.waitForStatus(id, ordercheck.StatusFailed)
	mails := func() (receivers []string) {
		list, err := p.catcher.List(p.t.Context())
		require.NoError(p.t, err)
		for _, mail := range list {
			receivers = append(receivers, mail.To[0].Address)
		}
		return receivers
	}
	toldOf := func(n int) {
		p.t.Helper()
		require.Eventually(p.t, func() bool {
			//nolint:gosec // small
			return len(mails()) == 2*n && p.relay.rejected.Load() == int32(n) &&
				p.posted.Load() == int32(n) && p.s.failedActivities(id) == 2*n
		}, waitFor, tick, "told: %v", mails())
	}
	toldOf(1)
	assert.ElementsMatch(p.t, []string{plantedAddresses[0],
		plantedPrivate["salesRepTeamMember.email"]}, mails())
	override := startGate(p.t, p.env, "override", id, "--by", plantedOverride[0], "--reason",
		plantedOverride[1], "--until", "24h")
	require.Equal(p.t, 0, override.exit(), override.stderr.String())
	p.s.waitForStatus(id, ordercheck.StatusOverridden)
	toldOf(2)
	p.runs++
}

// failChecks makes checks fail: InFlow quotes the request, and sends responses that cannot be read.
func (p *privateLife) failChecks() {
	p.t.Helper()
	for _, fault := range []fakeinflow.Fault{
		{Status: 401, Body: `{"message":"the key ` + plantedEverything + `"}`},
		{Status: 422, Body: plantedEverything},
		{Body: `{"salesOrderId":"` + plantedEverything},
		{Body: `{"salesOrderId":"` + plantedEverything + `","total":"` + plantedEverything + `"}`},
		{Body: plantedEverything},
	} {
		order := p.s.sample("balance-wrong")
		plant(p.t, order, plantedPrivate)
		failing := order["salesOrderId"].(string)
		fault.Route, fault.SalesOrderID = fakeinflow.RouteGetSalesOrder, failing
		require.NoError(p.t, p.s.fake.SetFault(fault))
		_, err := p.s.fake.AddOrder(order)
		require.NoError(p.t, err)
		require.NoError(p.t, p.s.fake.WaitIdle(p.t.Context()))
		p.s.postAccepted(failing)
		_, err = p.s.result(failing)
		require.Error(p.t, err)
		assert.NotContains(p.t, err.Error(), "zq")
		p.runs++
	}
	rerun := startGate(p.t, p.env, "rerun", "--dry-run")
	assert.Equal(p.t, 0, rerun.exit())
}

// refuseRequests sends requests that the ingress refuses.
func (p *privateLife) refuseRequests() {
	p.t.Helper()
	forged := []byte(`{"event":"salesOrder.updated","data":{"salesOrderId":"` + plantedEverything +
		`"}}`)
	status, _ := p.s.send(forged, http.Header{"Content-Type": {"application/json"},
		inflow.SignatureHeader: {plantedEverything}})
	require.Equal(p.t, http.StatusUnauthorized, status)
	for _, body := range [][]byte{forged, []byte(plantedEverything)} {
		status, _ = p.s.send(body, http.Header{"Content-Type": {"application/json"},
			inflow.SignatureHeader: {inflow.Sign(p.s.keys[0], body)}})
		require.Equal(p.t, http.StatusBadRequest, status)
	}
}

// stopAndCollect stops the processes and returns their metrics, logs and traces.
func (p *privateLife) stopAndCollect() map[string][]byte {
	p.t.Helper()
	kept := map[string][]byte{}
	for what, port := range map[string]int{"metrics of the ingress": p.ingressAdmin,
		"metrics of the worker": p.workerAdmin} {
		kept[what] = getPage(p.t, fmt.Sprintf("http://127.0.0.1:%d/metrics", port))
	}
	for _, c := range []*command{p.edge, p.work} {
		require.NoError(p.t, c.Process.Signal(syscall.SIGTERM))
		require.Equal(p.t, 0, c.exit(), c.stderr.String())
	}
	kept["log of the ingress"], kept["log of the worker"] = p.edge.output(), p.work.output()
	var err error
	kept["audit log"], err = os.ReadFile(p.audit)
	require.NoError(p.t, err)
	p.traces.mu.Lock()
	for _, span := range p.traces.spans {
		kept["traces"] = append(kept["traces"], span.String()...)
	}
	p.traces.mu.Unlock()
	return kept
}

// collectHistories adds the histories, the list and the descriptions of all runs in the namespace.
func (p *privateLife) collectHistories(kept map[string][]byte) {
	p.t.Helper()
	listed, err := p.s.temporal.ListWorkflow(p.t.Context(),
		&workflowservice.ListWorkflowExecutionsRequest{})
	require.NoError(p.t, err)
	require.GreaterOrEqual(p.t, len(listed.GetExecutions()), p.runs)
	kept["list and descriptions"] = append(kept["list and descriptions"], listed.String()...)
	toTheRep := 0
	for _, run := range listed.GetExecutions() {
		events := p.s.temporal.GetWorkflowHistory(p.t.Context(), run.GetExecution().GetWorkflowId(),
			run.GetExecution().GetRunId(), false,
			enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			event, err := events.Next()
			require.NoError(p.t, err)
			data, err := proto.Marshal(event)
			require.NoError(p.t, err)
			kept["history"] = append(kept["history"], data...)
			scheduled := event.GetActivityTaskScheduledEventAttributes()
			if scheduled.GetActivityType().GetName() == ordercheck.ActivityNotify &&
				scheduled.GetTaskQueue().GetName() == ordercheck.InflowTaskQueue {
				toTheRep++
			}
		}
		described, err := p.s.temporal.WorkflowService().DescribeWorkflowExecution(p.t.Context(),
			&workflowservice.DescribeWorkflowExecutionRequest{
				Namespace: p.s.namespace, Execution: run.GetExecution(),
			})
		require.NoError(p.t, err)
		kept["list and descriptions"] = append(kept["list and descriptions"], described.String()...)
	}
	assert.Equal(p.t, 2, toTheRep, "the lookup of the sales rep's address respects InFlow's quota")
}

// output returns everything that an ended process has written.
func (c *command) output() []byte {
	output := bytes.Clone(c.stderr.Bytes())
	for line := range c.lines {
		output = append(output, line...)
	}
	return output
}

func listensOn(port int) bool {
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)) //nolint:noctx // this machine
	return err == nil && conn.Close() == nil
}

// failedActivities counts the activities of an order's runs that failed for good.
func (s *stack) failedActivities(id string) (n int) {
	s.t.Helper()
	for _, event := range s.history(id) {
		if event.GetEventType() == enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED {
			n++
		}
	}
	return n
}

func getPage(t *testing.T, url string) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return page
}
