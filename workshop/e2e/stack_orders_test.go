package e2e_test

import (
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/fakeinflow"
)

// sample returns a copy of a sample order with a new id.
func (s *stack) sample(name string) map[string]any {
	s.t.Helper()
	samples, err := fakeinflow.Samples()
	require.NoError(s.t, err)
	for _, sample := range samples {
		if sample.Name == name {
			sample.Order["salesOrderId"] = uuid.NewString()
			return sample.Order
		}
	}
	require.Failf(s.t, "no such sample", "%q", name)
	return nil
}

// create adds a sample order at InFlow, which sends a delivery.
func (s *stack) create(name string) (id string) {
	s.t.Helper()
	id, err := s.fake.AddOrder(s.sample(name))
	require.NoError(s.t, err)
	return id
}

// recent returns a copy of a sample order with yesterday's date.
func (s *stack) recent(name string) map[string]any {
	s.t.Helper()
	return fakeinflow.Sample{Order: s.sample(name)}.Recent(time.Now()).Order
}

func (s *stack) createRecent(name string) (id string) {
	s.t.Helper()
	id, err := s.fake.AddOrder(s.recent(name))
	require.NoError(s.t, err)
	return id
}

// save edits an order without making it right or wrong.
func (s *stack) save(id string) {
	s.t.Helper()
	require.NoError(s.t, s.fake.EditOrder(id, func(order map[string]any) {
		order["orderRemarks"] = uuid.NewString()
	}))
}

func (s *stack) version(id string) string {
	s.t.Helper()
	order, err := s.fake.Order(id)
	require.NoError(s.t, err)
	return order["timestamp"].(string)
}

// stopIngressAndCreate stops the ingress and adds a sample order. Its delivery fails.
func (s *stack) stopIngressAndCreate(sample string) (id string) {
	s.t.Helper()
	s.stopIngress()
	id, err := s.fake.AddOrder(s.recent(sample))
	require.NoError(s.t, err)
	return id
}

// loseDeliveriesAndCreate adds orders. Their deliveries are lost, and so are all later ones.
func (s *stack) loseDeliveriesAndCreate(n int) []string {
	s.t.Helper()
	require.NoError(s.t, s.fake.SetDeliveryFault(fakeinflow.DeliveryFault{Lost: true}))
	ids := make([]string, n)
	for i := range ids {
		ids[i] = s.create("plain")
	}
	return ids
}

// createUnannounced adds orders whose first deliveries are lost. Later ones arrive.
func (s *stack) createUnannounced(n int) (ids []string) {
	s.t.Helper()
	require.NoError(s.t, s.fake.SetDeliveryFault(fakeinflow.DeliveryFault{Lost: true, Times: n}))
	for range n {
		ids = append(ids, s.create("plain"))
	}
	return ids
}

// fix corrects a balance-wrong order at InFlow, which sends a delivery.
func (s *stack) fix(id string) {
	s.t.Helper()
	require.NoError(s.t, s.fake.EditOrder(id, func(order map[string]any) {
		order["balance"] = "683.94"
	}))
}

// setBalance changes an order's balance at InFlow.
func (s *stack) setBalance(id, balance string) {
	s.t.Helper()
	require.NoError(s.t, s.fake.EditOrder(id, func(order map[string]any) {
		order["balance"] = balance
	}))
}
