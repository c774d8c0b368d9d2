// Package ordercel is the expression language of rules: CEL over a typed sales order,
// with decimals as a type of their own, bounded in cost and without a clock.
//
// An [Env] compiles expressions; a [Program] runs on one [Order] or one of its lines,
// within the budget of an [Evaluation].
package ordercel
