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
	// PayloadAsSubscribed is the documented form if the subscription has the event's documented
	// name, else the live form.
	PayloadAsSubscribed PayloadForm = ""
	// PayloadDocumented is
	// {"event":"salesOrder.updated","data":{"salesOrderId":"…"},"timestamp":"…"}.
	PayloadDocumented PayloadForm = "documented"
	// PayloadLive is {"eventType":"SalesOrderUpdatedV1","salesOrderId":"…"}. Every second update is
	// a SalesOrderUpdatedV2, and two bodies with a timestamp follow two without one.
	PayloadLive PayloadForm = "live"
	// PayloadAlternate alternates between the documented and the live form.
	PayloadAlternate PayloadForm = "alternate"
)

// ParsePayloadForm parses the name of a form.
func ParsePayloadForm(name string) (PayloadForm, error) {
	switch form := PayloadForm(name); form {
	case PayloadAsSubscribed, PayloadDocumented, PayloadLive, PayloadAlternate:
		return form, nil
	}
	return "", fmt.Errorf("the payload form %q is none of documented, live, alternate", name)
}

// payload returns the name of a webhook's event, and its body. name is the event's name in the
// subscription. number is the number of the delivery, from 1.
func payload(
	form PayloadForm, what change, name string, number int, now time.Time,
) (event, body string) {
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
		body = `{"event":` + quoted(event) + `,"data":{` + id +
			`},"timestamp":` + quoted(timestamp) + `}`
	case turn/2%2 == 1:
		body = `{"eventType":` + quoted(event) + `,` + id +
			`,"timestamp":` + quoted(timestamp) + `}`
	default:
		body = `{"eventType":` + quoted(event) + `,` + id + `}`
	}
	return event, body
}

func quoted(text string) string {
	encoded, _ := json.Marshal(text) // a string always marshals
	return string(encoded)
}
