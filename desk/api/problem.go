package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"error-check-gate/desk/orders"
)

// problem is an error in the format of RFC 9457. Its type is always about:blank: programs act on
// the status, and people read the detail.
type problem struct {
	Type     string   `json:"type"`
	Title    string   `json:"title"`
	Status   int      `json:"status"`
	Detail   string   `json:"detail"` // what is wrong and what to do
	Instance string   `json:"instance"`
	Faults   []string `json:"faults,omitempty"` // every fault of the request

	retryAfter          int    // header Retry-After, in seconds; 0 means no header
	allow, authenticate string // headers Allow and WWW-Authenticate
}

func (p *problem) Error() string { return p.Detail }

// retryUnavailable is the Retry-After while Temporal does not answer, in seconds.
const retryUnavailable = 5

// fail answers with the problem for err.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	var p *problem
	if !errors.As(err, &p) {
		p = h.problemFor(r, err)
	}
	complete := *p
	complete.Type, complete.Title = "about:blank", http.StatusText(p.Status)
	complete.Instance = instanceOf(r)
	header := w.Header()
	header.Set("Content-Type", "application/problem+json")
	for name, value := range map[string]string{"Allow": p.allow, "WWW-Authenticate": p.authenticate} {
		if value != "" {
			header.Set(name, value)
		}
	}
	if p.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	body, err := json.Marshal(complete)
	if err != nil {
		panic("desk/api: encode a problem: " + err.Error())
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // fails if the client is gone
}

// problemFor returns the problem for an error of [orders.Service]. It logs errors that it does
// not know.
func (h *Handler) problemFor(r *http.Request, err error) *problem {
	switch {
	case errors.Is(err, orders.ErrUnknownOrder):
		return &problem{Status: http.StatusNotFound,
			Detail: "The gate knows no order with this id or number, or several with this number. " +
				"Use the order's id at InFlow. The gate knows a new order after its first webhook."}
	case errors.Is(err, orders.ErrCursor):
		return &problem{Status: http.StatusBadRequest, Detail: "The cursor is not from this list. " +
			"Leave it out to start with the first page."}
	case errors.Is(err, orders.ErrNotOpen):
		return &problem{Status: http.StatusConflict,
			Detail: "The gate does not hold this order now, so it accepts no override and no comment. " +
				"Read the order. If you expect errors in it, check it first."}
	case errors.Is(err, orders.ErrUnavailable), errors.Is(err, context.Canceled),
		errors.Is(err, context.DeadlineExceeded):
		return &problem{Status: http.StatusServiceUnavailable, retryAfter: retryUnavailable,
			Detail: "The gate's orders cannot be reached now. Let no order leave because of this answer. " +
				"Try again in a few seconds."}
	}
	h.logger.ErrorContext(r.Context(), "an API request failed",
		"method", r.Method, "path", instanceOf(r), "error", err)
	return &problem{Status: http.StatusInternalServerError,
		Detail: "The request failed. The desk's log says why. " +
			"Let no order leave because of this answer. Ask the operator of the gate."}
}

// maxInstance is the maximum length of a problem's instance, in bytes.
const maxInstance = 300

// instanceOf returns the request's path. A long path is cut before an escape, never inside one.
func instanceOf(r *http.Request) string {
	path := r.URL.EscapedPath()
	if len(path) <= maxInstance {
		return path
	}
	path = path[:maxInstance]
	if i := strings.LastIndexByte(path, '%'); i >= maxInstance-2 {
		path = path[:i]
	}
	return path
}
