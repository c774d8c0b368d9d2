// Package inflow speaks with InFlow Inventory's Cloud API: its types, a client,
// and the webhooks it sends.
package inflow
