package desk

import (
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"error-check-gate/internal/ordercheck"
)

const (
	pageSize = 50
	// maxQuery is the longest search text, in bytes.
	maxQuery = 400
)

// listPage is the data of the page of orders.
type listPage struct {
	Heading  string
	Filter   Filter
	Filtered bool
	ClearURL string
	Statuses []choice
	Rules    []choice
	Reps     []choice
	Ages     []choice

	Rows  []listRow
	Shown string
	At    time.Time
	Stale bool

	PageNumber, Pages            int
	PreviousURL, NextURL, CSVURL string
	EmptyTitle, EmptyText        string
}

// choice is one value of a filter.
type choice struct {
	Value, Label, URL string
	Count             int
	Chosen            bool
}

type listRow struct {
	Row
	Name     string
	More     int // errors besides the first
	NextText string
}

// tabs are the statuses that people choose from.
var tabs = []struct {
	status ordercheck.Status
	label  string
}{
	{StatusHeld, "All that must not leave"},
	{ordercheck.StatusFailed, "Held"},
	{ordercheck.StatusPending, "Wrong, not yet held"},
	{ordercheck.StatusOverridden, "Overridden"},
	{ordercheck.StatusIncomplete, "Partly checked"},
	{ordercheck.StatusUnchecked, "Not checked"},
}

func (s *Server) listOrders(w http.ResponseWriter, r *http.Request) {
	f, number, err := listFilter(r.URL.Query())
	if err != nil {
		s.message(w, r, http.StatusBadRequest, "This list does not exist", err.Error())
		return
	}
	snapshot, err := s.board.get(r.Context())
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	asCSV := r.URL.Query().Get("format") == "csv"
	if asCSV {
		f.Offset, f.Limit = 0, 0
	}
	page, err := choose(snapshot.rows, f, s.now())
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	if asCSV {
		s.writeCSV(w, page.Rows)
		return
	}
	if last := max(1, (page.Total+pageSize-1)/pageSize); number > last {
		// The list got shorter, or the address was made by hand. An empty page would say that nothing is held.
		http.Redirect(w, r, listURL(&f, last, ""), http.StatusSeeOther)
		return
	}
	s.render(w, r, http.StatusOK, "orders", "orders", s.listPage(&f, &page, number, snapshot))
}

// listFilter reads a list's address.
func listFilter(q url.Values) (f Filter, number int, err error) {
	f = Filter{
		Status: ordercheck.Status(q.Get("status")), Rule: q.Get("rule"), Rep: q.Get("rep"), Query: q.Get("q"), Limit: pageSize,
	}
	for _, text := range []string{string(f.Status), f.Rule, f.Rep, f.Query} {
		if len(text) > maxQuery {
			return f, 0, fmt.Errorf("a part of the address is longer than %d bytes: shorten it", maxQuery)
		}
	}
	if f.Status == "" {
		f.Status = StatusHeld
	}
	if f.Status != StatusHeld && !slices.Contains(ordercheck.Statuses(), f.Status) {
		return f, 0, fmt.Errorf("there is no status %q", ordercheck.Cut(string(f.Status), 40))
	}
	if format := q.Get("format"); format != "" && format != "csv" {
		return f, 0, errors.New("the only format besides the page is csv")
	}
	number = 1
	if text := q.Get("page"); text != "" {
		if number, err = strconv.Atoi(text); err != nil || number < 1 || number > maxBoard {
			return f, 0, errors.New("a page's number is 1 or more")
		}
	}
	if text := q.Get("age"); text != "" {
		if f.MinAge, err = time.ParseDuration(text); err != nil || f.MinAge < 0 {
			return f, 0, errors.New("an age is a duration, such as 24h")
		}
	}
	f.Offset = (number - 1) * pageSize
	return f, number, nil
}

// listURL is the address of a list.
func listURL(f *Filter, number int, format string) string {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.Status != StatusHeld {
		set("status", string(f.Status))
	}
	set("rule", f.Rule)
	set("rep", f.Rep)
	set("q", f.Query)
	set("format", format)
	if f.MinAge > 0 {
		q.Set("age", f.MinAge.String())
	}
	if number > 1 {
		q.Set("page", strconv.Itoa(number))
	}
	if len(q) == 0 {
		return "/"
	}
	return "/?" + q.Encode()
}

