package fakeinflow

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

//go:embed page.html
var pageHTML string

// editField is one value of an order that the page lets a person change.
type editField struct {
	Path  string // as in [Server.SetField]
	Label string
	Value string
	Flag  bool // true or false instead of a text
	Long  bool
}

type pageLine struct {
	Number int
	Name   string
	Fields []editField
}

type pageOrder struct {
	OrderSummary
	Fields []editField
	Lines  []pageLine
}

type pageData struct {
	Nonce, CompanyID, Host string
	Query                  string // text to search for
	Orders                 []OrderSummary
	Found                  int  // orders found, including orders that are not shown
	More                   bool // some orders are not shown
	Selected               *pageOrder
	Saved                  string
	Presets                []faultPreset
}

// maxPageOrders is the maximum number of orders in the list.
const maxPageOrders = 100

// faultPreset is a fault that the page offers. People can change it before they set it.
type faultPreset struct{ Label, Path, Fault string }

var faultPresets = []faultPreset{
	{"API: slow", "/_fake/faults", `{"latency":"3s"}`},
	{"API: 500", "/_fake/faults", `{"status":500,"times":3}`},
	{"API: 429", "/_fake/faults", `{"status":429,"retryAfter":"5s","times":3}`},
	{"API: broken body", "/_fake/faults", `{"body":"<html>not here</html>","times":3}`},
	{"API: connection cut within the answer", "/_fake/faults", `{"cut":true,"times":3}`},
	{"API: connection cut before the request is applied", "/_fake/faults",
		`{"dropped":true,"times":3}`},
	{"API: applied, and the answer lost", "/_fake/faults", `{"answerLost":true,"times":1}`},
	{"API: orders as they were a while ago", "/_fake/faults", `{"stale":"2s"}`},
	{"API: new orders without their lines", "/_fake/faults", `{"incomplete":"2s"}`},
	{"API: something left out that was asked for", "/_fake/faults", `{"leftOut":["lines"],"times":2}`},
	{"API: writes of orders refused as stale", "/_fake/faults",
		`{"route":"PUT /{companyId}/sales-orders","status":409,"times":3}`},
	{"API: a write of an order drops its serial numbers", "/_fake/faults",
		`{"route":"PUT /{companyId}/sales-orders","serialsDropped":true,"times":1}`},
	{"API: a write of an order leaves its custom fields as they were", "/_fake/faults",
		`{"route":"PUT /{companyId}/sales-orders","notKept":true,"times":1}`},
	{"Webhooks: lost", "/_fake/delivery-faults", `{"lost":true,"times":1}`},
	{"Webhooks: doubled", "/_fake/delivery-faults", `{"doubled":true,"every":2}`},
	{"Webhooks: late", "/_fake/delivery-faults", `{"delay":"30s"}`},
	{"Webhooks: in another order", "/_fake/delivery-faults", `{"reordered":true,"every":2}`},
}

// page shows the orders, a form for the selected one, and the deliveries.
func (s *Server) page() (http.Handler, error) {
	parsed, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return nil, fmt.Errorf("parse page.html: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		data := pageData{
			Nonce: rand.Text(), CompanyID: s.options.CompanyID, Host: r.Host, Query: query.Get("q"),
			Saved: query.Get("saved"), Presets: faultPresets,
		}
		data.Orders, data.Found = s.findOrders(data.Query, maxPageOrders)
		data.More = data.Found > len(data.Orders)
		if id := query.Get("order"); id != "" {
			document, err := s.Order(id)
			if err != nil {
				writeAdminError(w, err)
				return
			}
			data.Selected = describeOrder(document)
		}
		var body bytes.Buffer
		if err := parsed.Execute(&body, data); err != nil {
			s.logger.ErrorContext(r.Context(), "the page could not be rendered", "error", err)
			writeError(w, http.StatusInternalServerError, "The page could not be rendered.")
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; img-src data:; "+
			"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "+
			"script-src 'nonce-"+data.Nonce+"'; style-src 'nonce-"+data.Nonce+"'")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(body.Bytes())
	}), nil
}

// findOrders returns the first orders whose number or customer contains a text, and the number of
// all.
func (s *Server) findOrders(text string, most int) (first []OrderSummary, found int) {
	text = strings.ToLower(strings.TrimSpace(text))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.store.collections[kindSalesOrder].created {
		summary := s.summary(r)
		searched := strings.ToLower(summary.Number + "\n" + summary.Customer)
		if text != "" && !strings.Contains(searched, text) {
			continue
		}
		if found++; found <= most {
			first = append(first, summary)
		}
	}
	return first, found
}

