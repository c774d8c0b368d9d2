// Package rules decides what is wrong with a sales order. A [Set] holds rules in
// order; [Set.Evaluate] runs them over one order and answers with findings.
//
// Evaluation is pure: the same order, set and time give the same answer, byte for
// byte. A rule that cannot be evaluated is reported as such, never as a finding,
// and never stops the others.
package rules
