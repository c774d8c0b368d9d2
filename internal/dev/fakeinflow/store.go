package fakeinflow

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Kinds of entities that the account keeps on their own. [relations] has the same names.
const (
	kindSalesOrder = "salesOrder"
	kindCustomer   = "customer"
	kindProduct    = "product"
)

var kinds = []string{kindCustomer, kindProduct, kindSalesOrder}

// idField returns the field of an entity's id.
func idField(kind string) string { return kind + "Id" }

// maxStale is how long replaced versions are kept; see [Fault.Stale].
const maxStale = time.Minute

// store holds the account's entities. Its documents never change in place: an edit replaces a
// document, so a reader can keep the one it has. A sales order has references to its customer and
// products, which it shares with other orders.
type store struct {
	collections map[string]*collection // by kind
	version     uint64                 // the account's latest rowversion
	// former are the records whose documents were replaced within maxStale, oldest first.
	former []*record
}

type collection struct {
	byID    map[string]*record // by lower-case id
	created []*record          // in the order of their creation
	numbers int                // created, also those that were removed
}

// record is an entity with its recent versions.
type record struct {
	kind, id string
	number   int // counts from 1, in the order of creation
	document map[string]any
	since    time.Time // when it was created
	former   []formerDocument
	// encoded is the document for the state file; nil if it is not encoded yet.
	encoded []byte
}

// formerDocument is a document that was replaced at until.
type formerDocument struct {
	document map[string]any
	until    time.Time
}

// reference takes the place of an entity in a document.
type reference struct{ kind, id string }

func (r *record) text(field string) string { return fieldText(r.document, field) }

// at returns the document as it was then; nil if it was not created yet. The zero time is now.
func (r *record) at(then time.Time) map[string]any {
	if then.IsZero() {
		return r.document
	}
	if r.since.After(then) {
		return nil
	}
	for _, former := range r.former {
		if former.until.After(then) {
			return former.document
		}
	}
	return r.document
}

func newStore(version uint64) store {
	s := store{collections: map[string]*collection{}, version: version}
	for _, kind := range kinds {
		s.collections[kind] = &collection{byID: map[string]*record{}}
	}
	return s
}

func (s *store) nextVersion() string {
	s.version++
	return fmt.Sprintf("%016X", s.version)
}

func (s *store) find(kind, id string) *record {
	return s.collections[kind].byID[strings.ToLower(id)]
}

func (s *store) get(kind, id string) (*record, error) {
	if r := s.find(kind, id); r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("%w: %q", missing[kind], id)
}

var (
	// ErrNoOrder is an id that no order has.
	ErrNoOrder = errors.New("no sales order has this id")
	// ErrNoCustomer is an id that no customer has.
	ErrNoCustomer = errors.New("no customer has this id")
	// ErrNoProduct is an id that no product has.
	ErrNoProduct = errors.New("no product has this id")

	missing = map[string]error{
		kindSalesOrder: ErrNoOrder, kindCustomer: ErrNoCustomer, kindProduct: ErrNoProduct,
	}
)

var entityIDForm = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)

// change is the effect of a write on one entity.
type change struct {
	what   happening
	record *record
}

// add creates an entity, and saves the entities in its document.
func (s *store) add(kind string, document map[string]any, now time.Time) ([]change, error) {
	document = cloneObject(document)
	id := fieldText(document, idField(kind))
	if id == "" {
		id = uuid.NewString()
	}
	if !entityIDForm.MatchString(id) {
		return nil, fmt.Errorf("%s must be a GUID", idField(kind))
	}
	if s.find(kind, id) != nil {
		return nil, fmt.Errorf("the %s %s exists already", inWords(kind), id)
	}
	if kind == kindSalesOrder {
		if err := fillIn(document); err != nil {
			return nil, err
		}
		if fieldText(document, "orderNumber") == "" {
			document["orderNumber"] = fmt.Sprintf("SO-%06d", s.collections[kind].numbers+1)
		}
	}
	document[idField(kind)] = id
	changes := s.takeIn(kind, document, nil, now)
	document["timestamp"] = s.nextVersion()
	return append(changes, change{created, s.insert(kind, id, document, now)}), nil
}

