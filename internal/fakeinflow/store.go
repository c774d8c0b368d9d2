package fakeinflow

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// store holds the account's orders. Its documents never change in place: an edit
// replaces one, so that a reader can go on with what it has.
type store struct {
	byID    map[string]*order // by lower-case id
	created []*order          // in the order of their creation
	version uint64            // the account's latest rowversion
}

type order struct {
	id       string
	document map[string]any // every related entity included
}

func (o *order) text(field string) string {
	text, _ := o.document[field].(string)
	return text
}

func newStore(version uint64) store {
	return store{byID: map[string]*order{}, version: version}
}

func (s *store) nextVersion() string {
	s.version++
	return fmt.Sprintf("%016X", s.version)
}

func (s *store) get(id string) (*order, error) {
	if o, ok := s.byID[strings.ToLower(id)]; ok {
		return o, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrNoOrder, id)
}

// ErrNoOrder is an id that no order has.
var ErrNoOrder = errors.New("no sales order has this id")

var orderIDForm = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)

func (s *store) add(document map[string]any) (*order, error) {
	document = cloneObject(document)
	id, _ := document["salesOrderId"].(string)
	if id == "" {
		id = uuid.NewString()
	}
	if !orderIDForm.MatchString(id) {
		return nil, errors.New("salesOrderId must be a GUID")
	}
	if _, exists := s.byID[strings.ToLower(id)]; exists {
		return nil, fmt.Errorf("the sales order %s exists already", id)
	}
	if err := fillIn(document); err != nil {
		return nil, err
	}
	document["salesOrderId"] = id
	if number, _ := document["orderNumber"].(string); number == "" {
		document["orderNumber"] = fmt.Sprintf("SO-%06d", len(s.created)+1)
	}
	document["timestamp"] = s.nextVersion()
	o := &order{id: id, document: document}
	s.byID[strings.ToLower(id)] = o
	s.created = append(s.created, o)
	return o, nil
}

func (s *store) edit(id string, edit func(map[string]any) error) (*order, error) {
	before, err := s.get(id)
	if err != nil {
		return nil, err
	}
	document := cloneObject(before.document)
	if err := edit(document); err != nil {
		return nil, err
	}
	document["salesOrderId"] = before.id
	document["timestamp"] = s.nextVersion()
	after := &order{id: before.id, document: document}
	s.byID[strings.ToLower(id)] = after
	s.created[slices.Index(s.created, before)] = after
	return after, nil
}

func (s *store) remove(id string) error {
	o, err := s.get(id)
	if err != nil {
		return err
	}
	delete(s.byID, strings.ToLower(id))
	s.created = slices.DeleteFunc(s.created, func(other *order) bool { return other == o })
	return nil
}

//go:embed blank.json
var blankJSON []byte

// fillIn gives an order, and its lines, the default value of each field that is absent,
// as InFlow does on insert.
func fillIn(document map[string]any) error {
	blank, err := decodeObject(bytes.NewReader(blankJSON))
	if err != nil {
		return fmt.Errorf("blank.json: %w", err)
	}
	blankLine, _ := blank["line"].(map[string]any)
	blankOrder, _ := blank["order"].(map[string]any)
	addAbsent(document, blankOrder)
	lines, _ := document["lines"].([]any)
	for _, entry := range lines {
		if line, ok := entry.(map[string]any); ok {
			addAbsent(line, cloneObject(blankLine))
			if line["salesOrderLineId"] == nil {
				line["salesOrderLineId"] = uuid.NewString()
			}
		}
	}
	return nil
}

func addAbsent(object, defaults map[string]any) {
	for field, value := range defaults {
		if _, present := object[field]; !present {
			object[field] = value
		}
	}
}

// decodeObject reads one JSON object, its numbers as they were written.
func decodeObject(r io.Reader) (map[string]any, error) {
	decoder := json.NewDecoder(r)
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	if object == nil {
		return nil, errors.New("not a JSON object but null")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON object")
	}
	return object, nil
}

func cloneObject(object map[string]any) map[string]any {
	clone := maps.Clone(object)
	if clone == nil {
		clone = map[string]any{}
	}
	for field, value := range clone {
		clone[field] = cloneValue(value)
	}
	return clone
}

func cloneValue(value any) any {
	switch value := value.(type) {
	case map[string]any:
		return cloneObject(value)
	case []any:
		clone := slices.Clone(value)
		for i := range clone {
			clone[i] = cloneValue(clone[i])
		}
		return clone
	default:
		return value
	}
}

