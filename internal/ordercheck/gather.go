package ordercheck

import (
	"strings"
	"time"
)

const (
	// GatherWorkflowType counts the messages to one receiver, and gathers the notices above the limit
	// into one message. Its id is [GatherWorkflowID].
	GatherWorkflowType = "GatherNotices"
	// UpdateAdmit takes [Admission] and answers [Admitted].
	UpdateAdmit = "admit"
	// ActivitySendGathered takes [SendGatheredInput] and answers [SentGathered]; on [TaskQueue] or,
	// for sales reps, on [InflowTaskQueue].
	ActivitySendGathered = "SendGathered"

	// MaxGathered limits the notices that a collective message lists.
	MaxGathered = 500

	gatherWorkflowIDPrefix = "notices-"
)

// GatherWorkflowID returns the id of a receiver's [GatherWorkflowType] run. The receiver is the
// name of a target, and for a sales rep also a digest of the address.
func GatherWorkflowID(receiver string) string { return gatherWorkflowIDPrefix + receiver }

// GatherReceiver is the inverse of [GatherWorkflowID].
func GatherReceiver(workflowID string) string {
	return strings.TrimPrefix(workflowID, gatherWorkflowIDPrefix)
}

// ReceiverTarget returns the target of a receiver.
func ReceiverTarget(receiver string) string {
	if strings.HasPrefix(receiver, TargetSalesRep+":") {
		return TargetSalesRep
	}
	return receiver
}

// Admission asks whether a receiver may be sent a notice now.
type Admission struct {
	Notice GatheredNotice `json:"notice"`
	// Limit is the number of messages that the receiver may get in Window.
	Limit  int           `json:"limit"`
	Window time.Duration `json:"window"`
	// Gather is true if the notice must be gathered even if the limit isn't reached.
	Gather bool `json:"gather,omitempty"`
}

// Admitted is the answer to [Admission]. The same notice always gets the same answer.
type Admitted struct {
	// Gathered is true if the next collective message will have the notice. Don't send it on its
	// own.
	Gathered bool `json:"gathered"`
}

// GatheredNotice is a notice in brief, for a collective message.
type GatheredNotice struct {
	Key          string     `json:"key"`
	Kind         NoticeKind `json:"kind"`
	SalesOrderID string     `json:"salesOrderId"`
	OrderNumber  string     `json:"orderNumber,omitempty"`
	Customer     string     `json:"customer,omitempty"`
	// What describes the notice in a few words, such as "2 errors". First is the message of the first
	// finding.
	What  string    `json:"what,omitempty"`
	First string    `json:"first,omitempty"`
	At    time.Time `json:"at"`
	RunID string    `json:"runId,omitempty"`
	// HasSalesRep is as in [Notice].
	HasSalesRep bool `json:"hasSalesRep,omitempty"`
}

// Cut shortens the texts for display.
func (n *GatheredNotice) Cut() {
	n.OrderNumber, n.Customer = Cut(n.OrderNumber, 40), Cut(n.Customer, 60)
	n.What, n.First = Cut(n.What, 60), Cut(n.First, 150)
}

// Collection is the content of one collective message.
type Collection struct {
	// Key is the same for every attempt to send the message.
	Key string    `json:"key"`
	At  time.Time `json:"at,omitzero"`
	// Notices are in the order of arrival. Omitted counts notices that are not listed.
	Notices []GatheredNotice `json:"notices"`
	Omitted int              `json:"omitted,omitempty"`
}

// SendGatheredInput is the argument of [ActivitySendGathered].
type SendGatheredInput struct {
	Receiver string     `json:"receiver"`
	Message  Collection `json:"message"`
	// LookUp is the order whose sales rep's address is looked up; empty for other receivers.
	LookUp string `json:"lookUp,omitempty"`
}

// SentGathered is the result of [ActivitySendGathered].
type SentGathered struct {
	// Moved is true if the order that was looked up has another sales rep by now. Nothing was
	// sent, and the order's notices now wait for the new sales rep.
	Moved bool `json:"moved,omitempty"`
}
