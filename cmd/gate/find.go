package main

import (
	"context"

	"go.temporal.io/sdk/client"

	"error-check-gate/internal/config"
	"error-check-gate/internal/operations"
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
	orders, err := newInflowClient(settings.Account, nil)
	if err != nil {
		return "", err
	}
	return operations.Find(ctx, c, orders, name)
}
