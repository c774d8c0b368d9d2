package inflow

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// CustomFieldCount is the number of custom fields that a sales order has: custom1 to custom10.
const CustomFieldCount = 10

// IsCustomField reports whether name is one of custom1 to custom10.
func IsCustomField(name string) bool {
	digits, ok := strings.CutPrefix(name, "custom")
	n, err := strconv.Atoi(digits)
	return ok && err == nil && n >= 1 && n <= CustomFieldCount && digits == strconv.Itoa(n)
}

// documentIncludes are the parts of an order that a write could damage.
var documentIncludes = []string{
	IncludeLines, IncludePackLines, IncludePaymentLines, IncludePickLines, IncludeShipLines, "restockLines",
}

// Document is a whole sales order as InFlow sent it, for a write that must change nothing else.
// Formatting one shows nothing of the order.
type Document struct {
	fields map[string]any
	order  SalesOrder // the same, as far as it can be read
}

// String returns a fixed text that shows nothing of the order.
func (Document) String() string { return "inflow.Document" }

// GoString is the same as String.
func (d Document) GoString() string { return d.String() }

// Timestamp returns the order's rowversion: see [SalesOrder.Timestamp].
func (d Document) Timestamp() string {
	timestamp, _ := d.fields["timestamp"].(string)
	return timestamp
}

// LastModifiedBy returns the id of the team member who saved the order last; empty if InFlow doesn't
// say.
func (d Document) LastModifiedBy() string {
	id, _ := d.fields["lastModifiedById"].(string)
	return id
}

// CustomField returns the value of a custom field; empty if it has none.
func (d Document) CustomField(name string) string {
	value, _ := d.customFields()[name].(string)
	return strings.TrimSpace(value)
}

func (d Document) customFields() map[string]any {
	fields, _ := d.fields["customFields"].(map[string]any)
	return fields
}

// CustomFields returns the values of all custom fields that have one. It fails if a field is not one
// that [Client.WriteCustomFields] could send back unchanged: the error is an [*Error] of
// [KindBadResponse].
func (d Document) CustomFields() (map[string]string, error) {
	const op = "read custom fields"
	fields := map[string]string{}
	for name, value := range d.customFields() {
		text, ok := value.(string)
		switch {
		case value == nil, ok && text == "":
		case !IsCustomField(name):
			return nil, badResponse(op, http.StatusOK, fmt.Errorf(
				"InFlow sent a custom field %q, which is none of custom1 to custom%d; writing the others "+
					"could clear it", name, CustomFieldCount))
		case !ok:
			return nil, badResponse(op, http.StatusOK, fmt.Errorf(
				"%s is not a text; writing the other custom fields could clear it", name))
		default:
			fields[name] = text
		}
	}
	return fields, nil
}

// Missing returns the parts of the order that InFlow left out, or sent empty although the order has
// them: see [SalesOrder.Missing].
func (d Document) Missing() []string { return d.order.Missing(documentIncludes) }

