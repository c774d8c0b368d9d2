// Package edge protects an HTTP server from callers it doesn't trust. It finds the real address of
// a caller, limits what each caller may do and how many connections it may hold, and serves a TLS
// certificate that can be replaced at run time. It knows nothing about webhooks or orders.
package edge
