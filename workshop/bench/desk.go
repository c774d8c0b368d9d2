package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"error-check-gate/internal/dev/childprocess"
	"error-check-gate/internal/ordercheck"
)

const (
	// ordersVariable is the environment variable with the number of held orders in the section
	// desk. 5,000 orders take about seven minutes.
	ordersVariable = "DESK_ORDERS"
	deskToken      = "a-token-of-the-benchmark-only-0123456789"
	// holders is the number of goroutines that announce orders.
	holders = 16
	// holdingPerSecond is the minimum rate of newly held orders. At a lower rate, the section gives
	// up.
	holdingPerSecond = 3
	// restBefore is the time without requests before we read the desk's memory at rest. The board
	// stops polling for changes after one minute.
	restBefore = 75 * time.Second
)

// alwaysWrong is a rule file that holds every order. Its rules need no look-ups, because these
// would compare each order with all others of its customer.
const alwaysWrong = `version: 1
name: wrong
rules:
- id: ship-to
  scope: order
  severity: error
  when: "order.orderNumber.endsWith('7')"
  message: "'Order ' + order.orderNumber + ' has no street to ship it to, and it is to leave today'"
- id: freight
  scope: order
  severity: error
  when: 'true'
  message: "'The freight of order ' + order.orderNumber + ' is 0.00, but it goes more than 500 miles'"
`

