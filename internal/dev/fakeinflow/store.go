package fakeinflow

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
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

// maxStale is the time for which the store keeps replaced versions; see [Fault.Stale].
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
	numbers int                // entities created, including removed ones
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

// reference stands for an entity in a document.
type reference struct{ kind, id string }

func (r *record) text(field string) string { return fieldText(r.document, field) }

// at returns the document as it was then, or nil if the entity did not exist yet. The zero time is
// now.
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
	// ErrNoOrder says that no sales order has the id.
	ErrNoOrder = errors.New("no sales order has this id")
	// ErrNoCustomer says that no customer has the id.
	ErrNoCustomer = errors.New("no customer has this id")
	// ErrNoProduct says that no product has the id.
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
		// All versions share the fields that did not change.
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
