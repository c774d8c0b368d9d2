package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
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

// HoldMarks holds the activities that show in a custom field in InFlow that an order is held.
type HoldMarks struct {
	// Field is the custom field, custom1 to custom10.
	Field string
	// Text is the text of the marks.
	Text holdmark.Text
	// Pending says whether to mark orders within their grace period too.
	Pending bool
	// Orders is an [inflow.Client] whose key may write orders.
	Orders OrderWriter
}

// NewHoldMarks returns the activities without Orders, or nil if field is empty. text is parsed by
// [holdmark.ParseText].
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
	) (inflow.Document, error)
}

// MarkStops is the part of Temporal's client that describes and starts the run that stops hold
// marks.
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

// field returns the content of a custom field. If the gate knows all texts that it has written,
// any other text is a person's, even if it looks like a mark.
func (m *HoldMarks) field(name, value string, known []ordercheck.KnownMarks) ordercheck.HoldField {
	field := ordercheck.HoldField{Name: name, Pending: m.Pending}
	own := m.Text.Recognizes(value)
	for _, marks := range known {
		if marks.Field == name {
			own = slices.Contains(marks.Texts, value) || marks.Partial && own
		}
	}
	switch {
	case value == "":
	case own:
		field.Text = value
	default:
		field.Foreign = true
	}
	return field
}

// takeFrom returns the field of a fetched order, and removes the gate's own marks from the order,
// because no rule should see them. It returns nil if m is nil.
func (m *HoldMarks) takeFrom(
	order *inflow.SalesOrder, known []ordercheck.KnownMarks,
) *ordercheck.HoldField {
	var field *ordercheck.HoldField
	if m != nil {
		found := m.field(m.Field, strings.TrimSpace(order.CustomFields[m.Field]), known)
		field = &found
		if field.Text != "" {
			delete(order.CustomFields, m.Field)
		}
	}
	for _, marks := range known {
		if slices.Contains(marks.Texts, strings.TrimSpace(order.CustomFields[marks.Field])) {
			delete(order.CustomFields, marks.Field)
		}
	}
	return field
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
	if in.ToWrite {
		if err := a.checkHoldMarksOn(ctx); err != nil {
			return ordercheck.HoldFieldImage{}, err
		}
	}
	document, err := m.Orders.SalesOrderDocument(ctx, in.SalesOrderID)
	if err != nil {
		return ordercheck.HoldFieldImage{}, applicationError(err)
	}
	customFields, err := document.CustomFields()
	if err != nil {
		return ordercheck.HoldFieldImage{}, applicationError(err)
	}
	name := cmp.Or(in.Field, m.Field)
	return ordercheck.HoldFieldImage{
		Field:        m.field(name, document.CustomField(name), in.Known),
		Text:         m.Text.Format(in.Wanted),
		ReadAt:       activity.GetInfo(ctx).StartedTime,
		Version:      document.Timestamp(),
		CustomFields: customFields,
		Properties:   fingerprints(document.Fingerprints(name)),
		Serials:      document.SerialNumbers(),
		Missing:      document.Missing(),
		LeftOut:      document.LeftOut(),
		ModifiedBy:   ordercheck.ShortID(document.LastModifiedBy()),
	}, nil
}

// fingerprints returns the hashes as a list, sorted by name.
func fingerprints(hashes map[string]string) []ordercheck.Fingerprint {
	var list []ordercheck.Fingerprint
	for _, name := range slices.Sorted(maps.Keys(hashes)) {
		list = append(list, ordercheck.Fingerprint{Name: name, Hash: hashes[name]})
	}
	return list
}

// WriteHoldField writes or removes the mark of an order that was read just now. It writes nothing
// while marks are stopped. If InFlow certainly did not write, the error has the detail true.
func (a *Activities) WriteHoldField(
	ctx context.Context,
	in ordercheck.WriteHoldFieldInput,
) (ordercheck.WrittenHoldField, error) {
	none := ordercheck.WrittenHoldField{}
	m := a.HoldMarks
	if m == nil {
		return none, errHoldMarksOff(true)
	}
	if err := a.checkHoldMarksOn(ctx, true); err != nil {
		return none, err
	}
	fields := maps.Clone(in.CustomFields)
	if fields == nil {
		fields = map[string]string{}
	}
	fields[in.Field] = in.Text
	written, err := m.Orders.WriteCustomFields(ctx, in.SalesOrderID, in.Version, fields)
	var failed *inflow.Error
	switch {
	case errors.As(err, &failed):
		return none, applicationError(err, certainlyNotWritten(failed.StatusCode))
	case err != nil:
		return none, err
	}
	return ordercheck.WrittenHoldField{
		Version:    written.Timestamp(),
		Properties: fingerprints(written.Fingerprints(in.Field)),
		ModifiedBy: ordercheck.ShortID(written.LastModifiedBy()),
	}, nil
}

// certainlyNotWritten reports whether the status of InFlow's answer proves that it did not write.
// A conflict (409) doesn't: a proxy may have repeated a write whose answer it lost.
func certainlyNotWritten(status int) bool {
	return status >= 400 && status <= 499 &&
		status != http.StatusConflict && status != http.StatusRequestTimeout
}

// checkHoldMarksOn returns an error if marks are stopped, or if Temporal cannot be asked.
func (a *Activities) checkHoldMarksOn(ctx context.Context, details ...any) error {
	run, err := a.MarkStops.DescribeWorkflowExecution(ctx, ordercheck.HoldMarksStopID, "")
	var none *serviceerror.NotFound
	switch {
	case errors.As(err, &none):
		return nil
	case err != nil:
		return fmt.Errorf("look whether hold marks are stopped: %w", err)
	}
	if run.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return nil
	}
	return temporal.NewNonRetryableApplicationError("hold marks are stopped: "+
		"'gate marks status' says why", ordercheck.ErrorHoldMarksStopped, nil, details...)
}

// StopHoldMarks stops marks for the whole account until a person resumes them. It needs no
// [HoldMarks], so a worker without the setting can stop them too.
func (a *Activities) StopHoldMarks(ctx context.Context, stop ordercheck.HoldMarksStop) error {
	activity.GetLogger(ctx).
		Error("hold marks are stopped for the whole account; 'gate marks resume' starts them again",
			"salesOrderId", stop.SalesOrderID, "damaged", stop.Damaged)
	_, err := a.MarkStops.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: ordercheck.HoldMarksStopID, TaskQueue: ordercheck.TaskQueue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "Hold marks are stopped",
	}, ordercheck.HoldMarksStopType, stop)
	if err != nil {
		return fmt.Errorf("stop hold marks: %w", err)
	}
	return nil
}

func errHoldMarksOff(details ...any) error {
	return temporal.NewNonRetryableApplicationError(
		"this worker has no INFLOW_HOLD_FIELD", ordercheck.ErrorHoldMarksOff, nil, details...)
}

// NotifyHoldMarksStopped mails everybody who gets all notices that marks are stopped. After an
// interrupted attempt, the next one skips the receivers that have the mail.
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
