package fakeinflow

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/govalues/decimal"
)

func (s *Server) getSalesOrder(w http.ResponseWriter, r *http.Request) {
	named, err := parseInclude(caseless(r.URL.Query(), "include"))
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	s.mu.Lock()
	o, err := s.orders.get(r.PathValue("salesOrderId"))
	s.mu.Unlock()
	if err != nil {
		writeError(w, http.StatusNotFound, "The sales order was not found.")
		return
	}
	if answer, ok := w.(*answer); ok {
		answer.orderVersion = o.text("timestamp")
	}
	writeJSON(w, http.StatusOK, project(o.document, "salesOrder", named))
}

func (s *Server) listSalesOrders(w http.ResponseWriter, r *http.Request) {
	query, err := parseListQuery(r.URL.Query())
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	s.mu.Lock()
	orders := slices.Clone(s.orders.created)
	s.mu.Unlock()
	orders = slices.DeleteFunc(orders, func(o *order) bool { return !query.fits(o.document) })
	total := len(orders)
	if err := query.order(orders); err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	page, err := query.page(orders)
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	list := make([]map[string]any, len(page))
	for i, o := range page {
		list[i] = project(o.document, "salesOrder", query.include)
	}
	if query.includeCount {
		w.Header().Set("X-listCount", strconv.Itoa(total))
	}
	writeJSON(w, http.StatusOK, list)
}

const (
	defaultCount = 20
	maxCount     = 100 // InFlow's API description: "Max 100 per request"
)

// listQuery is InFlow's GetCollectionRequest, with the filters of sales orders.
type listQuery struct {
	count, skip          int
	after, before, start string
	sort                 string
	sortDesc             bool
	includeCount         bool
	include              inclusion
	filters              []func(document map[string]any) bool
}

// caseless gives the values of every parameter of that name, however its letters are cased.
func caseless(query url.Values, name string) []string {
	var values []string
	for key, v := range query {
		if strings.EqualFold(key, name) {
			values = append(values, v...)
		}
	}
	return values
}

func parseListQuery(values url.Values) (*listQuery, error) {
	q := &listQuery{count: defaultCount}
	var faults []error
	for key, v := range values {
		if err := q.parameter(strings.ToLower(key), v); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", key, err))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return q, nil
}

func (q *listQuery) parameter(key string, values []string) (err error) {
	value := values[len(values)-1]
	switch key {
	case "include":
		q.include, err = parseInclude(values)
	case "count":
		q.count, err = strconv.Atoi(value)
		if err == nil && q.count < 1 {
			err = errors.New("must be 1 or more")
		}
		q.count = min(q.count, maxCount)
	case "skip":
		q.skip, err = strconv.Atoi(value)
		if err == nil && q.skip < 0 {
			err = errors.New("must be 0 or more")
		}
	case "after":
		q.after = value
	case "before":
		q.before = value
	case "start":
		q.start = value
	case "sort":
		q.sort = value
	case "sortdesc":
		q.sortDesc, err = strconv.ParseBool(value)
	case "includecount":
		q.includeCount, err = strconv.ParseBool(value)
	default:
		name, isFilter := strings.CutPrefix(key, "filter[")
		name, isClosed := strings.CutSuffix(strings.TrimSuffix(name, "[]"), "]")
		if !isFilter || !isClosed {
			return errors.New("is not a parameter of this list")
		}
		var filter func(map[string]any) bool
		if filter, err = parseFilter(name, values); err == nil {
			q.filters = append(q.filters, filter)
		}
	}
	return err
}

// textFilters and the maps after it give the fields that a filter, by its lower-case name, looks at.
var (
	textFilters   = map[string]string{"ordernumber": "orderNumber", "customerid": "customerId", "ponumber": "poNumber", "locationid": "locationId"}
	statusFilters = map[string]string{"inventorystatus": "inventoryStatus", "paymentstatus": "paymentStatus"}
	dateFilters   = map[string]string{"orderdate": "orderDate", "requestedshipdate": "requestedShipDate", "invoiceddate": "invoicedDate"}
	amountFilters = map[string]string{"total": "total", "balance": "balance"}
)

func parseFilter(name string, values []string) (func(map[string]any) bool, error) {
	value := values[len(values)-1]
	if field, ok := textFilters[name]; ok {
		return func(d map[string]any) bool { return strings.EqualFold(fieldText(d, field), value) }, nil
	}
	if field, ok := statusFilters[name]; ok {
		wanted, err := parseStatuses(values)
		return func(d map[string]any) bool {
			return slices.ContainsFunc(wanted, func(status string) bool { return strings.EqualFold(status, fieldText(d, field)) })
		}, err
	}
	if field, ok := dateFilters[name]; ok {
		from, to, err := parseRange(value, parseInstant)
		return func(d map[string]any) bool {
			at, isDate := parseDate(fieldText(d, field))
			return isDate && (from == nil || !at.Before(from.from)) && (to == nil || !at.After(to.to))
		}, err
	}
	if field, ok := amountFilters[name]; ok {
		from, to, err := parseRange(value, decimal.Parse)
		return func(d map[string]any) bool {
			amount, err := decimal.Parse(fieldText(d, field))
			return err == nil && (from == nil || amount.Cmp(*from) >= 0) && (to == nil || amount.Cmp(*to) <= 0)
		}, err
	}
	switch name {
	case "isactive":
		wanted, err := strconv.ParseBool(value)
		return func(d map[string]any) bool {
			return wanted == (d["isCancelled"] != true && d["isCompleted"] != true)
		}, err
	case "smart":
		wanted := strings.ToLower(value)
		return func(d map[string]any) bool {
			customer, _ := d["customer"].(map[string]any)
			return strings.Contains(strings.ToLower(fieldText(d, "orderNumber")+"\n"+fieldText(customer, "name")), wanted)
		}, nil
	}
	return nil, errors.New("is not a filter of sales orders")
}

// parseStatuses takes the parameter repeated, or one JSON list.
func parseStatuses(values []string) ([]string, error) {
	if len(values) == 1 && strings.HasPrefix(values[0], "[") {
		var list []string
		if err := json.Unmarshal([]byte(values[0]), &list); err != nil {
			return nil, errors.New("is not a JSON list of statuses")
		}
		return list, nil
	}
	return values, nil
}

// parseRange reads {"fromDate":…,"toDate":…}, either of which may be left out. InFlow's
// description has these names for ranges of amounts as well.
func parseRange[T any](value string, parse func(string) (T, error)) (from, to *T, err error) {
	var ends struct {
		From json.RawMessage `json:"fromDate"`
		To   json.RawMessage `json:"toDate"`
	}
	if err := json.Unmarshal([]byte(value), &ends); err != nil {
		return nil, nil, errors.New(`is not a JSON object with fromDate and toDate`)
	}
	end := func(raw json.RawMessage) (*T, error) {
		text := strings.Trim(string(raw), `"`)
		if text == "" || text == "null" {
			return nil, nil //nolint:nilnil // an open end is neither a value nor an error
		}
		parsed, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("%q cannot be read", text)
		}
		return &parsed, nil
	}
	if from, err = end(ends.From); err != nil {
		return nil, nil, err
	}
	to, err = end(ends.To)
	return from, to, err
}

