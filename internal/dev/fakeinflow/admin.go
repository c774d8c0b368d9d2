package fakeinflow

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"error-check-gate/internal/localonly"
)

var apiRoutes = []string{
	RouteGetSalesOrder, RouteListSalesOrders, RoutePutSalesOrder,
	RouteListWebhooks, RouteGetWebhook, RoutePutWebhook, RouteDeleteWebhook,
}

// admin returns the handler of /_fake/, for people and scripts on this machine. It replaces
// InFlow's own pages.
func (s *Server) admin() (http.Handler, error) {
	page, err := s.page()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /_fake/{$}", page)
	mux.HandleFunc("POST /_fake/orders/{id}/edit", s.postEdit)
	mux.HandleFunc("POST /_fake/orders/{id}/copy", s.postCopy)
	mux.HandleFunc("GET /_fake/orders", s.getOrders)
	mux.HandleFunc("POST /_fake/orders", s.postEntity(kindSalesOrder))
	mux.HandleFunc("GET /_fake/orders/{id}", s.getEntity(kindSalesOrder))
	mux.HandleFunc("PATCH /_fake/orders/{id}", s.patchEntity(kindSalesOrder))
	mux.HandleFunc("DELETE /_fake/orders/{id}", s.deleteOrder)
	for kind, path := range map[string]string{
		kindCustomer: "/_fake/customers", kindProduct: "/_fake/products",
	} {
		mux.HandleFunc("GET "+path, s.getEntities(kind))
		mux.HandleFunc("POST "+path, s.postEntity(kind))
		mux.HandleFunc("GET "+path+"/{id}", s.getEntity(kind))
		mux.HandleFunc("PATCH "+path+"/{id}", s.patchEntity(kind))
	}
	mux.HandleFunc("GET /_fake/subscriptions", s.getSubscriptions)
	mux.HandleFunc(
		"GET /_fake/deliveries",
		func(w http.ResponseWriter, r *http.Request) { writeLatest(w, r, s.latestDeliveries) },
	)
	mux.HandleFunc(
		"GET /_fake/requests",
		func(w http.ResponseWriter, r *http.Request) { writeLatest(w, r, s.latestRequests) },
	)
	mux.HandleFunc("GET /_fake/faults", s.getFaults)
	mux.HandleFunc("POST /_fake/faults", s.postFault)
	mux.HandleFunc("POST /_fake/delivery-faults", s.postDeliveryFault)
	mux.HandleFunc("DELETE /_fake/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	return onlyLocal(http.NewCrossOriginProtection().Handler(mux)), nil
}

// onlyLocal refuses requests whose Host is not a name of this machine, so that no web page can
// reach the stand-in by a name that resolves to it. For local names, net/http's protection keeps
// other origins from changing anything.
func onlyLocal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !localonly.Host(r.Host) {
			writeError(
				w,
				http.StatusForbidden,
				"/_fake/ answers under the names localhost, 127.0.0.1 and [::1] only.",
			)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxRequestBody)
		next.ServeHTTP(w, r)
	})
}

// writeLatest writes a log, or its end if the query has last=30, for example.
func writeLatest[T any](w http.ResponseWriter, r *http.Request, log func(n int) []T) {
	n := -1
	if last := r.URL.Query().Get("last"); last != "" {
		var err error
		if n, err = strconv.Atoi(last); err != nil || n < 0 {
			writeError(w, http.StatusBadRequest, "last must be a number from 0.")
			return
		}
	}
	writeJSON(w, http.StatusOK, append([]T{}, log(n)...))
}

func (s *Server) getOrders(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.Orders())
}

func (s *Server) getEntity(kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		document, err := s.entity(kind, r.PathValue("id"))
		if err != nil {
			writeAdminError(w, err)
			return
		}
		writeJSON(w, http.StatusOK, document)
	}
}

func (s *Server) getEntities(kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		list := []map[string]any{}
		for _, r := range s.store.collections[kind].created {
			list = append(list, r.document) // has no references, and never changes in place
		}
		s.mu.Unlock()
		writeJSON(w, http.StatusOK, list)
	}
}

