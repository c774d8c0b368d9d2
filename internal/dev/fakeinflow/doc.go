// Package fakeinflow stands in for InFlow's Cloud API, for development and tests: sales
// orders with their customers and products, and webhook subscriptions, as InFlow's API
// description 2025-06-24 has them; its authorisation and allowance of requests; and the
// signed webhooks it sends. It is an independent witness: it shares no code with the
// client and the signature check that are tried against it. testdata/openapi.yaml
// describes what it answers; docs/fake-inflow.md tells how it is used, and what it does
// where InFlow's own ways are not known.
//
// Entities are whole JSON documents. The fake keeps what it is given and calculates
// nothing, so that an order can be as wrong as InFlow would let it be.
package fakeinflow
