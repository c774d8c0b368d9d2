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

// The kinds of entity that the account keeps by themselves, as [relations] names them.
const (
	kindSalesOrder = "salesOrder"
	kindCustomer   = "customer"
	kindProduct    = "product"
)

var kinds = []string{kindCustomer, kindProduct, kindSalesOrder}

// idField is the field that holds an entity's id.
func idField(kind string) string { return kind + "Id" }

// maxStale is how long ago the account can be looked at, see [Fault].
const maxStale = time.Minute

// store holds the account's entities. Its documents never change in place: an edit
// replaces one, so that a reader can go on with what it has. A sales order refers to its
// customer and its products, which it shares with other orders.
type store struct {
	collections map[string]*collection // by kind
	version     uint64                 // the account's latest rowversion
	// former are the records with documents that were replaced within maxStale, the oldest first.
	former []*record
}

type collection struct {
	byID    map[string]*record // by lower-case id
	created []*record          // in the order of their creation
	numbers int                // how many were ever created
}

// record is one entity through its versions.
type record struct {
	kind, id string
	number   int // from 1, in the order of creation
	document map[string]any
	since    time.Time // of its creation
	former   []formerDocument
	// encoded is the document as the state file has it; nil where it was not written yet.
	encoded []byte
}

// formerDocument is what an entity was until then.
type formerDocument struct {
	document map[string]any
	until    time.Time
}

// reference stands in a document for an entity of its own.
type reference struct{ kind, id string }

func (r *record) text(field string) string { return fieldText(r.document, field) }

// at is the entity as it was then; nil where it was not created yet. The zero time is now.
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

func (s *store) find(kind, id string) *record { return s.collections[kind].byID[strings.ToLower(id)] }

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

	missing = map[string]error{kindSalesOrder: ErrNoOrder, kindCustomer: ErrNoCustomer, kindProduct: ErrNoProduct}
)

var entityIDForm = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)

// change is what a write did to one entity.
type change struct {
	what   happening
	record *record
}

// add creates an entity, and saves the entities that the document holds.
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

// edit saves an entity again, as edit changes it, together with those of the entities in
// it that edit changed.
func (s *store) edit(kind, id string, edit func(map[string]any) error, now time.Time) ([]change, error) {
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
		// What did not change is kept once, whatever the number of versions.
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
	i, _ := slices.BinarySearchFunc(c.created, r.number, func(other *record, number int) int { return cmp.Compare(other.number, number) })
	c.created = slices.Delete(c.created, i, i+1)
	return nil
}

// whole is a copy of a document with the entities that it refers to, as they were then.
// Where before is not nil it gets those entities, by their ids.
func (s *store) whole(document map[string]any, then time.Time, before map[string]map[string]any) map[string]any {
	whole, _ := copyOf(document, func(to reference) any {
		r := s.find(to.kind, to.id)
		if r == nil {
			return nil
		}
		entity := r.at(then)
		if entity == nil { // it was created together with what refers to it
			entity = r.document
		}
		if before != nil {
			before[to.kind+strings.ToLower(to.id)] = entity
		}
		return cloneObject(entity)
	}).(map[string]any)
	return whole
}

// takeIn puts references in place of the entities in a document, and saves these: those
// that are new; those that were in the document before an edit and were changed by it; and
// of others that are known, the fields that are given.
func (s *store) takeIn(kind string, document map[string]any, before map[string]map[string]any, now time.Time) []change {
	var changes []change
	s.eachRelated(kind, document, func(holder map[string]any, field, related string) {
		entity, given := holder[field].(map[string]any)
		id := fieldText(entity, idField(related))
		was, isOld := before[related+strings.ToLower(id)]
		unchanged := isOld && equal(was, entity)
		// The id beside it says which entity it is, where nobody wrote the entity itself.
		if beside := fieldText(holder, idField(related)); !given && !has(holder, field) || unchanged && !strings.EqualFold(beside, id) {
			if r := s.find(related, beside); r != nil {
				holder[field] = reference{related, r.id}
				return
			}
		}
		if !given || !entityIDForm.MatchString(id) {
			return // null, or no entity but a part of this document
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

// save keeps an entity that came within another. One that is new was in the account
// before, and the stand-in only learns of it: nobody is told.
func (s *store) save(kind, id string, entity map[string]any, whole, unchanged bool, now time.Time) (what change, changed bool) {
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

// eachRelated visits the places in a document where an entity of its own may stand.
func (s *store) eachRelated(kind string, document map[string]any, visit func(holder map[string]any, field, related string)) {
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

// blanks are the defaults of a sales order and of its lines. They are shared: what is kept
// never changes in place.
var blanks = sync.OnceValues(func() (blank struct{ order, line map[string]any }, err error) {
	read, err := decodeObject(bytes.NewReader(blankJSON))
	if err != nil {
		return blank, fmt.Errorf("blank.json: %w", err)
	}
	blank.order, _ = read["order"].(map[string]any)
	blank.line, _ = read["line"].(map[string]any)
	return blank, nil
})

// fillIn gives an order, and its lines, the default value of each field that is absent,
// as InFlow does on insert.
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
	if object == nil {
		return map[string]any{}
	}
	clone, _ := cloneValue(object).(map[string]any)
	return clone
}

func cloneValue(value any) any {
	return copyOf(value, func(to reference) any { return to })
}

// equal says whether two documents, or parts of two, are the same.
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
		return reflect.DeepEqual(a, b) // what only the Go API can put there
	}
}

// copyOf copies a value and what is in it. A reference becomes what resolve makes of it.
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