// deskPages measures the desk's pages and API while many orders are held.
func deskPages(ctx context.Context, b *bench) (err error) {
	held, err := b.deskOrders()
	if err != nil {
		return err
	}
	s, err := b.newSite(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	rules := filepath.Join(b.dir, "wrong.yaml")
	if err := os.WriteFile(rules, []byte(alwaysWrong), 0o600); err != nil {
		return err
	}
	post, _, err := s.startGate(ctx, "SETTLE_QUIET=0", "GRACE_PERIOD=0", "RULES_FILE="+rules)
	if err != nil {
		return err
	}
	ids, err := s.hold(ctx, post, held)
	if err != nil {
		return err
	}
	desk, err := s.startDesk(ctx)
	if err != nil {
		return err
	}
	// The first request fills the board.
	if err := desk.get(ctx, "/"); err != nil {
		return err
	}
	m := &deskMeasurement{bench: b, site: s, desk: desk, ids: ids,
		name: fmt.Sprintf("desk, %d held orders: ", held)}
	if err := b.atRest(ctx, desk, m.name+"at rest"); err != nil {
		return err
	}
	if err := m.latencies(ctx); err != nil {
		return err
	}
	if err := m.throughput(ctx); err != nil {
		return err
	}
	return b.atRest(ctx, desk, m.name+"at rest after this load")
}

// deskMeasurement measures a desk while orders are held.
type deskMeasurement struct {
	*bench
	site *site
	desk *deskProcess
	ids  []string // of the held orders
	name string   // starts the names of the rows
}

// order returns a held order. Its order differs for consecutive values of n.
func (m *deskMeasurement) order(n int) string { return m.ids[(n*7919)%len(m.ids)] }

func (m *deskMeasurement) inAPI(n int) string { return "/api/v1/orders/" + m.order(n) }

// latencies adds a row for each kind of page: its median latency and the allowed one.
func (m *deskMeasurement) latencies(ctx context.Context) error {
	held := len(m.ids)
	list := func(n int) string { return "/?page=" + strconv.Itoa(1+n%max(1, held/50)) }
	filtered := func(n int) string {
		return "/?" + url.Values{
			"q": {fmt.Sprintf("SO-%06d", n%held)[:len("SO-000")]}, "rule": {"freight"}, "age": {"1s"},
		}.Encode()
	}
	for _, page := range []struct {
		what    string
		path    func(n int) string
		allowed float64 // ms
	}{
		{"list page", list, 100},
		{"filtered list", filtered, 100},
		{"page of an order", func(n int) string { return "/orders/" + m.order(n) }, 60},
		{"GET /api/v1/orders/{id}, 1 sender", m.inAPI, 15},
	} {
		var took []float64
		for range m.rounds {
			got, err := load(ctx, 1, m.round, func(ctx context.Context, n int) error {
				return m.desk.get(ctx, page.path(n))
			})
			if err != nil {
				return fmt.Errorf("%s: %w", page.what, err)
			}
			took = append(took, got.p50)
		}
		m.rows = append(m.rows, row{what: m.name + page.what + ", p50 ÷ allowed", gate: took,
			other: repeat(page.allowed, m.rounds), unit: " ms", better: "lower", target: 1})
	}
	return nil
}

// throughput adds rows for the API under load, and compares it with a bare client that queries the
// same runs.
func (m *deskMeasurement) throughput(ctx context.Context) error {
	var rate [2][]float64
	for range m.rounds {
		for i, ask := range []operation{
			func(ctx context.Context, n int) error { return m.desk.get(ctx, m.inAPI(n)) },
			func(ctx context.Context, n int) error {
				id := ordercheck.WorkflowID(m.order(n))
				_, err := m.site.temporal.QueryWorkflow(ctx, id, "", ordercheck.QueryDesk)
				return err
			},
		} {
			got, err := load(ctx, 16, m.round, ask)
			if err != nil {
				return err
			}
			rate[i] = append(rate[i], got.perSecond)
		}
	}
	m.rows = append(m.rows,
		row{what: m.name + "GET /api/v1/orders/{id}, 16 senders ÷ asked for", gate: rate[0],
			other: repeat(300, m.rounds), unit: "/s", better: "higher", target: 1},
		row{what: m.name + "the same ÷ a bare client's queries of the run",
			gate: rate[0], other: rate[1], unit: "/s"})
	return nil
}

// atRest measures the desk's memory after a while without requests.
func (b *bench) atRest(ctx context.Context, desk *deskProcess, when string) error {
	if b.scale != smoke {
		select {
		case <-time.After(restBefore):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	resident, err := desk.residentMiB()
	if err != nil {
		return err
	}
	own, err := desk.ownMiB()
	if err != nil {
		return err
	}
	b.rows = append(b.rows,
		row{what: when + ", resident memory ÷ allowed",
			gate: []float64{resident}, other: []float64{40}, unit: " MiB", better: "lower", target: 1},
		row{what: when + ", resident memory without the program's file",
			gate: []float64{own}, unit: " MiB"})
	return nil
}

// deskOrders returns the number of orders to hold.
func (b *bench) deskOrders() (int, error) {
	if b.scale == smoke {
		return b.orders, nil
	}
	text := os.Getenv(ordersVariable)
	if text == "" {
		return 5000, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s=%s is not a number of orders", ordersVariable, text)
	}
	return n, nil
}

func repeat(value float64, n int) []float64 {
	list := make([]float64, n)
	for i := range list {
		list[i] = value
	}
	return list
}

// hold creates n wrong orders, announces them, and waits until all are held.
func (s *site) hold(ctx context.Context, post *sender, n int) ([]string, error) {
	ids := make([]string, n)
	for i := range ids {
		var err error
		if ids[i], err = s.numbered(sampleRight, fmt.Sprintf("SO-%06d", i)); err != nil {
			return nil, err
		}
	}
	work := make(chan string)
	failed := make(chan error, holders)
	for range holders {
		go func() {
			var err error
			for id := range work {
				if err == nil {
					err = post.deliver(ctx, id)
				}
			}
			failed <- err
		}()
	}
	for _, id := range ids {
		work <- id
	}
	close(work)
	var errs error
	for range holders {
		errs = errors.Join(errs, <-failed)
	}
	if errs != nil {
		return nil, errs
	}
	deadline := time.Now().Add(time.Minute + time.Duration(n/holdingPerSecond)*time.Second)
	for {
		answer, err := s.temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Query: fmt.Sprintf("ExecutionStatus = '%s' AND GateStatus = '%s'",
				enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, ordercheck.StatusFailed),
		})
		switch {
		case err != nil:
			return nil, err
		case answer.GetCount() == int64(n):
			return ids, nil
		case time.Now().After(deadline):
			return nil, fmt.Errorf("%d of %d orders are held", answer.GetCount(), n)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// deskProcess is a running desk with a client for it.
type deskProcess struct {
	*process
	client *http.Client
}

// startDesk starts a desk without sign-in, and returns when it answers.
func (s *site) startDesk(ctx context.Context) (*deskProcess, error) {
	port, err := childprocess.ChoosePort(0)
	if err != nil {
		return nil, err
	}
	tokens := filepath.Join(s.b.dir, "tokens")
	if err := os.WriteFile(tokens, []byte("bench:read:"+deskToken+"\n"), 0o600); err != nil {
		return nil, err
	}
	d := &deskProcess{
		process: &process{url: fmt.Sprintf("http://127.0.0.1:%d", port)},
		client: &http.Client{
			Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: 30 * time.Second,
		},
	}
	if d.Child, err = s.start("the desk", []string{
		fmt.Sprintf("DESK_ADDR=127.0.0.1:%d", port), "DESK_SECRET=" + secret + "-" + deskToken,
		"DESK_API_TOKENS_FILE=" + tokens,
	}, "desk"); err != nil {
		return nil, err
	}
	return d, d.waitUntilItAnswers(ctx)
}

// get reads a page or an answer of the API, and checks that it shows a held order.
func (d *deskProcess) get(ctx context.Context, path string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+path, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+deskToken)
	response, err := d.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s: %.300s", path, response.Status, body)
	}
	if response.Header.Get("Content-Type") != "application/json" {
		if !bytes.Contains(body, []byte(`="/orders/`)) { // a link or a form
			return fmt.Errorf("GET %s: the page shows no order", path)
		}
		return nil
	}
	var order struct{ Release string }
	if err := json.Unmarshal(body, &order); err != nil || order.Release != "no" {
		return fmt.Errorf("GET %s: release is %q, want no: %w", path, order.Release, err)
	}
	return nil
}