// OrderSummary is one order as [Server.Orders] lists it.
type OrderSummary struct {
	ID       string `json:"salesOrderId"`
	Number   string `json:"orderNumber"`
	Version  string `json:"timestamp"`
	Customer string `json:"customer"`
	Total    string `json:"total"`
}

// AddOrder creates a sales order, which the subscribers of that event are told. Absent
// fields get InFlow's defaults, among them a new id and number. The document stays the
// caller's. It fails where the id is taken.
func (s *Server) AddOrder(document map[string]any) (id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.orders.add(document)
	if err != nil {
		return "", fmt.Errorf("fake InFlow: add a sales order: %w", err)
	}
	s.announce(created, o)
	return o.id, nil
}

// EditOrder saves a sales order again, which the subscribers of that event are told. The
// order gets a new version even where edit changes nothing. edit must not call the
// server. An unknown id is [ErrNoOrder].
func (s *Server) EditOrder(id string, edit func(document map[string]any)) error {
	err := s.editOrRefuse(id, func(document map[string]any) error {
		edit(document)
		return nil
	})
	if err != nil {
		return fmt.Errorf("fake InFlow: edit a sales order: %w", err)
	}
	return nil
}

// editOrRefuse saves an order again unless edit fails.
func (s *Server) editOrRefuse(id string, edit func(document map[string]any) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.orders.edit(id, edit)
	if err != nil {
		return err
	}
	s.announce(updated, o)
	return nil
}

// DeleteOrder makes the API forget a sales order. No subscriber is told: InFlow has no
// event for it. An unknown id is [ErrNoOrder].
func (s *Server) DeleteOrder(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.orders.remove(id); err != nil {
		return fmt.Errorf("fake InFlow: delete a sales order: %w", err)
	}
	return nil
}

// Orders lists the sales orders in the order of their creation.
func (s *Server) Orders() []OrderSummary {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]OrderSummary, 0, len(s.orders.created))
	for _, o := range s.orders.created {
		customer, _ := o.document["customer"].(map[string]any)
		name, _ := customer["name"].(string)
		list = append(list, OrderSummary{
			ID: o.id, Number: o.text("orderNumber"), Version: o.text("timestamp"), Customer: name, Total: o.text("total"),
		})
	}
	return list
}

// Order is a copy of one sales order's whole document. An unknown id is [ErrNoOrder].
func (s *Server) Order(id string) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.orders.get(id)
	if err != nil {
		return nil, fmt.Errorf("fake InFlow: %w", err)
	}
	return cloneObject(o.document), nil
}

// SetField is an edit that sets one field, named by its path such as "total" or
// "lines.0.subTotal". The path has to exist up to its last name. An unknown id is [ErrNoOrder].
func (s *Server) SetField(id, path string, value any) error {
	err := s.editOrRefuse(id, func(document map[string]any) error { return setField(document, path, value) })
	if err != nil {
		return fmt.Errorf("fake InFlow: set a field of a sales order: %w", err)
	}
	return nil
}

// setField sets one field of a document or of what is in it.
func setField(document map[string]any, path string, value any) error {
	var at any = document
	names := strings.Split(path, ".")
	for i, name := range names {
		last := i == len(names)-1
		switch inside := at.(type) {
		case map[string]any:
			if last {
				inside[name] = value
				return nil
			}
			at = inside[name]
		case []any:
			index, err := strconv.Atoi(name)
			if err != nil || index < 0 || index >= len(inside) {
				return fmt.Errorf("%s: the list has no entry %q, only %d entries counted from 0", path, name, len(inside))
			}
			if last {
				inside[index] = value
				return nil
			}
			at = inside[index]
		default:
			return fmt.Errorf("%s: %s is no object and no list", path, strings.Join(names[:i], "."))
		}
	}
	return nil
}

// getField finds a value by the path that [setField] takes. ok is false where there is none.
func getField(document map[string]any, path string) (value any, ok bool) {
	value = document
	for name := range strings.SplitSeq(path, ".") {
		switch inside := value.(type) {
		case map[string]any:
			if value, ok = inside[name]; !ok {
				return nil, false
			}
		case []any:
			index, err := strconv.Atoi(name)
			if err != nil || index < 0 || index >= len(inside) {
				return nil, false
			}
			value = inside[index]
		default:
			return nil, false
		}
	}
	return value, true
}
