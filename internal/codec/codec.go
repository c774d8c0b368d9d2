package codec

import (
	"context"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

// Metadata of an encrypted payload. Other programs know them by these names too.
const (
	// Encoding is the value of [converter.MetadataEncoding].
	Encoding = "binary/encrypted"
	// MetadataKeyID names the key.
	MetadataKeyID = "encryption-key-id"
)

// DecryptError is a payload that was encrypted and cannot be read. Nothing is lost: a process
// that has the key reads it.
type DecryptError struct {
	// KeyID is the payload's; it may be empty.
	KeyID string
	// Problem says what is wrong and what to do.
	Problem string
}

func (e *DecryptError) Error() string { return "an encrypted payload cannot be read: " + e.Problem }

// payloadCodec implements [converter.PayloadCodec] with AES-256-GCM.
type payloadCodec struct {
	keys *Keys
}

// New makes the codec of some keys.
func New(keys *Keys) converter.PayloadCodec { return &payloadCodec{keys: keys} }

// Encode implements [converter.PayloadCodec]. A payload that is encrypted is left as it is.
func (c *payloadCodec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	if !c.keys.Encrypt() {
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
			Data: k.aead().Seal(nil, nil, plain, bound(k.id)), //nolint:gosec // this AEAD makes its nonces itself
		}
	}
	return encoded, nil
}

// Decode implements [converter.PayloadCodec]. A payload that is not encrypted is left as it
// is: it is older than the keys, or an operator's. The error is a [DecryptError].
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
		return nil, &DecryptError{Problem: "it names no key: another program wrote it, or it was changed"}
	}
	k := c.keys.find(id)
	if k == nil {
		return nil, &DecryptError{KeyID: id, Problem: fmt.Sprintf(
			"there is no key %q: add it to %s or %s, behind the first if there is one, and start gate again", id, KeysVariable, KeysFileVariable)}
	}
	plain, err := k.aead().Open(nil, nil, payload.GetData(), bound(id))
	if err != nil {
		return nil, &DecryptError{KeyID: id, Problem: fmt.Sprintf(
			"key %q does not fit: the payload was changed, or another key was meant by this id when it was written", id)}
	}
	var decrypted commonpb.Payload
	if err := proto.Unmarshal(plain, &decrypted); err != nil {
		return nil, &DecryptError{KeyID: id, Problem: fmt.Sprintf("what key %q gives is no payload", id)}
	}
	return &decrypted, nil
}

func isEncrypted(payload *commonpb.Payload) bool {
	return string(payload.GetMetadata()[converter.MetadataEncoding]) == Encoding
}

// KeyID returns the id of the key that a payload is encrypted with; empty if it is not encrypted.
func KeyID(payload *commonpb.Payload) string { return string(payload.GetMetadata()[MetadataKeyID]) }

// WritingKeyID returns the id of the key that a converter encrypts with; empty if it encrypts nothing.
func WritingKeyID(c converter.DataConverter) (string, error) {
	sample, err := c.ToPayload("")
	if err != nil {
		return "", fmt.Errorf("ask a converter for its key: %w", err)
	}
	return KeyID(sample), nil
}

// AllWrittenWith reports whether every payload of a message that the gate's converter wrote is encrypted with
// a key, or not encrypted if the id is empty.
func AllWrittenWith(ctx context.Context, keyID string, message proto.Message) (all bool, err error) {
	all = true
	err = proxy.VisitPayloads(ctx, message, proxy.VisitPayloadsOptions{
		SkipSearchAttributes: true,
		Visitor: func(visited *proxy.VisitPayloadsContext, payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
			if _, ok := visited.Parent.(*commonpb.Header); ok {
				return payloads, nil // traces write these
			}
			for _, payload := range payloads {
				all = all && KeyID(payload) == keyID
			}
			return payloads, nil
		},
	})
	return all, err
}

// bound is what a payload's ciphertext is bound to besides the key: its metadata. The order is
// not among it, for the Web UI does not tell the codec server which one it reads.
func bound(keyID string) []byte { return []byte(Encoding + "\x00" + keyID) }
