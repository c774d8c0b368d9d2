package orderexport

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/orderfile"
)

// baseFile is the file of the last export.
type baseFile struct {
	path   string
	exists bool
	header orderfile.Header
	orders map[string]baseOrder // by id
}

// baseOrder is one order of the file.
type baseOrder struct {
	version string
	date    time.Time
	// inWindow is true if the order belongs to the window of this export.
	inWindow bool
}

// readBase reads the file, if it exists. A faulty file is an error, because an export replaces it
// and it may be something else.
func readBase(path string) (*baseFile, error) {
	base := &baseFile{path: path, orders: map[string]baseOrder{}}
	reader, err := orderfile.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return base, nil
	}
	const advice = "name another file, or remove this one to export every order again"
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, advice)
	}
	defer reader.Close() //nolint:errcheck // only read
	base.exists, base.header = true, reader.Header
	for order, err := range reader.Orders() {
		if err != nil {
			return nil, fmt.Errorf("%w; %s", err, advice)
		}
		var fields struct {
			OrderDate inflow.Time `json:"orderDate"`
		}
		if json.Unmarshal(order.JSON(), &fields) != nil {
			return nil, fmt.Errorf("%s:%d: is not an order; %s", path, order.Line, advice)
		}
		base.orders[order.SalesOrderID] = baseOrder{
			version: order.Version, date: fields.OrderDate.Time,
		}
	}
	return base, nil
}

// id identifies the file, so that a journal is only merged into the file that it was made for.
func (b *baseFile) id() string {
	if !b.exists {
		return ""
	}
	return b.header.MadeAt.UTC().Format(time.RFC3339Nano)
}

// choose marks the orders of the window.
func (b *baseFile) choose(from, to time.Time) {
	for id, order := range b.orders {
		order.inWindow = inWindow(order.date, from, to)
		b.orders[id] = order
	}
}
