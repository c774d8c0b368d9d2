package inflow

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
)

// SignatureHeader carries a webhook's signature: the base64 of HMAC-SHA256 over the raw body, as
// InFlow documents.
const SignatureHeader = "x-inflow-hmac-sha256"

// MinSecretSize is the minimum length of a key, in bytes. A shorter key could be guessed from one
// signed body. InFlow's own secrets are longer.
const MinSecretSize = 16

// secretBase64Prefix marks a secret that is decoded from base64 to get the key.
const secretBase64Prefix = "base64:"

// SigningKey is the key that belongs to a webhook subscription's [Secret]. Formatting, logging and
// marshaling it gives a mask. The zero value is not a key; a [Verifier] refuses it.
type SigningKey struct {
	// reveal is a function because fmt calls no methods on unexported fields of other structs.
	// It would print the key, but it cannot look into a function.
	reveal func() keyMaterial
}

type keyMaterial struct {
	key  []byte
	text string // the secret as configured, used by Explain
}

// ParseSecret parses one configured secret. The key is the UTF-8 bytes of the text, as InFlow
// documents. A text that begins with "base64:" is decoded first, from padded standard base64.
// Errors never contain the text.
func ParseSecret(text string) (SigningKey, error) {
	key := []byte(text)
	if encoded, ok := strings.CutPrefix(text, secretBase64Prefix); ok {
		var err error
		if key, err = decodeBase64(encoded); err != nil {
			return SigningKey{},
				errors.New(`the text after "base64:" is not padded standard base64`)
		}
	}
	if len(key) < MinSecretSize {
		return SigningKey{}, fmt.Errorf("the key has %d bytes and needs at least %d: use the "+
			"secret that InFlow showed when you subscribed the webhook", len(key), MinSecretSize)
	}
	material := keyMaterial{key: key, text: text}
	return SigningKey{reveal: func() keyMaterial { return material }}, nil
}

// ParseSecrets parses a comma-separated list of secrets, such as WEBHOOK_SECRET during a rotation.
// It ignores white space around secrets and empty entries. It fails if the list has no secret, or
// if one is invalid; the error gives the secret's position, counted from 1.
func ParseSecrets(list string) ([]SigningKey, error) {
	return parseSecretList(strings.Split(list, ","), "secret")
}

// ParseSecretLines parses the content of a WEBHOOK_SECRET_FILE: one secret per line. It ignores
// white space around secrets and empty lines. It fails if the file has no secret, or if one is
// invalid; the error gives the line number.
func ParseSecretLines(content []byte) ([]SigningKey, error) {
	return parseSecretList(strings.Split(strings.TrimPrefix(string(content), byteOrderMark), "\n"),
		"line")
}