func (s *store) insert(kind, id string, document map[string]any, since time.Time) *record {
	c := s.collections[kind]
	c.numbers++
	r := &record{kind: kind, id: id, number: c.numbers, document: document, since: since}
	c.byID[strings.ToLower(id)] = r
	c.created = append(c.created, r)
	return r
}

func inWords(kind string) string {
	if kind == kindSalesOrder {
		return "sales order"
	}
	return kind
}

// edit saves an entity again, with the changes that edit makes to it and to the entities in it.
func (s *store) edit(
	kind, id string, edit func(map[string]any) error, now time.Time,
) ([]change, error) {
	r, err := s.get(kind, id)
	if err != nil {
		return nil, err
	}
	before := map[string]map[string]any{}
	document := s.whole(r.document, time.Time{}, before)
	if err := edit(document); err != nil {
		return nil, err
	}
	document[idField(kind)] = r.id
	changes := s.takeIn(kind, document, before, now)
	document["timestamp"] = s.nextVersion()
	for field, value := range document {
		// All versions share what did not change.
		if was := r.document[field]; equal(was, value) {
			document[field] = was
		}
	}
	s.replace(r, document, now)
	return append(changes, change{updated, r}), nil
}

func (s *store) replace(r *record, document map[string]any, now time.Time) {
	for len(s.former) > 0 && now.Sub(s.former[0].former[0].until) > maxStale {
		s.former[0].former = s.former[0].former[1:]
		s.former = s.former[1:]
	}
	r.former = append(r.former, formerDocument{r.document, now})
	s.former = append(s.former, r)
	r.document, r.encoded = document, nil
}

func (s *store) remove(kind, id string) error {
	r, err := s.get(kind, id)
	if err != nil {
		return err
	}
	c := s.collections[kind]
	delete(c.byID, strings.ToLower(id))
	i, _ := slices.BinarySearchFunc(c.created, r.number, func(other *record, number int) int {
		return cmp.Compare(other.number, number)
	})
	c.created = slices.Delete(c.created, i, i+1)
	return nil
}

// whole returns a copy of a document with the entities that it refers to, as they were then. If
// before is not nil, whole adds these entities to it, by kind and id.
func (s *store) whole(
	document map[string]any, then time.Time, before map[string]map[string]any,
) map[string]any {
	whole, _ := copyOf(document, func(to reference) any {
		r := s.find(to.kind, to.id)
		if r == nil {
			return nil
		}
		entity := r.at(then)
		if entity == nil { // created together with the document
			entity = r.document
		}
		if before != nil {
			before[to.kind+strings.ToLower(to.id)] = entity
		}
		return cloneObject(entity)
	}).(map[string]any)
	return whole
}

// takeIn saves the entities in a document, and puts references in their place. It saves new
// entities, entities of before that have changed and, of other known entities, the fields that the
// document has.
func (s *store) takeIn(
	kind string, document map[string]any, before map[string]map[string]any, now time.Time,
) []change {
	var changes []change
	s.eachRelated(kind, document, func(holder map[string]any, field, related string) {
		entity, given := holder[field].(map[string]any)
		id := fieldText(entity, idField(related))
		was, isOld := before[related+strings.ToLower(id)]
		unchanged := isOld && equal(was, entity)
		// If nobody wrote the entity itself, the id beside it says which entity it is.
		beside := fieldText(holder, idField(related))
		if !given && !has(holder, field) || unchanged && !strings.EqualFold(beside, id) {
			if r := s.find(related, beside); r != nil {
				holder[field] = reference{related, r.id}
				return
			}
		}
		if !given || !entityIDForm.MatchString(id) {
			return // null, or a part of this document
		}
		if what, changed := s.save(related, id, entity, isOld, unchanged, now); changed {
			changes = append(changes, what)
		}
		holder[field] = reference{related, id}
	})
	return changes
}

func has(object map[string]any, field string) bool {
	_, present := object[field]
	return present
}

