// Package ordercheck defines what the ingress, the workflows, the activities, the desk and the
// command line share: names known to Temporal, inputs and results of activities, and the report. It
// does no I/O, so workflow code may import it.
package ordercheck

import (
	"errors"
	"fmt"
	"strings"
)

// Names registered at Temporal. Operators' scripts use them as written here.
const (
	// WorkflowType is the workflow that checks one sales order.
	WorkflowType = "SalesOrderCheck"
	// HandOverWorkflowType is the short workflow that takes a [DeliveryBatch] and hands each order its
	// deliveries.
	HandOverWorkflowType = "HandOverDeliveries"
	// SignalWebhookDelivered carries a JSON list of [Delivery]. An empty list, or no argument, asks
	// for a check now.
	SignalWebhookDelivered = "webhook-delivered"
	// EventMissedWebhook is the event of a [Delivery] that the sweep sends for a webhook that
	// never came.
	EventMissedWebhook = "missed-webhook"
	// QueryReport answers with the current [Report].
	QueryReport = "report"
	// UpdateOverride takes [OverrideRequest] and returns the [Report].
	UpdateOverride = "override"
	// UpdateComment takes [Comment] and returns the [Report].
	UpdateComment = "comment"
	// UpdateCheck asks for a check that starts after the update was accepted, and returns its
	// [Report].
	UpdateCheck = "check"

	// SweepWorkflowType is the workflow that looks for orders whose webhook never came. It takes
	// [SweepStart] and returns [Sweep].
	SweepWorkflowType = "SweepOrders"
	// QueryProgress returns the progress of a sweep: [SweepProgress].
	QueryProgress = "progress"
	// SweepScheduleID is the schedule that starts the sweep, and the prefix of its workflow ids.
	SweepScheduleID = "sweep-orders"

	// TaskQueue serves workflows and every activity that does not call InFlow.
	TaskQueue = "error-check-gate"
	// InflowTaskQueue serves every InFlow call. Temporal limits its rate over all workers.
	InflowTaskQueue = "inflow-api"

	// HandOverTaskQueue serves [ActivityHandOver], a few at a time, so that many batches neither crowd
	// out checks nor overrun Temporal.
	HandOverTaskQueue = "hand-over"

	// ActivityFetchOrder takes [FetchOrderInput], answers [FetchedOrder]; on [InflowTaskQueue].
	ActivityFetchOrder = "FetchOrder"
	// ActivityCheckOrder takes [CheckOrderInput], answers [CheckedOrder]; on [TaskQueue].
	ActivityCheckOrder = "CheckOrder"
	// ActivityNotify takes [NotifyInput], answers [NotifyResult]; on [TaskQueue].
	ActivityNotify = "Notify"
	// ActivityRecallRun takes [RecallRunInput], answers [RecalledRun]; on [TaskQueue].
	ActivityRecallRun = "RecallRun"
	// ActivityReadCancellation answers with the [Cancellation] of its own run; on [TaskQueue].
	ActivityReadCancellation = "ReadCancellation"
	// ActivityLookUpOrders takes [LookUpOrdersInput], answers [RecentOrders]; on [InflowTaskQueue].
	ActivityLookUpOrders = "LookUpOrders"
	// ActivityHandOver takes a [DeliveryBatch]; on [HandOverTaskQueue].
	ActivityHandOver = "HandOver"
	// ActivityListOrders takes [ListOrdersInput], answers [ListedOrders]; on [InflowTaskQueue].
	ActivityListOrders = "ListOrders"
	// ActivityCheckMissed takes [CheckMissedInput], answers [CheckedMissed]; on [TaskQueue].
	ActivityCheckMissed = "CheckMissed"
	// ActivityCheckTerminated takes [CheckTerminatedInput], answers [CheckedTerminated]; on
	// [TaskQueue].
	ActivityCheckTerminated = "CheckTerminated"
	// ActivityRecallSweep answers with the [SweepMarks] of the last sweep; on [TaskQueue].
	ActivityRecallSweep = "RecallSweep"
)