func parseSecretList(texts []string, place string) ([]SigningKey, error) {
	var keys []SigningKey
	for i, text := range texts {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		key, err := ParseSecret(text)
		if err != nil {
			return nil, fmt.Errorf("%s %d: %w", place, i+1, err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no secret")
	}
	return keys, nil
}

// String returns a mask.
func (SigningKey) String() string { return mask }

// GoString returns a mask.
func (SigningKey) GoString() string { return "inflow.SigningKey(" + mask + ")" }

// Format writes a mask for every verb.
func (k SigningKey) Format(f fmt.State, verb rune) {
	text := k.String()
	if verb == 'v' && f.Flag('#') {
		text = k.GoString()
	}
	_, _ = io.WriteString(f, text) // fmt.State never fails
}

// LogValue returns a mask.
func (SigningKey) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalText returns a mask.
func (SigningKey) MarshalText() ([]byte, error) { return []byte(mask), nil }

// MarshalJSON returns a mask.
func (SigningKey) MarshalJSON() ([]byte, error) { return []byte(`"` + mask + `"`), nil }

func (k SigningKey) isZero() bool { return k.reveal == nil }

func (k SigningKey) bytes() []byte {
	if k.isZero() {
		return nil
	}
	return k.reveal().key
}

// Sign returns the value of [SignatureHeader] for a body. No [Verifier] accepts signatures made
// with the zero key.
func Sign(key SigningKey, body []byte) string {
	return base64.StdEncoding.EncodeToString(hmacSHA256(key.bytes(), body))
}

func hmacSHA256(key, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(body) // never fails
	return mac.Sum(nil)
}

// SignatureError is the reason why a signature was refused. There are few fixed values, so they
// can be used as metric labels.
type SignatureError string

// Reasons to refuse a signature.
const (
	// SignatureMissing means that there is no header, or that it is empty.
	SignatureMissing SignatureError = "signature-missing"
	// SignatureDoubled means that there are two headers, or two values in one header.
	SignatureDoubled SignatureError = "signature-doubled"
	// SignatureMalformed means that the value is not padded standard base64 of 32 bytes.
	SignatureMalformed SignatureError = "signature-malformed"
	// SignatureMismatch means that no secret produces this signature.
	SignatureMismatch SignatureError = "signature-mismatch"
)

// Error returns the reason.
func (e SignatureError) Error() string { return string(e) }

// Verifier verifies signatures against several secrets at once, so a secret can be rotated without
// losing a delivery. It is safe for concurrent use.
type Verifier struct {
	keys []SigningKey
}

// NewVerifier returns a verifier for the keys. It fails if there is no key, or if one is zero:
// with an empty key, anybody could sign.
func NewVerifier(keys []SigningKey) (*Verifier, error) {
	if len(keys) == 0 {
		return nil, errors.New("verify webhooks: there is no secret")
	}
	for i, key := range keys {
		if key.isZero() {
			return nil, fmt.Errorf("verify webhooks: secret %d is empty", i+1)
		}
	}
	return &Verifier{keys: slices.Clone(keys)}, nil
}

// Secrets returns the number of secrets.
func (v *Verifier) Secrets() int { return len(v.keys) }

// Verify returns the index of the secret that signed body. headerValues are all values of
// [SignatureHeader] in the request. On failure, the index is -1 and the error a [SignatureError].
func (v *Verifier) Verify(headerValues []string, body []byte) (secretIndex int, err error) {
	signature, err := decodeSignature(headerValues)
	if err != nil {
		return -1, err
	}
	// Try every key and compare in constant time, so the duration doesn't reveal which key
	// matched or how much of the signature was right.
	index := -1
	for i, key := range v.keys {
		equal := subtle.ConstantTimeCompare(hmacSHA256(key.bytes(), body), signature)
		index = subtle.ConstantTimeSelect(equal, i, index)
	}
	if index < 0 {
		return -1, SignatureMismatch
	}
	return index, nil
}

// signatureLength is the length of 32 bytes in base64.
var signatureLength = base64.StdEncoding.EncodedLen(sha256.Size)

func decodeSignature(headerValues []string) ([]byte, error) {
	switch {
	case len(headerValues) == 0:
		return nil, SignatureMissing
	case len(headerValues) > 1:
		return nil, SignatureDoubled
	}
	value := headerValues[0]
	switch {
	case value == "":
		return nil, SignatureMissing
	case strings.Contains(value, ","): // proxies may join two headers into one (RFC 9110, 5.3)
		return nil, SignatureDoubled
	case len(value) != signatureLength:
		return nil, SignatureMalformed
	}
	signature, err := decodeBase64(value)
	if err != nil || len(signature) != sha256.Size {
		return nil, SignatureMalformed
	}
	return signature, nil
}

var errLineBreak = errors.New("base64 with a line break")

// decodeBase64 accepts only the canonical form: standard alphabet, padded, no unused bits set, and
// no line breaks, which encoding/base64 would skip.
func decodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errLineBreak
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}

const byteOrderMark = "\ufeff"

// trimByteOrderMark removes a leading byte order mark. RFC 8259, 8.1 allows JSON parsers to ignore
// it.
func trimByteOrderMark(body []byte) []byte {
	return bytes.TrimPrefix(body, []byte(byteOrderMark))
}
