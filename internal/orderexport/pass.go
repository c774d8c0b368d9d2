package orderexport

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderfile"
	"error-check-gate/internal/rules"
)

const (
	// overlap is the number of orders below the floor that must equal the file's before a pass
	// ends. InFlow's database gives a change its version before the change becomes visible, so an
	// order just below the floor may have been invisible at the last export. Far fewer than 50
	// people of a company save an order at the same moment.
	overlap = 50
	// maxPasses limits the passes of an export if orders keep changing while the list is read.
	maxPasses = 8
	// maxRestarts limits the restarts of a pass, which are needed if all entries that it remembers
	// have moved.
	maxRestarts = 3
	// tailLength is the number of entries at the end of a page that the pass remembers. If all of
	// them move, the pass begins again.
	tailLength = 10
)

// state is the progress of an export. The journal has it after each page.
//
// An export is one or more passes over InFlow's list, the last saved order first. An order that is
// saved during a pass moves to the beginning of the list, which the pass has already read. So after
// a pass of several pages another one follows, which ends at the first pass's beginning.
type state struct {
	// Pass counts the passes, from 1.
	Pass int `json:"pass"`
	// Floor is the version at which the pass ends. It is empty for a pass over the whole list.
	Floor string `json:"floor,omitempty"`
	// Top is the highest version of the pass, the first one.
	Top string `json:"top,omitempty"`
	// ByNumber reads the list sorted by number, because InFlow does not sort it by version.
	ByNumber bool `json:"byNumber,omitempty"`
	// BySkip asks for pages by their place, because InFlow ignores an entry's id.
	BySkip bool   `json:"bySkip,omitempty"`
	First  string `json:"first,omitempty"` // id of the list's first entry
	// Pages counts the pages of the pass, Read their entries.
	Pages int `json:"pages"`
	Read  int `json:"read"`
	// Total is the length of the list; 0 if unknown.
	Total int `json:"total,omitempty"`
	// Known counts the latest entries in a row that are below Floor and equal the file's.
	Known int `json:"known,omitempty"`
	// Outside counts entries of other days than requested.
	Outside int     `json:"outside,omitempty"`
	Tail    []place `json:"tail,omitempty"`
	// Restarts counts the restarts of passes.
	Restarts int `json:"restarts,omitempty"`
	// Unreadable has the ids of orders that could not be read. NoID counts such orders without an
	// id.
	Unreadable []string `json:"unreadable,omitempty"`
	NoID       int      `json:"noId,omitempty"`
	// WholeRead is true if a pass over the whole list has ended.
	WholeRead bool `json:"wholeRead,omitempty"`
	// Done is true if only the merge remains. Mark is [orderfile.Header.Mark].
	Done bool   `json:"done,omitempty"`
	Mark string `json:"mark,omitempty"`
}

// place is the place of an order in the list.
type place struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	At      int    `json:"at"` // from 0
}

// encodedOrder is an order for the journal.
type encodedOrder struct {
	place   orderfile.Place
	version string
	line    []byte
}

// startPass begins a pass that ends at floor, or reads the whole list if floor is empty.
func (s *state) startPass(floor string) {
	*s = state{
		Pass: s.Pass + 1, Floor: floor, ByNumber: s.ByNumber, BySkip: s.BySkip,
		Restarts: s.Restarts, WholeRead: s.WholeRead, Unreadable: s.Unreadable, NoID: s.NoID,
	}
	if floor == "" {
		s.WholeRead, s.Unreadable, s.NoID = false, nil, 0
	}
}

