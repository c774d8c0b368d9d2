package fakeinflow

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	answer := answerOf(w)
	s.mu.Lock()
	look := s.lookFor(answer)
	order := s.store.find(kindSalesOrder, r.PathValue("salesOrderId"))
	var document map[string]any
	if order != nil {
		document = look.order(order)
	}
	if document == nil {
		s.mu.Unlock()
		writeError(w, http.StatusNotFound, "The sales order was not found.")
		return
	}
	shown := project(document, kindSalesOrder, named.without(answer.leftOut), look.entity)
	s.mu.Unlock()
	answer.orderVersion = fieldText(document, "timestamp")
	writeJSON(w, http.StatusOK, shown)
}

// look is a request's view of the account at a time. Orders that were created after incompleteSince
// lack their lines, payments and other lists.
type look struct {
	store           *store
	then            time.Time // the time of the view; zero is now
	incompleteSince time.Time // zero means that all orders are complete
}

// lookFor returns the look of a request with these faults. The caller holds the mutex, also while
// it uses the look.
func (s *Server) lookFor(a *answer) look {
	l := look{store: &s.store}
	now := s.options.Clock()
	if a.stale > 0 {
		l.then = now.Add(-a.stale)
	}
	if a.incomplete > 0 {
		l.incompleteSince = now.Add(-a.incomplete)
	}
	return l
}

// order returns an order's document, or nil if the order did not exist then.
func (l look) order(r *record) map[string]any {
	document := r.at(l.then)
	if document == nil || l.incompleteSince.IsZero() || !r.since.After(l.incompleteSince) {
		return document
	}
	document = maps.Clone(document)
	for _, list := range lists {
		if has(document, list) {
			document[list] = []any{}
		}
	}
	return document
}

// entity returns the document of a referenced entity, or nil if there is none.
func (l look) entity(to reference) map[string]any {
	r := l.store.find(to.kind, to.id)
	if r == nil {
		return nil
	}
	if document := r.at(l.then); document != nil {
		return document
	}
	return r.document
}

// seen is an order as a request sees it.
type seen struct {
	id       string
	document map[string]any
	customer string // the customer's name
}

func (s *Server) listSalesOrders(w http.ResponseWriter, r *http.Request) {
	query, err := parseListQuery(r.URL.Query())
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	answer := answerOf(w)
	s.mu.Lock()
	look := s.lookFor(answer)
	all := s.store.collections[kindSalesOrder].created
	orders := make([]seen, 0, len(all))
	for _, order := range all {
		if document := look.order(order); document != nil {
			one := seen{id: order.id, document: document}
			if query.looksAtCustomer {
				one.customer = s.customerName(document)
			}
			orders = append(orders, one)
		}
	}
	s.mu.Unlock()
	orders = slices.DeleteFunc(orders, func(o seen) bool { return !query.fits(o) })
	total := len(orders)
	orders, err = query.order(orders)
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	page, err := query.page(orders)
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	list := make([]map[string]any, len(page))
	include := query.include.without(answer.leftOut)
	s.mu.Lock()
	for i, o := range page {
		list[i] = project(o.document, kindSalesOrder, include, look.entity)
	}
	s.mu.Unlock()
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
	filters              []func(seen) bool
	looksAtCustomer      bool
}

// caseless returns the values of every parameter with that name, in upper or lower case.
func caseless(query url.Values, name string) []string {
	var values []string
	for _, key := range slices.Sorted(maps.Keys(query)) {
		if strings.EqualFold(key, name) {
			values = append(values, query[key]...)
		}
	}
	return values
}

func parseListQuery(values url.Values) (*listQuery, error) {
	q := &listQuery{count: defaultCount}
	var faults []error
	// If a parameter has two spellings, the last one in alphabetical order wins, not a random one.
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if err := q.parameter(strings.ToLower(key), values[key]); err != nil {
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
		var filter func(seen) bool
		if filter, err = parseFilter(name, values); err == nil {
			q.filters = append(q.filters, filter)
			q.looksAtCustomer = q.looksAtCustomer || name == smartFilter
		}
	}
	return err
}

// textFilters and the maps after it have, by the lower-case name of a filter, the field that it
// compares.
var (
	textFilters = map[string]string{
		"ordernumber": "orderNumber",
		"customerid":  "customerId",
		"ponumber":    "poNumber",
		"locationid":  "locationId",
	}
	statusFilters = map[string]string{
		"inventorystatus": "inventoryStatus",
		"paymentstatus":   "paymentStatus",
	}
	dateFilters = map[string]string{
		"orderdate":         "orderDate",
		"requestedshipdate": "requestedShipDate",
		"invoiceddate":      "invoicedDate",
	}
	amountFilters = map[string]string{"total": "total", "balance": "balance"}
)

// smartFilter searches the order's number and the customer's name.
const smartFilter = "smart"

