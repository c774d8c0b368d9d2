package orderfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// lineStart is the beginning of each order's line. The order's own fields follow the time.
const lineStart = `{"exportedAt":"`

// EncodeLine returns the line of an order, without the newline.
func EncodeLine(order *inflow.SalesOrder, exportedAt time.Time) ([]byte, error) {
	digest := *order
	digest.SalesRepTeamMember = nil // has an e-mail address, and no rule needs it
	encoded, err := json.Marshal(&digest)
	if err != nil {
		return nil, fmt.Errorf("encode sales order %s: %w", ordercheck.ShortID(order.SalesOrderID), err)
	}
	line := make([]byte, 0, len(encoded)+len(lineStart)+len(time.RFC3339)+2)
	line = append(line, lineStart...)
	line = exportedAt.UTC().AppendFormat(line, time.RFC3339)
	line = append(line, `",`...)
	return append(line, encoded[1:]...), nil // encoded begins with {
}

// key holds the fields of an order's line that the file is sorted and checked by.
type key struct {
	ExportedAt   time.Time `json:"exportedAt"`
	SalesOrderID string    `json:"salesOrderId"`
	Timestamp    string    `json:"timestamp"`
	CustomerID   string    `json:"customerId"`
}

// parseKey reads the key of a line.
func parseKey(line []byte) (key, error) {
	k, ok := scanKey(line)
	if !ok {
		k = key{}
		if err := json.Unmarshal(line, &k); err != nil {
			return key{}, withoutContent(err)
		}
	}
	version, ok := ordercheck.ParseVersion(k.Timestamp)
	switch {
	case k.ExportedAt.IsZero():
		return key{}, errors.New("does not say when the order was exported")
	case k.SalesOrderID == "":
		return key{}, errors.New("has no salesOrderId")
	case !ok:
		return key{}, errors.New("has no timestamp of at most 16 hex digits")
	}
	k.Timestamp = version
	k.SalesOrderID = ordercheck.CanonicalID(k.SalesOrderID)
	k.CustomerID = ordercheck.CanonicalID(k.CustomerID)
	return k, nil
}

// scanKey reads the key from the beginning of the line, because decoding the whole line takes ten
// times as long. The encoder writes the key's fields before the order's lines. ok is false if they
// are somewhere else, or the beginning is not JSON.
func scanKey(line []byte) (k key, ok bool) {
	decoder := json.NewDecoder(bytes.NewReader(line))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return key{}, false
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return key{}, false
		}
		var target any
		switch name {
		case "exportedAt":
			target = &k.ExportedAt
		case "salesOrderId":
			target = &k.SalesOrderID
		case "timestamp":
			target = &k.Timestamp
		case "customerId":
			target = &k.CustomerID
		case "lines":
			return k, !k.ExportedAt.IsZero() && k.SalesOrderID != "" && k.Timestamp != ""
		default:
			target = new(json.RawMessage)
		}
		if err := decoder.Decode(target); err != nil {
			return key{}, false
		}
		if name == "customerId" && !k.ExportedAt.IsZero() && k.SalesOrderID != "" &&
			k.Timestamp != "" {
			return k, true
		}
	}
	return key{}, false
}

// withoutContent returns an error that says what is wrong with a line but does not quote it. The
// errors of encoding/json can quote it.
func withoutContent(err error) error {
	var syntax *json.SyntaxError
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("is not JSON: syntax error at byte %d", syntax.Offset)
	case errors.As(err, &mistyped) && mistyped.Field != "":
		return fmt.Errorf("is not an order: field %s has another type than expected", mistyped.Field)
	default:
		return errors.New("is not an order")
	}
}