// The fields that the page shows, of an order and of each of its lines.
var (
	orderFields = []editField{
		{Path: "inventoryStatus", Label: "Inventory status"},
		{Path: "paymentStatus", Label: "Payment status"},
		{Path: "isQuote", Label: "Quote"},
		{Path: "isCancelled", Label: "Cancelled"},
		{Path: "isTaxInclusive", Label: "Tax-inclusive"},
		{Path: "subTotal", Label: "Subtotal"},
		{Path: "orderFreight", Label: "Freight"},
		{Path: "tax1", Label: "Tax 1"},
		{Path: "tax2", Label: "Tax 2"},
		{Path: "total", Label: "Total"},
		{Path: "amountPaid", Label: "Paid"},
		{Path: "balance", Label: "Balance"},
		{Path: "poNumber", Label: "PO number"},
		{Path: "customFields.custom4", Label: "Custom field 4"},
		{Path: "customer.isActive", Label: "Customer is active"},
		{Path: "orderRemarks", Label: "Remarks", Long: true},
	}
	lineFields = []editField{
		{Path: "quantity.uomQuantity", Label: "Quantity"},
		{Path: "unitPrice", Label: "Unit price"},
		{Path: "discount.value", Label: "Discount"},
		{Path: "discount.isPercent", Label: "Discount is percent"},
		{Path: "subTotal", Label: "Subtotal"},
		{Path: "product.isActive", Label: "Product is active"},
	}
)

// customFields returns the custom fields that have a text; custom4 is always shown.
func customFields(document map[string]any) (fields []editField) {
	values, _ := document["customFields"].(map[string]any)
	for n := 1; n <= 10; n++ {
		name := "custom" + strconv.Itoa(n)
		if n != 4 && fieldText(values, name) != "" {
			label := "Custom field " + strconv.Itoa(n)
			fields = append(fields, editField{Path: "customFields." + name, Label: label, Long: true})
		}
	}
	return fields
}

func describeOrder(document map[string]any) *pageOrder {
	customer, _ := document["customer"].(map[string]any)
	described := &pageOrder{
		OrderSummary: OrderSummary{
			ID: fieldText(document, "salesOrderId"), Number: fieldText(document, "orderNumber"),
			Version:  fieldText(document, "timestamp"),
			Customer: fieldText(customer, "name"), Total: fieldText(document, "total"),
		},
		Fields: present(document, "", append(slices.Clone(orderFields), customFields(document)...)),
	}
	lines, _ := document["lines"].([]any)
	for i, entry := range lines {
		if line, ok := entry.(map[string]any); ok {
			described.Lines = append(described.Lines, pageLine{
				Number: i + 1,
				Name:   fieldText(line, "description"),
				Fields: present(document, "lines."+strconv.Itoa(i)+".", lineFields),
			})
		}
	}
	return described
}

// present returns the fields that the document has, with their values.
func present(document map[string]any, prefix string, fields []editField) []editField {
	var found []editField
	for _, field := range fields {
		field.Path = prefix + field.Path
		value, ok := getField(document, field.Path)
		if !ok {
			continue
		}
		field.Value, field.Flag, ok = shownValue(value)
		if ok {
			found = append(found, field)
		}
	}
	return found
}

// shownValue returns a value for a form. ok is false for lists and objects.
func shownValue(value any) (text string, flag, ok bool) {
	switch value := value.(type) {
	case nil:
		return "", false, true
	case string:
		return value, false, true
	case bool:
		return strconv.FormatBool(value), true, true
	case fmt.Stringer: // a JSON number
		return value.String(), false, true
	default:
		return "", false, false
	}
}

var errEditedSince = errors.New("the order was edited since the page was loaded: load it again")

// postEdit saves the changes in the page's form as one edit. Unchanged fields keep their types, so
// a field that was null stays null if its text is empty.
func (s *Server) postEdit(w http.ResponseWriter, r *http.Request) {
	if err := checkMediaType(r, "application/x-www-form-urlencoded"); err != nil {
		writeAdminError(w, err)
		return
	}
	if err := r.ParseForm(); err != nil {
		writeAdminError(w, fmt.Errorf("the form cannot be read: %w", err))
		return
	}
	id := r.PathValue("id")
	err := s.editOrRefuse(kindSalesOrder, id, func(document map[string]any) error {
		if r.PostForm.Get("version") != fieldText(document, "timestamp") {
			return errEditedSince
		}
		described := describeOrder(document)
		fields := described.Fields
		for _, line := range described.Lines {
			fields = append(fields, line.Fields...)
		}
		for _, field := range fields {
			if err := applyForm(document, field, r.PostForm); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		writeAdminError(w, err)
		return
	}
	http.Redirect(w, r, "/_fake/?saved=1&order="+url.QueryEscape(id), http.StatusSeeOther)
}

// postCopy creates a copy of an order.
func (s *Server) postCopy(w http.ResponseWriter, r *http.Request) {
	document, err := s.Order(r.PathValue("id"))
	if err != nil {
		writeAdminError(w, err)
		return
	}
	delete(document, "salesOrderId")
	delete(document, "orderNumber")
	lines, _ := document["lines"].([]any)
	for _, entry := range lines {
		if line, ok := entry.(map[string]any); ok {
			delete(line, "salesOrderLineId")
		}
	}
	id, err := s.AddOrder(document)
	if err != nil {
		writeAdminError(w, err)
		return
	}
	http.Redirect(w, r, "/_fake/?saved=1&order="+url.QueryEscape(id), http.StatusSeeOther)
}

func applyForm(document map[string]any, field editField, form url.Values) error {
	if !form.Has(field.Path) || form.Get(field.Path) == field.Value {
		return nil
	}
	if !field.Flag {
		return setField(document, field.Path, form.Get(field.Path))
	}
	flag, err := strconv.ParseBool(form.Get(field.Path))
	if err != nil {
		return fmt.Errorf("%s must be true or false", field.Label)
	}
	return setField(document, field.Path, flag)
}
