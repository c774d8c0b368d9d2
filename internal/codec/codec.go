package codec

import (
	"context"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

// Metadata of an encrypted payload. Other codec servers use the same names.
const (
	// Encoding is the value of [converter.MetadataEncoding].
	Encoding = "binary/encrypted"
	// MetadataKeyID is the name of the metadata with the key's id.
	MetadataKeyID = "encryption-key-id"
)

// DecryptError reports an encrypted payload that cannot be read. Nothing is lost: a process that
// has the key can read it.
type DecryptError struct {
	// KeyID is the id of the payload's key. It is empty if the payload names no valid key.
	KeyID string
	// Problem says what is wrong and what to do.
	Problem string
}

func (e *DecryptError) Error() string { return "an encrypted payload cannot be read: " + e.Problem }

// payloadCodec implements [converter.PayloadCodec] with AES-256-GCM.
type payloadCodec struct {
	keys *Keys
}

// New returns a codec that uses the keys.
func New(keys *Keys) converter.PayloadCodec { return &payloadCodec{keys: keys} }

// Encode implements [converter.PayloadCodec]. It leaves encrypted payloads as they are.
func (c *payloadCodec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	if !c.keys.Encrypts() {
		return payloads, nil
	}
	encoded := make([]*commonpb.Payload, len(payloads))
	for i, payload := range payloads {
		if isEncrypted(payload) {
			encoded[i] = payload
			continue
		}
		plain, err := proto.Marshal(payload)
		if err != nil {
			return nil, fmt.Errorf("encrypt a payload: %w", err)
		}
		k := &c.keys.keys[0]
		encoded[i] = &commonpb.Payload{
			Metadata: map[string][]byte{
				converter.MetadataEncoding: []byte(Encoding),
				MetadataKeyID:              []byte(k.id),
			},
			Data: k.aead().Seal(nil, nil, plain, additionalData(k.id)), //nolint:gosec // this AEAD generates its own nonces
		}
	}
	return encoded, nil
}

// Decode implements [converter.PayloadCodec]. It leaves plain payloads as they are: they are older
// than the keys, or an operator wrote them. The error is a [DecryptError].
func (c *payloadCodec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	decoded := make([]*commonpb.Payload, len(payloads))
	for i, payload := range payloads {
		if !isEncrypted(payload) {
			decoded[i] = payload
			continue
		}
		var err error
		if decoded[i], err = c.decrypt(payload); err != nil {
			return nil, err
		}
	}
	return decoded, nil
}

func (c *payloadCodec) decrypt(payload *commonpb.Payload) (*commonpb.Payload, error) {
	id := string(payload.GetMetadata()[MetadataKeyID])
	if !isKeyID(id) {
		return nil, &DecryptError{
			Problem: "it names no key: another program wrote it, or somebody changed it"}
	}
	k := c.keys.find(id)
	if k == nil {
		return nil, &DecryptError{KeyID: id, Problem: fmt.Sprintf("there is no key %q: "+
			"add it to %s or %s, after the first key if there is one, and restart gate",
			id, KeysVariable, KeysFileVariable)}
	}
	plain, err := k.aead().Open(nil, nil, payload.GetData(), additionalData(id))
	if err != nil {
		return nil, &DecryptError{KeyID: id, Problem: fmt.Sprintf("key %q does not match: "+
			"the payload was changed, or another key had this id when it was written", id)}
	}
	var decrypted commonpb.Payload
	if err := proto.Unmarshal(plain, &decrypted); err != nil {
		return nil, &DecryptError{KeyID: id,
			Problem: fmt.Sprintf("key %q decrypts it to something that is not a payload", id)}
	}
	return &decrypted, nil
}

func isEncrypted(payload *commonpb.Payload) bool {
	return string(payload.GetMetadata()[converter.MetadataEncoding]) == Encoding
}

// KeyID returns the id of the key that encrypted a payload, or an empty string if it is not
// encrypted.
func KeyID(payload *commonpb.Payload) string { return string(payload.GetMetadata()[MetadataKeyID]) }

// WritingKeyID returns the id of the key that a converter encrypts with, or an empty string if it
// does not encrypt.
func WritingKeyID(c converter.DataConverter) (string, error) {
	sample, err := c.ToPayload("")
	if err != nil {
		return "", fmt.Errorf("find the key of a data converter: %w", err)
	}
	return KeyID(sample), nil
}

// AllWrittenWith reports whether every payload of a message is encrypted with the key keyID, or
// plain if keyID is empty. It skips payloads that the gate's converter did not write.
func AllWrittenWith(
	ctx context.Context, keyID string, message proto.Message,
) (all bool, err error) {
	all = true
	err = proxy.VisitPayloads(ctx, message, proxy.VisitPayloadsOptions{
		SkipSearchAttributes: true,
		Visitor: func(
			visited *proxy.VisitPayloadsContext, payloads []*commonpb.Payload,
		) ([]*commonpb.Payload, error) {
			if _, ok := visited.Parent.(*commonpb.Header); ok {
				return payloads, nil // tracing writes headers
			}
			for _, payload := range payloads {
				all = all && KeyID(payload) == keyID
			}
			return payloads, nil
		},
	})
	return all, err
}

// additionalData returns the data that is authenticated together with a ciphertext: the
// payload's metadata. It does not include the order, because the Web UI does not tell the codec
// server which order a payload belongs to.
func additionalData(keyID string) []byte { return []byte(Encoding + "\x00" + keyID) }
