package inflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"error-check-gate/internal/ordercheck"
)

// Entity is a kind of object that InFlow sends events about.
type Entity string

// Entities of InFlow's webhook events.
const (
	EntityCustomer      Entity = "customer"
	EntityProduct       Entity = "product"
	EntityPurchaseOrder Entity = "purchaseOrder"
	EntitySalesOrder    Entity = "salesOrder"
	EntityVendor        Entity = "vendor"
)

// Action is the change that an event reports.
type Action string

// Actions of InFlow's webhook events.
const (
	ActionCreated Action = "created"
	ActionUpdated Action = "updated"
)

// MaxEventLength limits an event's name, in bytes. InFlow's own names have about 25 bytes.
const MaxEventLength = 64

// maxOccurredAtLength limits the event's time, in bytes. It is over twice the longest RFC 3339
// time.
const maxOccurredAtLength = 64

// Webhook is the content of one delivery.
type Webhook struct {
	// Event is the event's name as it was sent, or empty if there is none. Unprintable and
	// non-ASCII characters are replaced, and the name is cut to [MaxEventLength] bytes.
	Event string
	// Entity and Action are the parsed Event. They are empty if the event is unknown.
	Entity Entity
	Action Action
	// SalesOrderID is set for every sales order event. It is valid and canonical (see
	// [ordercheck.CanonicalID]).
	SalesOrderID string
	// OccurredAt is the event's time as it was sent, or empty if there is no usable one.
	OccurredAt string
}

// Known reports whether the event is one of InFlow's.
func (w *Webhook) Known() bool { return w.Entity != "" }

// IsSalesOrder reports whether the event is about a sales order.
func (w *Webhook) IsSalesOrder() bool { return w.Entity == EntitySalesOrder }

// PayloadReason is the reason why a payload was refused. There are few fixed values, so they can
// be used as metric labels.
type PayloadReason string

// Reasons to refuse a payload.
const (
	PayloadNotJSON        PayloadReason = "payload-not-json"
	PayloadNotObject      PayloadReason = "payload-not-an-object"
	PayloadDuplicateKey   PayloadReason = "payload-duplicate-key"
	PayloadOrderIDMissing PayloadReason = "order-id-missing"
	PayloadOrderIDInvalid PayloadReason = "order-id-invalid"
	PayloadOrderIDClash   PayloadReason = "order-id-clash"
)

// PayloadError describes a payload that cannot be used. Its text does not quote the payload.
type PayloadError struct {
	Reason  PayloadReason
	message string
}

// Error describes the fault.
func (e *PayloadError) Error() string { return e.message }

func payloadErrorf(reason PayloadReason, format string, args ...any) error {
	return &PayloadError{Reason: reason, message: fmt.Sprintf(format, args...)}
}

// ParseWebhook parses the body of a delivery. InFlow sends two forms:
//
//	{"event":"salesOrder.updated","data":{"salesOrderId":"…"},"timestamp":"…"}   as documented
//	{"eventType":"SalesOrderUpdatedV1","salesOrderId":"…"}                       as seen live
//
// Event names may have any case and any version. An unknown event is not an error; see
// [Webhook.Known]. The error is a [*PayloadError] if the body is not one JSON object, repeats a
// field, or is about a sales order without a valid id.
func ParseWebhook(body []byte) (Webhook, error) {
	root, err := parseObject(trimByteOrderMark(body), "the body")
	if err != nil {
		return Webhook{}, err
	}

	var w Webhook
	w.Event, w.Entity, w.Action = eventOf(root)
	if !w.IsSalesOrder() {
		return w, nil
	}
	if w.SalesOrderID, err = salesOrderIDOf(root); err != nil {
		return Webhook{}, err
	}
	if at, ok := stringField(root["timestamp"]); ok && len(at) <= maxOccurredAtLength &&
		printable(at) == at {
		w.OccurredAt = at
	}
	return w, nil
}

// eventOf returns the delivery's event. If both forms are present and disagree, it prefers the
// sales order event: a check too many does no harm, but a missing check does.
func eventOf(root map[string]json.RawMessage) (name string, entity Entity, action Action) {
	for _, field := range []string{"event", "eventType"} {
		text, ok := stringField(root[field])
		if !ok || text == "" {
			continue
		}
		e, a := ParseEvent(text)
		if name == "" || (e == EntitySalesOrder && entity != EntitySalesOrder) {
			name, entity, action = text, e, a
		}
	}
	return printable(name), entity, action
}

// eventEntities maps lower-case names to entities.
var eventEntities = map[string]Entity{
	"customer":      EntityCustomer,
	"product":       EntityProduct,
	"purchaseorder": EntityPurchaseOrder,
	"salesorder":    EntitySalesOrder,
	"vendor":        EntityVendor,
}

// ParseEvent parses an event's name, such as "salesOrder.updated" or "SalesOrderUpdatedV2", in any
// case and any version. It returns empty strings if the name is unknown.
func ParseEvent(name string) (Entity, Action) {
	if len(name) > MaxEventLength {
		return "", ""
	}
	rest := strings.ToLower(name)
	if unversioned := strings.TrimRight(rest, "0123456789"); unversioned != rest {
		var ok bool
		if rest, ok = strings.CutSuffix(unversioned, "v"); !ok {
			return "", ""
		}
	}
	for _, action := range []Action{ActionCreated, ActionUpdated} {
		if entity, ok := strings.CutSuffix(rest, string(action)); ok {
			if known, ok := eventEntities[strings.TrimSuffix(entity, ".")]; ok {
				return known, action
			}
		}
	}
	return "", ""
}

const salesOrderIDField = "salesOrderId"

