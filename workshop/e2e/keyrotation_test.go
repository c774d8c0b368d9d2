package e2e_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/proxy"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"error-check-gate/internal/codec"
	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/dev/mailcatcher"
	"error-check-gate/internal/dev/temporalserver"
	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/temporalconn"
)

var keyRotations = flag.Int("key-rotations", 0, "how often to rotate payload keys, with 50 "+
	"orders and two processes of each kind; 0 means once, with few orders")

// keyRotation is a gate with payload keys. Its Temporal keeps the database in a file.
type keyRotation struct {
	*stack
	t         *testing.T
	database  string // the file
	serverLog string // the file
	rulesFile string // next to the database
	processes int    // number of ingresses, and of workers
	members   []*member
	env       map[*member][]string // environment without the keys
	account   []string             // environment of commands, without the keys
	orders    []string
	wrong     int    // the first orders are held
	overrides int    // held orders that were overridden
	keys      string // PAYLOAD_KEYS of all processes
	sweep     *command
	encrypted time.Time       // when all processes began to encrypt; zero before
	runs      map[string]bool // runs whose histories were checked
	payloads  int             // number of checked payloads
	restarts  int
}

func (r *keyRotation) held() string    { return r.orders[0] }
func (r *keyRotation) right() string   { return r.orders[r.wrong] }
func (r *keyRotation) failing() string { return r.orders[r.wrong+1] }

// rulesBefore are the rules that are used until all processes encrypt.
const rulesBefore = `version: 1
name: before
rules:
- {id: before, scope: order, severity: error, when: "order.balance != order.total - order.amountPaid", message: "'The balance is wrong'"}
`

// plantedRules find the same errors and read everything that a rule can read.
const plantedRules = `version: 1
name: zqplantrulesetqz
description: zqplantrulesdescriptionqz
rules:
- id: zqplantruleqz
  scope: order
  severity: error
  description: zqplantruledescriptionqz
  when: "order.balance != order.total - order.amountPaid"
  message: "'zqplantmessageqz'"
  fix: "'zqplantfixqz'"
  expected: "'zqplantexpectedqz'"
  actual: "'zqplantactualqz'"
  requires: [currency, customer, lines.product.category, lines.product.cost, lines.product.inventoryLines, lines.product.prices, packLines, paymentLines, paymentTerms, pickLines, pricingScheme, shipLines, taxingScheme.taxCodes]
- {id: repeated-po-number, builtin: repeated-po-number, severity: warning}
`

