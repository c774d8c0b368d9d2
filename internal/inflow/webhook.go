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

// Entity is a kind of thing that InFlow announces changes of.
type Entity string

// The entities of InFlow's webhook events.
const (
	EntityCustomer      Entity = "customer"
	EntityProduct       Entity = "product"
	EntityPurchaseOrder Entity = "purchaseOrder"
	EntitySalesOrder    Entity = "salesOrder"
	EntityVendor        Entity = "vendor"
)

// Action is what happened to an entity.
type Action string

// The actions of InFlow's webhook events.
const (
	ActionCreated Action = "created"
	ActionUpdated Action = "updated"
)

// MaxEventLength is how much of an event's name is kept, in bytes. InFlow's own
// names have about 25.
const MaxEventLength = 64

// maxOccurredAtLength is over twice the longest RFC 3339 time.
const maxOccurredAtLength = 64

// Webhook is what a delivery says.
type Webhook struct {
	// Event is InFlow's name of what happened, as it was sent. Of a name that is
	// not known, only printable ASCII is kept and at most [MaxEventLength] bytes.
	// It is empty where the delivery names none.
	Event string
	// Entity and Action are what Event means; empty for an event that is not known.
	Entity Entity
	Action Action
	// SalesOrderID is set for every event of a sales order, always valid, and canonical (see
	// [ordercheck.CanonicalID]).
	SalesOrderID string
	// OccurredAt is the time InFlow gave, as it was sent; empty where it gave no usable one.
	OccurredAt string
}

// Known says whether the event is one of InFlow's.
func (w *Webhook) Known() bool { return w.Entity != "" }

// IsSalesOrder says whether a sales order was created or updated.
func (w *Webhook) IsSalesOrder() bool { return w.Entity == EntitySalesOrder }

// PayloadReason is why a payload was refused. Its values are few and fixed, so
// that they may label a metric.
type PayloadReason string

// The reasons to refuse a payload.
const (
	PayloadNotJSON        PayloadReason = "payload-not-json"
	PayloadNotObject      PayloadReason = "payload-not-an-object"
	PayloadDuplicateKey   PayloadReason = "payload-duplicate-key"
	PayloadOrderIDMissing PayloadReason = "order-id-missing"
	PayloadOrderIDInvalid PayloadReason = "order-id-invalid"
	PayloadOrderIDClash   PayloadReason = "order-id-clash"
)

// PayloadError is a payload that cannot be used. Its text names the fault and
// quotes nothing of the payload.
type PayloadError struct {
	Reason  PayloadReason
	message string
}

// Error names the fault.
func (e *PayloadError) Error() string { return e.message }

func payloadErrorf(reason PayloadReason, format string, args ...any) error {
	return &PayloadError{Reason: reason, message: fmt.Sprintf(format, args...)}
}

// ParseWebhook reads the body of a delivery, in both forms that InFlow sends:
//
//	{"event":"salesOrder.updated","data":{"salesOrderId":"…"},"timestamp":"…"}   as documented
//	{"eventType":"SalesOrderUpdatedV1","salesOrderId":"…"}                       as seen live
//
// Event names are compared without case, and with any version. What is not known
// is no error: see [Webhook.Known]. An error is a [*PayloadError]: the body is not
// one JSON object, repeats a field, or tells of a sales order without a valid id.
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
	if at, ok := stringField(root["timestamp"]); ok && len(at) <= maxOccurredAtLength && printable(at) == at {
		w.OccurredAt = at
	}
	return w, nil
}

// eventOf: where a delivery names an event in both forms and they disagree, the
// sales order's counts. A check too many does no harm; one too few does.
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

// eventEntities by their names in small letters.
var eventEntities = map[string]Entity{
	"customer":      EntityCustomer,
	"product":       EntityProduct,
	"purchaseorder": EntityPurchaseOrder,
	"salesorder":    EntitySalesOrder,
	"vendor":        EntityVendor,
}

// ParseEvent reads the name of an event, "salesOrder.updated" or "SalesOrderUpdatedV2", in
// any case and any version. Both answers are empty for a name that is not known.
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

// salesOrderIDOf takes the id from where the delivery has it: data.salesOrderId
// as documented, or salesOrderId at the root.
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
			"a sales order's event without its id: neither data.salesOrderId nor salesOrderId is there")
	case len(ids) == 2 && ids[0] != ids[1]:
		return "", payloadErrorf(PayloadOrderIDClash, "data.salesOrderId and salesOrderId name different orders")
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

// parseObject reads one JSON object and leaves its values as they are. It is
// stricter than encoding/json: a repeated field could mean either value, and text
// that is not UTF-8 would be changed in silence.
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
		return nil, payloadErrorf(PayloadNotObject, "%s is JSON, but not an object", what)
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
			return nil, payloadErrorf(PayloadDuplicateKey, "%s has a field twice, the second time before byte %d", what, dec.InputOffset()+1)
		}
		object[key] = value
	}
	return object, nil
}

func notJSON(data []byte, what string, err error) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return payloadErrorf(PayloadNotJSON, "%s is empty, and not a JSON object", what)
	}
	// The error's own text quotes the body.
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return payloadErrorf(PayloadNotJSON, "%s is not valid JSON", what)
	}
	if syntax.Offset >= int64(len(data)) {
		return payloadErrorf(PayloadNotJSON, "%s is not valid JSON: it ends too early, or is wrong at its last byte, %d", what, len(data))
	}
	return payloadErrorf(PayloadNotJSON, "%s is not valid JSON at byte %d", what, syntax.Offset)
}

// present is false for what is absent and for null: InFlow means the same by both.
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

// printable makes of a stranger's text what may stand in a log, an answer and Temporal's
// history: printable ASCII, at most MaxEventLength bytes.
func printable(s string) string {
	s = s[:min(len(s), MaxEventLength)]
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// PayloadForm is one of the shapes in which InFlow sends a delivery.
type PayloadForm string

// The forms of a payload.
const (
	FormDocumented PayloadForm = "documented" // InFlow's webhook documentation
	FormLive       PayloadForm = "live"       // what InFlow's service was seen to send
)

// NewWebhookBody makes a delivery's body as InFlow would, for tests and for
// trying a gate out. event is written as given, whether InFlow has such an event or not.
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
		return nil, fmt.Errorf("no payload form %q: there are %s and %s", form, FormDocumented, FormLive)
	}
	body, err := json.Marshal(payload)
	if err != nil {
		return nil, fmt.Errorf("write a webhook's body: %w", err)
	}
	return body, nil
}

// EventName is InFlow's name of a sales order's event in a form: "salesOrder.updated", "SalesOrderUpdatedV1".
func EventName(form PayloadForm, action Action) string {
	if form == FormLive {
		if action == ActionCreated {
			return "SalesOrderCreatedV1"
		}
		return "SalesOrderUpdatedV1"
	}
	return string(EntitySalesOrder) + "." + string(action)
}
