package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"

	"error-check-gate/desk/orders"
	"error-check-gate/internal/ordercheck"
)

// runningCheck is the answer if a check takes too long to wait for.
type runningCheck struct {
	SalesOrderID string         `json:"salesOrderId"`
	Release      orders.Release `json:"release"` // always unknown
	Detail       string         `json:"detail"`
}

// check checks an order and answers with the result. If that takes longer than checkTimeout, the
// answer has the address of the later result.
func (h *Handler) check(w http.ResponseWriter, r *request) error {
	if err := readBody(w, r.Request, nil); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.checkTimeout)
	defer cancel()
	known, err := h.find(ctx, r.name)
	if err != nil {
		return err
	}
	order, err := h.orders.Check(ctx, known.SalesOrderID)
	switch failed := (*temporal.ApplicationError)(nil); {
	case err == nil:
		return answer(w, http.StatusOK, order)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		w.Header().Set("Location", ordersPath+"/"+url.PathEscape(known.SalesOrderID))
		return answer(w, http.StatusAccepted, runningCheck{
			SalesOrderID: known.SalesOrderID, Release: orders.ReleaseUnknown,
			Detail: "The check has not ended within " + h.checkTimeout.String() + " and is still running. " +
				"Read the order at Location until its checkedAt is later than your request.",
		})
	case errors.As(err, &failed):
		return checkProblem(failed)
	}
	return err
}

// checkProblem returns the problem for a check that failed.
func checkProblem(err *temporal.ApplicationError) *problem {
	if err.Type() == ordercheck.ErrorOrderNotFound {
		return &problem{Status: http.StatusNotFound, Detail: "InFlow no longer has this order. " +
			"Do not let it leave. Look for it in InFlow."}
	}
	return &problem{Status: http.StatusBadGateway, Faults: faultsOf(err),
		Detail: "The order could not be checked; the faults say why. Do not let it leave."}
}

func (h *Handler) override(w http.ResponseWriter, r *request) error {
	var override ordercheck.OverrideRequest
	if err := readBody(w, r.Request, map[string]bodyField{
		"findings": {&override.Findings, `a list of finding ids, or ["all"]`},
		"reason":   {&override.Reason, "a string"},
		"until":    {&override.Until, "a time in RFC 3339, such as 2026-12-31T18:00:00Z"},
		"for":      {&override.For, "a duration, such as 72h"},
	}); err != nil {
		return err
	}
	override.By = r.token.by()
	return h.update(w, r, func(ctx context.Context, id string) (*orders.Order, error) {
		return h.orders.Override(ctx, id, override)
	})
}

func (h *Handler) comment(w http.ResponseWriter, r *request) error {
	var comment ordercheck.Comment
	if err := readBody(w, r.Request, map[string]bodyField{
		"text": {&comment.Text, "a string"},
	}); err != nil {
		return err
	}
	comment.By = r.token.by()
	return h.update(w, r, func(ctx context.Context, id string) (*orders.Order, error) {
		return h.orders.Comment(ctx, id, comment)
	})
}

// by returns the name that reports and timelines show for actions with this token.
func (t *token) by() string { return "api:" + t.name }

// updateTimeout limits an override or a comment, including the look-up of the order.
const updateTimeout = 20 * time.Second

// update acts on the order that the request names, and answers with the order.
func (h *Handler) update(
	w http.ResponseWriter, r *request, do func(ctx context.Context, id string) (*orders.Order, error),
) error {
	ctx, cancel := context.WithTimeout(r.Context(), updateTimeout)
	defer cancel()
	known, err := h.find(ctx, r.name)
	if err != nil {
		return err
	}
	order, err := do(ctx, known.SalesOrderID)
	switch refused := (*temporal.ApplicationError)(nil); {
	case err == nil:
		return answer(w, http.StatusOK, order)
	case errors.Is(err, orders.ErrRunEnded):
		return &problem{Status: http.StatusConflict,
			Detail: "The order's run ended during this request. " +
				"Read the order before you send the request again."}
	case errors.As(err, &refused):
		return &problem{Status: http.StatusUnprocessableEntity, Faults: faultsOf(refused),
			Detail: "The order refuses this request. Correct all faults, then send it again."}
	case errors.Is(err, orders.ErrUnavailable):
		return &problem{Status: http.StatusServiceUnavailable, retryAfter: retryUnavailable,
			Detail: "The gate did not answer in time. It may still carry out this request. " +
				"Read the order before you send the request again."}
	}
	return err
}

// maxFault is the maximum length of a fault, in characters.
const maxFault = 1000

// faultsOf returns the faults in an error of a run, which has one per line.
func faultsOf(err *temporal.ApplicationError) []string {
	faults := strings.Split(err.Message(), "\n")
	faults = faults[:min(len(faults), maxFaults)]
	for i := range faults {
		faults[i] = ordercheck.Cut(faults[i], maxFault)
	}
	return faults
}