func newKeyRotation(t *testing.T, keys *codec.Keys, processes, orders, wrong int) *keyRotation {
	t.Helper()
	dir := t.TempDir()
	r := &keyRotation{
		t: t, database: filepath.Join(dir, "temporal.db"),
		serverLog: filepath.Join(dir, "temporal.log"),
		rulesFile: "before.yaml", processes: processes, env: map[*member][]string{}, wrong: wrong,
		orders: make([]string, orders), runs: map[string]bool{},
	}
	for name, content := range map[string]string{"before": rulesBefore, "planted": plantedRules} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(content), 0o600))
	}
	log, err := os.Create(r.serverLog)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, log.Close()) })
	server, err := temporalserver.Start(t.Context(), temporalserver.Options{
		DBFile: r.database, Output: log, LogLevel: "info",
		Pragmas: []string{"journal_mode=WAL", "synchronous=OFF"},
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Stop()) })
	catcher, err := mailcatcher.Start(t.Context(), mailcatcher.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, catcher.Stop()) })

	front := listen(t)
	var secretFile string
	r.stack, secretFile = newCompany(t, "http://"+front.Addr().String()+"/webhook/inflow",
		temporalconn.Options{Address: server.Addr, Namespace: "default", PayloadKeys: keys},
		slices.Repeat([]time.Duration{200 * time.Millisecond}, 100))
	temporal := []string{"TEMPORAL_ADDRESS=" + server.Addr}
	r.account = slices.Concat(temporal,
		[]string{"INFLOW_API_URL=" + r.inflowURL, "INFLOW_COMPANY_ID=" + r.fake.CompanyID(),
			"INFLOW_API_KEY=" + r.fake.APIKey()})
	var backends []string
	for i := range 2 * processes {
		m := &member{t: t, role: "ingress", admin: fmt.Sprintf("127.0.0.1:%d", freePort(t))}
		env := []string{"ADMIN_ADDR=" + m.admin, "LOG_LEVEL=warn"}
		if i < processes {
			backends = append(backends, fmt.Sprintf("127.0.0.1:%d", freePort(t)))
			r.env[m] = slices.Concat(env, temporal, []string{
				"LISTEN_ADDR=" + backends[i], "WEBHOOK_SECRET_FILE=" + secretFile,
				"TRUSTED_PROXIES=127.0.0.1", "AUDIT_LOG=off",
			})
		} else {
			m.role = "worker"
			r.env[m] = slices.Concat(env, r.account, []string{
				"INFLOW_REQUESTS_PER_MINUTE=60000", "SETTLE_QUIET=20ms", "SETTLE_MAX=1s",
				"GRACE_PERIOD=0", "SWEEP_EVERY=0",
				"SMTP_ADDR=" + catcher.SMTPAddr, "SMTP_TLS=none", "MAIL_FROM=gate@shop.example",
				"MAIL_TO=" + planted("office") + "@shop.example", "NOTIFY_SALES_REP=true",
			})
		}
		r.members = append(r.members, m)
	}
	balance(t, front, backends)
	return r
}

// planted returns the planted text of a field. It is unique, and no encoding changes it.
func planted(field string) string {
	return "zqplant" + strings.ToLower(regexp.MustCompile(`[^A-Za-z0-9]`).ReplaceAllString(field,
		"")) + "qz"
}

var (
	plantedText = regexp.MustCompile(`zqplant[a-z0-9]+?qz`)
	base64Text  = regexp.MustCompile(`^[A-Za-z0-9+/]+`)
)

