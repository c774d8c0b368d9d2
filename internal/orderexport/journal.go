package orderexport

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderfile"
)

const (
	// journalSuffix is the end of the journal's name.
	journalSuffix = ".part"
	// journalVersion is the version of the journal's format.
	journalVersion = 1
)

// journal is the file with the orders that an export has fetched so far. Its first line is a
// [journalStart]. Then come the pages: the orders of each page, and a line with a [pageRecord].
// Anything after the last pageRecord is incomplete and is dropped.
type journal struct {
	path string
	file *os.File
	size int64 // up to the end of the last pageRecord

	start journalStart
	state state
	// orders has the latest version of each fetched order, by id.
	orders map[string]fetchedOrder
	// seen has the id of each order that InFlow listed since the last pass over the whole list
	// began.
	seen map[string]bool
	// latest is when the last order was fetched.
	latest time.Time
}

// journalStart identifies the export that the journal belongs to.
type journalStart struct {
	Version int              `json:"journal"`
	Account string           `json:"account"`
	Window  orderfile.Window `json:"window"`
	// Base is the id of the file that the export adds to, or "" if there was none.
	Base string `json:"base"`
}

// pageRecord ends a page.
type pageRecord struct {
	State state `json:"state"`
	// IDs are the orders of the page.
	IDs []string `json:"ids"`
}

// journalLine is a line after the first: a pageRecord or an order.
type journalLine struct {
	Page         *pageRecord `json:"page"`
	SalesOrderID string      `json:"salesOrderId"`
	Timestamp    string      `json:"timestamp"`
	CustomerID   string      `json:"customerId"`
	OrderDate    inflow.Time `json:"orderDate"`
	ExportedAt   time.Time   `json:"exportedAt"`
}

// fetchedOrder locates an order in the journal. place is the order's place in the sorted file.
type fetchedOrder struct {
	place   orderfile.Place
	version string
	offset  int64
	size    int
}

// openJournal opens or creates the journal, and locks it until it is closed.
func openJournal(path string) (*journal, error) {
	for {
		// Do not follow a link, which could put the orders where other people can read them.
		const flags = os.O_RDWR | os.O_CREATE | syscall.O_NOFOLLOW
		file, err := os.OpenFile(path, flags, 0o600) //nolint:gosec // the caller's path
		if err != nil {
			return nil, fmt.Errorf("write the orders: %w", err)
		}
		current, err := lock(file, path)
		if err != nil {
			return nil, errors.Join(err, file.Close())
		}
		if !current {
			_ = file.Close() // the export that held the lock has removed it
			continue
		}
		// This fails if the journal belongs to another user.
		if err := file.Chmod(0o600); err != nil {
			return nil, errors.Join(fmt.Errorf("write the orders: %w", err), file.Close())
		}
		j := &journal{path: path, file: file}
		j.reset()
		return j, nil
	}
}

// lock locks the journal. It reports whether path still names this file.
func lock(file *os.File, path string) (current bool, err error) {
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, fmt.Errorf("another export is writing to %s: wait until it has ended, or "+
			"name another file", strings.TrimSuffix(path, journalSuffix))
	}
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", path, err)
	}
	opened, err := file.Stat()
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", path, err)
	}
	named, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", path, err)
	}
	return os.SameFile(opened, named), nil
}

func (j *journal) reset() {
	j.start, j.state, j.size = journalStart{}, state{}, 0
	j.orders, j.seen, j.latest = map[string]fetchedOrder{}, map[string]bool{}, time.Time{}
}

// close releases the lock.
func (j *journal) close() { _ = j.file.Close() }

// remove removes the journal. Closing it later releases the lock.
func (j *journal) remove() error {
	if err := os.Remove(j.path); err != nil {
		return fmt.Errorf("remove %s: %w", j.path, err)
	}
	return nil
}

