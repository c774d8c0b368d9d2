package desk

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
)

// checkGoesOn is the answer when a check takes long.
type checkGoesOn struct {
	SalesOrderID string  `json:"salesOrderId"`
	Release      Release `json:"release"` // always unknown
	Detail       string  `json:"detail"`
}

// check answers with the order after a check that began after the request. If that takes longer
// than checkWithin, it says where the order can be read.
func (a *api) check(w http.ResponseWriter, r *apiRequest) error {
	if err := readBody(w, r.Request, nil); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.checkWithin)
	defer cancel()
	known, err := a.find(ctx, r.name)
	if err != nil {
		return err
	}
	order, err := a.orders.Check(ctx, known.SalesOrderID)
	switch refused := (*temporal.ApplicationError)(nil); {
	case err == nil:
		return answer(w, http.StatusOK, order)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		w.Header().Set("Location", ordersPath+"/"+url.PathEscape(known.SalesOrderID))
		return answer(w, http.StatusAccepted, checkGoesOn{
			SalesOrderID: known.SalesOrderID, Release: ReleaseUnknown,
			Detail: "The check was asked for and has not ended within " + a.checkWithin.String() +
				". It goes on without you: read the order at Location until its checkedAt is later " +
				"than your request.",
		})
	case errors.As(err, &refused):
		return notChecked(refused)
	}
	return err
}

// notChecked is a check that could not be done.
func notChecked(err *temporal.ApplicationError) error {
	if err.Type() == ordercheck.ErrorOrderNotFound {
		return &problem{Status: http.StatusNotFound,
			Detail: "InFlow does not have this order any more. Let it not leave, and look for it in InFlow."}
	}
	return &problem{Status: http.StatusBadGateway, Faults: faultsOf(err),
		Detail: "The order could not be checked. Let it not leave; the faults say why."}
}

func (a *api) override(w http.ResponseWriter, r *apiRequest) error {
	var request ordercheck.OverrideRequest
	if err := readBody(w, r.Request, map[string]bodyField{
		"findings": {&request.Findings, `a list of findings' ids, or ["all"]`},
		"reason":   {&request.Reason, "a text"},
		"until":    {&request.Until, "a time as in RFC 3339, such as 2026-12-31T18:00:00Z"},
		"for":      {&request.For, "a duration, such as 72h"},
	}); err != nil {
		return err
	}
	request.By = r.token.by()
	return a.update(w, r, func(ctx context.Context, id string) (*Order, error) {
		return a.orders.Override(ctx, id, request)
	})
}

func (a *api) comment(w http.ResponseWriter, r *apiRequest) error {
	var comment ordercheck.Comment
	if err := readBody(w, r.Request, map[string]bodyField{
		"text": {&comment.Text, "a text"},
	}); err != nil {
		return err
	}
	comment.By = r.token.by()
	return a.update(w, r, func(ctx context.Context, id string) (*Order, error) {
		return a.orders.Comment(ctx, id, comment)
	})
}

// by names a token in reports and timelines.
func (t *token) by() string { return "api:" + t.name }

// acceptedAndCompleted is Temporal's error type for a run that took an update, and ended before it
// answered.
const acceptedAndCompleted = "AcceptedUpdateCompletedWorkflow"

// apiUpdateWithin limits an override and a comment, with the look for the order.
const apiUpdateWithin = 20 * time.Second

// update does something to the order that the request names, and answers with the order.
func (a *api) update(
	w http.ResponseWriter, r *apiRequest, do func(ctx context.Context, id string) (*Order, error),
) error {
	ctx, cancel := context.WithTimeout(r.Context(), apiUpdateWithin)
	defer cancel()
	known, err := a.find(ctx, r.name)
	if err != nil {
		return err
	}
	order, err := do(ctx, known.SalesOrderID)
	switch refused := (*temporal.ApplicationError)(nil); {
	case err == nil:
		return answer(w, http.StatusOK, order)
	case errors.As(err, &refused) && refused.Type() == acceptedAndCompleted:
		return &problem{Status: http.StatusConflict, Detail: "The order's run ended while it did what you " +
			"asked for. Read the order before you send this again."}
	case errors.As(err, &refused):
		return &problem{Status: http.StatusUnprocessableEntity, Faults: faultsOf(refused),
			Detail: "The order refuses this. Correct every fault, then send it again."}
	case errors.Is(err, ErrUnavailable):
		return &problem{Status: http.StatusServiceUnavailable, retryAfter: retryUnavailable,
			Detail: "The gate did not answer in time, and may still do what you asked for. " +
				"Read the order before you send this again."}
	}
	return err
}

// maxAPIFault bounds a fault, in characters.
const maxAPIFault = 1000

// faultsOf returns the faults that a run tells, which are one a line.
func faultsOf(err *temporal.ApplicationError) []string {
	faults := strings.Split(err.Message(), "\n")
	faults = faults[:min(len(faults), maxBodyFaults)]
	for i := range faults {
		faults[i] = ordercheck.Cut(faults[i], maxAPIFault)
	}
	return faults
}
