// Package fakeinflow stands in for InFlow's Cloud API, for development and tests: sales
// orders and webhook subscriptions as InFlow's API description 2025-06-24 has them, its
// authorisation and allowance of requests, and the signed webhooks it sends. It is an
// independent witness: it shares no code with the client and the signature check that
// are tried against it.
//
// Orders are whole JSON documents. The fake keeps what it is given and calculates
// nothing, so that an order can be as wrong as InFlow would let it be.
package fakeinflow
