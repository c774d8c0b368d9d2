package fakeinflow

import (
	"errors"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// Values of lastModifiedById: apiMember if the API wrote the order last, personMember if somebody
// has edited it since.
const (
	apiMember    = "c0ffee00-0000-4000-8000-00000000000a"
	personMember = "c0ffee00-0000-4000-8000-00000000000b"
)

// changedByFault is the value that [WriteFault.Changed] leaves behind.
const changedByFault = "changed by a fault"

var errStaleTimestamp = errors.New(
	"the sales order was modified since the timestamp in the request",
)

// WriteFault makes a PUT of a sales order damage the order, as integrators report or fear. The
// answer is still 200.
type WriteFault struct {
	// SerialsDropped empties the serial numbers of every line.
	SerialsDropped bool
	// TimestampIgnored accepts a stale timestamp.
	TimestampIgnored bool
	// NotKept answers as usual, but leaves the order's custom fields as they were.
	NotKept bool
	// ShortenedTo keeps only that many characters of each custom field; zero keeps all.
	ShortenedTo int
	// Changed is the path of one more field that the write changes, such as "poNumber" or
	// "lines.0.description"; empty changes none.
	Changed string
}

func (f WriteFault) isZero() bool { return f == WriteFault{} }

// keep returns the value of an order's property after a write. before is its previous value, and
// written the value in the request.
func (f WriteFault) keep(name string, before, written any) any {
	fields, isObject := written.(map[string]any)
	switch {
	case name != "customFields" || !isObject:
		return written
	case f.NotKept:
		return before
	case f.ShortenedTo > 0:
		for name, value := range fields {
			if text, ok := value.(string); ok {
				runes := []rune(text)
				fields[name] = string(runes[:min(len(runes), f.ShortenedTo)])
			}
		}
	}
	return fields
}

// apply changes a document after a write.
func (f WriteFault) apply(document map[string]any) error {
	if f.SerialsDropped {
		lines, _ := document["lines"].([]any)
		for _, entry := range lines {
			if line, ok := entry.(map[string]any); ok {
				if quantity, ok := line["quantity"].(map[string]any); ok {
					quantity["serialNumbers"] = []any{}
				}
			}
		}
	}
	if f.Changed == "" {
		return nil
	}
	return setField(document, f.Changed, changedByFault)
}

// putSalesOrder inserts or updates a sales order as InFlow's API description says: properties that
// the request lacks stay as they are, and a write with a stale timestamp is refused.
func (s *Server) putSalesOrder(w http.ResponseWriter, r *http.Request) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		writeError(w, http.StatusUnsupportedMediaType, "The Content-Type must be application/json.")
		return
	}
	named, err := parseInclude(caseless(r.URL.Query(), "include"))
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	body, err := decodeObject(r.Body)
	if err != nil {
		writeError(w, http.StatusBadRequest, "The body is not a JSON object.")
		return
	}
	id := fieldText(body, idField(kindSalesOrder))
	if !entityIDForm.MatchString(id) {
		writeError(w, http.StatusBadRequest, "salesOrderId is required, and must be a GUID.")
		return
	}
	answer := answerOf(w)
	s.mu.Lock()
	defer s.mu.Unlock()
	changes, err := s.writeOrder(id, body, answer.write)
	switch {
	case errors.Is(err, errStaleTimestamp):
		writeError(w, http.StatusConflict, "The sales order was modified by someone else.")
		return
	case err != nil:
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	s.changed()
	s.announce(changes)
	document := s.store.find(kindSalesOrder, id).document
	answer.orderVersion = fieldText(document, "timestamp")
	look := look{store: &s.store}
	writeJSON(w, http.StatusOK, project(document, kindSalesOrder, named, look.entity))
}

// writeOrder inserts or updates an order. The caller holds the mutex.
func (s *Server) writeOrder(id string, body map[string]any, fault WriteFault) ([]change, error) {
	now := s.options.Clock()
	if s.store.find(kindSalesOrder, id) == nil {
		for _, field := range []string{"customerId", "source"} {
			if fieldText(body, field) == "" {
				return nil, errors.New(field + " is required for a new sales order")
			}
		}
		return s.store.add(kindSalesOrder, body, now)
	}
	return s.store.edit(kindSalesOrder, id, func(document map[string]any) error {
		sent := fieldText(body, "timestamp")
		if sent != "" && !fault.TimestampIgnored &&
			!strings.EqualFold(sent, fieldText(document, "timestamp")) {
			return errStaleTimestamp
		}
		for _, field := range slices.Sorted(maps.Keys(body)) {
			if field != "timestamp" && field != idField(kindSalesOrder) {
				document[field] = fault.keep(field, document[field], cloneValue(body[field]))
			}
		}
		document["lastModifiedById"] = apiMember
		return fault.apply(document)
	}, now)
}
