// Package ordercel is the expression language of rules: CEL on a typed sales order, with a decimal
// type, a limit on the cost, and no clock.
//
// An [Env] compiles expressions. A [Program] runs on one [Order] or one of its lines, within the
// budget of an [Evaluation].
package ordercel
