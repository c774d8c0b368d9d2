package pages

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"error-check-gate/desk/orders"
	"error-check-gate/internal/ordercheck"
)

const (
	pageSize = 50
	// maxPage is the highest page number that we accept. The list never has that many pages.
	maxPage = orders.MaxListed / pageSize * 2
	// maxFilterText is the maximum length of a filter's text in the address, in bytes.
	maxFilterText = 400
)

// tabs holds the statuses that people can choose from, in the order on the page.
var tabs = []struct {
	status         ordercheck.Status
	label, heading string
}{
	{orders.StatusHeld, "Must not leave", "Orders that must not leave"},
	{ordercheck.StatusFailed, "Held", "Held orders"},
	{ordercheck.StatusPending, "Wrong, not yet held", "Wrong orders, not yet held"},
	{ordercheck.StatusOverridden, "Overridden", "Overridden orders"},
	{ordercheck.StatusIncomplete, "Partly checked", "Partly checked orders"},
	{ordercheck.StatusUnchecked, "Not checked", "Orders that could not be checked"},
}

// listData is the data of the page with the list of orders.
type listData struct {
	Heading  string
	Filter   orders.Filter
	Filtered bool
	ClearURL string
	Statuses []choice
	Rules    []choice
	Reps     []choice
	Ages     []choice

	Rows    []listRow
	Caption string
	At      time.Time
	Stale   bool

	PageNumber, Pages            int
	PreviousURL, NextURL, CSVURL string
	EmptyTitle, EmptyText        string
}

// choice is one value that people can choose.
type choice struct {
	Value, Label, URL string
	Count             int
	Chosen            bool
}

type listRow struct {
	orders.Row
	Name     string
	More     int // number of errors besides the first
	NextText string
}

func (h *Handler) showList(w http.ResponseWriter, r *http.Request) {
	filter, number, err := parseFilter(r.URL.Query())
	if err != nil {
		h.message(w, r, http.StatusBadRequest, "There is no such list", err.Error())
		return
	}
	asCSV := r.URL.Query().Get("format") == "csv"
	if asCSV {
		filter.Offset, filter.Limit = 0, 0
	}
	page, err := h.orders.List(r.Context(), filter)
	if err != nil {
		h.unavailable(w, r, err)
		return
	}
	if asCSV {
		h.writeCSV(w, page.Rows)
		return
	}
	if last := pagesOf(page.Total); number > last {
		// The list got shorter, or somebody typed the address. An empty page would look as if nothing
		// is held.
		http.Redirect(w, r, listURL(&filter, last, ""), http.StatusSeeOther)
		return
	}
	h.render(w, r, http.StatusOK, "orders", "orders", newListData(&filter, &page, number))
}

func pagesOf(rows int) int { return max(1, (rows+pageSize-1)/pageSize) }

// parseFilter parses the address of a list. The errors are sentences for people.
func parseFilter(q url.Values) (f orders.Filter, number int, err error) {
	f = orders.Filter{
		Status: ordercheck.Status(q.Get("status")), Rule: q.Get("rule"), Rep: q.Get("rep"),
		Query: q.Get("q"), Limit: pageSize,
	}
	for _, text := range []string{string(f.Status), f.Rule, f.Rep, f.Query} {
		if len(text) > maxFilterText {
			return f, 0, sentence("A part of the address is too long. Use at most %d letters.",
				maxFilterText)
		}
	}
	if f.Status == "" {
		f.Status = orders.StatusHeld
	}
	if f.Status != orders.StatusHeld && !slices.Contains(ordercheck.Statuses(), f.Status) {
		return f, 0, sentence("The status %q does not exist.", ordercheck.Cut(string(f.Status), 40))
	}
	if format := q.Get("format"); format != "" && format != "csv" {
		return f, 0, sentence("The list can only be downloaded as csv.")
	}
	if number, err = parsePage(q.Get("page")); err != nil {
		return f, 0, err
	}
	if text := q.Get("age"); text != "" {
		if f.MinAge, err = time.ParseDuration(text); err != nil || f.MinAge < 0 {
			return f, 0, sentence("The age must be a time such as 24h.")
		}
	}
	f.Offset = (number - 1) * pageSize
	return f, number, nil
}

