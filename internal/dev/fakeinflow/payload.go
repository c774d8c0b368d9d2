package fakeinflow

import (
	"encoding/json"
	"fmt"
	"time"
)

// PayloadForm is the form of a webhook's body.
type PayloadForm string

// The forms of a webhook's body.
const (
	// PayloadAsSubscribed is the documented form for events subscribed to under their
	// documented names, and the live form for the others.
	PayloadAsSubscribed PayloadForm = ""
	// PayloadDocumented is {"event":"salesOrder.updated","data":{"salesOrderId":"…"},"timestamp":"…"}.
	PayloadDocumented PayloadForm = "documented"
	// PayloadLive is {"eventType":"SalesOrderUpdatedV1","salesOrderId":"…"}; by turns an
	// update is a SalesOrderUpdatedV2, and two without a timestamp follow two with one.
	PayloadLive PayloadForm = "live"
	// PayloadAlternate is the documented and the live form by turns.
	PayloadAlternate PayloadForm = "alternate"
)

// ParsePayloadForm reads the name of a form.
func ParsePayloadForm(name string) (PayloadForm, error) {
	switch form := PayloadForm(name); form {
	case PayloadAsSubscribed, PayloadDocumented, PayloadLive, PayloadAlternate:
		return form, nil
	}
	return "", fmt.Errorf("the payload form %q is none of documented, live, alternate", name)
}

// payload is a webhook's body, and the name of its event. name is the subscription's, and
// number the delivery's.
func payload(form PayloadForm, what change, name string, number int, now time.Time) (event, body string) {
	names := eventNames[what.record.kind][what.what]
	documented, live := names[0], names[1:]
	timestamp := now.UTC().Format(time.RFC3339)
	turn := number - 1
	switch form {
	case PayloadLive:
		event = live[turn%len(live)]
	case PayloadAlternate:
		event = documented
		if turn%2 == 1 {
			turn /= 2
			event = live[turn%len(live)]
		}
	case PayloadAsSubscribed:
		event = name
	default:
		event = documented
	}
	id := quoted(idField(what.record.kind)) + ":" + quoted(what.record.id)
	switch {
	case event == documented:
		body = `{"event":` + quoted(event) + `,"data":{` + id + `},"timestamp":` + quoted(timestamp) + `}`
	case turn/2%2 == 1:
		body = `{"eventType":` + quoted(event) + `,` + id + `,"timestamp":` + quoted(timestamp) + `}`
	default:
		body = `{"eventType":` + quoted(event) + `,` + id + `}`
	}
	return event, body
}

func quoted(text string) string {
	encoded, _ := json.Marshal(text) // a string always marshals
	return string(encoded)
}
