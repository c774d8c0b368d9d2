package orderexport

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"error-check-gate/internal/orderfile"
)

// merge replaces the file. The new file has the unchanged orders of the last export and the orders
// of the journal.
func (e *export) merge(ctx context.Context) (Result, error) {
	unreadable := e.missing(&e.journal.state, func(id string) bool {
		_, fetched := e.journal.orders[id]
		return fetched
	})
	// The clock may have been set back since the last export.
	madeAt := maxTime(maxTime(time.Now(), e.journal.latest), e.file.header.MadeAt)
	out, err := orderfile.Create(e.Path, orderfile.Header{
		Gate: e.Gate, MadeAt: madeAt, TimeZone: e.TimeZone, Account: e.journal.start.Account,
		Window: e.Window, Complete: unreadable == 0, Unreadable: unreadable,
		Asked: asked(), Mark: e.journal.state.Mark,
	})
	if err != nil {
		return Result{}, err
	}
	defer out.Abort()
	m := merger{export: e, out: out, fetched: e.sortedJournal()}
	if err := m.run(ctx); err != nil {
		return Result{}, err
	}
	if err := out.Commit(); err != nil {
		return Result{}, err
	}
	return Result{
		Orders: m.orders, Fetched: len(e.journal.orders), Removed: m.removed,
		Unreadable: unreadable, Requests: e.requests, Window: e.Window,
	}, nil
}

// sortedJournal returns the orders of the journal in the order of the file.
func (e *export) sortedJournal() []fetchedOrder {
	orders := make([]fetchedOrder, 0, len(e.journal.orders))
	for _, order := range e.journal.orders {
		orders = append(orders, order)
	}
	slices.SortFunc(orders, func(a, b fetchedOrder) int { return a.place.Compare(b.place) })
	return orders
}

// merger writes the new file.
type merger struct {
	*export
	out             *orderfile.Writer
	fetched         []fetchedOrder // orders of the journal that are not yet written
	orders, removed int
}

func (m *merger) run(ctx context.Context) error {
	if m.file.exists {
		if err := m.runBase(ctx); err != nil {
			return err
		}
	}
	return m.writeFetched(ctx, nil)
}

// runBase copies the orders of the last export, and the fetched orders between them.
func (m *merger) runBase(ctx context.Context) error {
	reader, err := orderfile.Open(m.Path)
	if err != nil {
		return err
	}
	defer reader.Close() //nolint:errcheck // only read
	if !reader.Header.MadeAt.Equal(m.file.header.MadeAt) {
		return errors.New("the file was changed while orders were exported: run the command again")
	}
	for order, err := range reader.Orders() {
		if err != nil {
			return err
		}
		if _, changed := m.journal.orders[order.SalesOrderID]; changed {
			continue
		}
		known := m.file.orders[order.SalesOrderID]
		if !known.inWindow || m.journal.state.WholeRead && !m.journal.seen[order.SalesOrderID] {
			m.removed++
			continue
		}
		place := orderfile.Place{
			CustomerID: order.CustomerID, OrderDate: known.date, SalesOrderID: order.SalesOrderID,
		}
		if err := m.writeFetched(ctx, &place); err != nil {
			return err
		}
		if err := m.out.AddLine(place, order.Version, order.JSON()); err != nil {
			return err
		}
		m.orders++
	}
	return nil
}

// writeFetched writes the fetched orders that come before a place, or all of them if before is nil.
func (m *merger) writeFetched(ctx context.Context, before *orderfile.Place) error {
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("write %s: %w", m.Path, err)
	}
	for len(m.fetched) > 0 && (before == nil || m.fetched[0].place.Compare(*before) < 0) {
		order := &m.fetched[0]
		line, err := m.journal.line(order)
		if err != nil {
			return err
		}
		if err := m.out.AddLine(order.place, order.version, line); err != nil {
			return err
		}
		m.orders++
		m.fetched = m.fetched[1:]
	}
	return nil
}
