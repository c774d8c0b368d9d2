package subscriptions

import "error-check-gate/internal/inflow"

// Keeper stores a new subscription's secret for the ingress, or hands it to a person who does.
type Keeper interface {
	// Ready fails if Keep would fail. It is called before any request to InFlow.
	Ready() error
	// Keep stores the secret. When it returns nil, the secret is safe.
	Keep(subscription inflow.Subscription) error
	// Withdraw undoes Keep for a subscription that was given up.
	Withdraw(subscription inflow.Subscription) error
}

// Show is a [Keeper] that shows the secret to a person.
type Show func(subscription inflow.Subscription) error

// Ready always succeeds.
func (s Show) Ready() error { return nil }

// Keep shows the subscription with its secret.
func (s Show) Keep(subscription inflow.Subscription) error { return s(subscription) }

// Withdraw does nothing, because the secret has already been shown.
func (s Show) Withdraw(inflow.Subscription) error { return nil }
