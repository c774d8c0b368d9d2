package codec

import (
	"context"
	"errors"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
)

// NewDataConverter is Temporal's own converter with the codec around it.
//
// In workflow code a payload that cannot be decrypted panics, which fails the workflow
// task: Temporal tries it again until a worker has the key, and shows it meanwhile. The
// SDK would fail the run of such an input, and drop such a signal.
func NewDataConverter(keys *Keys) converter.DataConverter {
	return &dataConverter{converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), New(keys))}
}

// NewFailureConverter encrypts the messages and stack traces of errors where the keys
// encrypt. Their types stay readable: operators and alerts go by them.
func NewFailureConverter(keys *Keys) converter.FailureConverter {
	return temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter:          NewDataConverter(keys),
		EncodeCommonAttributes: keys.Encrypt(),
	})
}

type dataConverter struct{ converter.DataConverter }

// WithWorkflowContext implements [converter.ContextAware].
func (d *dataConverter) WithWorkflowContext(converter.WorkflowContext) converter.DataConverter {
	return &workflowConverter{d.DataConverter}
}

// WithContext implements [converter.ContextAware].
func (d *dataConverter) WithContext(context.Context) converter.DataConverter { return d }

// workflowConverter is for workflow code.
type workflowConverter struct{ converter.DataConverter }

// FromPayload implements [converter.DataConverter].
func (d *workflowConverter) FromPayload(payload *commonpb.Payload, into any) error {
	return blocking(d.DataConverter.FromPayload(payload, into))
}

// FromPayloads implements [converter.DataConverter].
func (d *workflowConverter) FromPayloads(payloads *commonpb.Payloads, into ...any) error {
	return blocking(d.DataConverter.FromPayloads(payloads, into...))
}

func blocking(err error) error {
	var undecryptable *DecryptError
	if errors.As(err, &undecryptable) {
		panic(undecryptable)
	}
	return err
}
