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
	"strconv"
)

//go:embed page.html
var pageHTML string

// editField is one value of an order that the page lets a person change.
type editField struct {
	Path  string // as in [Server.SetField]
	Label string
	Value string
	Flag  bool // true or false, and not a text
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
	Nonce     string
	CompanyID string
	Orders    []OrderSummary
	Selected  *pageOrder
	Saved     string
}

// page shows the orders, one of them as a form, and the deliveries as they go out.
func (s *Server) page() (http.Handler, error) {
	parsed, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return nil, fmt.Errorf("parse page.html: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		data := pageData{Nonce: rand.Text(), CompanyID: s.options.CompanyID, Orders: s.Orders(), Saved: query.Get("saved")}
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
			s.logger.ErrorContext(r.Context(), "the page could not be made", "error", err)
			writeError(w, http.StatusInternalServerError, "The page could not be made.")
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "+
			"script-src 'nonce-"+data.Nonce+"'; style-src 'nonce-"+data.Nonce+"'")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(body.Bytes())
	}), nil
}

// The fields that the page shows, of an order and of each of its lines.
var (
	orderFields = []editField{
		{Path: "inventoryStatus", Label: "Inventory status"}, {Path: "paymentStatus", Label: "Payment status"},
		{Path: "isQuote", Label: "Quote"}, {Path: "isCancelled", Label: "Cancelled"}, {Path: "isTaxInclusive", Label: "Tax-inclusive"},
		{Path: "subTotal", Label: "Subtotal"}, {Path: "orderFreight", Label: "Freight"}, {Path: "tax1", Label: "Tax 1"}, {Path: "tax2", Label: "Tax 2"},
		{Path: "total", Label: "Total"}, {Path: "amountPaid", Label: "Paid"}, {Path: "balance", Label: "Balance"},
		{Path: "poNumber", Label: "PO number"}, {Path: "customFields.custom4", Label: "Custom field 4"}, {Path: "orderRemarks", Label: "Remarks", Long: true},
	}
	lineFields = []editField{
		{Path: "quantity.uomQuantity", Label: "Quantity"}, {Path: "unitPrice", Label: "Unit price"}, {Path: "discount.value", Label: "Discount"},
		{Path: "discount.isPercent", Label: "Discount is percent"}, {Path: "subTotal", Label: "Subtotal"},
	}
)

func describeOrder(document map[string]any) *pageOrder {
	customer, _ := document["customer"].(map[string]any)
	described := &pageOrder{
		OrderSummary: OrderSummary{
			ID: fieldText(document, "salesOrderId"), Number: fieldText(document, "orderNumber"),
			Version: fieldText(document, "timestamp"), Customer: fieldText(customer, "name"), Total: fieldText(document, "total"),
		},
		Fields: present(document, "", orderFields),
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

// present are those of the fields that the document has, with their values.
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

// shownValue is a value as a form has it. ok is false for lists and objects.
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

// postEdit saves what was changed in the page's form as one edit. Unchanged fields keep
// their types; a text that is blank where there was null stays null.
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