// resume reads the journal. It reports whether the interrupted export can continue. It can if it
// was for the same account and file, and its window includes all days of the wanted window.
func (j *journal) resume(wanted journalStart) (bool, error) {
	in := bufio.NewReaderSize(j.file, 1<<20)
	first, err := readLine(in)
	if err != nil {
		return false, j.failed("read", err)
	}
	if json.Unmarshal(first, &j.start) != nil || j.start.Version != wanted.Version ||
		j.start.Account != wanted.Account || j.start.Base != wanted.Base ||
		!covers(j.start.Window, wanted.Window) {
		j.reset()
		return false, nil
	}
	j.size = int64(len(first))
	pending, end := map[string]fetchedOrder{}, j.size
	for {
		encoded, err := readLine(in)
		if err != nil {
			return false, j.failed("read", err)
		}
		var line journalLine
		if len(encoded) == 0 || json.Unmarshal(encoded, &line) != nil {
			break // the end, or an incomplete line
		}
		offset := end
		end += int64(len(encoded))
		if line.Page == nil {
			pending[line.SalesOrderID] = line.fetched(offset, len(encoded))
			j.latest = maxTime(j.latest, line.ExportedAt)
			continue
		}
		j.apply(line.Page, pending)
		clear(pending)
		j.size = end
	}
	if j.state.Pass == 0 {
		j.reset()
		return false, nil
	}
	return true, j.failed("write", j.file.Truncate(j.size))
}

// readLine returns a line with its newline. It returns nil at the end of the file, and for a line
// that has no newline or is too long.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case errors.Is(err, io.EOF), len(line) > orderfile.MaxLine:
			return nil, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

func (l *journalLine) fetched(offset int64, size int) fetchedOrder {
	version, _ := ordercheck.ParseVersion(l.Timestamp)
	return fetchedOrder{
		place: orderfile.Place{
			CustomerID: l.CustomerID, OrderDate: l.OrderDate.Time, SalesOrderID: l.SalesOrderID,
		},
		version: version, offset: offset, size: size,
	}
}

// apply adds a page that the file already has to the state in memory.
func (j *journal) apply(page *pageRecord, orders map[string]fetchedOrder) {
	j.state = page.State
	if page.State.Pages == 0 && page.State.Floor == "" {
		clear(j.seen) // a pass over the whole list begins
	}
	for _, id := range page.IDs {
		j.seen[id] = true
	}
	for id, order := range orders {
		j.orders[id] = order
	}
}

// begin empties the journal and starts an export.
func (j *journal) begin(start journalStart, first state) error {
	j.reset()
	encoded, err := json.Marshal(start)
	if err != nil {
		return j.failed("write", err)
	}
	if err := j.file.Truncate(0); err != nil {
		return j.failed("write", err)
	}
	encoded = append(encoded, '\n')
	if _, err := j.file.WriteAt(encoded, 0); err != nil {
		return j.failed("write", err)
	}
	j.start, j.size = start, int64(len(encoded))
	return j.commit(nil, pageRecord{State: first})
}

// commit appends the orders of a page and its record to the file. Once it returns nil, a crash does
// not lose the page.
func (j *journal) commit(orders []encodedOrder, page pageRecord) error {
	var out bytes.Buffer
	places := make(map[string]fetchedOrder, len(orders))
	for i := range orders {
		o := &orders[i]
		places[o.place.SalesOrderID] = fetchedOrder{
			place: o.place, version: o.version,
			offset: j.size + int64(out.Len()), size: len(o.line) + 1,
		}
		out.Write(o.line)
		out.WriteByte('\n')
	}
	encoded, err := json.Marshal(struct {
		Page *pageRecord `json:"page"`
	}{&page})
	if err != nil {
		return j.failed("write", err)
	}
	out.Write(encoded)
	out.WriteByte('\n')
	_, err = j.file.WriteAt(out.Bytes(), j.size)
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return j.failed("write", err)
	}
	j.size += int64(out.Len())
	j.apply(&page, places)
	return nil
}

// line returns an order's line, without its newline.
func (j *journal) line(o *fetchedOrder) ([]byte, error) {
	line := make([]byte, o.size)
	if _, err := j.file.ReadAt(line, o.offset); err != nil {
		return nil, j.failed("read", err)
	}
	return bytes.TrimSuffix(line, []byte("\n")), nil
}

func (j *journal) failed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", what, j.path, err)
}

func maxTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
