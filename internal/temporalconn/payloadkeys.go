package temporalconn

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"error-check-gate/internal/codec"
	"error-check-gate/internal/ordercheck"
)

// Workers record their payload keys in the memo of an open run. Every other process and command
// compares its own keys with the record before it writes anything. The run itself does no work.
const (
	keyRecordID   = "payload-keys"
	keyRecordType = "PayloadKeys"
	// keyRecordDivision hides the run from lists and counts, as Temporal does with schedules.
	keyRecordDivision = "error-check-gate"
	divisionAttribute = "TemporalNamespaceDivision"
	// keyRecordDelay is so long that the run never reaches a worker.
	keyRecordDelay = 100 * 365 * 24 * time.Hour

	memoKeys   = "keys"   // the ids of the workers' keys, in plain text
	memoSample = "sample" // a payload written with the workers' first key

	// keyRecordMaxAge is the age from which a health check reads the record again.
	keyRecordMaxAge = 5 * time.Second
)

// keyRecord describes the payload keys of a namespace. Its zero value means that nothing is
// known.
type keyRecord struct {
	// keys are the ids of the workers' keys, or nil if unknown.
	keys []string
	// sample is a payload that a process with the right keys can decrypt, or nil.
	sample *commonpb.Payload
}

// readKeyRecord reads the workers' record. If there is none, the latest run of a sales order shows
// whether payloads are encrypted.
func readKeyRecord(
	ctx context.Context, t workflowservice.WorkflowServiceClient, namespace string,
) (keyRecord, error) {
	run, err := t.DescribeWorkflowExecution(ctx, &workflowservice.DescribeWorkflowExecutionRequest{
		Namespace: namespace, Execution: &commonpb.WorkflowExecution{WorkflowId: keyRecordID},
	})
	var notFound *serviceerror.NotFound
	if errors.As(err, &notFound) {
		return latestRunKeys(ctx, t, namespace)
	}
	if err != nil {
		return keyRecord{}, fmt.Errorf("read the workers' payload keys from run %s: %w", keyRecordID, err)
	}
	info := run.GetWorkflowExecutionInfo()
	if info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return keyRecord{}, nil // an operator closed it because the keys are lost
	}
	record := keyRecord{sample: info.GetMemo().GetFields()[memoSample]}
	keys := info.GetMemo().GetFields()[memoKeys]
	if err := converter.GetDefaultDataConverter().FromPayload(keys, &record.keys); err != nil {
		return keyRecord{}, fmt.Errorf("read the workers' payload keys from the memo of run %s: %w",
			keyRecordID, err)
	}
	return record, nil
}

func latestRunKeys(
	ctx context.Context, t workflowservice.WorkflowServiceClient, namespace string,
) (keyRecord, error) {
	runs, err := t.ListWorkflowExecutions(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: namespace, PageSize: 1,
		Query: fmt.Sprintf("WorkflowType = '%s'", ordercheck.WorkflowType),
	})
	if err != nil {
		return keyRecord{}, fmt.Errorf("find the latest run of a sales order: %w", err)
	}
	if len(runs.GetExecutions()) == 0 {
		return keyRecord{}, nil
	}
	history, err := t.GetWorkflowExecutionHistory(
		ctx,
		&workflowservice.GetWorkflowExecutionHistoryRequest{
			Namespace: namespace, Execution: runs.GetExecutions()[0].GetExecution(), MaximumPageSize: 1,
		},
	)
	var notFound *serviceerror.NotFound
	if errors.As(err, &notFound) {
		return keyRecord{}, nil // its retention period has just ended
	}
	if err != nil {
		return keyRecord{}, fmt.Errorf("read the latest run of a sales order: %w", err)
	}
	for _, event := range history.GetHistory().GetEvents() {
		started := event.GetWorkflowExecutionStartedEventAttributes()
		for _, input := range started.GetInput().GetPayloads() {
			return keyRecord{sample: input}, nil
		}
	}
	return keyRecord{}, nil
}

// unreadable returns an error if the keys cannot decrypt the namespace's payloads.
func (r keyRecord) unreadable(keys *codec.Keys) error {
	if r.sample == nil {
		return nil
	}
	_, err := codec.New(keys).Decode([]*commonpb.Payload{r.sample})
	var undecryptable *codec.DecryptError
	if errors.As(err, &undecryptable) {
		return errors.New(undecryptable.Problem)
	}
	return err
}

// refusal returns an error if a process with these keys must not write to the namespace.
func (r keyRecord) refusal(keys *codec.Keys, namespace string) error {
	if err := r.unreadable(keys); err != nil {
		return fmt.Errorf("nothing was sent to namespace %s, which is encrypted: %w", namespace, err)
	}
	if keys.Encrypts() && r.keys != nil && !slices.Contains(r.keys, keys.IDs()[0]) {
		return fmt.Errorf("nothing was sent to namespace %s: its workers have no key %q: "+
			"add it to their %s or %s, restart them, and run gate again",
			namespace, keys.IDs()[0], codec.KeysVariable, codec.KeysFileVariable)
	}
	return nil
}

