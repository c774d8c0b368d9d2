package fakeinflow

import (
	"fmt"
	"time"
)

// OrderSummary is an order in the list of [Server.Orders].
type OrderSummary struct {
	ID       string `json:"salesOrderId"`
	Number   string `json:"orderNumber"`
	Version  string `json:"timestamp"`
	Customer string `json:"customer"`
	Total    string `json:"total"`
}

// AddOrder creates a sales order and notifies the subscribers. Absent fields get InFlow's defaults,
// including a new id and number. The customer and the products in the order are added to the
// account, or change those with the same ids. AddOrder copies the document. It fails if the id
// exists.
func (s *Server) AddOrder(document map[string]any) (id string, err error) {
	return s.add(kindSalesOrder, document)
}

// AddCustomer creates a customer and notifies the subscribers. Without an id it gets a new one.
func (s *Server) AddCustomer(document map[string]any) (id string, err error) {
	return s.add(kindCustomer, document)
}

// AddProduct creates a product and notifies the subscribers. Without an id it gets a new one.
func (s *Server) AddProduct(document map[string]any) (id string, err error) {
	return s.add(kindProduct, document)
}

func (s *Server) add(kind string, document map[string]any) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changes, err := s.store.add(kind, document, s.options.Clock())
	if err != nil {
		return "", fmt.Errorf("fake InFlow: add a %s: %w", inWords(kind), err)
	}
	s.changed()
	s.announce(changes)
	return changes[len(changes)-1].record.id, nil
}

// EditOrder saves a sales order again and notifies the subscribers. The order gets a new version
// even if edit changes nothing. If edit changes the customer or a product in the order, every order
// has the change, and the subscribers of their events are notified. edit must not call the server.
// An unknown id is [ErrNoOrder].
func (s *Server) EditOrder(id string, edit func(document map[string]any)) error {
	return s.editWith(kindSalesOrder, id, edit)
}

// EditCustomer saves a customer again, for every order that has it, and notifies the subscribers.
// edit must not call the server. An unknown id is [ErrNoCustomer].
func (s *Server) EditCustomer(id string, edit func(document map[string]any)) error {
	return s.editWith(kindCustomer, id, edit)
}

// EditProduct saves a product again, for every order that has it, and notifies the subscribers.
// edit must not call the server. An unknown id is [ErrNoProduct].
func (s *Server) EditProduct(id string, edit func(document map[string]any)) error {
	return s.editWith(kindProduct, id, edit)
}

func (s *Server) editWith(kind, id string, edit func(document map[string]any)) error {
	err := s.editOrRefuse(kind, id, func(document map[string]any) error {
		edit(document)
		return nil
	})
	if err != nil {
		return fmt.Errorf("fake InFlow: edit a %s: %w", inWords(kind), err)
	}
	return nil
}

// editOrRefuse saves an entity again unless edit fails.
func (s *Server) editOrRefuse(kind, id string, edit func(document map[string]any) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	byPerson := func(document map[string]any) error {
		if document["lastModifiedById"] == apiMember {
			document["lastModifiedById"] = personMember
		}
		return edit(document)
	}
	changes, err := s.store.edit(kind, id, byPerson, s.options.Clock())
	if err != nil {
		return err
	}
	s.changed()
	s.announce(changes)
	return nil
}

// SetField edits one field of a sales order. path is for example "total" or "lines.0.subTotal", and
// must exist except for its last name. An unknown id is [ErrNoOrder].
func (s *Server) SetField(id, path string, value any) error {
	err := s.editOrRefuse(kindSalesOrder, id, func(document map[string]any) error {
		return setField(document, path, value)
	})
	if err != nil {
		return fmt.Errorf("fake InFlow: set a field of a sales order: %w", err)
	}
	return nil
}

// DeleteOrder removes a sales order. It notifies nobody, because InFlow has no such event. An
// unknown id is [ErrNoOrder].
func (s *Server) DeleteOrder(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.store.remove(kindSalesOrder, id); err != nil {
		return fmt.Errorf("fake InFlow: delete a sales order: %w", err)
	}
	s.changed()
	return nil
}

// Order returns a copy of a sales order, with its customer and products. An unknown id is
// [ErrNoOrder].
func (s *Server) Order(id string) (map[string]any, error) { return s.entity(kindSalesOrder, id) }

// Customer returns a copy of a customer. An unknown id is [ErrNoCustomer].
func (s *Server) Customer(id string) (map[string]any, error) { return s.entity(kindCustomer, id) }

// Product returns a copy of a product. An unknown id is [ErrNoProduct].
func (s *Server) Product(id string) (map[string]any, error) { return s.entity(kindProduct, id) }

func (s *Server) entity(kind, id string) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.store.get(kind, id)
	if err != nil {
		return nil, fmt.Errorf("fake InFlow: %w", err)
	}
	return s.store.whole(r.document, time.Time{}, nil), nil
}

// Orders lists the sales orders in the order of their creation.
func (s *Server) Orders() []OrderSummary {
	s.mu.Lock()
	defer s.mu.Unlock()
	orders := s.store.collections[kindSalesOrder].created
	list := make([]OrderSummary, len(orders))
	for i, r := range orders {
		list[i] = s.summary(r)
	}
	return list
}

// summary returns the summary of an order. The caller holds the mutex.
func (s *Server) summary(r *record) OrderSummary {
	return OrderSummary{
		ID: r.id, Number: r.text("orderNumber"), Version: r.text("timestamp"),
		Customer: s.customerName(r.document), Total: r.text("total"),
	}
}

// customerName returns the name of an order's customer; empty if it has none. The caller holds the
// mutex.
func (s *Server) customerName(document map[string]any) string {
	switch customer := document["customer"].(type) {
	case reference:
		if r := s.store.find(customer.kind, customer.id); r != nil {
			return r.text("name")
		}
	case map[string]any:
		return fieldText(customer, "name")
	}
	return ""
}
