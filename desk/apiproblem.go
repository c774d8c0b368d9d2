package desk

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// problem is an error of the API as RFC 9457 has it. Its type is about:blank: clients act on the
// status, and people read the detail.
type problem struct {
	Type     string   `json:"type"`
	Title    string   `json:"title"`
	Status   int      `json:"status"`
	Detail   string   `json:"detail"` // what to do
	Instance string   `json:"instance"`
	Faults   []string `json:"faults,omitempty"` // everything that is wrong with the request

	// Headers.
	retryAfter          int // seconds; 0 is none
	allow, authenticate string
}

func (p *problem) Error() string { return p.Detail }

// retryUnavailable is the Retry-After while Temporal is away, in seconds.
const retryUnavailable = 5

// fail answers with the problem that err is.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	var p *problem
	if !errors.As(err, &p) {
		p = a.problemOf(r, err)
	}
	told := *p
	told.Type, told.Title, told.Instance = "about:blank", http.StatusText(p.Status), instanceOf(r)
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
	body, err := json.Marshal(told)
	if err != nil {
		panic("desk: a problem does not marshal: " + err.Error())
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // the client is gone
}

// problemOf returns the problem that an error of [Orders] is.
func (a *api) problemOf(r *http.Request, err error) *problem {
	switch {
	case errors.Is(err, ErrUnknownOrder):
		return &problem{Status: http.StatusNotFound,
			Detail: "The gate knows no order with this id or number, or several with this number. " +
				"Give InFlow's id of it; a new order is known after its first webhook."}
	case errors.Is(err, ErrCursor):
		return &problem{Status: http.StatusBadRequest, Detail: "The cursor is none of this list. " +
			"Leave it out, and start with the first page."}
	case errors.Is(err, ErrNotOpen):
		return &problem{Status: http.StatusConflict,
			Detail: "Nothing waits for this order now, so it takes no override and no comment. " +
				"Read the order: if it is not right, ask for a check first."}
	case errors.Is(err, ErrUnavailable), errors.Is(err, context.Canceled),
		errors.Is(err, context.DeadlineExceeded):
		return &problem{Status: http.StatusServiceUnavailable, retryAfter: retryUnavailable,
			Detail: "The gate's orders cannot be reached now. Let no order leave on this answer; " +
				"try again in a few seconds."}
	}
	a.logger.ErrorContext(r.Context(), "an API request failed",
		"method", r.Method, "path", instanceOf(r), "error", err)
	return &problem{Status: http.StatusInternalServerError,
		Detail: "The request failed for a reason that the desk's log tells. " +
			"Let no order leave on this answer; ask the operator of the gate."}
}

// maxInstance bounds what a problem repeats of the address, in bytes.
const maxInstance = 300

// instanceOf returns the path of a request, cut so that no escape is broken.
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
