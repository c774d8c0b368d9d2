// Package subscriptions manages the account's webhook subscriptions at InFlow. It creates
// subscriptions, rotates their secrets, and checks that the ingress accepts a new secret.
//
// InFlow shows a subscription's secret only once, in the response that creates it. The package
// therefore checks that it can store the secret before it asks InFlow for one. If that response is
// lost, it finds out what happened and replaces a subscription whose secret nobody has.
package subscriptions
