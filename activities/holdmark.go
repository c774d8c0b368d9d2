package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/holdmark"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/ordercheck"
)

// HoldMarks are the activities that show the hold of an order in a custom field in InFlow.
type HoldMarks struct {
	// Field is the custom field, custom1 to custom10.
	Field string
	// Text is the text of the marks.
	Text holdmark.Text
	// Pending marks orders within their grace period too.
	Pending bool
	// Orders is an [inflow.Client] whose key may write orders.
	Orders OrderWriter
	// Runs is a Temporal client, which knows whether marks are stopped.
	Runs MarkStops
}

// NewHoldMarks returns the activities without Orders and Runs; nil if field is empty. The text is that
// of [holdmark.ParseText].
func NewHoldMarks(field, text string, zone *time.Location, pending bool) (*HoldMarks, error) {
	if field == "" {
		return nil, nil
	}
	parsed, err := holdmark.ParseText(text, zone)
	if err != nil {
		return nil, err
	}
	return &HoldMarks{Field: field, Text: parsed, Pending: pending}, nil
}

// OrderWriter reads whole orders and writes their custom fields.
type OrderWriter interface {
	SalesOrderDocument(ctx context.Context, id string) (inflow.Document, error)
	WriteCustomFields(
		ctx context.Context,
		id, timestamp string,
		fields map[string]string,
	) (string, error)
}

// MarkStops is the part of Temporal's client that knows and makes the run that stops hold marks.
type MarkStops interface {
	DescribeWorkflowExecution(
		ctx context.Context,
		workflowID, runID string,
	) (*workflowservice.DescribeWorkflowExecutionResponse, error)
	ExecuteWorkflow(
		ctx context.Context,
		options client.StartWorkflowOptions,
		workflow any,
		args ...any,
	) (client.WorkflowRun, error)
}

var (
	_ OrderWriter = (*inflow.Client)(nil)
	_ MarkStops   = client.Client(nil)
)

// field returns what the field for hold marks holds. known is the mark that the gate wrote last.
func (m *HoldMarks) field(value, known string) ordercheck.HoldField {
	field := ordercheck.HoldField{Pending: m.Pending}
	switch {
	case value == "":
	case value == known, m.Text.Recognizes(value):
		field.Text = value
	default:
		field.Foreign = true
	}
	return field
}

// takeFrom returns the field of a fetched order, and takes the gate's own mark out of the order: no
// rule should look at it. Without hold marks it returns nil.
func (m *HoldMarks) takeFrom(order *inflow.SalesOrder, known string) *ordercheck.HoldField {
	if m == nil {
		return nil
	}
	field := m.field(order.CustomFields[m.Field], known)
	if field.Text != "" {
		delete(order.CustomFields, m.Field)
	}
	return &field
}

// ReadHoldField reads an order before and after its mark is written.
func (a *Activities) ReadHoldField(
	ctx context.Context,
	in ordercheck.ReadHoldFieldInput,
) (ordercheck.HoldFieldImage, error) {
	m := a.HoldMarks
	if m == nil {
		return ordercheck.HoldFieldImage{}, errHoldMarksOff()
	}
	document, err := m.Orders.SalesOrderDocument(ctx, in.SalesOrderID)
	if err != nil {
		return ordercheck.HoldFieldImage{}, applicationError(err)
	}
	value := document.CustomField(m.Field)
	return ordercheck.HoldFieldImage{
		Field:        m.field(value, in.Known),
		Done:         value == m.Text.Format(in.Wanted),
		Version:      document.Timestamp(),
		CustomFields: document.CustomFields(),
		Properties:   fingerprints(document.Fingerprints(m.Field)),
	}, nil
}

// fingerprints returns them by name.
func fingerprints(hashes map[string]string) []ordercheck.Fingerprint {
	var list []ordercheck.Fingerprint
	for _, name := range slices.Sorted(maps.Keys(hashes)) {
		list = append(list, ordercheck.Fingerprint{Name: name, Hash: hashes[name]})
	}
	return list
}

