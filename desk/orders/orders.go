// Package orders reads orders from their workflow runs in Temporal, and acts on them with updates.
// The desk's pages and its API both use it. It stores nothing: its caches can be lost at any time.
package orders

import (
	"context"
	"errors"
	"time"

	"error-check-gate/internal/ordercheck"
)

// Service lists orders and acts on them. [Runs] implements it.
//
// Every method returns an error that wraps [ErrUnavailable] if Temporal or a worker does not
// answer. Methods that name one order return an error that wraps [ErrUnknownOrder] if the gate
// never saw it.
type Service interface {
	// List returns the orders that match the filter, longest waiting first. It answers from
	// memory. The error wraps [ErrCursor] if Filter.After is not the Next of a page.
	List(ctx context.Context, filter Filter) (Page, error)
	// Get finds an order by InFlow's id or by its number.
	Get(ctx context.Context, name string) (*Order, error)
	// Check checks an order now, and returns it after a check that began after the call. The check
	// goes on when ctx ends. If it fails, the error is a [temporal.ApplicationError] with one of the
	// types in package ordercheck.
	Check(ctx context.Context, id string) (*Order, error)
	// Override takes responsibility for findings. If the run refuses the request, the error is a
	// [temporal.ApplicationError] with one fault per line. The error wraps [ErrNotOpen] if the order
	// has no open run, and [ErrRunEnded] if the run ended meanwhile. After ErrRunEnded and
	// [ErrUnavailable] the override may have been done.
	Override(ctx context.Context, id string, request ordercheck.OverrideRequest) (*Order, error)
	// Comment adds a comment to the order's timeline. It returns the same errors as Override.
	Comment(ctx context.Context, id string, comment ordercheck.Comment) (*Order, error)
}

var (
	// ErrUnknownOrder means that the gate never saw the order.
	ErrUnknownOrder = errors.New("the gate knows no such order")
	// ErrUnavailable means that Temporal or a worker does not answer.
	ErrUnavailable = errors.New("the gate's orders cannot be reached now")
	// ErrNotOpen means that the order has no open run, so it accepts no override and no comment.
	ErrNotOpen = errors.New("the order has no open run")
	// ErrRunEnded means that the order's run accepted an override or a comment and ended before it
	// answered, so nobody knows whether it was done.
	ErrRunEnded = errors.New("the order's run ended before it answered")
	// ErrCursor means that a cursor does not belong to the list.
	ErrCursor = errors.New("the cursor is not one of this list")
)

// Order is one order as the desk shows it. Its JSON is the report and the release.
type Order struct {
	ordercheck.Report
	Release Release `json:"release"`
	// Open is true while the order has an open run that accepts overrides and comments.
	Open bool `json:"-"`
	// CheckDue is true while a delivery or a person waits for a check.
	CheckDue bool `json:"-"`
	// SalesRep is the name of the order's sales rep, if any.
	SalesRep string `json:"-"`
	// HeldSince is the time when the first error was confirmed. It is zero if no error is.
	HeldSince time.Time `json:"-"`
	// NotOverridable lists the rules that nobody can take responsibility for.
	NotOverridable []string `json:"-"`
}

// Filter selects orders. A zero field selects all.
type Filter struct {
	Status ordercheck.Status // also [StatusHeld]
	Rule   string            // id of a rule that found errors
	Rep    string            // name of the sales rep
	Query  string            // part of the order number or of the customer's name
	// MinAge is the minimum time that an order has waited, counted from [Row.Since].
	MinAge time.Duration
	// Offset skips rows. Numbered pages use it.
	Offset int
	// Limit is the maximum number of rows; 0 means no limit.
	Limit int
	// After is the Next of the previous page. Unlike Offset, it skips and repeats no order when other
	// orders come or go between two pages.
	After string
}

// Row is one order of a list.
type Row struct {
	SalesOrderID string
	OrderNumber  string
	Customer     string
	SalesRep     string
	Status       ordercheck.Status
	HeldSince    time.Time // zero if no error is confirmed
	Since        time.Time // HeldSince, or the start of the order's run if HeldSince is zero
	Errors       int
	FailedRules  []string
	First        string    // message of the first error
	NextAt       time.Time // of the next step that the gate takes; zero if only people can act
}

// Page is one page of a list.
type Page struct {
	Rows   []Row
	Total  int    // number of rows on all pages
	Next   string // for Filter.After; empty on the last page
	Counts Counts
	// At is the time when the list was read from Temporal.
	At time.Time
	// Stale is true if the list is too old, because Temporal does not answer.
	Stale bool
}

// Counts holds the number of orders for each value of each filter. A filter's counts respect all
// other filters, but not the filter itself: they show what choosing another value would give.
type Counts struct {
	Status, Rule, Rep []Count
	// Age holds one count for each of [Ages].
	Age []int
}

// Count is the number of orders that have one value of a filter.
type Count struct {
	Value  string
	Orders int
}
