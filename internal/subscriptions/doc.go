// Package subscriptions keeps the account's webhook subscriptions at InFlow: it makes
// one, gives one a new secret, and sees that the ingress knows the secret.
//
// InFlow shows a subscription's secret once, in the answer that makes it. So a place
// for the secret is found before anything is asked of InFlow, an answer that was lost
// is looked into, and a secret that nobody has is replaced.
package subscriptions
