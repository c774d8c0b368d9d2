// Package fakeinflow is a stand-in for InFlow's Cloud API, for development and tests. It has sales
// orders with their customers and products, and webhook subscriptions, as in InFlow's API
// description 2025-06-24. It checks the API key, limits requests by a quota, and sends signed
// webhooks. workshop/fakeinflow/testdata/openapi.yaml describes its answers. docs/fake-inflow.md
// says how to use it, and what it does in cases for which InFlow's behavior is unknown.
//
// It shares no code with the gate's client and signature check, so it can test them.
//
// Entities are whole JSON documents. The stand-in stores them as they come and calculates nothing,
// so an order can have any error that InFlow would accept.
package fakeinflow
