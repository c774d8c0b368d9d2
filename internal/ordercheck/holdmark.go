package ordercheck

import (
	"slices"
	"time"
)

// A hold mark is a line in a custom field of the order in InFlow that says the order is held. The
// company chooses the field; without one the gate never writes an order.

// Activities that write hold marks. Each makes one request to InFlow per attempt.
const (
	// ActivityReadHoldField takes [ReadHoldFieldInput], answers [HoldFieldImage]; on
	// [InflowTaskQueue].
	ActivityReadHoldField = "ReadHoldField"
	// ActivityWriteHoldField takes [WriteHoldFieldInput], answers [WrittenHoldField]; on
	// [InflowTaskQueue].
	ActivityWriteHoldField = "WriteHoldField"
	// ActivityStopHoldMarks takes [HoldMarksStop]; on [TaskQueue].
	ActivityStopHoldMarks = "StopHoldMarks"
	// ActivityNotifyHoldMarksStopped takes [HoldMarksStop]; on [TaskQueue].
	ActivityNotifyHoldMarksStopped = "NotifyHoldMarksStopped"
)

const (
	// HoldMarksStopType is the workflow that is open while no order of the account is marked. It
	// takes [HoldMarksStop].
	HoldMarksStopType = "HoldMarksStop"
	// HoldMarksStopID is the id of its only run.
	HoldMarksStopID = "hold-marks-stop"
	// QueryHoldMarksStop answers with its [HoldMarksStop].
	QueryHoldMarksStop = "hold-marks-stop"
	// SignalResumeHoldMarks ends it.
	SignalResumeHoldMarks = "resume"
	// EventMarksResumed is the event of a [Delivery] that asks an open order to check itself, so that
	// its mark becomes what it should be.
	EventMarksResumed = "marks-resumed"
)

// Application error types of the activities that write hold marks. None is retried by Temporal.
const (
	// ErrorHoldFieldConflict: somebody saved the order after it was read.
	ErrorHoldFieldConflict = "HoldFieldConflict"
	// ErrorHoldMarksOff: the worker has no field for hold marks.
	ErrorHoldMarksOff = "HoldMarksOff"
	// ErrorHoldMarksStopped: nobody has resumed hold marks after they were stopped.
	ErrorHoldMarksStopped = "HoldMarksStopped"
)

// MaxReadingAge is how old a reading may be when the write that rests on it begins. InFlow refuses to
// overwrite what somebody has saved since, but the gate doesn't rely on that alone.
const MaxReadingAge = time.Minute

// HoldMark is what the mark of an order says. The zero value is no mark.
type HoldMark struct {
	// Since is when the first error was confirmed or, of an order in its grace period, first seen.
	Since time.Time `json:"since,omitzero"`
	// Error is the message of the first error.
	Error string `json:"error,omitempty"`
	// More counts the other errors.
	More int `json:"more,omitempty"`
}

// IsZero reports whether there is no mark.
func (m HoldMark) IsZero() bool { return m.Same(HoldMark{}) }

// Same reports whether both marks say the same.
func (m HoldMark) Same(other HoldMark) bool {
	return m.Error == other.Error && m.More == other.More && m.Since.Equal(other.Since)
}

// HoldField is the custom field for hold marks as a fetch found it.
type HoldField struct {
	// Name is the custom field, such as custom3.
	Name string `json:"name"`
	// Text is the gate's mark in the field; empty if there is none.
	Text string `json:"text,omitempty"`
	// Foreign is true if the field holds words that are not the gate's.
	Foreign bool `json:"foreign,omitempty"`
	// Pending is true if orders within their grace period are marked too.
	Pending bool `json:"pending,omitempty"`
}