// salesOrderIDOf returns the id from data.salesOrderId, as documented, or from salesOrderId at the
// root.
func salesOrderIDOf(root map[string]json.RawMessage) (string, error) {
	var ids []string
	if raw, ok := present(root["data"]); ok && raw[0] == '{' {
		data, err := parseObject(raw, "data")
		if err != nil {
			return "", err
		}
		id, ok, err := idField(data, "data."+salesOrderIDField)
		if err != nil {
			return "", err
		}
		if ok {
			ids = append(ids, id)
		}
	}
	id, ok, err := idField(root, salesOrderIDField)
	if err != nil {
		return "", err
	}
	if ok {
		ids = append(ids, id)
	}

	switch {
	case len(ids) == 0:
		return "", payloadErrorf(PayloadOrderIDMissing,
			"the sales order event has no id: both data.salesOrderId and salesOrderId are missing")
	case len(ids) == 2 && ids[0] != ids[1]:
		return "", payloadErrorf(PayloadOrderIDClash, "data.salesOrderId and salesOrderId name "+
			"different orders")
	}
	return ids[0], nil
}

func idField(object map[string]json.RawMessage, path string) (id string, ok bool, err error) {
	raw, ok := present(object[salesOrderIDField])
	if !ok {
		return "", false, nil
	}
	id, ok = stringField(raw)
	if !ok {
		return "", false, payloadErrorf(PayloadOrderIDInvalid, "%s is not a string", path)
	}
	if err := ordercheck.ValidateSalesOrderID(id); err != nil {
		return "", false, payloadErrorf(PayloadOrderIDInvalid, "%s: %s", path, err)
	}
	return ordercheck.CanonicalID(id), true, nil
}

// parseObject parses one JSON object without decoding its values. It is stricter than
// encoding/json: it rejects repeated fields, which are ambiguous, and invalid UTF-8, which
// encoding/json would change silently.
func parseObject(data []byte, what string) (map[string]json.RawMessage, error) {
	if !utf8.Valid(data) {
		return nil, payloadErrorf(PayloadNotJSON, "%s is not valid UTF-8", what)
	}
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		return nil, notJSON(data, what, err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if token, err := dec.Token(); err != nil || token != json.Delim('{') {
		return nil, payloadErrorf(PayloadNotObject, "%s is not a JSON object", what)
	}
	object := map[string]json.RawMessage{}
	for dec.More() {
		token, err := dec.Token()
		key, ok := token.(string)
		if err != nil || !ok {
			return nil, payloadErrorf(PayloadNotJSON, "%s is not valid JSON", what)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, notJSON(data, what, err)
		}
		if _, ok := object[key]; ok {
			return nil, payloadErrorf(PayloadDuplicateKey, "%s has a field twice; the second one "+
				"is before byte %d", what, dec.InputOffset()+1)
		}
		object[key] = value
	}
	return object, nil
}

func notJSON(data []byte, what string, err error) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return payloadErrorf(PayloadNotJSON, "%s is empty; expected a JSON object", what)
	}
	// err quotes the body, so only its position is used.
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return payloadErrorf(PayloadNotJSON, "%s is not valid JSON", what)
	}
	if syntax.Offset >= int64(len(data)) {
		return payloadErrorf(PayloadNotJSON, "%s is not valid JSON: it ends too early, or its "+
			"last byte (%d) is wrong", what, len(data))
	}
	return payloadErrorf(PayloadNotJSON, "%s is not valid JSON at byte %d", what, syntax.Offset)
}

// present returns false for an absent value and for null, which mean the same to InFlow.
func present(raw json.RawMessage) (json.RawMessage, bool) {
	return raw, len(raw) > 0 && !bytes.Equal(raw, []byte("null"))
}

func stringField(raw json.RawMessage) (string, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", false
	}
	return s, true
}

// printable makes untrusted text safe for logs, responses and Temporal's history: printable ASCII,
// at most MaxEventLength bytes.
func printable(s string) string {
	s = s[:min(len(s), MaxEventLength)]
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// PayloadForm is the form of a delivery's body; see [ParseWebhook].
type PayloadForm string

// Forms of a body.
const (
	FormDocumented PayloadForm = "documented" // as in InFlow's webhook documentation
	FormLive       PayloadForm = "live"       // as InFlow's service really sends it
)

// NewWebhookBody builds a delivery's body as InFlow would, for tests and trials. event is used as
// it is, even if InFlow has no such event.
func NewWebhookBody(form PayloadForm, event, salesOrderID string, at time.Time) ([]byte, error) {
	var payload any
	switch form {
	case FormDocumented:
		type data struct {
			SalesOrderID string `json:"salesOrderId"`
		}
		payload = struct {
			Event     string `json:"event"`
			Data      data   `json:"data"`
			Timestamp string `json:"timestamp"`
		}{event, data{salesOrderID}, at.UTC().Format(time.RFC3339)}
	case FormLive:
		payload = struct {
			EventType    string `json:"eventType"`
			SalesOrderID string `json:"salesOrderId"`
		}{event, salesOrderID}
	default:
		return nil, fmt.Errorf("unknown payload form %q: use %s or %s", form, FormDocumented,
			FormLive)
	}
	body, err := json.Marshal(payload)
	if err != nil {
		return nil, fmt.Errorf("encode the webhook's body: %w", err)
	}
	return body, nil
}

// EventName returns the name of a sales order event in the given form, such as
// "salesOrder.updated" or "SalesOrderUpdatedV1".
func EventName(form PayloadForm, action Action) string {
	if form == FormLive {
		if action == ActionCreated {
			return "SalesOrderCreatedV1"
		}
		return "SalesOrderUpdatedV1"
	}
	return string(EntitySalesOrder) + "." + string(action)
}
