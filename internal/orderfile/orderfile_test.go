package orderfile_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderfile"
)

var exportedAt = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func header() orderfile.Header {
	return orderfile.Header{
		Gate: "test", MadeAt: exportedAt.Add(time.Minute), Complete: true,
		Window: orderfile.Window{From: "2026-10-29"}, Asked: []string{"lines", "recentOrders"},
		Mark: "0000000000310AB6",
	}
}

// newOrder returns a customer's order. Its order date is that many days before exportedAt.
func newOrder(number int, customer string, days int) *inflow.SalesOrder {
	return &inflow.SalesOrder{
		SalesOrderID: fmt.Sprintf("8a3c6d4e-0000-4000-8000-%012d", number),
		OrderNumber:  fmt.Sprintf("SO-%06d", number),
		Timestamp:    fmt.Sprintf("%016X", 0x310000+number),
		CustomerID:   customer,
		Customer:     &inflow.Customer{CustomerID: customer, Name: "Acme"},
		OrderDate:    inflow.Time{Time: exportedAt.Truncate(24*time.Hour).AddDate(0, 0, -days)},
		Lines: []inflow.SalesOrderLine{{
			SalesOrderLineID: "line", ProductID: "p",
			Quantity: inflow.Quantity{
				UomQuantity: inflow.NewAmount(decimal.MustParse("2.0000")),
			},
		}},
		SalesRepTeamMember: &inflow.TeamMember{Name: "Ann", Email: "ann@example.com"},
	}
}

// write writes a file and returns its path.
func write(t *testing.T, orders ...*inflow.SalesOrder) string {
	t.Helper()
	slices.SortFunc(orders, orderfile.Compare)
	path := filepath.Join(t.TempDir(), "orders.jsonl")
	w, err := orderfile.Create(path, header())
	require.NoError(t, err)
	defer w.Abort()
	for _, order := range orders {
		require.NoError(t, w.Add(order, exportedAt))
	}
	_, err = os.Stat(path)
	require.ErrorIs(t, err, fs.ErrNotExist, "the file appears when it is complete")
	require.NoError(t, w.Commit())
	return path
}

// read reads the orders up to the first error.
func read(r *orderfile.Reader) (orders []*orderfile.Order, err error) {
	for order, err := range r.Orders() {
		if err != nil {
			return orders, err
		}
		orders = append(orders, order)
	}
	return orders, nil
}

func TestFileHasWhatWasWritten(t *testing.T) {
	a, b, c := newOrder(1, "a", 5), newOrder(2, "b", 1), newOrder(3, "a", 2)
	path := write(t, a, b, c)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), info.Mode())
	files, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, files, 1, "no temporary file is left")

	r, err := orderfile.Open(path)
	require.NoError(t, err)
	defer func() { assert.NoError(t, r.Close()) }()
	want := header()
	want.Format, want.Version, want.Orders = orderfile.Format, orderfile.Version, 3
	want.Newest = c.Timestamp
	assert.Equal(t, want, r.Header)

	orders, err := read(r)
	require.NoError(t, err)
	require.Len(t, orders, 3)
	for i, original := range []*inflow.SalesOrder{c, a, b} {
		order := orders[i]
		assert.Equal(t, i+2, order.Line)
		assert.Equal(t, exportedAt, order.ExportedAt)
		assert.Equal(t, original.SalesOrderID, order.SalesOrderID)
		assert.Equal(t, original.Timestamp, order.Version)
		assert.Equal(t, original.CustomerID, order.CustomerID)
		digest, err := order.SalesOrder()
		require.NoError(t, err)
		assert.Nil(t, digest.SalesRepTeamMember)
		withoutRep := *original
		withoutRep.SalesRepTeamMember = nil
		assert.Equal(t, &withoutRep, digest)
	}
	assert.NotContains(t, string(orders[0].JSON()), "ann@example.com")
}

func TestLinesAreOrdersForOtherTools(t *testing.T) {
	line, err := orderfile.EncodeLine(newOrder(7, "a", 1), exportedAt)
	require.NoError(t, err)
	var order inflow.SalesOrder
	require.NoError(t, json.Unmarshal(line, &order))
	assert.Equal(t, "SO-000007", order.OrderNumber)
	var other struct{ ExportedAt time.Time }
	require.NoError(t, json.Unmarshal(line, &other))
	assert.Equal(t, exportedAt, other.ExportedAt)
}

func TestRecentOrdersComeFromTheFile(t *testing.T) {
	var orders []*inflow.SalesOrder
	for i := range 150 {
		orders = append(orders, newOrder(i, "many", i%30))
	}
	orders = append(orders, newOrder(200, "one", 3), newOrder(201, "", 3), newOrder(202, "", 2))
	r, err := orderfile.Open(write(t, orders...))
	require.NoError(t, err)
	defer r.Close()
	read, err := read(r)
	require.NoError(t, err)
	require.Len(t, read, 153)
	for _, order := range read {
		recent, err := order.RecentOrders()
		require.NoError(t, err)
		switch order.CustomerID {
		case "many":
			require.Len(t, recent.Orders, orderfile.MaxRecent)
			assert.True(t, slices.IsSortedFunc(recent.Orders, func(a, b ordercheck.RecentOrder) int {
				return b.OrderDate.Compare(a.OrderDate)
			}))
			assert.Len(t, recent.Orders[0].Goods, 1)
		case "one":
			require.Len(t, recent.Orders, 1)
			assert.Equal(t, "SO-000200", recent.Orders[0].OrderNumber)
		default:
			assert.Nil(t, recent)
		}
	}
}

func TestWriterRejectsWrongOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "orders.jsonl")
	w, err := orderfile.Create(path, header())
	require.NoError(t, err)
	require.NoError(t, w.Add(newOrder(1, "b", 1), exportedAt))
	require.ErrorContains(t, w.Add(newOrder(2, "a", 1), exportedAt), "does not come after")
	require.ErrorContains(t, w.Add(newOrder(1, "b", 1), exportedAt), "does not come after")
	w.Abort()
	w.Abort()
	require.Error(t, w.Commit())
	files, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Empty(t, files)
}

func TestFileThatCannotBeWrittenKeepsTheOldOne(t *testing.T) {
	folder := t.TempDir()
	_, err := orderfile.Create(filepath.Join(folder, "missing", "orders.jsonl"), header())
	require.ErrorIs(t, err, fs.ErrNotExist)

	path := write(t, newOrder(1, "a", 1))
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	w, err := orderfile.Create(path, header())
	require.NoError(t, err)
	require.NoError(t, w.Add(newOrder(2, "a", 1), exportedAt))
	w.Abort()
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, before, after)
}

// TestHostileFiles changes a good file, and checks the error and the line that it names.
func TestHostileFiles(t *testing.T) {
	replace := func(from, to string) func(string) string {
		return func(text string) string {
			require.Contains(t, text, from)
			return strings.Replace(text, from, to, 1)
		}
	}
	line := func(text string, number int) string {
		return strings.SplitAfter(text, "\n")[number-1]
	}
	for name, test := range map[string]struct {
		change func(string) string
		line   int
		want   string
	}{
		"empty":      {func(string) string { return "" }, 1, "is empty"},
		"no header":  {func(text string) string { return line(text, 2) }, 1, "is not the first line"},
		"gzip":       {func(string) string { return "\x1f\x8b\x08\n" }, 1, "is compressed: unpack it"},
		"UTF-16":     {func(string) string { return "\xff\xfe{\x00\n" }, 1, "is UTF-16: save it as UTF-8"},
		"other JSON": {func(string) string { return "[]\n" }, 1, "is not the first line"},
		"another version": {
			replace(`"version":1`, `"version":2`), 1, "version 2 of the format, and this gate reads",
		},
		"another format": {replace(orderfile.Format, "orders"), 1, `has the format "orders"`},
		"no window":      {replace("2026-10-29", "October"), 1, "has no window"},
		"endless header": {
			func(string) string { return strings.Repeat(" ", 1<<20) }, 1, "is longer than 65536 bytes",
		},
		"cut off in a line": {
			func(text string) string { return text[:len(text)-20] }, 5, "ends in the middle",
		},
		"cut off after a line": {
			func(text string) string { return strings.TrimSuffix(text, line(text, 5)) }, 5,
			"the file ends after 3 orders, and its first line says 4",
		},
		"a line of 20 MB": {
			replace(`"Acme"`, `"`+strings.Repeat("A", 20<<20)+`"`), 2, "is longer than 16777216 bytes",
		},
		"a blank line": {func(text string) string { return line(text, 1) + "\n" }, 2, "is not JSON"},
		"not JSON": {
			func(text string) string { return strings.Replace(text, line(text, 3), "Jane\n", 1) },
			3, "is not JSON: syntax error at byte 1",
		},
		"no order": {
			func(text string) string { return strings.Replace(text, line(text, 3), "{}\n", 1) },
			3, "does not say when",
		},
		"no id":      {replace(`"salesOrderId"`, `"id"`), 2, "has no salesOrderId"},
		"no version": {replace(`"0000000000310001"`, `"yesterday"`), 2, "has no timestamp"},
		"one order twice": {
			func(text string) string { return text + line(text, 5) }, 6, "one order more than the 4",
		},
		"one order twice instead of another": {
			func(text string) string { return strings.Replace(text, line(text, 3), line(text, 2), 1) },
			3, "which an earlier line has too",
		},
		"newer than the file": {
			replace(`"0000000000310001"`, `"0000000000410001"`), 2,
			`version 0000000000410001 of an order, and the first line says that "0000000000310004"`,
		},
		"exported after the file": {
			replace(`{"exportedAt":"2026-11-28T12`, `{"exportedAt":"2026-11-28T13`), 2,
			"after the file was made",
		},
		"not sorted": {
			func(text string) string {
				return strings.Replace(strings.Replace(text, line(text, 2), "", 1), line(text, 5),
					line(text, 5)+line(text, 2), 1)
			}, 5, "is not in its place",
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, newOrder(1, "a", 1), newOrder(2, "b", 1), newOrder(3, "b", 2),
				newOrder(4, "c", 1))
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			changed := test.change(string(content))
			require.NotEqual(t, string(content), changed)
			r, err := orderfile.NewReader(strings.NewReader(changed), "orders.jsonl")
			if err == nil {
				_, err = read(r)
			}
			var fault *orderfile.Fault
			require.ErrorAs(t, err, &fault)
			assert.Equal(t, test.line, fault.Line)
			require.ErrorContains(t, err, fmt.Sprintf("orders.jsonl:%d: ", test.line))
			require.ErrorContains(t, err, test.want)
			assert.NotContains(t, err.Error(), "Jane")
			assert.NotContains(t, err.Error(), "Acme")
		})
	}
}