// Priorities of a run and of its requests to InFlow. When requests have to wait, the lowest number
// goes first, and among equals the one that has waited longest. Temporal has priorities 1 to 5. A
// run without one was started by hand, and counts as [PriorityPerson].
const (
	// PriorityPerson is for checks that a person waits for.
	PriorityPerson = 1
	// PriorityMarkBegun is for a hold mark whose order was just read: the write, and the comparison
	// after it. If they waited like the reading did, somebody could save the order in between.
	PriorityMarkBegun = 2
	// PriorityWebhook is for webhooks, for checks that the gate repeats by itself, and for reruns.
	PriorityWebhook = 3
	// PriorityMark is for the first reading of an order, before its hold mark is written.
	PriorityMark = 4
	// PrioritySweep is for checks that nobody waits for.
	PrioritySweep = 5
)

// Search attributes of a [WorkflowType] run.
const (
	SearchOrderNumber = "OrderNumber" // Keyword
	SearchGateStatus  = "GateStatus"  // Keyword, a [Status]
	SearchErrorCount  = "ErrorCount"  // Int
	SearchFailedRules = "FailedRules" // KeywordList, ids of the rules with errors
	// SearchHeldSince is a Datetime: when the order's first error was confirmed; unset while none is.
	SearchHeldSince = "HeldSince"
	// SearchWarningRules is a KeywordList: the ids of the rules with warnings.
	SearchWarningRules = "WarningRules"
	// SearchOrderVersion is a Keyword: the order version of the latest check, as
	// [Report.OrderVersion].
	SearchOrderVersion = "OrderVersion"
)

// MemoBilled is the memo of a [WorkflowType] run that holds [Billed]: the order as the gate first
// saw it invoiced. The run of an order that isn't invoiced has none.
const MemoBilled = "Billed"

// Types of the application errors that end a run or are retried.
const (
	// ErrorOrderNotFound means that InFlow does not know the order's id. Not retried.
	ErrorOrderNotFound = "OrderNotFound"
	// ErrorInflowUnauthorized means that InFlow refused the API key. Not retried.
	ErrorInflowUnauthorized = "InflowUnauthorized"
	// ErrorInflowBadResponse means that InFlow's answer contradicts its API description. Not
	// retried.
	ErrorInflowBadResponse = "InflowBadResponse"
	// ErrorOrderTooLarge means that the order is too large for a check. Not retried.
	ErrorOrderTooLarge = "OrderTooLarge"
	// ErrorInflowUnavailable means that InFlow gave no usable answer (network, timeout, 5xx).
	// Retried.
	ErrorInflowUnavailable = "InflowUnavailable"
	// ErrorInflowRateLimited means that the account's quota is used up (429). Retried.
	ErrorInflowRateLimited = "InflowRateLimited"
)

const workflowIDPrefix = "sales-order-"

// WorkflowID returns the id of the workflow that checks a sales order. Every spelling of an order's
// id gives the same workflow id.
func WorkflowID(salesOrderID string) string { return workflowIDPrefix + CanonicalID(salesOrderID) }

// SalesOrderID is the inverse of [WorkflowID] and returns a canonical id. ok is false for the id of
// another workflow.
func SalesOrderID(workflowID string) (id string, ok bool) {
	id, ok = strings.CutPrefix(workflowID, workflowIDPrefix)
	return CanonicalID(id), ok && id != ""
}

// HandOverWorkflowID returns the id of a [HandOverWorkflowType] run. key is a new UUID per batch.
func HandOverWorkflowID(key string) string { return "hand-over-" + key }

// MaxSalesOrderIDLength limits a sales order id, in bytes.
const MaxSalesOrderIDLength = 128

// ValidateSalesOrderID returns an error if a sales order id is empty, has over
// [MaxSalesOrderIDLength] bytes, or has characters outside [A-Za-z0-9._:-]. InFlow's own ids are
// UUIDs.
func ValidateSalesOrderID(id string) error {
	if id == "" {
		return errors.New("the sales order id is empty")
	}
	if len(id) > MaxSalesOrderIDLength {
		return fmt.Errorf("the sales order id has %d bytes, at most %d are accepted", len(id),
			MaxSalesOrderIDLength)
	}
	for i := range len(id) {
		c := id[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '.', c == '_', c == ':', c == '-':
		default:
			return fmt.Errorf("the sales order id has a character outside A-Z a-z 0-9 . _ : - at byte %d",
				i+1)
		}
	}
	return nil
}

// Summary returns the one-line description of an order's run in Temporal's Web UI.
func Summary(salesOrderID string) string { return "Sales order " + salesOrderID }
