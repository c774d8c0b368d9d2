package orderfile

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"sync"
	"syscall"
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/nowait"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/checks"
)

const (
	maxHeader = 64 << 10 // bytes
	// maxAhead limits the size of one customer's lines that are read ahead, in bytes.
	maxAhead = 64 << 20
)

// Reader reads a file, one order after the other. It keeps about 50 bytes for each order, to find
// orders that come twice.
type Reader struct {
	Header Header

	name   string
	in     *bufio.Reader
	closer io.Closer
	line   int // number of the line that was read last
	orders int
	// customer is the customer id of the last order that was read.
	customer string
	seen     map[[16]byte]struct{} // hashes of ids
}

// Open opens a file and reads its first line. Errors about the content are of type [*Fault].
func Open(path string) (*Reader, error) {
	file, err := nowait.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the orders: %w", err)
	}
	r, err := NewReader(file, path)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	r.closer = file
	return r, nil
}

// NewReader reads the first line. name is the file's name in errors.
func NewReader(in io.Reader, name string) (*Reader, error) {
	r := &Reader{
		name: name, in: bufio.NewReaderSize(in, 256<<10), seen: map[[16]byte]struct{}{},
	}
	line, err := r.readLine(maxHeader)
	switch {
	case errors.Is(err, io.EOF):
		return nil, r.fault(errors.New("the file is empty"))
	case err != nil:
		return nil, err
	}
	line = bytes.TrimPrefix(line, utf8Mark) // some editors add it
	if json.Unmarshal(line, &r.Header) != nil {
		return nil, r.fault(notHeader(line))
	}
	if err := r.Header.Check(); err != nil {
		return nil, r.fault(err)
	}
	return r, nil
}

// utf8Mark is the byte order mark of UTF-8.
var utf8Mark = []byte("\xef\xbb\xbf")

// notHeader returns the error for a first line that is not a header.
func notHeader(line []byte) error {
	begins := func(marks ...string) bool {
		return slices.ContainsFunc(marks, func(mark string) bool {
			return bytes.HasPrefix(line, []byte(mark))
		})
	}
	switch {
	case begins("\x1f\x8b", "PK\x03\x04", "BZh", "\xfd7zXZ\x00", "\x28\xb5\x2f\xfd"):
		return errors.New("the file is compressed: unpack it first")
	case begins("\xff\xfe", "\xfe\xff"):
		return errors.New("the file is UTF-16: save it as UTF-8, or export the orders again")
	default:
		return errNotHeader
	}
}

// Close closes the file of [Open].
func (r *Reader) Close() error {
	if r.closer == nil {
		return nil
	}
	return r.closer.Close()
}

func (r *Reader) fault(err error) error {
	return &Fault{File: r.name, Line: max(r.line, 1), Err: err}
}

// readLine returns a line without its newline. At the end of the file the error is [io.EOF].
func (r *Reader) readLine(limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.in.ReadSlice('\n')
		if len(line) == 0 && len(part) > 0 {
			r.line++
		}
		if len(line)+len(part) > limit+1 {
			return nil, r.fault(fmt.Errorf("is longer than %d bytes", limit))
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return bytes.TrimSuffix(line, []byte("\n")), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, r.fault(errors.New(
				"the file ends in the middle of this line: it was cut off; export the orders again"))
		case errors.Is(err, io.EOF):
			return nil, io.EOF
		case errors.Is(err, syscall.EISDIR):
			return nil, fmt.Errorf("read the orders: %s is a folder: name a file", r.name)
		default:
			var failed *fs.PathError
			if errors.As(err, &failed) {
				err = failed.Err // r.name has the path
			}
			return nil, fmt.Errorf("read %s: %w", r.name, err)
		}
	}
}

// Order is one order of a file. Its methods are safe for concurrent use.
type Order struct {
	Line int // in the file, from 1
	// ExportedAt is when InFlow sent the order. It is the time that rules see as now.
	ExportedAt   time.Time
	SalesOrderID string
	Version      string // normalized by [ordercheck.ParseVersion]
	CustomerID   string // empty if the order has no customer

	json     []byte
	decode   func() (*inflow.SalesOrder, error)
	customer *customer
}

// JSON returns the line of the order. Do not change it.
func (o *Order) JSON() []byte { return o.json }

// SalesOrder decodes the order, once. Do not change it. The error is of type [*Fault].
func (o *Order) SalesOrder() (*inflow.SalesOrder, error) { return o.decode() }

