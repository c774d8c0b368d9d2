package fakeinflow

import (
	"fmt"
	"time"
)

// OrderSummary is one order as [Server.Orders] lists it.
type OrderSummary struct {
	ID       string `json:"salesOrderId"`
	Number   string `json:"orderNumber"`
	Version  string `json:"timestamp"`
	Customer string `json:"customer"`
	Total    string `json:"total"`
}

// AddOrder creates a sales order, which the subscribers of that event are told. Absent
// fields get InFlow's defaults, among them a new id and number. The customer and the
// products in it become the account's, or change those that have their ids. The document
// stays the caller's. It fails where the id is taken.
func (s *Server) AddOrder(document map[string]any) (id string, err error) {
	return s.add(kindSalesOrder, document)
}

// AddCustomer creates a customer, which the subscribers of that event are told. Without
// an id it gets one.
func (s *Server) AddCustomer(document map[string]any) (id string, err error) {
	return s.add(kindCustomer, document)
}

// AddProduct creates a product, which the subscribers of that event are told. Without
// an id it gets one.
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

// EditOrder saves a sales order again, which the subscribers of that event are told. The
// order gets a new version even where edit changes nothing. Where edit changes the
// customer or a product in it, every order has the change, and their subscribers are told.
// edit must not call the server. An unknown id is [ErrNoOrder].
func (s *Server) EditOrder(id string, edit func(document map[string]any)) error {
	return s.editWith(kindSalesOrder, id, edit)
}

// EditCustomer saves a customer again, for every order that has it, which the subscribers
// of that event are told. edit must not call the server. An unknown id is [ErrNoCustomer].
func (s *Server) EditCustomer(id string, edit func(document map[string]any)) error {
	return s.editWith(kindCustomer, id, edit)
}

// EditProduct saves a product again, for every order that has it, which the subscribers
// of that event are told. edit must not call the server. An unknown id is [ErrNoProduct].
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
	changes, err := s.store.edit(kind, id, edit, s.options.Clock())
	if err != nil {
		return err
	}
	s.changed()
	s.announce(changes)
	return nil
}

// SetField is an edit that sets one field, named by its path such as "total" or
// "lines.0.subTotal". The path has to exist up to its last name. An unknown id is [ErrNoOrder].
func (s *Server) SetField(id, path string, value any) error {
	err := s.editOrRefuse(kindSalesOrder, id, func(document map[string]any) error { return setField(document, path, value) })
	if err != nil {
		return fmt.Errorf("fake InFlow: set a field of a sales order: %w", err)
	}
	return nil
}

// DeleteOrder makes the API forget a sales order. No subscriber is told: InFlow has no
// event for it. An unknown id is [ErrNoOrder].
func (s *Server) DeleteOrder(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.store.remove(kindSalesOrder, id); err != nil {
		return fmt.Errorf("fake InFlow: delete a sales order: %w", err)
	}
	s.changed()
	return nil
}

// Order is a copy of one sales order's whole document, with its customer and products. An
// unknown id is [ErrNoOrder].
func (s *Server) Order(id string) (map[string]any, error) { return s.entity(kindSalesOrder, id) }

// Customer is a copy of one customer. An unknown id is [ErrNoCustomer].
func (s *Server) Customer(id string) (map[string]any, error) { return s.entity(kindCustomer, id) }

// Product is a copy of one product. An unknown id is [ErrNoProduct].
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

// summary needs the mutex.
func (s *Server) summary(r *record) OrderSummary {
	return OrderSummary{
		ID: r.id, Number: r.text("orderNumber"), Version: r.text("timestamp"),
		Customer: s.customerName(r.document), Total: r.text("total"),
	}
}

// customerName needs the mutex. It is empty where an order has no customer.
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