// TestFileSavedByAnEditor reads a file with a byte order mark and CRLF, which editors on Windows
// write.
func TestFileSavedByAnEditor(t *testing.T) {
	content, err := os.ReadFile(write(t, newOrder(1, "a", 5), newOrder(2, "b", 1)))
	require.NoError(t, err)
	text := "\xef\xbb\xbf" + strings.ReplaceAll(string(content), "\n", "\r\n")
	r, err := orderfile.NewReader(strings.NewReader(text), "orders.jsonl")
	require.NoError(t, err)
	orders, err := read(r)
	require.NoError(t, err)
	require.Len(t, orders, 2)
	_, err = orders[1].SalesOrder()
	require.NoError(t, err)
}

func TestOrderThatCannotBeDecodedNamesItsLine(t *testing.T) {
	content, err := os.ReadFile(write(t, newOrder(1, "a", 1), newOrder(2, "a", 2)))
	require.NoError(t, err)
	for from, want := range map[string]string{
		`"2.0000"`:         "field lines.quantity.uomQuantity",
		`"name":"Acme"}`:   "is not JSON: syntax error at byte",
		`"orderNumber":"S`: "field orderNumber",
	} {
		to := strings.NewReplacer(`"2.0000"`, `"Jane"`, `"Acme"}`, `"Jane"]`, `"S`, `5,"x":"S`).
			Replace(from)
		changed := bytes.Replace(content, []byte(from), []byte(to), 1)
		r, err := orderfile.NewReader(bytes.NewReader(changed), "orders.jsonl")
		require.NoError(t, err)
		orders, err := read(r)
		if err == nil {
			_, err = orders[0].SalesOrder()
		}
		var fault *orderfile.Fault
		require.ErrorAs(t, err, &fault, from)
		assert.Equal(t, 2, fault.Line)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "Jane")
		if len(orders) > 1 {
			_, err = orders[1].RecentOrders()
			require.ErrorAs(t, err, &fault, "the customer's orders cannot be compared")
		}
	}
}

func TestFieldsMayComeInAnotherOrder(t *testing.T) {
	path := write(t, newOrder(1, "a", 1))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := bytes.SplitAfter(content, []byte("\n"))
	var fields map[string]any
	require.NoError(t, json.Unmarshal(lines[1], &fields))
	sorted, err := json.Marshal(fields) // by name: lines come before salesOrderId
	require.NoError(t, err)
	r, err := orderfile.NewReader(bytes.NewReader(append(lines[0], append(sorted, '\n')...)), "x")
	require.NoError(t, err)
	orders, err := read(r)
	require.NoError(t, err)
	require.Len(t, orders, 1)
	assert.Equal(t, "a", orders[0].CustomerID)
}

func TestReadErrorsAreNotFaultsOfTheFile(t *testing.T) {
	broken := errors.New("the disk is gone")
	r, err := orderfile.NewReader(&failing{err: broken}, "orders.jsonl")
	require.ErrorIs(t, err, broken)
	assert.Nil(t, r)
	_, err = orderfile.Open(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// FuzzReader checks that no file makes the reader panic or return a wrong number of orders.
func FuzzReader(f *testing.F) {
	var seed bytes.Buffer
	good := header()
	good.Format, good.Version, good.Orders = orderfile.Format, orderfile.Version, 1
	good.Newest = "0000000000310001"
	encoded, err := json.Marshal(good)
	require.NoError(f, err)
	seed.Write(encoded)
	line, err := orderfile.EncodeLine(newOrder(1, "a", 1), exportedAt)
	require.NoError(f, err)
	f.Add(seed.Bytes(), line)
	f.Fuzz(func(t *testing.T, first, second []byte) {
		content := slices.Concat(first, []byte("\n"), second, []byte("\n"))
		r, err := orderfile.NewReader(bytes.NewReader(content), "orders.jsonl")
		if err != nil {
			return
		}
		orders, err := read(r)
		if err == nil {
			assert.Len(t, orders, r.Header.Orders)
		}
		for _, order := range orders {
			_, _ = order.SalesOrder()
			_, _ = order.RecentOrders()
		}
	})
}