// plantedIn returns the planted texts in contents, in any case or in base64.
func plantedIn(contents ...[]byte) []string {
	found := map[string]bool{}
	look := func(content []byte) {
		for _, text := range plantedText.FindAll(bytes.ToLower(content), -1) {
			found[string(text)] = true
		}
	}
	for _, content := range contents {
		look(content)
		// base64 groups of three bytes may begin before the text
		for before, skip := range []int{0, 2, 3} {
			encoded := base64.RawStdEncoding.EncodeToString([]byte("xx"[:before] + "zqplant"))
			encoded = encoded[skip : (before+len("zqplant"))*8/6]
			for rest := content; ; {
				at := bytes.Index(rest, []byte(encoded))
				if at < 0 {
					break
				}
				run := base64Text.Find(rest[max(0, at-skip):min(len(rest), at+400)])
				decoded, err := base64.RawStdEncoding.DecodeString(string(run[:len(run)/4*4]))
				if err == nil {
					look(decoded)
				}
				rest = rest[at+len(encoded):]
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func TestSearchFindsPlantedTexts(t *testing.T) {
	t.Parallel()
	text := planted("a.b")
	for before := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(`{"x"}`[:before] + text + "more"))
		assert.Equal(t, []string{text}, plantedIn([]byte("\x00\x01"+encoded)), "%d bytes before it",
			before)
	}
	assert.Equal(t, []string{text}, plantedIn([]byte("x"+strings.ToUpper(text)+"x")))
	assert.Empty(t, plantedIn([]byte("zqplant")))
}

// notText matches fields whose value InFlow chooses.
var notText = regexp.MustCompile(
	`Ids?$|^timestamp$|^inventoryStatus$|^paymentStatus$|^addressType$|^itemType$|^isoCode$|^negativeType$|Separator$|^paymentType$|^priceType$|Dttm$|DateTime$`)

// amountOrDate matches values that are not texts.
var amountOrDate = regexp.MustCompile(`^-?\d+\.\d+$|^\d{4}-\d\d-\d\dT`)

// plantEverywhere puts a text into each field of a document that has or may have a text.
func plantEverywhere(path string, value any) any {
	name := path[strings.LastIndex(path, ".")+1:]
	switch value := value.(type) {
	case map[string]any:
		for key, field := range value {
			value[key] = plantEverywhere(strings.TrimPrefix(path+"."+key, "."), field)
		}
	case []any:
		for i := range value {
			value[i] = plantEverywhere(fmt.Sprintf("%s.%d", path, i), value[i])
		}
	case string:
		if !notText.MatchString(name) && !amountOrDate.MatchString(value) {
			text := planted(path)
			if name == "email" {
				text += "@shop.example"
			}
			return text
		}
	}
	return value
}

// plant fills an order with planted texts.
func (r *keyRotation) plant(id string) {
	r.t.Helper()
	require.NoError(r.t, r.fake.EditOrder(id, func(order map[string]any) {
		number := order["orderNumber"]
		plantEverywhere("", order)
		order["orderNumber"] = number.(string) + planted("orderNumber")
	}))
}

func (r *keyRotation) setBalance(id, balance string) {
	r.t.Helper()
	require.NoError(r.t, r.fake.SetField(id, "balance", balance))
}

const (
	rightBalance = "683.94"
	wrongBalance = "383.94"
)

// addOrders adds the orders. Some are wrong, one cannot be fetched, and two have the same customer.
func (r *keyRotation) addOrders() {
	r.t.Helper()
	together := uuid.NewString()
	for i := range r.orders {
		order := r.recent("balance-wrong")
		customer := uuid.NewString()
		if i >= len(r.orders)-2 {
			customer = together
		}
		r.orders[i] = order["salesOrderId"].(string)
		order["orderNumber"], order["customerId"] = fmt.Sprintf("SO-%06d", i), customer
		order["customer"].(map[string]any)["customerId"] = customer
		// Fields that the sample does not have.
		order["customer"].(map[string]any)["customFields"] = map[string]any{"custom1": ""}
		line := order["lines"].([]any)[0].(map[string]any)
		line["quantity"].(map[string]any)["serialNumbers"] = []any{""}
		line["product"].(map[string]any)["customFields"] = map[string]any{"custom1": ""}
		order["shipLines"] = []any{map[string]any{"carrier": "", "trackingNumber": "",
			"containers": []any{""}}}
		order["packLines"] = []any{map[string]any{"containerNumber": "", "description": "",
			"quantity": map[string]any{"standardQuantity": "1.0000", "serialNumbers": []any{""}}}}
		order["pickLines"] = []any{map[string]any{"description": "", "sublocation": "",
			"quantity": map[string]any{"standardQuantity": "1.0000", "serialNumbers": []any{""}}}}
		if i >= r.wrong {
			order["balance"] = rightBalance
		}
		if i == r.wrong+1 {
			r.makeFail()
		}
		_, err := r.fake.AddOrder(order)
		require.NoError(r.t, err)
	}
}

func (r *keyRotation) makeFail() {
	r.t.Helper()
	require.NoError(r.t, r.fake.SetFault(fakeinflow.Fault{
		Route: fakeinflow.RouteGetSalesOrder, SalesOrderID: r.failing(),
		Status: http.StatusUnprocessableEntity, Body: planted("error of InFlow"),
	}))
}

// editing saves the orders in turn until ctx is done, except the last one: a sweep cannot read a
// list if every order changes before the next page.
func (r *keyRotation) editing(ctx context.Context) error {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := r.fake.EditOrder(r.orders[i%(len(r.orders)-1)],
			func(map[string]any) {}); err != nil {
			return err
		}
	}
}

// checkedVersions returns the newest version of each order that a check has seen.
func (r *keyRotation) checkedVersions() map[string]string {
	r.t.Helper()
	versions := map[string]string{}
	for _, run := range r.list("WorkflowType = '" + ordercheck.WorkflowType + "'") {
		var version string
		payload := run.GetSearchAttributes().GetIndexedFields()[ordercheck.SearchOrderVersion]
		if payload == nil || converter.GetDefaultDataConverter().FromPayload(payload,
			&version) != nil {
			continue
		}
		id, _ := ordercheck.SalesOrderID(run.GetExecution().GetWorkflowId())
		versions[id] = max(versions[id], version)
	}
	return versions
}

func (r *keyRotation) list(query string) (runs []*workflowpb.WorkflowExecutionInfo) {
	r.t.Helper()
	var page []byte
	for {
		answer, err := r.temporal.ListWorkflow(r.t.Context(),
			&workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 1000,
				NextPageToken: page})
		require.NoError(r.t, err)
		runs = append(runs, answer.GetExecutions()...)
		if page = answer.GetNextPageToken(); len(page) == 0 {
			return runs
		}
	}
}