// readPage reads a page of the list and writes its new orders to the journal.
//
// The request begins with the last entry of the previous page. If that entry comes first and has
// the same version, no order can have moved from behind it to before it.
func (e *export) readPage(ctx context.Context) error {
	s := e.journal.state
	query := inflow.PageQuery{
		From: e.from, To: e.to, NewestFirst: !s.ByNumber, Include: rules.Includes(),
	}
	var anchor place
	if n := len(s.Tail); n > 0 {
		anchor = s.Tail[n-1]
		if s.BySkip {
			query.Page.Skip = anchor.At
		} else {
			query.Page.Start = anchor.ID
		}
	}
	page, err := e.fetch(ctx, query)
	var failed *inflow.Error
	gone := errors.As(err, &failed) && failed.Kind == inflow.KindNotFound && anchor.ID != ""
	if err != nil && !gone {
		return err
	}
	entries := page.Entries
	if anchor.ID != "" {
		if gone || !begins(entries, anchor) {
			return e.moved(&s, entries)
		}
		entries = entries[1:]
	}
	if !s.ByNumber && !newestFirst(entries, anchor.Version) {
		return e.readByNumber(&s)
	}
	orders, ids, err := e.take(&s, entries, page.Total)
	if err != nil {
		return err
	}
	if s.atEnd(len(entries)) {
		e.endPass(&s, orders)
	}
	if err := e.journal.commit(orders, pageRecord{State: s, IDs: ids}); err != nil {
		return err
	}
	e.report(0)
	return nil
}

// begins reports whether a page begins with an entry.
func begins(entries []inflow.PageEntry, anchor place) bool {
	return len(entries) > 0 && entries[0].Listed.SalesOrderID == anchor.ID &&
		entries[0].Listed.Timestamp == anchor.Version
}

// newestFirst reports whether the versions of a page go down, from the version before it on.
func newestFirst(entries []inflow.PageEntry, before string) bool {
	for i := range entries {
		version := entries[i].Listed.Timestamp
		if version == "" {
			continue // unreadable
		}
		if before != "" && version >= before {
			return false
		}
		before = version
	}
	return true
}

// moved continues from an earlier entry, because the last remembered one is no longer in its place.
// If no remembered entry is, the pass begins again.
func (e *export) moved(s *state, entries []inflow.PageEntry) error {
	last := s.Tail[len(s.Tail)-1]
	ignoresStart := !s.BySkip && len(entries) > 0 && s.First != last.ID &&
		entries[0].Listed.SalesOrderID == s.First
	if ignoresStart {
		s.BySkip = true
		return e.readByNumber(s)
	}
	s.Tail = s.Tail[:len(s.Tail)-1]
	if n := len(s.Tail); n > 0 {
		s.Read = s.Tail[n-1].At + 1
		return e.journal.commit(nil, pageRecord{State: *s})
	}
	if s.Restarts++; s.Restarts > maxRestarts {
		return errors.New("InFlow's list of sales orders changes faster than it can be read: try " +
			"again when fewer orders are being saved")
	}
	s.Pass--
	s.startPass(s.Floor)
	return e.journal.commit(nil, pageRecord{State: *s})
}

// readByNumber reads the whole list sorted by number, in which orders do not move when they are
// saved.
func (e *export) readByNumber(s *state) error {
	reason := "InFlow does not sort its list by the time of the last change"
	if s.BySkip {
		reason = "InFlow does not list orders from a given one on"
	}
	e.Say(reason + ": reading the whole list")
	s.ByNumber = true
	s.startPass("")
	return e.journal.commit(nil, pageRecord{State: *s})
}

// take returns the orders of a page that the file does not have, and the ids of all its orders.
func (e *export) take(
	s *state, entries []inflow.PageEntry, total int,
) (orders []encodedOrder, ids []string, err error) {
	if s.Pages == 0 && len(entries) > 0 {
		s.First, s.Top = entries[0].Listed.SalesOrderID, entries[0].Listed.Timestamp
	}
	s.Total = total
	now := time.Now()
	for i := range entries {
		listed, order := &entries[i].Listed, &entries[i].Order
		if listed.SalesOrderID != "" && listed.Timestamp != "" {
			tail := s.Tail[max(0, len(s.Tail)+1-tailLength):]
			s.Tail = append(slices.Clone(tail), place{listed.SalesOrderID, listed.Timestamp, s.Read + i})
		}
		if listed.Problem == "" {
			if err := ordercheck.ValidateSalesOrderID(listed.SalesOrderID); err != nil {
				listed.Problem = "cannot be checked: " + err.Error()
			}
		}
		switch {
		case listed.Problem != "":
			e.unreadable(s, listed)
		case !inWindow(order.OrderDate.Time, e.from, e.to):
			s.Outside++
			continue
		case e.has(listed.SalesOrderID, listed.Timestamp):
			if s.Floor != "" && listed.Timestamp <= s.Floor {
				s.Known++
			}
		default:
			s.Known = 0
			encoded, err := e.encode(order, now)
			if err != nil {
				return nil, nil, err
			}
			orders = append(orders, encoded)
		}
		if listed.SalesOrderID != "" {
			ids = append(ids, listed.SalesOrderID)
		}
	}
	s.Pages++
	s.Read += len(entries)
	e.journal.latest = maxTime(e.journal.latest, now)
	return orders, ids, nil
}