// RecentOrders returns the latest orders of the order's customer, at most [MaxRecent], with the
// order itself if it is one of them. Use them as the result of the look-up
// [ordercheck.LookupRecentOrders]. They do not include orders from before the file's window.
// RecentOrders returns nil if the order has no customer.
func (o *Order) RecentOrders() (*ordercheck.RecentOrders, error) {
	if o.customer == nil {
		return nil, nil
	}
	return o.customer.recent()
}

// customer holds the latest orders of one customer.
type customer struct {
	recent func() (*ordercheck.RecentOrders, error)
}

func newCustomer(latest []*Order, tooLarge bool) *customer {
	return &customer{recent: sync.OnceValues(func() (*ordercheck.RecentOrders, error) {
		if tooLarge {
			return nil, fmt.Errorf("the customer's latest orders are larger than %d MiB",
				maxAhead>>20)
		}
		orders := make([]inflow.SalesOrder, len(latest))
		for i, o := range latest {
			order, err := o.SalesOrder()
			if err != nil {
				return nil, err
			}
			orders[i] = *order
		}
		return checks.RecentOrders(orders), nil
	})}
}

// Orders returns the orders in the order of the file. It stops after an error. Call it once.
func (r *Reader) Orders() iter.Seq2[*Order, error] {
	return func(yield func(*Order, error) bool) {
		next, err := r.next()
		for err == nil {
			first := next
			var ahead []*Order
			size := 0
			for err == nil && next.CustomerID == first.CustomerID && len(ahead) < MaxRecent &&
				size <= maxAhead {
				ahead, size = append(ahead, next), size+len(next.json)
				next, err = r.next()
				if first.CustomerID == "" {
					break // nothing to compare with
				}
			}
			var of *customer
			if first.CustomerID != "" {
				of = newCustomer(ahead, size > maxAhead)
			}
			for _, order := range ahead {
				order.customer = of
				if !yield(order, nil) {
					return
				}
			}
			for err == nil && next.CustomerID == first.CustomerID {
				next.customer = of
				if !yield(next, nil) {
					return
				}
				next, err = r.next()
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(nil, err)
		}
	}
}

// next reads one order. At the end of a complete file the error is [io.EOF].
func (r *Reader) next() (*Order, error) {
	line, err := r.readLine(MaxLine)
	if errors.Is(err, io.EOF) && r.orders < r.Header.Orders {
		r.line++
		return nil, r.fault(fmt.Errorf("the file ends after %d orders, and its first line says %d: "+
			"it was cut off; export the orders again", r.orders, r.Header.Orders))
	}
	if err != nil {
		return nil, err
	}
	k, err := parseKey(line)
	if err == nil {
		err = r.check(&k)
	}
	if err != nil {
		return nil, r.fault(err)
	}
	order := &Order{
		Line: r.line, ExportedAt: k.ExportedAt, SalesOrderID: k.SalesOrderID, Version: k.Timestamp,
		CustomerID: k.CustomerID, json: line,
	}
	order.decode = sync.OnceValues(func() (*inflow.SalesOrder, error) {
		decoded := new(inflow.SalesOrder)
		// json.Unmarshal would scan the whole line twice.
		if err := decoded.UnmarshalJSON(line); err != nil {
			return nil, &Fault{File: r.name, Line: order.Line, Err: withoutContent(err)}
		}
		return decoded, nil
	})
	return order, nil
}

// check compares an order with the header and the orders before it.
func (r *Reader) check(k *key) error {
	sum := sha256.Sum256([]byte(k.SalesOrderID))
	id := [16]byte(sum[:16])
	_, twice := r.seen[id]
	switch {
	case r.orders == r.Header.Orders:
		return fmt.Errorf("is one order more than the %d that the first line says", r.Header.Orders)
	case twice:
		return fmt.Errorf("has sales order %s, which an earlier line has too", quote(k.SalesOrderID))
	case ordercheck.CompareVersions(k.Timestamp, r.Header.Newest) > 0:
		return fmt.Errorf("has version %s of an order, and the first line says that %s is the newest",
			k.Timestamp, quote(r.Header.Newest))
	case k.ExportedAt.After(r.Header.MadeAt):
		return errors.New("has an order that was exported after the file was made")
	case r.orders > 0 && k.CustomerID < r.customer:
		return errors.New("is not in its place: the orders of a customer must follow each other, " +
			"sorted by the customer's id")
	}
	r.orders++
	r.customer = k.CustomerID
	r.seen[id] = struct{}{}
	return nil
}
