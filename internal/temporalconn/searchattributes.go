package temporalconn

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"error-check-gate/internal/ordercheck"
)

type searchAttribute struct {
	name      string
	valueType enumspb.IndexedValueType
}

// searchAttributes are the search attributes that the gate's workflows set.
var searchAttributes = []searchAttribute{
	{ordercheck.SearchOrderNumber, enumspb.INDEXED_VALUE_TYPE_KEYWORD},
	{ordercheck.SearchGateStatus, enumspb.INDEXED_VALUE_TYPE_KEYWORD},
	{ordercheck.SearchErrorCount, enumspb.INDEXED_VALUE_TYPE_INT},
	{ordercheck.SearchFailedRules, enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST},
	{ordercheck.SearchWarningRules, enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST},
	{ordercheck.SearchHeldSince, enumspb.INDEXED_VALUE_TYPE_DATETIME},
	{ordercheck.SearchOrderVersion, enumspb.INDEXED_VALUE_TYPE_KEYWORD},
}

const searchAttributePoll = 250 * time.Millisecond

// EnsureSearchAttributes registers the search attributes that a namespace lacks and returns once
// the server knows them. A run that sets an unknown attribute gets stuck. If the server does not
// let the gate register them, the error lists the commands that an operator must run.
func EnsureSearchAttributes(ctx context.Context, c client.Client, namespace string) error {
	missing, err := missingSearchAttributes(ctx, c, namespace)
	if err != nil || len(missing) == 0 {
		return err
	}
	add := make(map[string]enumspb.IndexedValueType, len(missing))
	for _, a := range missing {
		add[a.name] = a.valueType
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace, SearchAttributes: add,
	})
	var exists *serviceerror.AlreadyExists
	if err != nil && !errors.As(err, &exists) { // another worker may have been faster
		return fmt.Errorf("register the gate's search attributes: %w\n%s",
			err, instructions(namespace, missing))
	}
	ticker := time.NewTicker(searchAttributePoll)
	defer ticker.Stop()
	for {
		missing, err := missingSearchAttributes(ctx, c, namespace)
		if err != nil || len(missing) == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until Temporal knows the gate's search attributes: %w", ctx.Err())
		case <-ticker.C:
		}
	}
}

func missingSearchAttributes(
	ctx context.Context, c client.Client, namespace string,
) ([]searchAttribute, error) {
	known, err := c.OperatorService().ListSearchAttributes(ctx,
		&operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if isRefused(err) && allKnown(ctx, c, namespace) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the search attributes of namespace %s: %w\n"+
			"if this server does not let the gate list them, %s",
			namespace, err, instructions(namespace, searchAttributes))
	}
	var missing []searchAttribute
	for _, a := range searchAttributes {
		switch have, ok := known.GetCustomAttributes()[a.name]; {
		case !ok:
			missing = append(missing, a)
		case have != a.valueType:
			return nil, fmt.Errorf("search attribute %s of namespace %s has type %s, "+
				"but the gate needs %s: remove it or use another namespace",
				a.name, namespace, have, a.valueType)
		}
	}
	return missing, nil
}

// isRefused reports whether the server refuses access to the operator service. Temporal Cloud
// always does.
func isRefused(err error) bool {
	var denied *serviceerror.PermissionDenied
	var unimplemented *serviceerror.Unimplemented
	return errors.As(err, &denied) || errors.As(err, &unimplemented)
}

// allKnown reports whether the server knows every attribute. It sends a query that uses all of
// them, which the server refuses if it lacks one.
func allKnown(ctx context.Context, c client.Client, namespace string) bool {
	conditions := make([]string, len(searchAttributes))
	for i, a := range searchAttributes {
		conditions[i] = a.name + " " + neverTrue(a.valueType)
	}
	request := &workflowservice.CountWorkflowExecutionsRequest{
		Namespace: namespace, Query: strings.Join(conditions, " AND "),
	}
	_, err := c.WorkflowService().CountWorkflowExecutions(ctx, request)
	return err == nil
}

// neverTrue returns an operator and a value for a condition that no run meets.
func neverTrue(valueType enumspb.IndexedValueType) string {
	switch valueType { //nolint:exhaustive // the gate's types only
	case enumspb.INDEXED_VALUE_TYPE_INT:
		return "= -1"
	case enumspb.INDEXED_VALUE_TYPE_DATETIME:
		return "> '2100-01-01T00:00:00Z'"
	default:
		return "= '-'"
	}
}

// instructions returns the commands with which an operator registers the attributes.
func instructions(namespace string, attributes []searchAttribute) string {
	var b strings.Builder
	fmt.Fprintf(&b,
		"register them with:\n  temporal operator search-attribute create --namespace %s", namespace)
	for _, a := range attributes {
		fmt.Fprintf(&b, " --name %s --type %s", a.name, a.valueType)
	}
	fmt.Fprintf(&b,
		"\nor, on Temporal Cloud:\n  tcld namespace search-attributes add --namespace %s", namespace)
	for _, a := range attributes {
		fmt.Fprintf(&b, " --search-attribute %s=%s", a.name, a.valueType)
	}
	return b.String()
}
