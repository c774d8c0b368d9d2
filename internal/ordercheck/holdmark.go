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
	// Text is the gate's mark in the field; empty if there is none.
	Text string `json:"text,omitempty"`
	// Foreign is true if the field holds words that are not the gate's.
	Foreign bool `json:"foreign,omitempty"`
	// Pending is true if orders within their grace period are marked too.
	Pending bool `json:"pending,omitempty"`
}

// ReadHoldFieldInput is the argument of [ActivityReadHoldField].
type ReadHoldFieldInput struct {
	SalesOrderID string `json:"salesOrderId"`
	// Known is the text that the gate wrote last, if any; it is the gate's whatever it says.
	Known string `json:"known,omitempty"`
	// Wanted is the mark to write; zero to take it away.
	Wanted HoldMark `json:"wanted,omitzero"`
}

// HoldFieldImage is what a later reading of the order is compared with. It holds no text of the
// order but the custom fields.
type HoldFieldImage struct {
	Field HoldField `json:"field"`
	// Done is true if the field says what is wanted already.
	Done bool `json:"done,omitempty"`
	// Version is the order's version.
	Version string `json:"version"`
	// CustomFields are all custom fields of the order.
	CustomFields map[string]string `json:"customFields,omitempty"`
	// Properties are fingerprints of everything else, by property.
	Properties []Fingerprint `json:"properties"`
}

// Fingerprint is a hash of a property of an order.
type Fingerprint struct {
	Name string `json:"name"`
	Hash string `json:"hash"`
}

// Differences lists the properties that differ from a later image of the same order, sorted.
func (i *HoldFieldImage) Differences(later *HoldFieldImage) []string {
	var names []string
	for _, print := range slices.Concat(i.Properties, later.Properties) {
		if !slices.Contains(i.Properties, print) || !slices.Contains(later.Properties, print) {
			names = append(names, print.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// WriteHoldFieldInput is the argument of [ActivityWriteHoldField].
type WriteHoldFieldInput struct {
	SalesOrderID string `json:"salesOrderId"`
	// Version and CustomFields are those of the [HoldFieldImage].
	Version      string            `json:"version"`
	CustomFields map[string]string `json:"customFields,omitempty"`
	// Wanted is the mark to write; zero to take it away.
	Wanted HoldMark `json:"wanted,omitzero"`
}

// WrittenHoldField is what was written.
type WrittenHoldField struct {
	// Text is the field's new text; empty if the mark was taken away.
	Text string `json:"text,omitempty"`
	// Version is the order's version after the write.
	Version string `json:"version"`
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