// caughtUp waits until the current version of each order, or a newer one, has been checked.
// Processes are restarted only after that, so no check depends on a later restart.
func (r *keyRotation) caughtUp(when string) {
	r.t.Helper()
	waiting := map[string]string{}
	for _, order := range r.fake.Orders() {
		waiting[order.ID] = order.Version
	}
	delete(waiting, r.failing())
	for deadline := time.Now().Add(settled); ; time.Sleep(tick) {
		versions := r.checkedVersions()
		maps.DeleteFunc(waiting, func(id, version string) bool { return versions[id] >= version })
		if len(waiting) == 0 {
			return
		}
		require.False(r.t, time.Now().After(deadline), "%s: orders wait for a check of a "+
			"version: %v", when, waiting)
	}
}

// command runs a gate command.
func (r *keyRotation) command(keys string, want int, args ...string) {
	r.t.Helper()
	c := startGate(r.t, append(slices.Clone(r.account), "PAYLOAD_KEYS="+keys), args...)
	require.Equal(r.t, want, c.exit(), "gate %s: %s", strings.Join(args, " "), c.stderr.String())
}

// commands runs every command that writes. The sweep runs at the same time as the others.
func (r *keyRotation) commands() {
	r.t.Helper()
	r.sweep = startGate(r.t, append(slices.Clone(r.account), "PAYLOAD_KEYS="+r.keys), "sweep")
	r.command(r.keys, 1, "check", r.held())
	r.command(r.keys, 0, "check", r.right())
	r.overrides++ // an overridden order is no longer held
	id := r.orders[r.overrides]
	r.waitForStatus(id, ordercheck.StatusFailed)
	r.command(r.keys, 0, "override", id, "--by", planted("override by"), "--reason",
		planted("override reason"), "--until", "24h")
	r.command(r.keys, 0, "rerun")
	inForce, _, err := operations.RulesInForce(r.t.Context(), r.temporal)
	require.NoError(r.t, err)
	r.command(r.keys, 0, "rules", "use", inForce.Digest, "--by", planted("rules by"))
}

func (r *keyRotation) sweepEnds() {
	r.t.Helper()
	if r.sweep != nil {
		require.Zero(r.t, r.sweep.exit(), "%s", r.sweep.stderr.String())
		r.sweep = nil
	}
}

// restart gives all processes other keys, one after the other, in two orders: ingresses first, then
// workers first.
func (r *keyRotation) restart(keys string) {
	r.t.Helper()
	slices.Reverse(r.members)
	for i, m := range r.members {
		m.stop()
		r.start(m, keys)
		step := fmt.Sprintf("%s -> %s, %s", keyIDs(r.keys), keyIDs(keys), m.role)
		r.caughtUp(step)
		// Commands run with the old keys or the new ones.
		r.command([]string{keys, r.keys}[i%2], 1, "check", r.held())
		r.restarts++
	}
	r.sweepEnds()
	r.keys = keys
}

func (r *keyRotation) start(m *member, keys string) {
	r.t.Helper()
	m.env = append(slices.Clone(r.env[m]), "PAYLOAD_KEYS="+keys,
		"RULES_FILE="+filepath.Join(filepath.Dir(r.database), r.rulesFile))
	m.start()
}

