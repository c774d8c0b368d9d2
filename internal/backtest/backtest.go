// Package backtest says what a rule set would have done to past orders. It evaluates each order of
// a file with two sets, the one in force and a new one, and counts how their findings differ.
//
// [Run] reads the file as a stream, so its memory does not grow with the orders. evaluate.go
// evaluates an order, tally.go counts, and result.go has the result, which text.go and html.go
// write for people.
package backtest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderfile"
	"error-check-gate/internal/rules"
)

// Source is a rule set and the place it comes from.
type Source struct {
	Set *rules.Set
	// From names the files or the setting, such as "RULES_FILE".
	From string
}

// Options says what to compare.
type Options struct {
	// File is the file's name for the result.
	File string
	// Now is the set in force, and New the set to try.
	Now, New Source
	// Notices counts messages. Nil counts none.
	Notices *Notices
	// Progress, if set, is called with the numbers of orders read so far and in all.
	Progress func(done, total int)

	// OnReport, if set, is called with each report, from several goroutines. proposed is true for
	// the new set. line is the order's line in the file.
	OnReport func(proposed bool, line int, report *ordercheck.Report)
}

// Notices says how many messages people get about an order.
type Notices struct {
	// Receivers says who gets them.
	Receivers []string
	// Warnings is true if people are notified of orders that have only warnings.
	Warnings bool
	// Messages returns the messages of one notice. hasSalesRep is true if the order has a sales
	// rep.
	Messages func(hasSalesRep bool) (mails, posts int)
}

// sent reports whether an order makes a notice.
func (n *Notices) sent(f *found) bool { return f.held || n.Warnings && f.warned }

const (
	// maxBatch is the maximum number of orders that a worker takes at a time.
	maxBatch = 64
	// maxBatchSize is the maximum size of these orders, in bytes.
	maxBatchSize = 4 << 20
)

// Run evaluates all orders of a file with both sets, on all cores. The rules see the time of an
// order's export as now. The same file and sets give the same result. If lines of the file cannot
// be read, the error is about the first of them.
func Run(ctx context.Context, file *orderfile.Reader, o Options) (*Result, error) {
	zone, zoneNote := zoneOf(&file.Header)
	c := &comparison{
		Options: o, zone: zone, ruleRows: rowsOf(o.New.Set, o.Now.Set),
		looksUp: o.Now.Set.NeedsRecentOrders() || o.New.Set.NeedsRecentOrders(),
	}
	// The file does not have the orders' state when they were invoiced. Rules that need it are
	// skipped.
	c.asked = append(slices.Clone(file.Header.Asked), ordercheck.LookupBilled)

	batches := make(chan []*orderfile.Order)
	tallies := make([]*tally, runtime.GOMAXPROCS(0))
	var workers sync.WaitGroup
	for i := range tallies {
		tallies[i] = c.newTally()
		workers.Go(func() {
			for batch := range batches {
				c.evaluateAll(ctx, batch, tallies[i])
			}
		})
	}
	c.read(ctx, file, batches)
	close(batches)
	workers.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := c.firstFault(); err != nil {
		return nil, err
	}
	for _, t := range tallies[1:] {
		tallies[0].merge(t)
	}
	result := c.result(tallies[0])
	if zoneNote != "" {
		result.Notes = append(result.Notes, zoneNote)
	}
	result.Notes = append(result.Notes, c.notes(&file.Header)...)
	return result, nil
}

// comparison holds the state of one Run, which its workers share.
type comparison struct {
	Options
	ruleRows
	zone  *time.Location
	asked []string
	// looksUp is true if a rule compares an order with others.
	looksUp bool

	// stopped ends the reading after a fault.
	stopped atomic.Bool
	mu      sync.Mutex
	faults  []error
}

// read sends the orders to the workers. A batch has orders of one customer, because the evaluation
// of a customer's first order decodes the other ones, and would make other workers wait.
func (c *comparison) read(
	ctx context.Context, file *orderfile.Reader, batches chan<- []*orderfile.Order,
) {
	var batch []*orderfile.Order
	size, done := 0, 0
	send := func() bool {
		if len(batch) == 0 {
			return true
		}
		select {
		case batches <- batch:
		case <-ctx.Done():
			return false
		}
		done += len(batch)
		batch, size = nil, 0
		if c.Progress != nil {
			c.Progress(done, file.Header.Orders)
		}
		return !c.stopped.Load()
	}
	for order, err := range file.Orders() {
		if err != nil {
			c.fault(err)
			break
		}
		another := len(batch) > 0 && batch[0].CustomerID != order.CustomerID
		if (another || len(batch) == maxBatch || size > maxBatchSize) && !send() {
			return
		}
		batch, size = append(batch, order), size+len(order.JSON())
	}
	send()
}

// fault records an error in the file. The workers already have all lines before it, so the first of
// all errors does not depend on which worker is fastest.
func (c *comparison) fault(err error) {
	c.stopped.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, err)
}

// firstFault returns the fault of the first line that has one.
func (c *comparison) firstFault() error {
	lineOf := func(err error) int {
		var fault *orderfile.Fault
		if errors.As(err, &fault) {
			return fault.Line
		}
		return 0
	}
	if len(c.faults) == 0 {
		return nil
	}
	return slices.MinFunc(c.faults, func(a, b error) int { return lineOf(a) - lineOf(b) })
}

// zoneOf returns the time zone in which rules count days: the export's zone, or the machine's if
// this machine does not know the export's. Then the note says so.
func zoneOf(h *orderfile.Header) (zone *time.Location, note string) {
	if h.TimeZone == "" {
		return time.Local, ""
	}
	zone, err := time.LoadLocation(h.TimeZone)
	if err != nil {
		return time.Local, fmt.Sprintf("The time zone %q of the file is not known on this machine: "+
			"days are counted in the machine's own time zone.", h.TimeZone)
	}
	return zone, ""
}

// notes returns notes about data that the file lacks.
func (c *comparison) notes(h *orderfile.Header) []string {
	var notes []string
	if !h.Complete {
		notes = append(notes, "The export was not complete: some orders of these days are not in "+
			"the file.")
	}
	if h.Unreadable > 0 {
		notes = append(notes, fmt.Sprintf("%s could not be read from InFlow, and are not in the file.",
			ordercheck.Plural(h.Unreadable, "order")))
	}
	if comparing := c.comparingRules(); len(comparing) > 0 {
		notes = append(notes, fmt.Sprintf("The file begins with the orders of %s. Rules that compare "+
			"an order with other orders of its customer do not see earlier ones here: %s.",
			h.Window.From, strings.Join(comparing, ", ")))
	}
	return notes
}

// comparingRules returns the rules in force in either set that compare an order with others.
func (c *comparison) comparingRules() []string {
	var ids []string
	for _, set := range []*rules.Set{c.New.Set, c.Now.Set} {
		for _, info := range set.Rules() {
			if info.Enabled && slices.Contains(info.Requires, ordercheck.LookupRecentOrders) &&
				!slices.Contains(ids, info.ID) {
				ids = append(ids, info.ID)
			}
		}
	}
	return ids
}
