// Package rules evaluates a set of rules on a sales order. A [Set] holds the rules in order;
// [Set.Evaluate] runs them on one order and returns the findings.
//
// Three packages build on this one: rulefile reads rule sets from YAML files, checks has the
// built-in rules, and live follows rule files as they change.
//
// Evaluation is pure: the same order, set and time always give the same result, byte for byte.
// A rule that cannot be evaluated is reported as a rule error. It never becomes a finding, and
// it never stops the other rules.
package rules