// unreadable counts an order that cannot be read, and says so once.
func (e *export) unreadable(s *state, listed *inflow.ListedOrder) {
	if listed.SalesOrderID == "" {
		s.NoID++
	} else {
		if slices.Contains(s.Unreadable, listed.SalesOrderID) {
			return
		}
		s.Unreadable = append(s.Unreadable, listed.SalesOrderID)
	}
	e.Say(fmt.Sprintf("sales order %s (%s) is left out: it %s",
		ordercheck.Keyword(listed.OrderNumber), ordercheck.ShortID(listed.SalesOrderID),
		listed.Problem))
}

// has reports whether the file or the journal has this version of an order.
func (e *export) has(id, version string) bool {
	if fetched, ok := e.journal.orders[id]; ok {
		return fetched.version == version
	}
	return e.file.orders[id].version == version
}

func (e *export) encode(order *inflow.SalesOrder, now time.Time) (encodedOrder, error) {
	if e.Clean != nil {
		e.Clean(order)
	}
	line, err := orderfile.EncodeLine(order, now)
	if err != nil {
		return encodedOrder{}, err
	}
	version, _ := ordercheck.ParseVersion(order.Timestamp)
	return encodedOrder{place: orderfile.PlaceOf(order), version: version, line: line}, nil
}

// atEnd reports whether the pass ends after a page with a number of entries. A page may have fewer
// entries than requested, so only an empty page or the list's length shows its end.
func (s *state) atEnd(entries int) bool {
	return entries == 0 || s.Total > 0 && s.Read >= s.Total || s.Floor != "" && s.Known >= overlap
}

// endPass starts the next pass, or ends the export. orders are the orders of the last page.
func (e *export) endPass(s *state, orders []encodedOrder) {
	s.WholeRead = s.WholeRead || s.Floor == ""
	several := s.Pages > 1 && !s.ByNumber && s.Top != ""
	if several && s.Pass < maxPasses {
		s.startPass(s.Top)
		return
	}
	switch {
	case s.ByNumber:
		s.Mark = "" // nothing shows which changes were read
	case several:
		s.Mark = s.Floor // orders that changed since may be missing
	default:
		s.Mark = max(s.Top, s.Floor)
	}
	have := e.count(s, orders)
	if !s.WholeRead && s.Total > 0 && s.Outside == 0 && have != s.Total {
		e.Say(fmt.Sprintf("InFlow lists %d orders and the file would have %d: reading the whole list, "+
			"to find which are no longer in it", s.Total, have))
		s.startPass("")
		return
	}
	s.Done = true
}

// count returns the number of orders of the window that InFlow should list: the orders of the file
// and the journal, and the orders that could not be read.
func (e *export) count(s *state, orders []encodedOrder) int {
	fetched := map[string]bool{}
	for id := range e.journal.orders {
		fetched[id] = true
	}
	for i := range orders {
		fetched[orders[i].place.SalesOrderID] = true
	}
	n := len(fetched)
	for id, order := range e.file.orders {
		if order.inWindow && !fetched[id] {
			n++
		}
	}
	return n + e.missing(s, func(id string) bool { return fetched[id] })
}

// missing counts the orders that the file does not have because they could not be read.
func (e *export) missing(s *state, fetched func(id string) bool) int {
	n := s.NoID
	for _, id := range s.Unreadable {
		if _, has := e.file.orders[id]; !has && !fetched(id) {
			n++
		}
	}
	if !s.WholeRead {
		n += e.file.header.Unreadable
	}
	return n
}

func (e *export) report(wait time.Duration) {
	s := &e.journal.state
	progress := Progress{Fetched: len(e.journal.orders), Wait: wait}
	if s.Floor == "" {
		progress.Read, progress.Total = s.Read, s.Total
	}
	e.Progress(progress)
}