// parsePage returns the number of a page, or maxPage if the number is higher.
func parsePage(text string) (int, error) {
	if text == "" {
		return 1, nil
	}
	number, err := strconv.Atoi(text)
	tooHigh := errors.Is(err, strconv.ErrRange) && number > 0
	if err != nil && !tooHigh || number < 1 {
		return 0, sentence("The page must be a number from 1 on.")
	}
	return min(number, maxPage), nil
}

// sentence returns an error whose text is a sentence for people.
func sentence(format string, args ...any) error { return fmt.Errorf(format, args...) }

// listURL returns the address of a list.
func listURL(f *orders.Filter, number int, format string) string {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.Status != orders.StatusHeld {
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

func newListData(f *orders.Filter, page *orders.Page, number int) *listData {
	d := &listData{
		Filter: *f, Filtered: f.Rule != "" || f.Rep != "" || f.Query != "" || f.MinAge > 0,
		Heading:  statusText(f.Status),
		ClearURL: listURL(&orders.Filter{Status: f.Status}, 1, ""), CSVURL: listURL(f, 1, "csv"),
		At: page.At, Stale: page.Stale, PageNumber: number, Pages: pagesOf(page.Total),
		Rules: choices(page.Counts.Rule, f.Rule), Reps: choices(page.Counts.Rep, f.Rep),
		Ages:    ageChoices(page.Counts.Age, f.MinAge),
		Caption: fmt.Sprintf("%s, longest waiting first", count(page.Total, "order")),
	}
	for _, tab := range tabs {
		withStatus := *f
		withStatus.Status = tab.status
		d.Statuses = append(d.Statuses, choice{
			Label: tab.label, URL: listURL(&withStatus, 1, ""),
			Count: countOf(page.Counts.Status, string(tab.status)), Chosen: f.Status == tab.status,
		})
		if f.Status == tab.status {
			d.Heading = tab.heading
		}
	}
	d.EmptyTitle, d.EmptyText = emptyList(f.Status)
	for i := range page.Rows {
		row := &page.Rows[i]
		d.Rows = append(d.Rows, listRow{
			Row: *row, Name: orderName(row.OrderNumber, row.SalesOrderID),
			More: max(0, row.Errors-1), NextText: nextStep(row),
		})
	}
	if number > 1 {
		d.PreviousURL = listURL(f, number-1, "")
	}
	if page.Next != "" {
		d.NextURL = listURL(f, number+1, "")
	}
	return d
}

func countOf(counts []orders.Count, value string) int {
	for _, c := range counts {
		if c.Value == value {
			return c.Orders
		}
	}
	return 0
}

// choices returns the values of a filter. It includes the chosen value even if no order has it, so
// that people see what they chose.
func choices(counts []orders.Count, chosen string) []choice {
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

// ageChoices returns the choices of the filter by age. counts has one number for each of
// [orders.Ages].
func ageChoices(counts []int, chosen time.Duration) []choice {
	labels := []string{"any time", "more than an hour", "more than a day", "more than a week"}
	var out []choice
	for i, age := range orders.Ages() {
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
	case orders.StatusHeld, ordercheck.StatusFailed:
		return "No order is held.",
			"All checked orders may leave. New problems appear here by themselves."
	case ordercheck.StatusPending:
		return "No order will be held soon.",
			"This list shows orders with errors that there is still time to fix."
	case ordercheck.StatusOverridden:
		return "No order is overridden.",
			"This list shows orders with errors that somebody has taken responsibility for."
	}
	return "No orders.", "No order has this status now."
}

// orderName returns the order's number, or its id if it has no number.
func orderName(number, id string) string {
	if number != "" {
		return number
	}
	return id
}

// nextStep says what happens next to an order. The page adds the time of that step, if any.
func nextStep(row *orders.Row) string {
	switch row.Status {
	case ordercheck.StatusFailed:
		if !row.NextAt.IsZero() {
			return "More errors hold it"
		}
		return "Fix it in InFlow"
	case ordercheck.StatusPending:
		return "Will be held"
	case ordercheck.StatusOverridden:
		return "Override ends"
	}
	return "Check it again"
}
