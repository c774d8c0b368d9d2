// Package orderfile reads and writes files of exported sales orders: the orders of a time window as
// rules see them, so that a rule set can be tried on them without a request to InFlow.
//
// # Format
//
// A file is JSON lines. The first line is the [Header]. Each further line is one order: the JSON of
// [inflow.SalesOrder], which has no contacts, streets or e-mail addresses, and one more field,
// exportedAt. The orders of a customer follow each other, latest order date first. So a reader
// needs little memory, and can still compare an order with the others of its customer.
//
// # Reading
//
//	r, err := orderfile.Open("orders.jsonl") // reads the header
//	defer r.Close()
//	for order, err := range r.Orders() {
//		if err != nil { … }                    // names the file and the line; nothing follows
//		digest, err := order.SalesOrder()      // decodes; may run in another goroutine
//		recent, err := order.RecentOrders()    // other orders of the customer, from the file
//		set.EvaluateFetched(ctx, digest, order.ExportedAt.In(zone),
//			ordercheck.Lookups{RecentOrders: recent}, r.Header.Asked)
//	}
//
// # Writing
//
//	w, err := orderfile.Create("orders.jsonl", header)
//	defer w.Abort()
//	w.Add(&order, exportedAt) // sorted by orderfile.Compare
//	w.Commit()                // the file appears, complete, with mode 0600
package orderfile

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

const (
	// Format is the value of [Header.Format].
	Format = "error-check-gate/orders"
	// Version is the value of [Header.Version] that this package writes and reads.
	Version = 1
	// MaxLine is the maximum length of a line, in bytes. InFlow's client accepts no larger
	// response.
	MaxLine = inflow.MaxResponseSize
	// MaxRecent is the maximum number of orders that [Order.RecentOrders] returns, as many as
	// InFlow returns to the gate's own look-up.
	MaxRecent = 100
)

// Header is the first line of a file.
type Header struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	// Gate is the version of the gate that wrote the file.
	Gate string `json:"gate"`
	// MadeAt is the time when the export ended. No order was exported later.
	MadeAt time.Time `json:"madeAt"`
	// TimeZone is the zone in which days are counted, such as Europe/Berlin; empty if unknown.
	TimeZone string `json:"timeZone,omitempty"`
	// Account identifies the company's account: a hash of its id.
	Account string `json:"account,omitempty"`
	Window  Window `json:"window"`
	// Complete is false if orders of the window are known to be missing.
	Complete bool `json:"complete"`
	// Unreadable counts the orders of the window that InFlow sent and that could not be read.
	Unreadable int `json:"unreadable,omitempty"`
	// Asked lists the includes and look-ups of the export, as [rules.Set.EvaluateFetched] expects
	// them. No file has the result of [ordercheck.LookupBilled], so rules that need it are skipped.
	Asked []string `json:"asked"`
	// Mark is an order version. The file has each order of the window whose version is not newer.
	// Mark is empty if that is unknown.
	Mark string `json:"mark,omitempty"`
	// Orders is the number of orders in the file, and Newest the highest version among them.
	Orders int    `json:"orders"`
	Newest string `json:"newest,omitempty"`
}

// Window is a range of order dates. Both days are included.
type Window struct {
	From string `json:"from"`         // such as 2026-11-01
	To   string `json:"to,omitempty"` // empty has no end
}

var errNotHeader = errors.New("is not the first line of a file of 'gate orders export'")

// Check returns an error if this package cannot read a file with the header.
func (h *Header) Check() error {
	switch {
	case h.Format == "":
		return errNotHeader
	case h.Format != Format:
		return fmt.Errorf("has the format %s, not %s", quote(h.Format), Format)
	case h.Version != Version:
		return fmt.Errorf("has version %d of the format, and this gate reads version %d: "+
			"export the orders again", h.Version, Version)
	case h.MadeAt.IsZero():
		return errors.New("does not say when the file was made")
	case h.Orders < 0:
		return errors.New("has a negative number of orders")
	}
	if _, err := time.Parse(time.DateOnly, h.Window.From); err != nil {
		return errors.New("has no window of days: expected a day such as 2026-01-31")
	}
	return nil
}

// Place decides where an order is in a file.
type Place struct {
	CustomerID   string
	OrderDate    time.Time
	SalesOrderID string
}

// PlaceOf returns the place of an order.
func PlaceOf(order *inflow.SalesOrder) Place {
	return Place{order.CustomerID, order.OrderDate.Time, order.SalesOrderID}
}

// Compare returns a negative number if p comes first: sorted by customer, latest order date first.
func (p Place) Compare(other Place) int {
	return cmp.Or(
		strings.Compare(p.CustomerID, other.CustomerID),
		other.OrderDate.Compare(p.OrderDate),
		strings.Compare(p.SalesOrderID, other.SalesOrderID),
	)
}

// Compare is [Place.Compare] for orders.
func Compare(a, b *inflow.SalesOrder) int { return PlaceOf(a).Compare(PlaceOf(b)) }

// Fault is an error at one line of a file. It never quotes the line, which may hold private data.
type Fault struct {
	File string
	Line int // from 1
	Err  error
}

func (f *Fault) Error() string { return fmt.Sprintf("%s:%d: %v", f.File, f.Line, f.Err) }

// Unwrap returns Err.
func (f *Fault) Unwrap() error { return f.Err }

// quote shortens a text of the file for an error.
func quote(text string) string { return fmt.Sprintf("%q", ordercheck.Keyword(text)) }