// keyIDs returns the ids of keys, which may be logged.
func keyIDs(keys string) string {
	return regexp.MustCompile(`:[^,]*`).ReplaceAllString(keys, "")
}

// passTime ends the watch over all orders and deletes all runs that began before a time, as
// HOLD_MAX and the namespace's retention do. After that, only the first key is needed.
func (r *keyRotation) passTime(before time.Time) {
	r.t.Helper()
	r.fake.ClearFaults()
	for _, id := range r.orders[:r.wrong] {
		r.setBalance(id, rightBalance)
	}
	r.lookAtHistories()
	query := fmt.Sprintf("StartTime < '%s' AND WorkflowType != '%s'",
		before.UTC().Format(time.RFC3339Nano), ordercheck.RulesWorkflowType)
	// Runs that count a receiver's messages, or outcomes, continue as new each day.
	for _, run := range r.list(query + " AND ExecutionStatus = 'Running' AND WorkflowType IN ('" +
		ordercheck.GatherWorkflowType + "', '" + ordercheck.OutcomesWorkflowType + "')") {
		execution := run.GetExecution()
		require.NoError(r.t, r.temporal.TerminateWorkflow(r.t.Context(), execution.GetWorkflowId(),
			execution.GetRunId(), "its day is over"))
	}
	require.Eventually(r.t, func() bool {
		runs := r.list(query)
		for _, run := range runs {
			if run.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
				_, _ = r.temporal.WorkflowService().DeleteWorkflowExecution(r.t.Context(),
					&workflowservice.DeleteWorkflowExecutionRequest{
						Namespace: r.namespace, WorkflowExecution: run.GetExecution(),
					})
			}
		}
		return len(runs) == 0
	}, settled, tick)
	require.Eventually(r.t, func() bool {
		for _, event := range r.events(ordercheck.RulesWorkflowID, "") {
			same, err := codec.AllWrittenWith(r.t.Context(), writingKeyID(r.keys), event)
			if require.NoError(r.t, err); !same {
				return false
			}
		}
		return true
	}, settled, tick, "the record of the rule set in force still needs another key")
	r.makeFail()
	for _, id := range r.orders[:r.wrong] {
		r.setBalance(id, wrongBalance)
	}
	// nobody else edits it, and its run was deleted
	r.setBalance(r.orders[len(r.orders)-1], rightBalance)
	r.overrides = 0
	r.waitForStatus(r.held(), ordercheck.StatusFailed)
}

// writingKeyID returns the id of the key that a process encrypts with.
func writingKeyID(keys string) string {
	id, _, _ := strings.Cut(keys, ":")
	if strings.HasPrefix(id, "plain") {
		return ""
	}
	return id
}

// ownPayloads are types of runs with unencrypted payloads: Temporal's own state of a schedule,
// which contains the gate's payloads, and the record of the workers' key ids.
var ownPayloads = []string{"temporal-sys-scheduler-workflow", "PayloadKeys"}

