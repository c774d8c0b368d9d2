package operations

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// Orders finds sales orders at InFlow; [inflow.Client] does.
type Orders interface {
	SalesOrder(ctx context.Context, id string, include []string) (*inflow.SalesOrder, error)
	SalesOrdersByNumber(ctx context.Context, number string) ([]inflow.ListedOrder, error)
}

// UnknownOrderError means that a name is no order's id or number.
type UnknownOrderError struct{ Problem string }

func (e *UnknownOrderError) Error() string { return e.Problem }

// maxOrderNumber limits an order number, in bytes; no company has longer ones.
const maxOrderNumber = 100

// numberShape matches InFlow's order numbers, such as SO-001051, and numbers without letters.
var numberShape = regexp.MustCompile(`^[A-Za-z]{0,6}-?[0-9]{3,}$`)

// IsOrderID reports whether a name looks like an order's id rather than its number.
func IsOrderID(name string) bool {
	_, err := uuid.Parse(name)
	return err == nil || ordercheck.ValidateSalesOrderID(name) == nil && !numberShape.MatchString(name)
}

// Find returns the id of an order by its id or its number, such as SO-001051. It looks at the runs
// that Temporal knows first, unless c is nil, and then asks InFlow, unless orders is nil. It starts
// nothing. The error is an [UnknownOrderError] if there is no such order, or if several have the
// number.
func Find(ctx context.Context, c client.Client, orders Orders, name string) (string, error) {
	if _, err := uuid.Parse(name); err == nil {
		return findID(ctx, c, orders, ordercheck.CanonicalID(name))
	}
	if name == "" || len(name) > maxOrderNumber ||
		strings.ContainsFunc(name,
			func(r rune) bool { return r < ' ' || r == '\'' || r == '\\' || r == '"' }) {
		return "", &UnknownOrderError{
			fmt.Sprintf("%.40q is neither an order's id nor its number, such as SO-001051", name),
		}
	}
	ids, err := findRuns(ctx, c, name)
	if err != nil {
		return "", err
	}
	if len(ids) == 0 && orders != nil {
		listed, err := orders.SalesOrdersByNumber(ctx, name)
		if err != nil {
			return "", fmt.Errorf("look for order number %s at InFlow: %w", name, err)
		}
		for _, order := range listed {
			ids = append(ids, order.SalesOrderID)
		}
	}
	switch {
	case len(ids) == 1:
		return ids[0], nil
	case len(ids) > 1:
		return "", &UnknownOrderError{
			fmt.Sprintf("%d orders have the number %s: give the id of one: %s", len(ids), name,
				strings.Join(ids, ", ")),
		}
	case orders != nil:
		return "", &UnknownOrderError{
			fmt.Sprintf("InFlow has no order with the number %s; "+
				"an order's id is the last part of its address in InFlow", name),
		}
	case numberShape.MatchString(name):
		return "", &UnknownOrderError{fmt.Sprintf("no run of an order with the number %s is known: "+
			"give the order's id, or set INFLOW_COMPANY_ID and INFLOW_API_KEY, "+
			"so that InFlow is asked for the number", name)}
	}
	if err := ordercheck.ValidateSalesOrderID(name); err != nil {
		return "", &UnknownOrderError{
			fmt.Sprintf("no run of an order with the number %s is known, and it is no id: %v", name, err),
		}
	}
	return name, nil
}

// findID returns an id, unless Temporal has no run of the order and InFlow does not know it.
func findID(ctx context.Context, c client.Client, orders Orders, id string) (string, error) {
	if orders == nil {
		return id, nil
	}
	if ids, err := findRuns(ctx, c, id); err != nil || len(ids) > 0 {
		return id, err
	}
	_, err := orders.SalesOrder(ctx, id, nil)
	var failed *inflow.Error
	if errors.As(err, &failed) && failed.Kind == inflow.KindNotFound {
		return "", &UnknownOrderError{
			fmt.Sprintf("InFlow has no order with the id %s; was it deleted?", id),
		}
	}
	return id, nil // the check reports any other error of InFlow
}

// findRuns returns the ids of the orders that have a run with the id or the number.
func findRuns(ctx context.Context, c client.Client, name string) ([]string, error) {
	if c == nil {
		return nil, nil
	}
	query := fmt.Sprintf("WorkflowType = '%s' AND (WorkflowId = '%s' OR %s IN ('%s', '%s'))",
		ordercheck.WorkflowType, ordercheck.WorkflowID(name), ordercheck.SearchOrderNumber, name,
		strings.ToUpper(name))
	runs, err := c.ListWorkflow(ctx,
		&workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: rerunPage})
	if err != nil {
		return nil, fmt.Errorf("look for order %s in Temporal's list of runs: %w", name, err)
	}
	var ids []string
	for _, run := range runs.GetExecutions() {
		id, ok := ordercheck.SalesOrderID(run.GetExecution().GetWorkflowId())
		if ok && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if slices.Contains(ids, name) {
		return []string{name}, nil
	}
	return ids, nil
}

// IsUnknownOrder reports whether the error says that there is no such order.
func IsUnknownOrder(err error) bool {
	var unknown *UnknownOrderError
	return errors.As(err, &unknown)
}
