package ordercheck

import (
	"slices"
	"time"
)

// A hold mark is a line in a custom field of the order in InFlow. It says that the order is held.
// The company chooses the field. If it chooses none, the gate never writes an order.

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
	// HoldMarksStopType is the workflow that stops hold marks: while its run is open, the gate
	// marks no order of the account. It takes [HoldMarksStop].
	HoldMarksStopType = "HoldMarksStop"
	// HoldMarksStopID is the id of its only run.
	HoldMarksStopID = "hold-marks-stop"
	// QueryHoldMarksStop answers with the [HoldMarksStop] of the run.
	QueryHoldMarksStop = "hold-marks-stop"
	// SignalResumeHoldMarks ends the run.
	SignalResumeHoldMarks = "resume"
	// EventMarksResumed is the event of a [Delivery] that asks an open order to check itself, so
	// that it updates its mark.
	EventMarksResumed = "marks-resumed"
)

// Application error types of the activities that write hold marks. None is retried by Temporal.
const (
	// ErrorHoldFieldConflict means that somebody saved the order after the gate read it.
	ErrorHoldFieldConflict = "HoldFieldConflict"
	// ErrorHoldMarksOff means that the worker has no field for hold marks.
	ErrorHoldMarksOff = "HoldMarksOff"
	// ErrorHoldMarksStopped means that hold marks are stopped, and nobody has resumed them.
	ErrorHoldMarksStopped = "HoldMarksStopped"
)

// MaxReadingAge is the maximum age of a reading when the write that follows it begins. InFlow
// refuses to overwrite a version that somebody saved after the reading, but the gate doesn't rely
// on that alone.
const MaxReadingAge = time.Minute

// HoldMark is the content of an order's mark. The zero value means no mark.
type HoldMark struct {
	// Since is when the first error was confirmed or, if the order is in its grace period, first
	// seen.
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
	// Foreign is true if the field holds a text that the gate did not write.
	Foreign bool `json:"foreign,omitempty"`
	// Pending is true if orders within their grace period are marked too.
	Pending bool `json:"pending,omitempty"`
}

// KnownMarks are the texts that the gate has written into a custom field of an order. Any other text
// is a person's, even if it looks like a mark.
type KnownMarks struct {
	// Field is the custom field. If an order has no [KnownMarks] for a field, the gate doesn't
	// know what it has written there, and recognizes its marks by their form.
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
	// Known are the texts that the gate has written into custom fields of the order.
	Known []KnownMarks `json:"known,omitempty"`
	// Wanted is the mark to write; zero to remove the mark.
	Wanted HoldMark `json:"wanted,omitzero"`
	// ToWrite is true if a write shall follow. Then the order isn't read while marks are stopped.
	ToWrite bool `json:"toWrite,omitempty"`
}

// HoldFieldImage is a reading of an order, with which a later reading is compared. The custom
// fields are the only texts of the order in it.
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
	// Missing lists the parts that the order must have, but that InFlow left out or sent empty.
	// LeftOut lists all parts that InFlow left out, even if the order has none. Both are sorted.
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

// Differences returns the names of the properties that differ between two readings, sorted.
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
	// Field is the custom field to write, and Text its new text. An empty text removes the mark.
	Field string `json:"field"`
	Text  string `json:"text,omitempty"`
	// Version and CustomFields are copied from the [HoldFieldImage].
	Version      string            `json:"version"`
	CustomFields map[string]string `json:"customFields,omitempty"`
}

// WrittenHoldField is InFlow's answer to a write.
type WrittenHoldField struct {
	// Version is the order's version after the write.
	Version string `json:"version"`
	// Properties are fingerprints of the order in the answer, which may lack parts of it.
	Properties []Fingerprint `json:"properties,omitempty"`
	// ModifiedBy is the id under which the gate saved the order.
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
