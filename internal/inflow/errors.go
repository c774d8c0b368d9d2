package inflow

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Kind says why a call to InFlow failed. It decides what the caller does next.
type Kind int

// The kinds of an [Error].
const (
	// KindNotFound means that InFlow has no entity with that id. Retrying does not help.
	KindNotFound Kind = iota + 1
	// KindUnauthorized means that InFlow rejected the API key. A person has to act.
	KindUnauthorized
	// KindBadResponse means that the response does not match InFlow's API description. A person
	// has to act.
	KindBadResponse
	// KindUnavailable means that there was no complete response, or a server error. Retry later.
	KindUnavailable
	// KindRateLimited means that the account's quota is used up. Retry after [Error.RetryAfter].
	KindRateLimited
	// KindTooLarge means that the response is larger than [MaxResponseSize]. Retrying does not
	// help.
	KindTooLarge
	// KindConflict means that somebody saved the entity after it was read. Read it again, then
	// decide.
	KindConflict
)

// String returns the kind in words.
func (k Kind) String() string {
	switch k {
	case KindNotFound:
		return "not found"
	case KindUnauthorized:
		return "unauthorized"
	case KindBadResponse:
		return "bad response"
	case KindUnavailable:
		return "unavailable"
	case KindRateLimited:
		return "rate limited"
	case KindTooLarge:
		return "too large"
	case KindConflict:
		return "conflict"
	default:
		return "Kind(" + strconv.Itoa(int(k)) + ")"
	}
}

// Error describes a failed call to InFlow. Neither it nor the errors that it wraps contain the
// response body, the API key or the URL.
type Error struct {
	Kind Kind
	// Op is the operation that failed, such as "get sales order".
	Op string
	// StatusCode is the HTTP status, or 0 if there was no response.
	StatusCode int
	// RetryAfter is the wait that InFlow asked for, at most 24 hours, or 0 if it asked for none.
	RetryAfter time.Duration
	// Err says what went wrong and what to do about it. It may be nil.
	Err error
}

// Error says which operation failed, why, and what to do.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("inflow: ")
	b.WriteString(e.Op)
	b.WriteString(": ")
	b.WriteString(e.Kind.String())
	if e.StatusCode != 0 {
		fmt.Fprintf(&b, " (HTTP %d)", e.StatusCode)
	}
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, "; InFlow asks to wait %s", e.RetryAfter)
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Reasons that an [Error] gets from the HTTP status alone.
var (
	errRedirect = errors.New("InFlow redirected the request, and redirects are not followed: " +
		"check INFLOW_API_URL")
	errRefusedKey = errors.New("InFlow refused the API key: check INFLOW_API_KEY and " +
		"INFLOW_COMPANY_ID")
	errUnknownID = errors.New("InFlow has no such id in this company: if you expect it there, " +
		"check INFLOW_COMPANY_ID")
	errTimeout = errors.New("InFlow timed out waiting for the request")
	errQuota   = errors.New("the account's request quota is used up: lower " +
		"INFLOW_REQUESTS_PER_MINUTE, or find what else uses this account")
	errUnexpected = errors.New("InFlow does not accept this request: check INFLOW_API_VERSION, " +
		"INFLOW_COMPANY_ID and INFLOW_API_URL")
	errConflict    = errors.New("somebody saved it after it was read")
	errServerFault = errors.New("InFlow has an internal error")
	errNotHTTP     = errors.New("the connection failed, or the response is not HTTP: check " +
		"INFLOW_API_URL")
)

// statusTable maps every HTTP status outside 2xx to a kind and a reason. The first row whose
// range contains the status applies.
var statusTable = []struct {
	from, to int
	kind     Kind
	reason   error
}{
	{300, 399, KindBadResponse, errRedirect},
	{http.StatusUnauthorized, http.StatusUnauthorized, KindUnauthorized, errRefusedKey},
	{http.StatusForbidden, http.StatusForbidden, KindUnauthorized, errRefusedKey},
	{http.StatusNotFound, http.StatusNotFound, KindNotFound, errUnknownID},
	{http.StatusRequestTimeout, http.StatusRequestTimeout, KindUnavailable, errTimeout},
	{http.StatusConflict, http.StatusConflict, KindConflict, errConflict},
	{http.StatusTooManyRequests, http.StatusTooManyRequests, KindRateLimited, errQuota},
	{400, 499, KindBadResponse, errUnexpected},
	{500, 599, KindUnavailable, errServerFault},
}

// statusError returns nil for a 2xx response.
func statusError(op string, resp *http.Response) error {
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return nil
	}
	failed := &Error{Kind: KindBadResponse, Op: op, StatusCode: resp.StatusCode, Err: errUnexpected}
	for _, row := range statusTable {
		if row.from <= resp.StatusCode && resp.StatusCode <= row.to {
			failed.Kind, failed.Err = row.kind, row.reason
			break
		}
	}
	failed.RetryAfter = retryAfter(resp.Header, time.Now())
	return failed
}

// maxRetryAfter limits how long a response can make the gate wait.
const maxRetryAfter = 24 * time.Hour

// retryAfter parses the Retry-After header: seconds or a date (RFC 9110, section 10.2.3). It
// compares a date with the response's own Date header, if any, so our clock doesn't matter. It
// returns 0 if the header is missing, invalid or in the past.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if isDigits(value) {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	return min(max(until.Sub(now), 0), maxRetryAfter)
}

func isDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}

// transportError describes a request that got no complete response. ctx is the caller's context
// and limited adds the client's timeout, so the caller's deadline and ours can be told apart.
func transportError(
	ctx, limited context.Context, op string, status int, timeout time.Duration, err error,
) error {
	failed := &Error{Kind: KindUnavailable, Op: op, StatusCode: status}
	var timedOut interface{ Timeout() bool }
	switch {
	case ctx.Err() != nil:
		failed.Err = ctx.Err()
	case expired(limited):
		failed.Err = fmt.Errorf("no complete response within %s: %w", timeout,
			context.DeadlineExceeded)
	case errors.As(err, &timedOut) && timedOut.Timeout():
		failed.Err = fmt.Errorf("the connection timed out: %w", context.DeadlineExceeded)
	default:
		failed.Err = withoutContent(err)
	}
	return failed
}

// expired reports whether ctx is done or its deadline has passed. A connection's own deadline may
// end a call a moment before the context is done.
func expired(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// withoutContent returns the part of a transport error that is safe to show. net/http's own text
// quotes the request's URL, and the first line of a response that is not HTTP.
func withoutContent(err error) error {
	var (
		dns         *net.DNSError
		op          *net.OpError
		certificate *tls.CertificateVerificationError
		alert       tls.AlertError
		record      tls.RecordHeaderError
		errno       syscall.Errno
	)
	switch {
	case errors.As(err, &dns):
		return dns
	case errors.As(err, &certificate):
		return certificate
	case errors.As(err, &op):
		return op
	case errors.As(err, &alert):
		return alert
	case errors.As(err, &record):
		return errors.New(record.Error())
	case errors.As(err, &errno):
		return errno
	case errors.Is(err, http.ErrSchemeMismatch):
		return http.ErrSchemeMismatch
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("the connection broke before the response was complete: %w",
			io.ErrUnexpectedEOF)
	default:
		return errNotHTTP
	}
}
