// Package oracle has only tests. They generate right orders and orders with deliberate mistakes,
// and compare the findings of the general checks with the findings of an oracle. The oracle was
// written from the checks' descriptions and shares no code with them.
package oracle
