package main

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"

	"error-check-gate/internal/config"
	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/temporalconn"
)

// findOrder returns the id of an order that is named by its id or its number. It asks InFlow only
// if the account's settings are set.
func findOrder(ctx context.Context, c client.Client, name string) (string, error) {
	environment := config.OS()
	if environment.Value("INFLOW_COMPANY_ID") == "" {
		return operations.Find(ctx, c, nil, name)
	}
	settings, err := config.LoadSubscriptions(environment)
	if err != nil {
		return "", err
	}
	orders, err := newInflowClient(&settings.Account, nil)
	if err != nil {
		return "", err
	}
	return operations.Find(ctx, c, orders, name)
}

// temporalTimeout limits the wait for Temporal on a machine that may not reach it.
const temporalTimeout = 3 * time.Second

// findOrderToSend is findOrder for a command that does not need Temporal. If Temporal cannot be
// reached, it asks only InFlow.
func findOrderToSend(ctx context.Context, name string) (string, error) {
	if operations.IsOrderID(name) {
		return ordercheck.CanonicalID(name), nil
	}
	dial, cancel := context.WithTimeout(ctx, temporalTimeout)
	defer cancel()
	c, dialErr := temporalconn.Dial(dial, temporalconn.Options{})
	if dialErr != nil {
		id, err := findOrder(ctx, nil, name)
		if err != nil {
			return "", fmt.Errorf("%w (Temporal was not asked: %w)", err, dialErr)
		}
		return id, nil
	}
	defer c.Close()
	return findOrder(ctx, c, name)
}
