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

// findOrder returns the id of the order that a person named by its id or its number. InFlow is asked if the
// settings of the account are there.
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

// temporalPatience is how long Temporal has to answer on a machine that may not reach it.
const temporalPatience = 3 * time.Second

// findOrderToSend is findOrder for a command that needs no Temporal: if it cannot be reached, InFlow alone is asked.
func findOrderToSend(ctx context.Context, name string) (string, error) {
	if operations.IsOrderID(name) {
		return ordercheck.CanonicalID(name), nil
	}
	dial, cancel := context.WithTimeout(ctx, temporalPatience)
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
