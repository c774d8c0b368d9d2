package fakeinflow

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"error-check-gate/internal/localonly"
)

var apiRoutes = []string{
	RouteGetSalesOrder, RouteListSalesOrders, RouteListWebhooks, RouteGetWebhook, RoutePutWebhook, RouteDeleteWebhook,
}

// admin serves what stands under /_fake/: for people and scripts on this machine, in
// place of InFlow's own pages.
func (s *Server) admin() (http.Handler, error) {
	page, err := s.page()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /_fake/{$}", page)
	mux.HandleFunc("POST /_fake/orders/{id}/edit", s.postEdit)
	mux.HandleFunc("GET /_fake/orders", s.getOrders)
	mux.HandleFunc("POST /_fake/orders", s.postOrder)
	mux.HandleFunc("GET /_fake/orders/{id}", s.getOrder)
	mux.HandleFunc("PATCH /_fake/orders/{id}", s.patchOrder)
	mux.HandleFunc("DELETE /_fake/orders/{id}", s.deleteOrder)
	mux.HandleFunc("GET /_fake/deliveries", func(w http.ResponseWriter, r *http.Request) { writeLatest(w, r, s.Deliveries()) })
	mux.HandleFunc("GET /_fake/requests", func(w http.ResponseWriter, r *http.Request) { writeLatest(w, r, s.Requests()) })
	mux.HandleFunc("POST /_fake/faults", s.postFault)
	mux.HandleFunc("POST /_fake/delivery-faults", s.postDeliveryFault)
	mux.HandleFunc("DELETE /_fake/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	return onlyLocal(http.NewCrossOriginProtection().Handler(mux)), nil
}

// onlyLocal refuses a request under another name than this machine's own, so that no
// web page can reach the fake by a name of its choice that resolves to it. Of the names
// that are left, net/http's protection keeps other origins from changing anything.
func onlyLocal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !localonly.Host(r.Host) {
			writeError(w, http.StatusForbidden, "/_fake/ answers under the names localhost, 127.0.0.1 and [::1] only.")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxRequestBody)
		next.ServeHTTP(w, r)
	})
}

// writeLatest writes a log, or its end where the query names how much of it: last=30.
func writeLatest[T any](w http.ResponseWriter, r *http.Request, log []T) {
	if last := r.URL.Query().Get("last"); last != "" {
		n, err := strconv.Atoi(last)
		if err != nil || n < 0 {
			writeError(w, http.StatusBadRequest, "last must be a number from 0.")
			return
		}
		log = log[max(0, len(log)-n):]
	}
	if log == nil {
		log = []T{}
	}
	writeJSON(w, http.StatusOK, log)
}

func (s *Server) getOrders(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.Orders())
}

func (s *Server) getOrder(w http.ResponseWriter, r *http.Request) {
	document, err := s.Order(r.PathValue("id"))
	if err != nil {
		writeAdminError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, document)
}

func (s *Server) postOrder(w http.ResponseWriter, r *http.Request) {
	document, err := readObject(r, "application/json")
	if err != nil {
		writeAdminError(w, err)
		return
	}
	id, err := s.AddOrder(document)
	if err != nil {
		writeAdminError(w, err)
		return
	}
	s.writeSummary(w, http.StatusCreated, id)
}

// patchOrder edits by a JSON merge patch, RFC 7396.
func (s *Server) patchOrder(w http.ResponseWriter, r *http.Request) {
	patch, err := readObject(r, "application/merge-patch+json", "application/json")
	if err != nil {
		writeAdminError(w, err)
		return
	}
	id := r.PathValue("id")
	if err := s.EditOrder(id, func(document map[string]any) { mergePatch(document, patch) }); err != nil {
		writeAdminError(w, err)
		return
	}
	s.writeSummary(w, http.StatusOK, id)
}

