// Package orderexport copies InFlow's sales orders into a file of package orderfile.
//
// An export reads InFlow's list of orders, the last saved order first, a hundred orders a request.
// It writes the fetched orders to a journal next to the file, so an interrupted export continues at
// the same page. At the end, it merges the journal and the file of the last export into a new file.
// The next export reads the list only down to the orders that the file already has.
package orderexport

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/orderfile"
	"error-check-gate/internal/rules"
)

// Orders lists sales orders; [inflow.Client] implements it.
type Orders interface {
	SalesOrderPage(ctx context.Context, query inflow.PageQuery) (inflow.SalesOrderPage, error)
}

// RequestTimeout is long enough for a hundred orders with all their includes.
const RequestTimeout = time.Minute

// Options are the options of [Run].
type Options struct {
	Orders Orders
	// CompanyID is InFlow's id of the company's account.
	CompanyID string
	// Path is the path of the file. The journal is next to it, with .part at the end of its name.
	Path   string
	Window orderfile.Window
	// RequestsPerMinute limits the rate of requests; 0 has no limit.
	RequestsPerMinute int
	// Gate and TimeZone are for the file's header: the version of this program, and the name of the
	// time zone for counting days.
	Gate, TimeZone string
	// Clean changes an order before it is written; may be nil.
	Clean func(order *inflow.SalesOrder)
	// Say gets a message for the operator; may be nil.
	Say func(message string)
	// Progress is called after each page, and before each wait; may be nil.
	Progress func(Progress)
}

// Progress says how far an export is.
type Progress struct {
	// Fetched counts the new and changed orders that were fetched.
	Fetched int
	// Read counts the orders of the list that were read, and Total is the list's length. Total is 0
	// if only a part of the list is needed, or the length is unknown.
	Read, Total int
	// Wait is the pause before the next request, because InFlow asked for it or after an error. It
	// is 0 if there is none.
	Wait time.Duration
}

// Result is the result of an export.
type Result struct {
	Orders int // in the file
	// Fetched counts the orders that are new or have changed since the last export.
	Fetched int
	// Removed counts the orders of the last export that are no longer in the window.
	Removed int
	// Unreadable counts the orders that are missing in the file because they could not be read.
	Unreadable int
	// Requests counts the requests to InFlow in this run. It leaves out an earlier, interrupted
	// run.
	Requests int
	// Resumed is true if the export continued an interrupted one.
	Resumed bool
	Window  orderfile.Window
}

// export is one run of an export.
type export struct {
	Options
	from, to time.Time
	file     *baseFile
	journal  *journal
	pace     *pace
	size     int // orders per request
	requests int
	resumed  bool
}

// Run exports orders. If it fails or ctx ends, the fetched orders stay in the journal, and the next
// Run with the same path continues from there.
func Run(ctx context.Context, options Options) (Result, error) {
	e := &export{Options: options, size: inflow.MaxPageSize}
	if e.Say == nil {
		e.Say = func(string) {}
	}
	if e.Progress == nil {
		e.Progress = func(Progress) {}
	}
	e.pace = newPace(options.RequestsPerMinute)
	path, err := target(options.Path)
	if err != nil {
		return Result{}, err
	}
	e.Path = path
	// The lock comes first: another export may be replacing the file.
	e.journal, err = openJournal(path + journalSuffix)
	if err != nil {
		return Result{}, err
	}
	defer e.journal.close()
	if err := e.prepare(); err != nil {
		return Result{}, err
	}
	for !e.journal.state.Done {
		if err := e.readPage(ctx); err != nil {
			return Result{}, err
		}
	}
	result, err := e.merge(ctx)
	if err != nil {
		return Result{}, err
	}
	result.Resumed = e.resumed
	return result, e.journal.remove()
}

// target resolves links, so that the export replaces the file that a link names, and not the link.
func target(path string) (string, error) {
	resolved, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	if err != nil {
		return "", fmt.Errorf("write the orders: %w", err)
	}
	info, err := os.Stat(resolved)
	if err != nil {
		return "", fmt.Errorf("write the orders: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("write the orders: %s is not a file", path)
	}
	return resolved, nil
}

// prepare reads the file of the last export, and continues the journal or starts a new one.
func (e *export) prepare() error {
	account := accountHash(e.CompanyID)
	base, err := readBase(e.Path)
	if err != nil {
		return err
	}
	if base.exists && base.header.Account != account {
		return fmt.Errorf("%s has the orders of another account: name another file", e.Path)
	}
	e.file = base
	start := journalStart{
		Version: journalVersion, Account: account, Window: e.Window, Base: base.id(),
	}
	if e.resumed, err = e.journal.resume(start); err != nil {
		return err
	}
	if !e.resumed {
		e.journal.start = start
	}
	e.Window = e.journal.start.Window
	if e.from, e.to, err = windowTimes(e.Window); err != nil {
		return err
	}
	base.choose(e.from, e.to)
	if e.resumed {
		e.Say(fmt.Sprintf("continuing the interrupted export, with %d orders fetched so far",
			len(e.journal.orders)))
		return nil
	}
	first := state{}
	switch {
	case !base.exists:
		first.startPass("")
	case !covers(base.header.Window, e.Window):
		e.Say("reading the whole list of orders: the file does not have all orders of these days")
		first.startPass("")
	default:
		first.startPass(base.header.Mark)
	}
	return e.journal.begin(start, first)
}

// accountHash identifies an account without its id.
func accountHash(companyID string) string {
	sum := sha256.Sum256([]byte("account " + companyID))
	return hex.EncodeToString(sum[:8])
}

// covers reports whether every day of b is in a.
func covers(a, b orderfile.Window) bool {
	return a.From <= b.From && (a.To == "" || b.To != "" && b.To <= a.To)
}

// windowTimes returns the first moment of the first day and the last one of the last day. InFlow
// writes a day as midnight UTC.
func windowTimes(w orderfile.Window) (from, to time.Time, err error) {
	from, err = time.Parse(time.DateOnly, w.From)
	if err == nil && w.To != "" {
		to, err = time.Parse(time.DateOnly, w.To)
		to = to.AddDate(0, 0, 1).Add(-time.Second)
	}
	if err != nil {
		return from, to, fmt.Errorf("read the days: %w", err)
	}
	return from, to, nil
}

// inWindow reports whether a date is between from and to. A zero to has no end. An order without a
// date belongs to every window.
func inWindow(date, from, to time.Time) bool {
	return date.IsZero() || !date.Before(from) && (to.IsZero() || !date.After(to))
}

// asked lists everything that any rule can require.
func asked() []string { return rules.Requirements }