func parseFilter(name string, values []string) (func(seen) bool, error) {
	value := values[len(values)-1]
	if field, ok := textFilters[name]; ok {
		return func(o seen) bool { return strings.EqualFold(fieldText(o.document, field), value) }, nil
	}
	if field, ok := statusFilters[name]; ok {
		wanted, err := parseStatuses(values)
		return func(o seen) bool {
			return slices.ContainsFunc(
				wanted,
				func(status string) bool { return strings.EqualFold(status, fieldText(o.document, field)) },
			)
		}, err
	}
	if field, ok := dateFilters[name]; ok {
		from, to, err := parseRange(value, parseInstant)
		return func(o seen) bool {
			at, isDate := parseDate(fieldText(o.document, field))
			return isDate && (from == nil || !at.Before(from.from)) && (to == nil || !at.After(to.to))
		}, err
	}
	if field, ok := amountFilters[name]; ok {
		from, to, err := parseRange(value, decimal.Parse)
		return func(o seen) bool {
			amount, err := decimal.Parse(fieldText(o.document, field))
			return err == nil && (from == nil || amount.Cmp(*from) >= 0) &&
				(to == nil || amount.Cmp(*to) <= 0)
		}, err
	}
	switch name {
	case "isactive":
		wanted, err := strconv.ParseBool(value)
		return func(o seen) bool {
			return wanted == (o.document["isCancelled"] != true && o.document["isCompleted"] != true)
		}, err
	case smartFilter:
		wanted := strings.ToLower(value)
		return func(o seen) bool {
			return strings.Contains(
				strings.ToLower(fieldText(o.document, "orderNumber")+"\n"+o.customer),
				wanted,
			)
		}, nil
	}
	return nil, errors.New("is not a filter of sales orders")
}

// parseStatuses accepts a repeated parameter, or one parameter with a JSON list.
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

// parseRange reads {"fromDate":…,"toDate":…}. Either key may be absent. InFlow's description has
// these names for ranges of amounts as well.
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

// instant is a time, or a whole day if only a date was given.
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
	if len(text) < len(time.DateOnly) || text[4] != '-' {
		return time.Time{}, false
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

func (q *listQuery) fits(o seen) bool {
	return !slices.ContainsFunc(q.filters, func(fits func(seen) bool) bool { return !fits(o) })
}

// order sorts the orders by the query's property. Orders with equal values, or all orders if the
// query names no property, stay in the order of their creation.
func (q *listQuery) order(orders []seen) ([]seen, error) {
	if q.sort != "" && len(orders) > 0 {
		field, ok := findField(orders[0].document, q.sort)
		if !ok {
			return nil, fmt.Errorf("sort: %q is not a property of a sales order", q.sort)
		}
		keyed := make([]keyedOrder, len(orders))
		for i := range orders {
			keyed[i] = keyedOrder{i, newSortKey(field, fieldText(orders[i].document, field))}
		}
		slices.SortFunc(
			keyed,
			func(a, b keyedOrder) int { return cmp.Or(a.key.compare(&b.key), cmp.Compare(a.place, b.place)) },
		)
		sorted := make([]seen, len(orders))
		for i := range keyed {
			sorted[i] = orders[keyed[i].place]
		}
		orders = sorted
	}
	if q.sortDesc {
		slices.Reverse(orders)
	}
	return orders, nil
}

type keyedOrder struct {
	place int
	key   sortKey
}

// sortKey is a value to sort by. Two keys are compared as amounts or dates if both are, otherwise
// as texts.
type sortKey struct {
	text             string
	amount           decimal.Decimal
	date             time.Time
	isAmount, isDate bool
}

func newSortKey(field, text string) sortKey {
	key := sortKey{text: strings.ToLower(text)}
	if field == "timestamp" {
		return key // hex digits, which may look like an amount: 00000000003101E5
	}
	if key.date, key.isDate = parseDate(text); !key.isDate {
		var err error
		key.amount, err = decimal.Parse(text)
		key.isAmount = err == nil
	}
	return key
}

func (k *sortKey) compare(other *sortKey) int {
	switch {
	case k.isAmount && other.isAmount:
		return k.amount.Cmp(other.amount)
	case k.isDate && other.isDate:
		return k.date.Compare(other.date)
	}
	return cmp.Compare(k.text, other.text)
}

// findField returns the document's spelling of a field's name. It ignores case.
func findField(document map[string]any, name string) (string, bool) {
	for _, field := range slices.Sorted(maps.Keys(document)) {
		if strings.EqualFold(field, name) {
			return field, true
		}
	}
	return "", false
}

func (q *listQuery) page(orders []seen) ([]seen, error) {
	position := func(name, id string) (int, error) {
		i := slices.IndexFunc(orders, func(o seen) bool { return strings.EqualFold(o.id, id) })
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
