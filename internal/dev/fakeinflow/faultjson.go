package fakeinflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// faultJSON is a [Fault] for the admin routes and the command line.
type faultJSON struct {
	Route        string       `json:"route,omitempty"`
	SalesOrderID string       `json:"salesOrderId,omitempty"`
	Every        int          `json:"every,omitempty"`
	Times        int          `json:"times,omitempty"`
	Latency      jsonDuration `json:"latency,omitempty"`
	Status       int          `json:"status,omitempty"`
	RetryAfter   jsonDuration `json:"retryAfter,omitempty"`
	Body         string       `json:"body,omitempty"`
	SlowBody     jsonDuration `json:"slowBody,omitempty"`
	Cut          bool         `json:"cut,omitempty"`
	Dropped      bool         `json:"dropped,omitempty"`
	AnswerLost   bool         `json:"answerLost,omitempty"`
	Stale        jsonDuration `json:"stale,omitempty"`
	Incomplete   jsonDuration `json:"incomplete,omitempty"`
	LeftOut      []string     `json:"leftOut,omitempty"`

	SerialsDropped   bool   `json:"serialsDropped,omitempty"`
	TimestampIgnored bool   `json:"timestampIgnored,omitempty"`
	NotKept          bool   `json:"notKept,omitempty"`
	ShortenedTo      int    `json:"shortenedTo,omitempty"`
	Changed          string `json:"changed,omitempty"`
}

// ParseFault parses a fault in JSON, such as {"status":500,"times":3}. The names are those of
// [Fault], and durations are in Go's format. It refuses a fault that changes nothing or contradicts
// itself.
func ParseFault(text []byte) (Fault, error) {
	var asked faultJSON
	if err := decodeFault(text, &asked); err != nil {
		return Fault{}, err
	}
	fault := Fault{
		Route: asked.Route, SalesOrderID: asked.SalesOrderID,
		Every: asked.Every, Times: asked.Times,
		Latency: time.Duration(asked.Latency),
		Status:  asked.Status, RetryAfter: time.Duration(asked.RetryAfter), Body: asked.Body,
		SlowBody: time.Duration(asked.SlowBody),
		Cut:      asked.Cut, Dropped: asked.Dropped, AnswerLost: asked.AnswerLost,
		Stale: time.Duration(asked.Stale), Incomplete: time.Duration(asked.Incomplete),
		LeftOut: asked.LeftOut,
		Write: WriteFault{
			SerialsDropped:   asked.SerialsDropped,
			TimestampIgnored: asked.TimestampIgnored,
			NotKept:          asked.NotKept,
			ShortenedTo:      asked.ShortenedTo,
			Changed:          asked.Changed,
		},
	}
	return fault, fault.validate()
}

func (f *Fault) json() faultJSON {
	return faultJSON{
		Route: f.Route, SalesOrderID: f.SalesOrderID, Every: f.Every, Times: f.Times,
		Latency: jsonDuration(f.Latency), Status: f.Status, RetryAfter: jsonDuration(f.RetryAfter),
		Body: f.Body, SlowBody: jsonDuration(f.SlowBody), Cut: f.Cut, Dropped: f.Dropped,
		AnswerLost: f.AnswerLost, Stale: jsonDuration(f.Stale),
		Incomplete: jsonDuration(f.Incomplete), LeftOut: f.LeftOut,
		SerialsDropped:   f.Write.SerialsDropped,
		TimestampIgnored: f.Write.TimestampIgnored,
		NotKept:          f.Write.NotKept, ShortenedTo: f.Write.ShortenedTo,
		Changed: f.Write.Changed,
	}
}

// deliveryFaultJSON is a [DeliveryFault] for the admin routes and the command line.
type deliveryFaultJSON struct {
	SalesOrderID string       `json:"salesOrderId,omitempty"`
	Every        int          `json:"every,omitempty"`
	Times        int          `json:"times,omitempty"`
	Lost         bool         `json:"lost,omitempty"`
	Doubled      bool         `json:"doubled,omitempty"`
	Delay        jsonDuration `json:"delay,omitempty"`
	Reordered    bool         `json:"reordered,omitempty"`
}

// ParseDeliveryFault parses a fault in JSON, such as {"lost":true,"every":10}. The names are those
// of [DeliveryFault]; see [ParseFault].
func ParseDeliveryFault(text []byte) (DeliveryFault, error) {
	var asked deliveryFaultJSON
	if err := decodeFault(text, &asked); err != nil {
		return DeliveryFault{}, err
	}
	fault := DeliveryFault{
		SalesOrderID: asked.SalesOrderID, Every: asked.Every, Times: asked.Times,
		Lost: asked.Lost, Doubled: asked.Doubled,
		Delay: time.Duration(asked.Delay), Reordered: asked.Reordered,
	}
	return fault, fault.validate()
}

func (f *DeliveryFault) json() deliveryFaultJSON {
	return deliveryFaultJSON{
		SalesOrderID: f.SalesOrderID, Every: f.Every, Times: f.Times,
		Lost: f.Lost, Doubled: f.Doubled,
		Delay: jsonDuration(f.Delay), Reordered: f.Reordered,
	}
}

func decodeFault(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("the fault cannot be read: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the fault cannot be read: there is more after its end")
	}
	return nil
}

// jsonDuration is a duration in Go's format, such as "1.5s".
type jsonDuration time.Duration

// MarshalText implements [encoding.TextMarshaler].
func (d jsonDuration) MarshalText() ([]byte, error) {
	return []byte(time.Duration(d).String()), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *jsonDuration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = jsonDuration(parsed)
	return err
}