// lookAtHistories checks each run's history in Temporal. No task failed, unless its run got more
// work at the same time. Everything that was written since all processes encrypt is encrypted.
func (r *keyRotation) lookAtHistories() (histories [][]byte) {
	r.t.Helper()
	runs := r.list("")
	for _, division := range []string{"error-check-gate", "TemporalScheduler"} {
		runs = append(runs, r.list("TemporalNamespaceDivision = '"+division+"'")...)
	}
	for _, run := range runs {
		name := run.GetExecution().GetWorkflowId() + " " + run.GetExecution().GetRunId()
		r.runs[name] = true
		for _, event := range r.events(run.GetExecution().GetWorkflowId(),
			run.GetExecution().GetRunId()) {
			data, err := proto.Marshal(event)
			require.NoError(r.t, err)
			histories = append(histories, data)
			if failed := event.GetWorkflowTaskFailedEventAttributes(); failed != nil {
				assert.Equal(r.t, enumspb.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
					failed.GetCause(), "%s: %v", name, failed)
			}
			if r.encrypted.IsZero() || event.GetEventTime().AsTime().Before(r.encrypted) ||
				slices.Contains(ownPayloads, run.GetType().GetName()) {
				continue
			}
			assert.NoError(r.t, proxy.VisitPayloads(r.t.Context(), event,
				proxy.VisitPayloadsOptions{
					SkipSearchAttributes: true,
					Visitor: func(_ *proxy.VisitPayloadsContext,
						payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
						for _, payload := range payloads {
							if string(payload.GetData()) == `"ACTIVITY_ID_NOT_STARTED"` {
								// Temporal's own details of an activity that was cancelled in the queue
								continue
							}
							r.payloads++
							assert.Equal(r.t, codec.Encoding,
								string(payload.GetMetadata()[converter.MetadataEncoding]), "%s: %s: %s",
								name, event.GetEventType(), payload.GetData())
						}
						return payloads, nil
					},
				}), "%s", name)
		}
		described, err := r.temporal.WorkflowService().DescribeWorkflowExecution(r.t.Context(),
			&workflowservice.DescribeWorkflowExecutionRequest{
				Namespace: r.namespace, Execution: run.GetExecution(),
			})
		require.NoError(r.t, err)
		data, err := proto.Marshal(described)
		require.NoError(r.t, err)
		histories = append(histories, data)
	}
	return histories
}

// search returns the planted texts in Temporal, by location.
func (r *keyRotation) search() map[string][]string {
	r.t.Helper()
	found := map[string][]string{"histories": plantedIn(r.lookAtHistories()...)}
	log, err := os.ReadFile(r.serverLog)
	require.NoError(r.t, err)
	require.NotEmpty(r.t, log)
	found["log"] = plantedIn(log)
	// Read the write-ahead log first: entries that leave it are in the other file.
	var database [][]byte
	for _, file := range []string{r.database + "-wal", r.database} {
		content, err := os.ReadFile(file)
		require.NoError(r.t, err)
		require.NotEmpty(r.t, content)
		database = append(database, content)
	}
	found["database"] = plantedIn(database...)
	return found
}

// nothingLost checks that no delivery was refused, and that each order's report is about its latest
// version.
func (r *keyRotation) nothingLost(stop func()) {
	r.t.Helper()
	stop()
	r.fake.ClearFaults()
	require.NoError(r.t, r.fake.WaitIdle(r.t.Context()))
	r.command(r.keys, 0, "rerun")
	for i, id := range r.orders {
		r.sees(id)
		want := []ordercheck.Status{ordercheck.StatusPassed, ordercheck.StatusWarning}
		switch {
		case i > 0 && i <= r.overrides:
			want = []ordercheck.Status{ordercheck.StatusOverridden}
		case i < r.wrong:
			want = []ordercheck.Status{ordercheck.StatusFailed}
		}
		assert.Contains(r.t, want, r.report(id).Status, "order %d", i)
	}
	answers := map[string]int{}
	for _, delivery := range r.fake.Deliveries() {
		assert.Equal(r.t, fakeinflow.DeliveryDelivered, delivery.State, "delivery %d",
			delivery.Number)
		for _, attempt := range delivery.Attempts {
			answer := fmt.Sprint(attempt.Status)
			if attempt.Status == 0 {
				answer = "none"
			}
			answers[answer]++
		}
	}
	// The balancer responds with 502 if there is no ingress.
	for _, expected := range []string{"200", "none", "502", "503"} {
		r.t.Logf("%d attempts at %d deliveries were answered %s", answers[expected],
			len(r.fake.Deliveries()), expected)
		delete(answers, expected)
	}
	assert.Empty(r.t, answers, "refused")
	r.t.Logf("%d runs, %d payloads were encrypted as they should be, %d restarts", len(r.runs),
		r.payloads, r.restarts)
}

