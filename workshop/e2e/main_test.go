// Package e2e_test runs the whole gate against a real Temporal server. The fake InFlow sends
// deliveries over HTTP. Tests judge what an outsider can see: the fake's log of requests, reports,
// notices, metrics and Temporal's history.
//
// To write a test, call newStack, which starts a gate with its own InFlow and namespace. Helpers are
// grouped by what a test does next:
//
//	stack_orders_test.go      create and edit orders at InFlow
//	stack_deliveries_test.go  send deliveries to the ingress
//	stack_reports_test.go     wait for reports and statuses
//	stack_history_test.go     look at fetches, runs and histories
//	notices_test.go           receive notices by webhook and mail
//	deskstack_test.go         use the desk in a browser and by API
//	gateprocess_test.go       run the gate's commands as processes
package e2e_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"error-check-gate/internal/dev/temporalserver"
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
