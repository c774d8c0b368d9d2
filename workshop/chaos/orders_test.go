package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/google/uuid"
)

// writtenOrder is an order as people wrote it.
type writtenOrder struct {
	document map[string]any
	// before is the version that the last save replaced; empty if nobody has edited the order.
	before string
}

// edit makes each edit at its time.
func (r *chaos) edit(ctx context.Context, edits []edit) error {
	for i, e := range edits {
		if !pause(ctx, time.Until(r.began.Add(e.at))) {
			return nil
		}
		var err error
		if e.change == create {
			err = r.create(e.order)
		} else {
			err = r.save(e, fmt.Sprintf("edit %d", i))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *chaos) create(number int) error {
	order, err := r.newOrder(number)
	if err != nil {
		return err
	}
	id, err := r.fake.AddOrder(order)
	if err != nil {
		return err
	}
	document, err := r.fake.Order(id) // with InFlow's defaults
	if err != nil {
		return err
	}
	r.written[id] = &writtenOrder{document: document}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids[number] = id
	return nil
}

// save edits an order at InFlow and, in the same way, our copy of it.
func (r *chaos) save(e edit, remarks string) error {
	id := r.ids[e.order]
	written := r.written[id]
	var wrong error
	err := r.fake.EditOrder(id, func(order map[string]any) {
		written.before, _ = order["timestamp"].(string)
		wrong = r.apply(e, order, remarks)
	})
	return errors.Join(err, wrong, r.apply(e, written.document, remarks))
}

func (r *chaos) apply(e edit, order map[string]any, remarks string) error {
	order["orderRemarks"] = remarks
	switch {
	case e.change == spoil && huge(e.order):
		return shiftLines(order, 1)
	case e.change == mend && huge(e.order):
		return shiftLines(order, -1)
	case e.change == spoil:
		order["balance"] = "0.01"
	case e.change == mend:
		order["balance"] = r.template["balance"]
	}
	return nil
}

// newOrder returns a copy of a sample with a customer of its own, so that no look-up connects two
// orders.
func (r *chaos) newOrder(number int) (map[string]any, error) {
	order := maps.Clone(r.template)
	customer := map[string]any{}
	if of, ok := r.template["customer"].(map[string]any); ok {
		maps.Copy(customer, of)
	}
	customer["customerId"] = uuid.NewString()
	order["customer"], order["customerId"] = customer, customer["customerId"]
	order["salesOrderId"], order["orderNumber"] = uuid.NewString(), fmt.Sprintf("SO-%06d", number+1)
	order["customFields"] = map[string]any{"custom1": fmt.Sprintf("somebody's note %d", number)}
	if huge(number) {
		return order, enlarge(order)
	}
	return order, nil
}

// differences lists the fields in which an order differs from what people wrote. It ignores the
// hold field and the fields that InFlow sets itself.
func (w *writtenOrder) differences(now map[string]any) []string {
	before, after := withoutMark(w.document), withoutMark(now)
	var names []string
	for _, document := range []map[string]any{before, after} {
		for name := range document {
			if !reflect.DeepEqual(before[name], after[name]) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// withoutMark returns an order without its mark, its empty custom fields, and the fields that
// InFlow sets itself.
func withoutMark(document map[string]any) map[string]any {
	document = maps.Clone(document)
	delete(document, "timestamp")
	delete(document, "lastModifiedById")
	if custom, ok := document["customFields"].(map[string]any); ok {
		custom = maps.Clone(custom)
		maps.DeleteFunc(custom, func(name string, value any) bool {
			return name == holdField || value == nil || value == ""
		})
		document["customFields"] = custom
	}
	return document
}