// recordKeys records the keys of the namespace's workers. It fails if they cannot decrypt
// what the workers have written so far.
func recordKeys(
	ctx context.Context, t workflowservice.WorkflowServiceClient, namespace string, keys *codec.Keys,
) error {
	have, err := readKeyRecord(ctx, t, namespace)
	if err != nil {
		return err
	}
	if err := have.unreadable(keys); err != nil {
		return fmt.Errorf("namespace %s is encrypted: %w", namespace, err)
	}
	ids := append([]string{}, keys.IDs()...)
	sample, err := codec.NewDataConverter(keys).ToPayload(keyRecordID)
	if err != nil {
		return fmt.Errorf("record the payload keys: %w", err)
	}
	sameWriter := codec.KeyID(have.sample) == codec.KeyID(sample)
	if have.keys != nil && slices.Equal(have.keys, ids) && sameWriter {
		return nil
	}
	listed, err := converter.GetDefaultDataConverter().ToPayload(ids)
	if err != nil {
		return fmt.Errorf("record the payload keys: %w", err)
	}
	division, err := converter.GetDefaultDataConverter().ToPayload(keyRecordDivision)
	if err != nil {
		return fmt.Errorf("record the payload keys: %w", err)
	}
	division.Metadata["type"] = []byte(enumspb.INDEXED_VALUE_TYPE_KEYWORD.String())
	_, err = t.StartWorkflowExecution(ctx, &workflowservice.StartWorkflowExecutionRequest{
		Namespace: namespace, RequestId: uuid.NewString(),
		WorkflowId: keyRecordID, WorkflowType: &commonpb.WorkflowType{Name: keyRecordType},
		TaskQueue:                &taskqueuepb.TaskQueue{Name: ordercheck.TaskQueue},
		WorkflowIdConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING,
		WorkflowStartDelay:       durationpb.New(keyRecordDelay),
		Memo: &commonpb.Memo{
			Fields: map[string]*commonpb.Payload{memoKeys: listed, memoSample: sample},
		},
		SearchAttributes: &commonpb.SearchAttributes{
			IndexedFields: map[string]*commonpb.Payload{divisionAttribute: division},
		},
	})
	if err != nil {
		return fmt.Errorf("record the payload keys in run %s: %w", keyRecordID, err)
	}
	return nil
}

// keyGuard intercepts every call of a client. It refuses writes to a namespace if the payload keys
// of this process differ from the workers' keys: such a write would be stored unencrypted, or
// no worker could read it.
type keyGuard struct {
	namespace string
	keys      *codec.Keys
	read      func(context.Context, workflowservice.WorkflowServiceClient, string) (keyRecord, error)
	latest    atomic.Pointer[keyVerdict] // nil until the record has been read
	reading   chan struct{}              // a semaphore: one caller reads the record
}

type keyVerdict struct {
	refusal error
	at      time.Time
}

func newKeyGuard(namespace string, keys *codec.Keys) *keyGuard {
	return &keyGuard{
		namespace: namespace, keys: keys, read: readKeyRecord, reading: make(chan struct{}, 1),
	}
}

// writingMethods lists the calls that write payloads to a namespace or make a workflow do so.
var writingMethods = map[string]bool{
	"StartWorkflowExecution":           true,
	"SignalWorkflowExecution":          true,
	"SignalWithStartWorkflowExecution": true,
	"UpdateWorkflowExecution":          true,
	"ExecuteMultiOperation":            true,
	"StartBatchOperation":              true,
	"StartActivityExecution":           true,
	"StartNexusOperationExecution":     true,
	"CreateSchedule":                   true,
	"UpdateSchedule":                   true,
	"PatchSchedule":                    true,
}

// intercept implements [grpc.UnaryClientInterceptor]. Once the record is known, a write costs no
// extra call. A process reads the record again when it checks Temporal's health, and is not ready
// if it lacks a key.
func (g *keyGuard) intercept(
	ctx context.Context, method string, request, reply any, cc *grpc.ClientConn,
	next grpc.UnaryInvoker, o ...grpc.CallOption,
) error {
	if method == healthpb.Health_Check_FullMethodName {
		if err := next(ctx, method, request, reply, cc, o...); err != nil {
			return err
		}
		return asStatus(g.check(ctx, workflowservice.NewWorkflowServiceClient(cc), keyRecordMaxAge))
	}
	start, ok := request.(*workflowservice.StartWorkflowExecutionRequest)
	isRecord := ok && start.GetWorkflowId() == keyRecordID
	if writingMethods[path.Base(method)] && !isRecord {
		if err := g.check(ctx, workflowservice.NewWorkflowServiceClient(cc), 0); err != nil {
			return asStatus(err)
		}
	}
	return next(ctx, method, request, reply, cc, o...)
}

// check returns an error if this process must not write. It reads the record if that was never
// done, or if maxAge is not 0 and the last result is older. If reading fails, the last result
// stands.
func (g *keyGuard) check(
	ctx context.Context, t workflowservice.WorkflowServiceClient, maxAge time.Duration,
) error {
	fresh := func() *keyVerdict {
		latest := g.latest.Load()
		if latest != nil && maxAge != 0 && time.Since(latest.at) >= maxAge {
			return nil
		}
		return latest
	}
	if latest := fresh(); latest != nil {
		return latest.refusal
	}
	select {
	case g.reading <- struct{}{}:
		defer func() { <-g.reading }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if latest := fresh(); latest != nil {
		return latest.refusal
	}
	record, err := g.read(ctx, t, g.namespace)
	if err != nil {
		if latest := g.latest.Load(); latest != nil {
			return latest.refusal
		}
		return err
	}
	verdict := &keyVerdict{record.refusal(g.keys, g.namespace), time.Now()}
	if verdict.refusal != nil {
		verdict.refusal = &refusedError{verdict.refusal}
	}
	g.latest.Store(verdict)
	return verdict.refusal
}

// refusedError wraps the reason why the guard refused a call. A failed call has another type.
type refusedError struct{ error }

// asStatus turns an error into a gRPC status. The SDK returns a refusal to the caller and does not
// retry it.
func asStatus(err error) error {
	var refused *refusedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return status.Error(grpccodes.PermissionDenied, err.Error())
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return status.FromContextError(err).Err()
	}
	return status.Error(serviceerror.ToStatus(cause(err)).Code(), err.Error())
}

// cause returns the innermost error, which the failed call returned.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
