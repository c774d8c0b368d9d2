// Package chaos runs the gate while its processes are killed, its network stalls and
// InFlow answers wrongly, and judges from the outside whether anything was lost:
// by the stand-in's logs, by what Temporal keeps, and by the notices that arrived.
// It holds tests only; 'make chaos' runs them at full length.
package chaos
