// Package chaos runs the gate while processes are killed, the network stalls and InFlow answers
// wrongly. Then it checks from the outside that nothing was lost or damaged: it reads the orders
// and logs of the stand-in, Temporal's data, and the notices that arrived. It has only tests; 'make
// chaos' runs them at full length.
package chaos