// LeftOut returns the parts of the order that InFlow left out although the request included them,
// sorted. The order may have none of them.
func (d Document) LeftOut() []string {
	var names []string
	for _, name := range documentIncludes {
		if d.fields[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// SerialNumbers counts the serial numbers anywhere in the order.
func (d Document) SerialNumbers() int { return countSerials(d.fields) }

func countSerials(value any) (n int) {
	switch value := value.(type) {
	case map[string]any:
		for name, inside := range value {
			if serials, ok := inside.([]any); ok && name == "serialNumbers" {
				n += len(serials)
				continue
			}
			n += countSerials(inside)
		}
	case []any:
		for _, entry := range value {
			n += countSerials(entry)
		}
	}
	return n
}

// contactFields are private texts. They share one fingerprint, from which nobody can guess one.
var contactFields = []string{
	"billingAddress", "contactName", "email", "orderRemarks", "phone", "shipToCompanyName", "shippingAddress",
}

// Contact is the name of the fingerprint of the private texts.
const Contact = "contact"

// Fingerprints returns a hash of each property of the order. It leaves out one custom field and what
// InFlow sets with every write. Null, empty and absent are alike, and the order of a list's entries
// doesn't matter.
func (d Document) Fingerprints(customField string) map[string]string {
	fields, _ := normalize(d.fields).(map[string]any)
	if custom, ok := fields["customFields"].(map[string]any); ok {
		delete(custom, customField)
		if len(custom) == 0 {
			delete(fields, "customFields")
		}
	}
	contact := map[string]any{}
	for _, name := range contactFields {
		if value, ok := fields[name]; ok {
			contact[name] = value
			delete(fields, name)
		}
	}
	fields[Contact] = contact
	prints := make(map[string]string, len(fields))
	for name, value := range fields {
		encoded, _ := json.Marshal(value) // it was decoded from JSON
		sum := sha256.Sum256(encoded)
		prints[name] = hex.EncodeToString(sum[:8])
	}
	return prints
}

// setByInflow are properties, at any depth, that InFlow sets when it writes.
var setByInflow = map[string]bool{
	"timestamp": true, "lastModifiedBy": true, "lastModifiedById": true, "lastModDttm": true,
}

func normalize(value any) any {
	switch value := value.(type) {
	case map[string]any:
		object := map[string]any{}
		for name, inside := range value {
			if inside = normalize(inside); inside != nil && !setByInflow[name] {
				object[name] = inside
			}
		}
		return object
	case []any:
		if len(value) == 0 {
			return nil
		}
		entries := make([]string, len(value))
		for i, entry := range value {
			encoded, _ := json.Marshal(normalize(entry)) // it was decoded from JSON
			entries[i] = string(encoded)
		}
		slices.Sort(entries)
		return entries
	case string:
		if value == "" {
			return nil
		}
	}
	return value
}

// SalesOrderDocument gets a whole sales order: see [Client.SalesOrder] for its errors.
func (c *Client) SalesOrderDocument(ctx context.Context, id string) (Document, error) {
	const op = "get whole sales order"
	query := url.Values{"include": {includeList(documentIncludes)}}
	document := Document{}
	request := call{op: op, route: "sales-order", path: "sales-orders", query: query, into: &document}
	if err := c.getByID(ctx, request, id); err != nil {
		return Document{}, err
	}
	if err := document.isOf(id); err != nil {
		return Document{}, badResponse(op, http.StatusOK, err)
	}
	return document, nil
}

// UnmarshalJSON keeps numbers as InFlow wrote them.
func (d *Document) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	d.fields = nil
	if err := decoder.Decode(&d.fields); err != nil {
		var mistyped *json.UnmarshalTypeError
		if errors.As(err, &mistyped) {
			return mistyped // it doesn't quote the value
		}
		return errors.New("not a JSON object")
	}
	d.order = SalesOrder{}
	if err := json.Unmarshal(data, &d.order); err != nil {
		d.order = SalesOrder{} // checks of the order report it
	}
	return nil
}

func (d Document) isOf(id string) error {
	got, _ := d.fields["salesOrderId"].(string)
	if err := sameID("salesOrderId", got, id); err != nil {
		return err
	}
	if d.Timestamp() == "" {
		return errors.New("the answer has no timestamp; check INFLOW_API_URL and INFLOW_API_VERSION")
	}
	return nil
}

// WriteCustomFields writes the custom fields of an order and nothing else: InFlow doesn't change
// properties that a write lacks. It returns the order in InFlow's answer, which is the order
// right after the write if InFlow includes everything that a [Document] has.
//
// If somebody saved the order after timestamp, InFlow refuses the write and the error is an
// [*Error] of [KindConflict].
func (c *Client) WriteCustomFields(
	ctx context.Context,
	id, timestamp string,
	fields map[string]string,
) (Document, error) {
	const op = "write sales order"
	for name := range fields {
		if !IsCustomField(name) {
			return Document{}, fmt.Errorf(
				"inflow: %s: %q is none of custom1 to custom%d",
				op,
				name,
				CustomFieldCount,
			)
		}
	}
	if timestamp == "" {
		return Document{}, fmt.Errorf(
			"inflow: %s: the timestamp is missing, without which InFlow overwrites other people's work",
			op,
		)
	}
	body, err := json.Marshal(map[string]any{
		"salesOrderId": id, "timestamp": timestamp, "customFields": fields,
	})
	if err != nil {
		return Document{}, fmt.Errorf("inflow: %s: the custom fields cannot be sent", op)
	}
	var written Document
	err = c.do(
		ctx,
		call{
			op:     op,
			route:  "sales-orders",
			method: http.MethodPut,
			path:   "sales-orders",
			query:  url.Values{"include": {includeList(documentIncludes)}},
			body:   body,
			into:   &written,
		},
	)
	if err != nil {
		return Document{}, err
	}
	if err := written.isOf(id); err != nil {
		return Document{}, badResponse(op, http.StatusOK, err)
	}
	return written, nil
}
