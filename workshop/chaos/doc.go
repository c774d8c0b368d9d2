// Package chaos runs the gate while its processes are killed, its network stalls and InFlow answers
// wrongly. Then it judges from the outside whether anything was lost or damaged: by the stand-in's
// orders and logs, by Temporal's data, and by the notices that arrived. It has only tests; 'make
// chaos' runs them at full length.
package chaos
