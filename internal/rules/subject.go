package rules

import (
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/ordercel"
)

// subject is an order while all rules are evaluated on it, one after the other. It keeps what the
// rules share.
type subject struct {
	order    *inflow.SalesOrder
	now      time.Time
	lookups  ordercheck.Lookups
	lineKeys []string

	view *ordercel.Order
	cel  *ordercel.Evaluation
	// conditions caches the results of conditions that rules share.
	conditions map[*ordercel.Program]condition
	// checked caches the requirements that were looked at.
	checked map[string]need
	// asked lists the includes and look-ups that were asked for. Nil means that this is unknown.
	asked []string
}

type condition struct {
	holds bool
	err   error
}

func newSubject(order *inflow.SalesOrder, now time.Time, lookups ordercheck.Lookups) *subject {
	s := &subject{
		now: now, lookups: lookups,
		conditions: map[*ordercel.Program]condition{}, checked: map[string]need{},
	}
	if order != nil {
		order = inZone(order, now.Location())
		s.order = order
		s.lineKeys = lineKeys(order.Lines)
		s.view = ordercel.NewOrder(order)
		s.cel = ordercel.NewEvaluation(s.view, now)
	}
	return s
}

func (s *subject) holds(program *ordercel.Program) (bool, error) {
	c, known := s.conditions[program]
	if !known {
		c.holds, c.err = s.cel.Bool(program, nil)
		s.conditions[program] = c
	}
	return c.holds, c.err
}
