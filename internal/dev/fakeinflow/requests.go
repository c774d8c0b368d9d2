package fakeinflow

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Request is a request to the API that has ended.
type Request struct {
	Method string `json:"method"`
	Route  string `json:"route"` // such as [RouteGetSalesOrder]; empty for another address
	// SalesOrderID is the id in the path or, for a PUT of an order, in the body. It is empty if the
	// account refused the request.
	SalesOrderID string    `json:"salesOrderId,omitempty"`
	Start        time.Time `json:"start"`
	End          time.Time `json:"end"`
	Status       int       `json:"status"` // 0 if the connection was broken
	// OrderVersion is the version of the order in the answer, or after the write, even if the
	// answer was lost; empty if there is no such order.
	OrderVersion string `json:"orderVersion,omitempty"`
}

// Requests lists the requests to the API that have ended, in the order of their ends. It has at
// least the latest 100,000.
func (s *Server) Requests() []Request { return s.latestRequests(-1) }

// latestRequests returns the last n requests, or all if n is negative.
func (s *Server) latestRequests(n int) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(latest(s.requests, n))
}

// recorded wraps every request to the API: it finds the route, applies a fault, and logs the
// request.
func (s *Server) recorded(api *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		record := Request{Method: r.Method, Start: time.Now()}
		_, record.Route = api.Handler(r)
		answer := newAnswer()
		defer func() {
			record.End = time.Now()
			record.OrderVersion = answer.orderVersion
			s.mu.Lock()
			s.requests = appendBounded(s.requests, record)
			s.mu.Unlock()
		}()
		if s.admit(answer, r) {
			r.Body = http.MaxBytesReader(w, r.Body, maxRequestBody)
			record.SalesOrderID = salesOrderIDOf(record.Route, r)
			fault := s.takeFault(record.Route, record.SalesOrderID)
			if !fault.apply(s.stopping, answer, r) {
				api.ServeHTTP(answer, r)
			}
			record.Status = fault.send(s.stopping, w, r, answer)
			return
		}
		record.Status = answer.send(w)
	})
}

// salesOrderIDOf returns the id of the order that a request is about, or "" if there is none. The
// body can still be read afterwards.
func salesOrderIDOf(route string, r *http.Request) string {
	switch route {
	case RouteGetSalesOrder:
		return lastSegment(r.URL.Path)
	case RoutePutSalesOrder:
		body, _ := io.ReadAll(r.Body) // an error comes again when the rest is read
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
		order, err := decodeObject(bytes.NewReader(body))
		if err != nil {
			return ""
		}
		return fieldText(order, idField(kindSalesOrder))
	}
	return ""
}

func lastSegment(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// admit reports whether the account answers the request. If not, it writes the refusal.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) bool {
	key, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	company, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !isBearer || subtle.ConstantTimeCompare([]byte(key), []byte(s.apiKey)) != 1:
		w.Header().Set("WWW-Authenticate", "Bearer")
		writeError(w, http.StatusUnauthorized, "The API key is missing or not valid.")
	case !strings.EqualFold(company, s.options.CompanyID):
		writeError(w, http.StatusForbidden, "The API key does not give access to this company.")
	case !acceptsVersion(r.Header.Values("Accept")):
		writeError(
			w,
			http.StatusNotAcceptable,
			"The Accept header must name an API version: application/json;version=2025-06-24.",
		)
	default:
		if wait := s.quota.take(s.options.Clock()); wait > 0 {
			s.quota.refused++
			if s.options.RetryAfter != RetryAfterNever &&
				(s.options.RetryAfter != RetryAfterSometimes || s.quota.refused%2 == 1) {
				w.Header().Set("Retry-After", strconv.FormatInt(wholeSeconds(wait), 10))
			}
			writeError(w, http.StatusTooManyRequests, "Too many requests.")
			return false
		}
		return true
	}
	return false
}

func wholeSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

var apiVersionForm = regexp.MustCompile(`^20\d\d-[01]\d-[0-3]\d$`)

// acceptsVersion reports whether an Accept header names a version of the API. Every date is a
// version, because InFlow also accepts later versions than it describes.
func acceptsVersion(accept []string) bool {
	for _, value := range strings.Split(strings.Join(accept, ","), ",") {
		media, params, err := mime.ParseMediaType(value)
		if err == nil && media == "application/json" && apiVersionForm.MatchString(params["version"]) {
			return true
		}
	}
	return false
}

// quota limits requests over any 60 seconds.
type quota struct {
	perMinute int
	taken     []time.Time // at most perMinute, ascending
	refused   int
}

// take counts a request. If the quota is used up, it returns how long to wait.
func (q *quota) take(now time.Time) time.Duration {
	if q.perMinute <= 0 {
		return 0
	}
	since := now.Add(-time.Minute)
	for len(q.taken) > 0 && !q.taken[0].After(since) {
		q.taken = q.taken[1:]
	}
	if len(q.taken) >= q.perMinute {
		return q.taken[0].Sub(since)
	}
	q.taken = append(q.taken, now)
	return 0
}

// appendBounded appends an entry to a log. If the log has 2*maxLog entries, it first drops the
// older half.
func appendBounded[T any](log []T, entry T) []T {
	if len(log) >= 2*maxLog {
		log = append([]T(nil), log[maxLog:]...)
	}
	return append(log, entry)
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(
			`{"message":"The answer could not be written as JSON."}`,
		)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}

func writeError(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, map[string]string{"message": message})
}