// WriteHoldField writes or takes away the mark of an order that was read just now. It writes nothing
// while marks are stopped.
func (a *Activities) WriteHoldField(
	ctx context.Context,
	in ordercheck.WriteHoldFieldInput,
) (ordercheck.WrittenHoldField, error) {
	m := a.HoldMarks
	if m == nil {
		return ordercheck.WrittenHoldField{}, errHoldMarksOff()
	}
	stopped, err := m.stopped(ctx)
	if err != nil {
		return ordercheck.WrittenHoldField{}, err
	}
	if stopped {
		return ordercheck.WrittenHoldField{}, temporal.NewNonRetryableApplicationError(
			"hold marks are stopped: 'gate marks status' says why", ordercheck.ErrorHoldMarksStopped, nil)
	}
	fields := maps.Clone(in.CustomFields)
	if fields == nil {
		fields = map[string]string{}
	}
	text := m.Text.Format(in.Wanted)
	fields[m.Field] = text
	version, err := m.Orders.WriteCustomFields(ctx, in.SalesOrderID, in.Version, fields)
	var failed *inflow.Error
	switch {
	case errors.As(err, &failed) && failed.Kind == inflow.KindConflict:
		return ordercheck.WrittenHoldField{}, temporal.NewNonRetryableApplicationError(
			failed.Error(), ordercheck.ErrorHoldFieldConflict, nil)
	case err != nil:
		return ordercheck.WrittenHoldField{}, applicationError(err)
	}
	return ordercheck.WrittenHoldField{Text: text, Version: version}, nil
}

func (m *HoldMarks) stopped(ctx context.Context) (bool, error) {
	run, err := m.Runs.DescribeWorkflowExecution(ctx, ordercheck.HoldMarksStopID, "")
	var none *serviceerror.NotFound
	switch {
	case errors.As(err, &none):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look whether hold marks are stopped: %w", err)
	}
	return run.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, nil
}

// StopHoldMarks stops marks for the whole account until a person resumes them.
func (a *Activities) StopHoldMarks(ctx context.Context, stop ordercheck.HoldMarksStop) error {
	if a.HoldMarks == nil {
		return errHoldMarksOff()
	}
	activity.GetLogger(ctx).
		Error("hold marks are stopped for the whole account; 'gate marks resume' starts them again",
			"salesOrderId", stop.SalesOrderID, "damaged", stop.Damaged)
	_, err := a.HoldMarks.Runs.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: ordercheck.HoldMarksStopID, TaskQueue: ordercheck.TaskQueue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "Hold marks are stopped",
	}, ordercheck.HoldMarksStopType, stop)
	if err != nil {
		return fmt.Errorf("stop hold marks: %w", err)
	}
	return nil
}

func errHoldMarksOff() error {
	return temporal.NewNonRetryableApplicationError(
		"this worker has no INFLOW_HOLD_FIELD", ordercheck.ErrorHoldMarksOff, nil)
}

// NotifyHoldMarksStopped mails everybody who gets all notices that marks are stopped. An attempt that
// is interrupted is followed by one that leaves out those who have the mail.
func (a *Activities) NotifyHoldMarksStopped(
	ctx context.Context,
	stop ordercheck.HoldMarksStop,
) error {
	if a.Notifier == nil {
		return nil
	}
	var sent []string
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &sent); err != nil {
			return fmt.Errorf("go on from the attempt before: %w", err)
		}
	}
	info := activity.GetInfo(ctx)
	message := &notify.HoldMarksStopped{
		Key: info.WorkflowExecution.RunID, At: info.ScheduledTime, HoldMarksStop: stop,
	}
	var failed error
	for _, target := range a.Notifier.DigestTargets() {
		if slices.Contains(sent, target.Name()) {
			continue
		}
		if err := a.Notifier.SendHoldMarksStopped(ctx, target, message); err != nil {
			failed = err
			continue
		}
		sent = append(sent, target.Name())
		activity.RecordHeartbeat(ctx, sent)
	}
	return noticeError(failed)
}
