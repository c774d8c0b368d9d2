// Package e2e_test runs the whole gate against a real Temporal server. The fake InFlow sends
// deliveries over HTTP. Tests check only what an outsider can see: the fake's log of requests,
// reports, notices, metrics and Temporal's history.
//
// To write a test, call newStack, which starts a gate with its own InFlow and namespace. Helpers
// are grouped by what a test does next:
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
	"error-check-gate/workshop/internal/product"
	"error-check-gate/workshop/internal/productionserver"
)

// All tests share one server. Each has its own namespace, so tests can run in parallel.
var (
	server         *temporalserver.Server
	production     *productionserver.Server // nil unless it replaces the development server
	namespaces     = make([]string, 64)
	namespacesUsed atomic.Int32
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(runRole(role))
	}
	for i := range namespaces {
		namespaces[i] = fmt.Sprintf("e2e-%02d", i)
	}
	// The tests mostly wait, so run more of them than there are processors.
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
		// Use a file. On a busy machine, queries time out and close their connection, which would
		// delete an in-memory database.
		server, err = temporalserver.Start(context.Background(), temporalserver.Options{
			Namespaces: namespaces, DBFile: filepath.Join(folder, "temporal.db"),
			Pragmas: []string{"synchronous=OFF"},
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

// productionVariable makes all tests of this package use Temporal's production server on
// PostgreSQL. 'make test-production' sets it.
const productionVariable = "TEST_PRODUCTION"

func startProduction(ctx context.Context) (*productionserver.Server, error) {
	root, err := product.Root(ctx)
	if err != nil {
		return nil, err
	}
	return productionserver.Start(ctx, root)
}

const (
	settleQuiet = 50 * time.Millisecond
	// webhookWait is the time for which a sweep waits for a delivery that may be in flight.
	webhookWait = 200 * time.Millisecond
	// waitFor is the timeout for an event that must happen, such as a new entry in Temporal's list
	// of runs. It is long enough for a load average of ten per processor.
	waitFor = 5 * time.Minute
	tick    = 50 * time.Millisecond
)
