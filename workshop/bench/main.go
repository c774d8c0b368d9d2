// Command bench compares the gate with what it replaces, and writes the table of
// docs/performance.md. Run it with 'make bench'. It is not part of the product.
//
// The two sides of a comparison take turns, several rounds each, so that other work on the machine
// slows both.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"time"

	"error-check-gate/workshop/internal/docsection"
)

// scale says how much to measure.
type scale struct {
	rounds     int           // for each side
	round      time.Duration // length of a round
	warmUp     time.Duration
	checks     int           // checks per round, from delivery to report
	orders     int           // orders with deliveries
	deliveries int           // deliveries before the memory is measured
	trace      time.Duration // length of the trace of edits
	pastOrders int           // orders to try rules on
}

var (
	full = scale{rounds: 5, round: 2 * time.Second, warmUp: time.Second, checks: 50, orders: 200,
		deliveries: 20_000, trace: 40 * time.Second, pastOrders: 10_000}
	smoke = scale{rounds: 1, round: 200 * time.Millisecond, warmUp: 50 * time.Millisecond, checks: 2,
		orders: 20, deliveries: 40, trace: time.Second, pastOrders: 100}
)

// sections run one after another, each with its own servers and processes.
var sections = []struct {
	name       string
	run        func(context.Context, *bench) error
	production bool // measured with the production server too
}{
	{"ack", acks, true},
	{"refused", refusals, false},
	{"report", reports, true},
	{"memory", memory, false},
	{"edits", edits, false},
	{"rules", ruleBenchmarks, false},
	{"trial", trials, false},
	{"held", heldOrders, false},
	{"marks", marks, false},
	{"desk", deskPages, false},
	{"day", days, false},
}

// bench is one run of the benchmark.
type bench struct {
	scale
	gate string // path of the gate command
	// production measures with Temporal's production server on PostgreSQL, in place of the
	// development server.
	production bool
	dir        string // for files that processes write
	rows       []row
	day        string // the tables of the section day
}

func main() {
	if role := os.Getenv(roleVariable); role != "" {
		fail(runRole(role))
		return
	}
	var (
		only = flag.String("only", "",
			"a regular expression that picks sections: ack, refused, report, memory, edits, "+
				"rules, trial, held, marks, desk, day")
		page = flag.String("page", "../docs/performance.md",
			"the `file` whose table is written; empty writes none. "+
				"A run that picks sections writes only the tables of day")
		gate = flag.String("gate", "../bin/gate",
			"the `path` of the gate that is measured, which 'make build' builds")
		production = flag.Bool("production", false,
			"measure the sections ack and report with Temporal's production server on PostgreSQL")
		quick = flag.Bool("smoke", false, "measure next to nothing, to see that it works")
	)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	s := full
	if *quick {
		s = smoke
	}
	b := &bench{scale: s, production: *production}
	fail(b.run(ctx, *gate, *only, *page))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures the sections whose name matches only. It writes the table into the page if only is
// empty.
func (b *bench) run(ctx context.Context, gate, only, page string) (err error) {
	pick, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	dir, err := os.MkdirTemp("", "gate-bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b.dir = dir
	if b.gate, err = filepath.Abs(gate); err != nil {
		return err
	}
	began, before := time.Now(), loadAverage()
	for _, section := range sections {
		if !pick.MatchString(section.name) || b.production && !section.production {
			continue
		}
		fmt.Fprintln(os.Stderr, time.Now().Format(time.TimeOnly), section.name, "…")
		if err := section.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", section.name, err)
		}
	}
	machine, err := describe(ctx, b.gate)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s Load average %s before, %s after; %v in all.\n\n%s",
		machine, before, loadAverage(), time.Since(began).Round(time.Second), table(b.rows))
	fmt.Println(text + "\n" + b.day)
	if page != "" && b.day != "" && b.scale == full {
		if err := docsection.Replace(page, "bench-day", b.day); err != nil {
			return err
		}
	}
	if page == "" || only != "" {
		return nil
	}
	if b.production {
		return docsection.Replace(page, "bench-production", text)
	}
	return docsection.Replace(page, "bench", text)
}
