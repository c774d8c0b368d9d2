package inflow

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Kind is why a call to InFlow failed, as far as it decides what to do next.
type Kind int

// The kinds of an [Error].
const (
	// KindNotFound: InFlow has no entity of that id. Trying again does not help.
	KindNotFound Kind = iota + 1
	// KindUnauthorized: the API key was refused. A person has to act.
	KindUnauthorized
	// KindBadResponse: an answer other than InFlow's API description promises. A person has to act.
	KindBadResponse
	// KindUnavailable: no whole answer, or a fault of the server. Try again later.
	KindUnavailable
	// KindRateLimited: the account's allowance is spent. Try again after [Error.RetryAfter].
	KindRateLimited
	// KindTooLarge: a good answer over [MaxResponseSize]. Trying again does not help.
	KindTooLarge
)

// String is the kind in words.
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
	default:
		return "Kind(" + strconv.Itoa(int(k)) + ")"
	}
}

// Error is a call to InFlow that failed. Neither it nor what it wraps holds the
// answer's body, the API key or the URL.
type Error struct {
	Kind Kind
	// Op is what was being done, such as "get sales order".
	Op string
	// StatusCode is the HTTP status; 0 where there was no answer.
	StatusCode int
	// RetryAfter is how long InFlow asked to wait, at most 24 hours; 0 where it did not say.
	RetryAfter time.Duration
	// Err is the reason and what to do about it. It may be nil.
	Err error
}

// Error says what was being done, what came of it and what to do.
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

// Unwrap gives the reason. Of a network fault it is one that holds no part of the answer.
func (e *Error) Unwrap() error { return e.Err }

// The reasons of an [Error] that a status alone gives.
var (
	errRedirect    = errors.New("InFlow redirected the request, and redirects are not followed: check INFLOW_API_URL")
	errRefusedKey  = errors.New("InFlow refused the API key: check INFLOW_API_KEY and INFLOW_COMPANY_ID")
	errUnknownID   = errors.New("InFlow knows no such id in this company: if it should, check INFLOW_COMPANY_ID")
	errTimeout     = errors.New("InFlow timed out waiting for the request")
	errAllowance   = errors.New("the account's allowance of requests is spent: lower INFLOW_REQUESTS_PER_MINUTE, or find what else uses the account's key")
	errUnexpected  = errors.New("InFlow does not accept this request: check INFLOW_API_VERSION, INFLOW_COMPANY_ID and INFLOW_API_URL")
	errServerFault = errors.New("a fault at InFlow")
	errNotHTTP     = errors.New("the connection failed, or what came was not HTTP: check INFLOW_API_URL")
)

// statusTable is the one place where an HTTP status other than 2xx gets its meaning.
// The first row that spans the status counts.
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
	{http.StatusTooManyRequests, http.StatusTooManyRequests, KindRateLimited, errAllowance},
	{400, 499, KindBadResponse, errUnexpected},
	{500, 599, KindUnavailable, errServerFault},
}

// statusError is nil for a 2xx answer.
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

// maxRetryAfter bounds how long an answer can make the gate wait.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads Retry-After as RFC 9110, section 10.2.3, has it: seconds, or a date,
// which is taken against the answer's own Date where it has one, so that the two clocks
// need not agree. 0 is absent, past or unreadable.
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

// transportError is a request that got no whole answer. ctx is the caller's and limited
// the same with the client's timeout, so that the two ends are told apart.
func transportError(ctx, limited context.Context, op string, status int, timeout time.Duration, err error) error {
	failed := &Error{Kind: KindUnavailable, Op: op, StatusCode: status}
	var timedOut interface{ Timeout() bool }
	switch {
	case ctx.Err() != nil:
		failed.Err = ctx.Err()
	case limited.Err() != nil:
		failed.Err = fmt.Errorf("no whole answer within %s: %w", timeout, context.DeadlineExceeded)
	case errors.As(err, &timedOut) && timedOut.Timeout():
		failed.Err = fmt.Errorf("the connection timed out: %w", context.DeadlineExceeded)
	default:
		failed.Err = withoutContent(err)
	}
	return failed
}

// withoutContent gives the part of a transport's error whose text is known to hold
// neither the URL nor anything the server sent: net/http quotes the request's URL, and
// the first line of an answer that is not HTTP.
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
		return fmt.Errorf("the connection was cut before the answer was whole: %w", io.ErrUnexpectedEOF)
	default:
		return errNotHTTP
	}
}

// decodeJSON reads one JSON value. Its errors name the place and never quote the value,
// as those of encoding/json do.
func decodeJSON(data []byte, into any) error {
	err := json.Unmarshal(data, into)
	if err == nil {
		return nil
	}
	var (
		syntax *json.SyntaxError
		typed  *json.UnmarshalTypeError
	)
	switch {
	case len(data) == 0:
		return errors.New("it is empty")
	case errors.As(err, &syntax):
		return fmt.Errorf("it is not JSON: fault at byte %d", syntax.Offset)
	case errors.As(err, &typed) && typed.Field == "":
		return fmt.Errorf("expected %s, got %s", typeInWords(typed.Type), valueInWords(typed.Value))
	case errors.As(err, &typed):
		return &fieldError{fmt.Sprintf("field %s: expected %s, got %s", typed.Field, typeInWords(typed.Type), valueInWords(typed.Value))}
	default:
		return errors.New("it does not have the form of InFlow's API description")
	}
}

// fieldError is about one field of an answer that is otherwise InFlow's.
type fieldError struct{ problem string }

func (e *fieldError) Error() string { return e.problem }

// whatToCheck returns what to do about an answer that decodeJSON could not read.
func whatToCheck(err error) string {
	var field *fieldError
	if errors.As(err, &field) {
		return "look at that field in InFlow, and check INFLOW_API_VERSION"
	}
	return "check INFLOW_API_URL and INFLOW_API_VERSION"
}

// valueInWords names the kind of a value without what encoding/json puts after it: a
// number's digits.
func valueInWords(value string) string {
	kind, _, _ := strings.Cut(value, " ")
	switch kind {
	case "string":
		return "a text"
	case "array":
		return "a list"
	case "object":
		return "an object"
	case "bool":
		return "true or false"
	default:
		return "a " + kind
	}
}

func typeInWords(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Amount]():
		return "a decimal number of at most 19 digits"
	case reflect.TypeFor[Time]():
		return "a date in RFC 3339"
	case reflect.TypeFor[Presence]():
		return "a text"
	}
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	default:
		return "an object"
	}
}
