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
	// ordersVariable is how many orders the desk's section holds. 5,000 take about seven minutes.
	ordersVariable = "DESK_ORDERS"
	deskToken      = "a-token-of-the-benchmark-only-0123456789"
	// holders start orders at the same time.
	holders = 16
	// holdingPerSecond is the slowest that a machine holds orders before the section gives up.
	holdingPerSecond = 3
	// restBefore is how long nobody asks the desk before its memory at rest is read. The board stops
	// looking for changes after a minute.
	restBefore = 75 * time.Second
)

// alwaysWrong has no look-ups, which would compare each order with all others of its customer.
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

// deskPages are pages and the API while many orders are held. The targets are the issue's.
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
	post, err := s.startGate(ctx, "SETTLE_QUIET=0", "GRACE_PERIOD=0", "RULES_FILE="+rules)
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
	get := desk.get
	// The first look fills the board.
	if err := get(ctx, "/"); err != nil {
		return err
	}
	name := fmt.Sprintf("desk, %d held orders: ", held)
	if err := b.atRest(ctx, desk, name+"at rest"); err != nil {
		return err
	}
	// Not the order that was just asked for.
	order := func(n int) string { return ids[(n*7919)%len(ids)] }
	inAPI := func(n int) string { return "/api/v1/orders/" + order(n) }
	filtered := func(n int) string {
		return "/?" + url.Values{
			"q": {fmt.Sprintf("SO-%06d", n%held)[:len("SO-000")]}, "rule": {"freight"}, "age": {"1s"},
		}.Encode()
	}
	onPage := func(n int) string { return "/?page=" + strconv.Itoa(1+n%max(1, held/50)) }
	for _, page := range []struct {
		what    string
		path    func(n int) string
		allowed float64 // ms
	}{
		{"list page", onPage, 100},
		{"filtered list", filtered, 100},
		{"page of an order", func(n int) string { return "/orders/" + order(n) }, 60},
		{"GET /api/v1/orders/{id}, 1 sender", inAPI, 15},
	} {
		var took []float64
		for range b.rounds {
			ask := func(ctx context.Context, n int) error { return get(ctx, page.path(n)) }
			got, err := load(ctx, 1, b.round, ask)
			if err != nil {
				return fmt.Errorf("%s: %w", page.what, err)
			}
			took = append(took, got.p50)
		}
		b.rows = append(b.rows, row{what: name + page.what + ", p50 ÷ allowed", gate: took,
			other: repeat(page.allowed, b.rounds), unit: " ms", better: "lower", target: 1})
	}
	var rate [2][]float64
	for range b.rounds {
		for i, ask := range []operation{
			func(ctx context.Context, n int) error { return get(ctx, inAPI(n)) },
			func(ctx context.Context, n int) error {
				id := ordercheck.WorkflowID(order(n))
				_, err := s.temporal.QueryWorkflow(ctx, id, "", ordercheck.QueryDesk)
				return err
			},
		} {
			got, err := load(ctx, 16, b.round, ask)
			if err != nil {
				return err
			}
			rate[i] = append(rate[i], got.perSecond)
		}
	}
	b.rows = append(b.rows,
		row{what: name + "GET /api/v1/orders/{id}, 16 senders ÷ asked for", gate: rate[0],
			other: repeat(300, b.rounds), unit: "/s", better: "higher", target: 1},
		row{what: name + "the same ÷ a bare client's queries of the run",
			gate: rate[0], other: rate[1], unit: "/s"})

	return b.atRest(ctx, desk, name+"at rest after this load")
}

// atRest measures the desk's memory when nobody has asked it for a while.
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

// deskOrders returns how many orders to hold.
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

// hold creates orders that are wrong, announces them, and waits until all of them are held.
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

// deskProcess is a running desk, and who asks it.
type deskProcess struct {
	*process
	client *http.Client
}

// startDesk returns once it answers. Nobody has to sign in.
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

// get reads a page, or an answer of the API that must say what it knows.
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