func (s *Server) listPage(f *Filter, page *Page, number int, snapshot *snapshot) *listPage {
	p := &listPage{
		Filter: *f, Filtered: f.Rule != "" || f.Rep != "" || f.Query != "" || f.MinAge > 0,
		ClearURL: listURL(&Filter{Status: f.Status}, 1, ""), CSVURL: listURL(f, 1, "csv"),
		At: snapshot.at, Stale: snapshot.err != nil || s.now().Sub(snapshot.at) > boardMaxAge,
		PageNumber: number, Pages: max(1, (page.Total+pageSize-1)/pageSize),
	}
	for _, tab := range tabs {
		chosen := *f
		chosen.Status = tab.status
		p.Statuses = append(p.Statuses, choice{
			Label: tab.label, URL: listURL(&chosen, 1, ""), Count: countOf(page.Counts.Status, string(tab.status)),
			Chosen: f.Status == tab.status,
		})
		if f.Status == tab.status {
			p.Heading = "Orders: " + strings.ToLower(tab.label[:1]) + tab.label[1:]
		}
	}
	if p.Heading == "" {
		p.Heading = "Orders: " + strings.ToLower(statusText(f.Status))
	}
	p.Rules, p.Reps = choices(page.Counts.Rule, f.Rule), choices(page.Counts.Rep, f.Rep)
	p.Ages = ages(page.Counts.Age, f.MinAge)
	p.EmptyTitle, p.EmptyText = emptyList(f.Status)
	for i := range page.Rows {
		p.Rows = append(p.Rows, listRow{
			Row: page.Rows[i], Name: orderName(page.Rows[i].OrderNumber, page.Rows[i].SalesOrderID),
			More: max(0, page.Rows[i].Errors-1), NextText: nextStep(&page.Rows[i]),
		})
	}
	p.Shown = fmt.Sprintf("%s, waiting longest first", plural(page.Total, "order"))
	if number > 1 {
		p.PreviousURL = listURL(f, number-1, "")
	}
	if page.Next != "" {
		p.NextURL = listURL(f, number+1, "")
	}
	return p
}

func countOf(counts []Count, value string) int {
	for _, c := range counts {
		if c.Value == value {
			return c.Orders
		}
	}
	return 0
}

// choices lists the values of a filter. A chosen value without orders stays, so that it can be seen.
func choices(counts []Count, chosen string) []choice {
	var out []choice
	found := chosen == ""
	for _, c := range counts {
		out = append(out, choice{Value: c.Value, Count: c.Orders, Chosen: c.Value == chosen})
		found = found || c.Value == chosen
	}
	if !found {
		out = append(out, choice{Value: chosen, Chosen: true})
	}
	return out
}

func ages(counts []int, chosen time.Duration) []choice {
	labels := []string{"any time", "over an hour", "over a day", "over a week"}
	var out []choice
	for i, age := range Ages() {
		c := choice{Label: labels[i], Count: counts[i], Chosen: age == chosen}
		if age > 0 {
			c.Value = age.String()
		}
		out = append(out, c)
	}
	return out
}

func emptyList(status ordercheck.Status) (title, text string) {
	switch status {
	case StatusHeld, ordercheck.StatusFailed:
		return "Nothing is held.", "Every order that was checked may leave. New trouble shows up here by itself."
	case ordercheck.StatusPending:
		return "Nothing is about to be held.", "An order with errors waits here until its time to be fixed is over."
	case ordercheck.StatusOverridden:
		return "Nobody answers for an order now.", "An order is listed here while somebody has taken responsibility for its errors."
	}
	return "Nothing to see here.", "No order has this status now."
}

func orderName(number, id string) string {
	if number != "" {
		return number
	}
	return id
}

// nextStep says what happens next to an order. The time stands beside it.
func nextStep(row *Row) string {
	switch row.Status {
	case ordercheck.StatusFailed:
		if !row.NextAt.IsZero() {
			return "More errors are confirmed"
		}
		return "Fix it in InFlow"
	case ordercheck.StatusPending:
		return "Is held"
	case ordercheck.StatusOverridden:
		return "Override ends"
	}
	return "Check it again"
}

// writeCSV writes rows for a spreadsheet.
func (s *Server) writeCSV(w http.ResponseWriter, rows []Row) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=orders-%s.csv", s.now().In(s.location).Format("2006-01-02")))
	out := csv.NewWriter(w)
	_ = out.Write([]string{"order", "id", "customer", "sales rep", "status", "since", "errors", "rules", "first error", "next step", "next step at"})
	for i := range rows {
		row := &rows[i]
		next := ""
		if !row.NextAt.IsZero() {
			next = row.NextAt.In(s.location).Format(time.RFC3339)
		}
		_ = out.Write(cells(row.OrderNumber, row.SalesOrderID, row.Customer, row.SalesRep, string(row.Status),
			row.Since.In(s.location).Format(time.RFC3339), strconv.Itoa(row.Errors), strings.Join(row.FailedRules, " "),
			row.First, nextStep(row), next))
	}
	out.Flush() // the reader may have gone
}

// cells makes texts harmless for spreadsheets, which run a cell that begins like a formula, some of
// them also after blanks.
func cells(texts ...string) []string {
	for i, text := range texts {
		begin := strings.TrimLeftFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) })
		if begin != "" && strings.ContainsRune("=+-@＝＋－＠", []rune(begin)[0]) || begin != text && text[0] < ' ' {
			texts[i] = "'" + text
		}
	}
	return texts
}

// unavailable shows why the desk cannot answer now.
func (s *Server) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	s.logger.WarnContext(r.Context(), "the desk could not answer", "route", r.Pattern, "error", err)
	w.Header().Set("Retry-After", "10")
	s.message(w, r, http.StatusServiceUnavailable, "The desk cannot answer now",
		"Temporal or its workers do not answer. Nothing is lost: orders stay as they are. Try again in a minute.")
}