// KnownMarks are the texts that the gate has written into a custom field of an order. Any other text
// is a person's, even if it looks like a mark.
type KnownMarks struct {
	// Field is the custom field. If no [KnownMarks] are of a field, the gate doesn't know what it has
	// written there, and recognizes its marks by their form.
	Field string   `json:"field"`
	Texts []string `json:"texts,omitempty"`
	// Partial is true if the gate may have written other texts too: marks are also recognized by
	// their form.
	Partial bool `json:"partial,omitempty"`
}

// ReadHoldFieldInput is the argument of [ActivityReadHoldField].
type ReadHoldFieldInput struct {
	SalesOrderID string `json:"salesOrderId"`
	// Field is the custom field to read; empty for the worker's own.
	Field string `json:"field,omitempty"`
	// Known are the gate's own texts in it.
	Known []KnownMarks `json:"known,omitempty"`
	// Wanted is the mark to write; zero to take it away.
	Wanted HoldMark `json:"wanted,omitzero"`
	// ToWrite is true if the order is only read to be written: it isn't read while marks are stopped.
	ToWrite bool `json:"toWrite,omitempty"`
}

// HoldFieldImage is what a later reading of the order is compared with. It holds no text of the
// order but the custom fields.
type HoldFieldImage struct {
	Field HoldField `json:"field"`
	// Text is the text of the wanted mark; empty if none is wanted.
	Text string `json:"text,omitempty"`
	// ReadAt is when the request began, by Temporal's clock.
	ReadAt time.Time `json:"readAt,omitzero"`
	// Version is the order's version.
	Version string `json:"version"`
	// CustomFields are all custom fields of the order.
	CustomFields map[string]string `json:"customFields,omitempty"`
	// Properties are fingerprints of everything else, by property.
	Properties []Fingerprint `json:"properties"`
	// Serials counts the serial numbers in the order.
	Serials int `json:"serials,omitempty"`
	// Missing lists the parts that the order must have, and that InFlow left out or sent empty. LeftOut
	// lists the parts that InFlow left out, whether or not the order has any. Both are sorted.
	Missing []string `json:"missing,omitempty"`
	LeftOut []string `json:"leftOut,omitempty"`
	// ModifiedBy is the id of whoever saved the order last.
	ModifiedBy string `json:"modifiedBy,omitempty"`
}

// Fingerprint is a hash of a property of an order.
type Fingerprint struct {
	Name string `json:"name"`
	Hash string `json:"hash"`
}

// Differences lists the properties of an order that differ between two readings, sorted.
func Differences(before, after []Fingerprint) []string {
	var names []string
	for _, print := range slices.Concat(before, after) {
		if !slices.Contains(before, print) || !slices.Contains(after, print) {
			names = append(names, print.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// WriteHoldFieldInput is the argument of [ActivityWriteHoldField].
type WriteHoldFieldInput struct {
	SalesOrderID string `json:"salesOrderId"`
	// Field is the custom field to write, and Text its new text; empty takes the mark away.
	Field string `json:"field"`
	Text  string `json:"text,omitempty"`
	// Version and CustomFields are those of the [HoldFieldImage].
	Version      string            `json:"version"`
	CustomFields map[string]string `json:"customFields,omitempty"`
}

// WrittenHoldField is InFlow's answer to a write.
type WrittenHoldField struct {
	// Version is the order's version after the write.
	Version string `json:"version"`
	// Properties are fingerprints of the order in the answer, which may lack parts of it.
	Properties []Fingerprint `json:"properties,omitempty"`
	// ModifiedBy is the id of whoever saved the order: the gate.
	ModifiedBy string `json:"modifiedBy,omitempty"`
}

// HoldMarksStop is the reason that no order of the account is marked.
type HoldMarksStop struct {
	// SalesOrderID and OrderNumber name the order whose write led to it.
	SalesOrderID string `json:"salesOrderId"`
	OrderNumber  string `json:"orderNumber,omitempty"`
	// Damaged lists the properties of that order that the write changed; empty if InFlow refused
	// the write because the API key may not write orders.
	Damaged []string `json:"damaged,omitempty"`
}
