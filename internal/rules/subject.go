package rules

import (
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/ordercel"
)

// subject is the order that the rules are evaluated on, one rule after the other. It caches
// whatever the rules share, and is not safe for concurrent use.
type subject struct {
	order    *inflow.SalesOrder
	now      time.Time
	lookups  ordercheck.Lookups
	lineKeys []string

	view *ordercel.Order
	cel  *ordercel.Evaluation
	// conditions caches the results of conditions that rules share.
	conditions map[*ordercel.Program]condition
	// checked caches the state of each requirement, by its name.
	checked map[string]need
	// asked lists the includes and look-ups that the gate asked for. Nil means unknown.
	asked []string
}

// condition is the result of one condition.
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
