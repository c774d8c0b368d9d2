package codec

import (
	"context"
	"errors"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
)

// NewDataConverter wraps Temporal's default converter in the codec.
//
// In workflow code, a payload that cannot be decrypted panics and so fails the workflow task.
// Temporal shows the failure and retries the task until a worker has the key. Without the panic,
// the SDK would fail a run with such an input, and drop such a signal.
func NewDataConverter(keys *Keys) converter.DataConverter {
	return &dataConverter{converter.NewCodecDataConverter(converter.GetDefaultDataConverter(),
		New(keys))}
}

// NewFailureConverter encrypts the messages and stack traces of errors if the keys encrypt. The
// types of errors stay readable, because operators and alerts need them.
func NewFailureConverter(keys *Keys) converter.FailureConverter {
	return temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter:          NewDataConverter(keys),
		EncodeCommonAttributes: keys.Encrypts(),
	})
}

type dataConverter struct{ converter.DataConverter }

// WithWorkflowContext implements [converter.ContextAware].
func (d *dataConverter) WithWorkflowContext(converter.WorkflowContext) converter.DataConverter {
	return &workflowConverter{d.DataConverter}
}

// WithContext implements [converter.ContextAware].
func (d *dataConverter) WithContext(context.Context) converter.DataConverter { return d }

// workflowConverter is the converter in workflow code.
type workflowConverter struct{ converter.DataConverter }

// FromPayload implements [converter.DataConverter].
func (d *workflowConverter) FromPayload(payload *commonpb.Payload, into any) error {
	return mustDecrypt(d.DataConverter.FromPayload(payload, into))
}

// FromPayloads implements [converter.DataConverter].
func (d *workflowConverter) FromPayloads(payloads *commonpb.Payloads, into ...any) error {
	return mustDecrypt(d.DataConverter.FromPayloads(payloads, into...))
}

// mustDecrypt panics if a payload cannot be decrypted. See [NewDataConverter].
func mustDecrypt(err error) error {
	var undecryptable *DecryptError
	if errors.As(err, &undecryptable) {
		panic(undecryptable)
	}
	return err
}