// save saves an entity that came within another one. A new entity causes no change: InFlow's
// account had it before, only the stand-in did not know it.
func (s *store) save(
	kind, id string, entity map[string]any, whole, unchanged bool, now time.Time,
) (what change, changed bool) {
	r := s.find(kind, id)
	if r == nil {
		if fieldText(entity, "timestamp") == "" {
			entity["timestamp"] = s.nextVersion()
		}
		s.insert(kind, id, entity, time.Time{})
		return change{}, false
	}
	if unchanged {
		return change{}, false
	}
	merged := entity
	if !whole {
		merged = maps.Clone(r.document)
		maps.Copy(merged, entity)
	}
	merged["timestamp"] = r.document["timestamp"]
	if equal(merged, r.document) {
		return change{}, false
	}
	merged["timestamp"] = s.nextVersion()
	s.replace(r, merged, now)
	return change{updated, r}, true
}

// eachRelated visits the places of a document that may have an entity of another kind.
func (s *store) eachRelated(
	kind string, document map[string]any, visit func(holder map[string]any, field, related string),
) {
	for _, field := range slices.Sorted(maps.Keys(relations[kind])) {
		next := relations[kind][field]
		if s.collections[next] != nil {
			visit(document, field, next)
			continue
		}
		inside, _ := document[field].([]any)
		for _, entry := range inside {
			if object, ok := entry.(map[string]any); ok {
				s.eachRelated(next, object, visit)
			}
		}
	}
}

//go:embed blank.json
var blankJSON []byte

// blanks returns the defaults of a sales order and of its lines. Documents share them, because
// documents never change in place.
var blanks = sync.OnceValues(func() (blank struct{ order, line map[string]any }, err error) {
	read, err := decodeObject(bytes.NewReader(blankJSON))
	if err != nil {
		return blank, fmt.Errorf("blank.json: %w", err)
	}
	blank.order, _ = read["order"].(map[string]any)
	blank.line, _ = read["line"].(map[string]any)
	return blank, nil
})

// fillIn sets the absent fields of an order and its lines to their defaults, as InFlow does when it
// inserts an order.
func fillIn(document map[string]any) error {
	blank, err := blanks()
	if err != nil {
		return err
	}
	addAbsent(document, blank.order)
	lines, _ := document["lines"].([]any)
	for _, entry := range lines {
		if line, ok := entry.(map[string]any); ok {
			addAbsent(line, blank.line)
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

// decodeObject decodes one JSON object. Numbers become [json.Number].
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
	if object == nil {
		return map[string]any{}
	}
	clone, _ := cloneValue(object).(map[string]any)
	return clone
}

func cloneValue(value any) any {
	return copyOf(value, func(to reference) any { return to })
}

// equal reports whether two documents, or parts of documents, are equal.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for field, inside := range a {
			other, present := b[field]
			if !present || !equal(inside, other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case nil, bool, string, json.Number, reference, int, int64, float64:
		return a == b
	default:
		return reflect.DeepEqual(a, b) // a type that can only come from Go code
	}
}

// copyOf returns a deep copy of a value. It replaces references with the results of resolve.
func copyOf(value any, resolve func(reference) any) any {
	switch value := value.(type) {
	case map[string]any:
		object := make(map[string]any, len(value))
		for field, inside := range value {
			object[field] = copyOf(inside, resolve)
		}
		return object
	case []any:
		list := make([]any, len(value))
		for i, inside := range value {
			list[i] = copyOf(inside, resolve)
		}
		return list
	case reference:
		return resolve(value)
	default:
		return value
	}
}

// setField sets the field of a document at a path such as lines.0.subTotal.
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
				return fmt.Errorf("%s: the list has no entry %q, only %d entries counted from 0",
					path, name, len(inside))
			}
			if last {
				inside[index] = value
				return nil
			}
			at = inside[index]
		default:
			return fmt.Errorf("%s: %s is neither an object nor a list",
				path, strings.Join(names[:i], "."))
		}
	}
	return nil
}

// getField returns the value at a path; see [setField]. ok is false if there is none.
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