func (s *Server) deleteOrder(w http.ResponseWriter, r *http.Request) {
	if err := s.DeleteOrder(r.PathValue("id")); err != nil {
		writeAdminError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) writeSummary(w http.ResponseWriter, status int, id string) {
	orders := s.Orders()
	i := slices.IndexFunc(orders, func(o OrderSummary) bool { return strings.EqualFold(o.ID, id) })
	if i < 0 { // deleted since
		writeAdminError(w, ErrNoOrder)
		return
	}
	writeJSON(w, status, orders[i])
}

// mergePatch changes an object as RFC 7396, section 2, has it.
func mergePatch(target, patch map[string]any) {
	for field, value := range patch {
		object, isObject := value.(map[string]any)
		switch {
		case value == nil:
			delete(target, field)
		case isObject:
			inside, ok := target[field].(map[string]any)
			if !ok {
				inside = map[string]any{}
				target[field] = inside
			}
			mergePatch(inside, object)
		default:
			target[field] = cloneValue(value)
		}
	}
}

// jsonDuration is written as Go writes a duration: "1.5s".
type jsonDuration time.Duration

func (d *jsonDuration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = jsonDuration(parsed)
	return err
}

func (s *Server) postFault(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Route        string       `json:"route"`
		SalesOrderID string       `json:"salesOrderId"`
		Times        int          `json:"times"`
		Latency      jsonDuration `json:"latency"`
		Status       int          `json:"status"`
		RetryAfter   jsonDuration `json:"retryAfter"`
		Body         string       `json:"body"`
		SlowBody     jsonDuration `json:"slowBody"`
		Cut          bool         `json:"cut"`
		Dropped      bool         `json:"dropped"`
		AnswerLost   bool         `json:"answerLost"`
	}
	if err := readFault(r, &asked); err != nil {
		writeAdminError(w, err)
		return
	}
	if asked.Route != "" && !slices.Contains(apiRoutes, asked.Route) {
		writeAdminError(w, fmt.Errorf("the route is none of: %s", strings.Join(apiRoutes, ", ")))
		return
	}
	writeFaultSet(w, s.SetFault(Fault{
		Route: asked.Route, SalesOrderID: asked.SalesOrderID, Times: asked.Times, Latency: time.Duration(asked.Latency),
		Status: asked.Status, RetryAfter: time.Duration(asked.RetryAfter), Body: asked.Body,
		SlowBody: time.Duration(asked.SlowBody), Cut: asked.Cut, Dropped: asked.Dropped, AnswerLost: asked.AnswerLost,
	}))
}

func (s *Server) postDeliveryFault(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		SalesOrderID string       `json:"salesOrderId"`
		Times        int          `json:"times"`
		Lost         bool         `json:"lost"`
		Doubled      bool         `json:"doubled"`
		Delay        jsonDuration `json:"delay"`
		Reordered    bool         `json:"reordered"`
	}
	if err := readFault(r, &asked); err != nil {
		writeAdminError(w, err)
		return
	}
	writeFaultSet(w, s.SetDeliveryFault(DeliveryFault{
		SalesOrderID: asked.SalesOrderID, Times: asked.Times, Lost: asked.Lost, Doubled: asked.Doubled,
		Delay: time.Duration(asked.Delay), Reordered: asked.Reordered,
	}))
}

func readFault(r *http.Request, into any) error {
	if err := checkMediaType(r, "application/json"); err != nil {
		return err
	}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("the fault cannot be read: %w", err)
	}
	return nil
}

func writeFaultSet(w http.ResponseWriter, err error) {
	if err != nil {
		writeAdminError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

var errMediaType = errors.New("the Content-Type is not one that is taken here")

func checkMediaType(r *http.Request, wanted ...string) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(wanted, media) {
		return fmt.Errorf("%w: %s", errMediaType, strings.Join(wanted, ", "))
	}
	return nil
}

func readObject(r *http.Request, mediaTypes ...string) (map[string]any, error) {
	if err := checkMediaType(r, mediaTypes...); err != nil {
		return nil, err
	}
	return decodeObject(r.Body)
}

func writeAdminError(w http.ResponseWriter, err error) {
	var tooLarge *http.MaxBytesError
	status := http.StatusBadRequest
	switch {
	case errors.Is(err, ErrNoOrder):
		status = http.StatusNotFound
	case errors.Is(err, errMediaType):
		status = http.StatusUnsupportedMediaType
	case errors.As(err, &tooLarge):
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, errEditedSince):
		status = http.StatusConflict
	}
	writeError(w, status, err.Error())
}