// inClear lists search attributes, which are never encrypted.
var inClear = []string{planted("orderNumber"), planted("rule")}

// withoutEncryption lists the planted texts that the gate sends to Temporal. It never sends the
// others: contacts, mail addresses, phone numbers, streets, remarks on payments and shipping, and
// InFlow's error texts.
var withoutEncryption = func() []string {
	texts := slices.Clone(inClear)
	for field := range strings.FieldsSeq(`
		billingAddress.country billingAddress.state customer.name customFields.custom1 customFields.custom2 customFields.custom3
		customFields.custom4 customFields.custom5 customFields.custom6 customFields.custom7 customFields.custom8 customFields.custom9 customFields.custom10
		lines.0.description lines.0.product.category.name lines.0.product.name lines.0.product.sku lines.0.product.standardUomName lines.0.quantity.serialNumbers.0 lines.0.quantity.uom
		lines.1.description lines.1.product.category.name lines.1.product.name lines.1.product.sku lines.1.product.standardUomName lines.1.quantity.uom
		orderRemarks packLines.0.containerNumber packLines.0.quantity.serialNumbers.0 paymentLines.0.paymentMethod paymentTerms.name pickLines.0.quantity.serialNumbers.0 poNumber
		pricingScheme.name salesRepTeamMember.name shipLines.0.carrier shipLines.0.containers.0 shippingAddress.country shippingAddress.state taxingScheme.name taxingScheme.taxCodes.0.name taxingScheme.taxCodes.1.name
		message fix expected actual ruleSet rulesBy overrideBy overrideReason`) {
		texts = append(texts, planted(field))
	}
	slices.Sort(texts)
	return texts
}()

// TestPayloadKeysRotate rotates payload keys as docs/security.md says, one process after the other,
// while deliveries arrive. 'make key-rotations' repeats it, and also switches encryption on and
// off.
func TestPayloadKeysRotate(t *testing.T) {
	t.Parallel()
	long := *keyRotations > 0
	processes, orders, wrong := 1, 10, 4
	if long {
		processes, orders, wrong = 2, 50, 15
	}
	keys := []string{newPayloadKey("k1"), newPayloadKey("k2")}
	for i := 3; i <= *keyRotations+1; i++ {
		keys = append(keys, newPayloadKey(fmt.Sprintf("k%d", i)))
	}
	r := newKeyRotation(t, payloadKeys(t, append([]string{"plain"}, keys...)...), processes, orders,
		wrong)
	if !long {
		r.encrypted, r.keys, r.rulesFile = time.Now(), keys[0], "planted.yaml"
	}
	for _, m := range r.members {
		r.start(m, r.keys)
	}
	r.addOrders()
	stop := serve(t, r.editing)
	r.caughtUp("at first")
	if long {
		r.restart("plain," + keys[0])
		r.restart(keys[0])
		r.encrypted, r.rulesFile = time.Now(), "planted.yaml"
		r.restart(keys[0]) // with rules that contain planted texts
	}
	for _, id := range r.orders {
		r.plant(id)
	}
	r.caughtUp("planted")
	r.commands()
	for i := 1; i < len(keys); i++ {
		before, now := keys[i-1], keys[i]
		r.restart(before + "," + now)
		r.restart(now + "," + before)
		r.passTime(time.Now())
		if long {
			r.restart(now)
			r.commands()
		}
	}
	for where, texts := range r.search() {
		if where == "log" {
			assert.Empty(t, texts, where)
			continue
		}
		assert.Equal(t, inClear, texts, where)
	}

	// Without encryption, the same search finds the texts.
	r.encrypted = time.Time{}
	now := keys[len(keys)-1]
	r.restart("plain," + now)
	r.commands()
	if long {
		r.passTime(time.Now())
		r.restart("")
		r.commands()
	}
	r.sweepEnds()
	found := r.search()
	assert.Empty(t, found["log"])
	for _, where := range []string{"histories", "database"} {
		assert.Equal(t, withoutEncryption, found[where], where)
	}
	r.nothingLost(stop)
}
