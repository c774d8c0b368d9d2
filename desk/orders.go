// Package desk serves the people and the programs that act on held orders: HTML pages and a JSON API. It
// asks Temporal for everything and keeps nothing of its own.
package desk

import (
	"context"
	"errors"
	"time"

	"error-check-gate/internal/ordercheck"
)

// Orders is what the pages and the API ask about orders and do to them.
//
// Every method returns an error that wraps [ErrUnavailable] if Temporal, or a worker, does not answer. Methods
// that name one order return an error that wraps [ErrUnknownOrder] if the gate never saw it.
type Orders interface {
	// List returns the orders with errors that match the filter, those held longest first. It answers from
	// memory. The error wraps [ErrCursor] if Filter.After is not the Next of a page.
	List(ctx context.Context, filter Filter) (Page, error)
	// Get returns an order by InFlow's id or by its number.
	Get(ctx context.Context, name string) (*Order, error)
	// Check has an order checked, and returns it after a check that began after the call. ctx bounds the
	// wait: the check goes on. The error of a check that could not be done is a [temporal.ApplicationError]
	// with a type of package ordercheck.
	Check(ctx context.Context, id string) (*Order, error)
	// Override takes responsibility for findings. The error is a [temporal.ApplicationError] if the run
	// refuses the request, one fault a line, and wraps [ErrNotOpen] if the order has no open run.
	Override(ctx context.Context, id string, request ordercheck.OverrideRequest) (*Order, error)
	// Comment writes into the order's timeline. It returns the same errors as Override.
	Comment(ctx context.Context, id string, comment ordercheck.Comment) (*Order, error)
}

var (
	// ErrUnknownOrder says that the gate never saw an order.
	ErrUnknownOrder = errors.New("the gate knows no such order")
	// ErrUnavailable says that Temporal, or a worker, does not answer.
	ErrUnavailable = errors.New("the gate's orders cannot be reached now")
	// ErrNotOpen says that nothing waits for the order any more, so it takes no override and no comment.
	ErrNotOpen = errors.New("the order has no open run")
	// ErrCursor says that a list cannot go on from a place.
	ErrCursor = errors.New("the cursor is not one of this list")
)

// Order is one order as the desk shows it. Its JSON is the report and the release.
type Order struct {
	ordercheck.Report
	Release Release `json:"release"`
	// Open is true while a run waits for the order. An order without one takes no override and no comment.
	Open bool `json:"-"`
	// CheckOwed is true while a delivery or a person waits for a check.
	CheckOwed bool `json:"-"`
	// SalesRep is the name of the order's sales rep, if any.
	SalesRep string `json:"-"`
	// HeldSince is when the first error was confirmed; zero while none is.
	HeldSince time.Time `json:"-"`
	// NotOverridable are rules that nobody can take responsibility for.
	NotOverridable []string `json:"-"`
}

// Filter chooses orders. Zero fields choose all.
type Filter struct {
	Status ordercheck.Status
	Rule   string // the id of a rule with errors
	Rep    string // the name of the sales rep
	Query  string // a part of the order number or of the customer's name
	// MinAge is how long an order must have been waiting at least; see [Row.Since].
	MinAge time.Duration
	// Offset skips rows, for pages with numbers.
	Offset int
	// Limit is the maximum number of rows; 0 is no limit.
	Limit int
	// After is the Next of the page before. Orders that came or went meanwhile move no row.
	After string
}

// Row is one order of a list.
type Row struct {
	SalesOrderID string
	OrderNumber  string
	Customer     string
	SalesRep     string
	Status       ordercheck.Status
	HeldSince    time.Time // zero while no error is confirmed
	Since        time.Time // HeldSince or, if that is zero, when the order's run began
	Errors       int
	FailedRules  []string
	First        string    // the first error's message
	NextAt       time.Time // when something happens by itself; zero if only people can act
}

// Page is a part of a list.
type Page struct {
	Rows   []Row
	Total  int    // rows on all pages
	Next   string // for Filter.After; empty on the last page
	Counts Counts
}

// Counts says how many orders each value of a filter has.
type Counts struct {
	Status, Rule, Rep []Count
	// Age counts for each of [Ages] the orders that wait for so long.
	Age []int
}

// Count is one value of a filter.
type Count struct {
	Value  string
	Orders int
}