// instant is a time, or a whole day where only a date was given.
type instant struct{ from, to time.Time }

func parseInstant(text string) (instant, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return instant{from: day, to: day.AddDate(0, 0, 1).Add(-time.Nanosecond)}, nil
	}
	at, ok := parseDate(text)
	if !ok {
		return instant{}, errors.New("not a date")
	}
	return instant{from: at, to: at}, nil
}

func parseDate(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

func fieldText(document map[string]any, field string) string {
	text, _ := document[field].(string)
	return text
}

func (q *listQuery) fits(document map[string]any) bool {
	return !slices.ContainsFunc(q.filters, func(fits func(map[string]any) bool) bool { return !fits(document) })
}

// order sorts, in the order of creation where no property was named or two are equal.
func (q *listQuery) order(orders []*order) error {
	if q.sort != "" && len(orders) > 0 {
		field, ok := findField(orders[0].document, q.sort)
		if !ok {
			return fmt.Errorf("sort: %q is not a property of a sales order", q.sort)
		}
		slices.SortStableFunc(orders, func(a, b *order) int { return compareFields(a.text(field), b.text(field)) })
	}
	if q.sortDesc {
		slices.Reverse(orders)
	}
	return nil
}

// findField finds a field's own spelling: names are compared without case.
func findField(document map[string]any, name string) (string, bool) {
	for field := range document {
		if strings.EqualFold(field, name) {
			return field, true
		}
	}
	return "", false
}

func compareFields(a, b string) int {
	x, errX := decimal.Parse(a)
	y, errY := decimal.Parse(b)
	if errX == nil && errY == nil {
		return x.Cmp(y)
	}
	return cmp.Compare(strings.ToLower(a), strings.ToLower(b))
}

func (q *listQuery) page(orders []*order) ([]*order, error) {
	position := func(name, id string) (int, error) {
		i := slices.IndexFunc(orders, func(o *order) bool { return strings.EqualFold(o.id, id) })
		if i < 0 {
			return 0, fmt.Errorf("%s: no entity of this list has the id", name)
		}
		return i, nil
	}
	if q.after != "" {
		i, err := position("after", q.after)
		if err != nil {
			return nil, err
		}
		orders = orders[i+1:]
	}
	if q.start != "" {
		i, err := position("start", q.start)
		if err != nil {
			return nil, err
		}
		orders = orders[i:]
	}
	if q.before != "" {
		i, err := position("before", q.before)
		if err != nil {
			return nil, err
		}
		orders = orders[max(0, i-q.skip-q.count):max(0, i-q.skip)]
		return orders, nil
	}
	orders = orders[min(q.skip, len(orders)):]
	return orders[:min(q.count, len(orders))], nil
}