func (s *Server) postEntity(kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		document, err := readObject(r, "application/json")
		if err != nil {
			writeAdminError(w, err)
			return
		}
		id, err := s.add(kind, document)
		if err != nil {
			writeAdminError(w, err)
			return
		}
		s.writeEntity(w, http.StatusCreated, kind, id)
	}
}

// patchEntity edits an entity with a JSON merge patch, RFC 7396.
func (s *Server) patchEntity(kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		patch, err := readObject(r, "application/merge-patch+json", "application/json")
		if err != nil {
			writeAdminError(w, err)
			return
		}
		id := r.PathValue("id")
		merge := func(document map[string]any) { mergePatch(document, patch) }
		if err := s.editWith(kind, id, merge); err != nil {
			writeAdminError(w, err)
			return
		}
		s.writeEntity(w, http.StatusOK, kind, id)
	}
}

// writeEntity answers with an entity that was written, or with the summary of an order.
func (s *Server) writeEntity(w http.ResponseWriter, status int, kind, id string) {
	if kind == kindSalesOrder {
		s.writeSummary(w, status, id)
		return
	}
	document, err := s.entity(kind, id)
	if err != nil {
		writeAdminError(w, err)
		return
	}
	writeJSON(w, status, document)
}

func (s *Server) deleteOrder(w http.ResponseWriter, r *http.Request) {
	if err := s.DeleteOrder(r.PathValue("id")); err != nil {
		writeAdminError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) writeSummary(w http.ResponseWriter, status int, id string) {
	s.mu.Lock()
	r, err := s.store.get(kindSalesOrder, id)
	if err != nil { // deleted since
		s.mu.Unlock()
		writeAdminError(w, err)
		return
	}
	summary := s.summary(r)
	s.mu.Unlock()
	writeJSON(w, status, summary)
}

// mergePatch changes an object as in RFC 7396, section 2.
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

func (s *Server) postFault(w http.ResponseWriter, r *http.Request) {
	body, err := readFault(r)
	if err == nil {
		var fault Fault
		if fault, err = ParseFault(body); err == nil {
			err = s.SetFault(fault)
		}
	}
	writeFaultSet(w, err)
}

func (s *Server) postDeliveryFault(w http.ResponseWriter, r *http.Request) {
	body, err := readFault(r)
	if err == nil {
		var fault DeliveryFault
		if fault, err = ParseDeliveryFault(body); err == nil {
			err = s.SetDeliveryFault(fault)
		}
	}
	writeFaultSet(w, err)
}

func readFault(r *http.Request) ([]byte, error) {
	if err := checkMediaType(r, "application/json"); err != nil {
		return nil, err
	}
	return io.ReadAll(r.Body)
}

func (s *Server) getFaults(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	faults := make([]faultJSON, len(s.faults))
	for i, queued := range s.faults {
		fault := queued.fault
		fault.Times = queued.remaining
		faults[i] = fault.json()
	}
	deliveries := make([]deliveryFaultJSON, len(s.deliveries.faults))
	for i, queued := range s.deliveries.faults {
		fault := queued.fault
		fault.Times = queued.remaining
		deliveries[i] = fault.json()
	}
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"faults": faults, "deliveryFaults": deliveries})
}

// getSubscriptions also shows whether a subscription is turned off, which InFlow's API doesn't. It
// shows no secret.
func (s *Server) getSubscriptions(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	list := make([]map[string]any, len(s.subscriptions))
	for i, sub := range s.subscriptions {
		list[i] = sub.shown(false)
		list[i]["off"] = sub.off
	}
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, list)
}

func writeFaultSet(w http.ResponseWriter, err error) {
	if err != nil {
		writeAdminError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

var errMediaType = errors.New("the Content-Type must be one of these")

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
	case errors.Is(err, ErrNoOrder), errors.Is(err, ErrNoCustomer), errors.Is(err, ErrNoProduct):
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
