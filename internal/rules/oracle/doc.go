// Package oracle has tests only: it holds the general checks to an oracle that was written from
// their descriptions and shares no code with them, over generated orders that are right and over
// orders with deliberate mistakes.
package oracle
