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

// SignatureHeader carries a webhook's signature: the base64 of HMAC-SHA256 over
// the raw body, as InFlow's webhook documentation says.
const SignatureHeader = "x-inflow-hmac-sha256"

// MinSecretSize is the shortest key accepted, in bytes. A shorter one could be
// guessed from one signed body; InFlow's own secrets are longer.
const MinSecretSize = 16

// secretBase64Prefix marks a secret whose key is the decoded text.
const secretBase64Prefix = "base64:"

// SigningKey is what a webhook subscription's [Secret] signs with. It never prints:
// every way to format, log or marshal it gives a mask. The zero SigningKey is no
// key at all; a [Verifier] refuses it.
type SigningKey struct {
	// A function, since fmt calls no methods on what it finds in another struct's
	// unexported field, and prints everything but the inside of a function.
	reveal func() keyMaterial
}

type keyMaterial struct {
	key  []byte
	text string // the secret as configured, for Explain
}

// ParseSecret reads one secret as it is configured. The key is the text's UTF-8
// bytes, as InFlow documents; a text "base64:…" is decoded first, from padded
// standard base64. Errors never contain the text.
func ParseSecret(text string) (SigningKey, error) {
	key := []byte(text)
	if encoded, ok := strings.CutPrefix(text, secretBase64Prefix); ok {
		var err error
		if key, err = decodeBase64(encoded); err != nil {
			return SigningKey{}, errors.New(`what follows "base64:" is not padded standard base64`)
		}
	}
	if len(key) < MinSecretSize {
		return SigningKey{}, fmt.Errorf("the key has %d bytes, at least %d are needed: use the secret that InFlow gave when the webhook was subscribed", len(key), MinSecretSize)
	}
	material := keyMaterial{key: key, text: text}
	return SigningKey{reveal: func() keyMaterial { return material }}, nil
}

// ParseSecrets reads secrets separated by commas, as WEBHOOK_SECRET holds them
// while a secret is being rotated. White space around a secret and empty places
// are skipped. It fails on the first faulty secret, naming its place from 1, and
// where there is none at all.
func ParseSecrets(list string) ([]SigningKey, error) {
	return parseSecretList(strings.Split(list, ","), "secret")
}

// ParseSecretLines reads secrets from a file's content, one a line, as
// WEBHOOK_SECRET_FILE holds them. White space around a secret and empty lines are
// skipped. It fails on the first faulty line, and where there is no secret at all.
func ParseSecretLines(content []byte) ([]SigningKey, error) {
	return parseSecretList(strings.Split(strings.TrimPrefix(string(content), byteOrderMark), "\n"), "line")
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
		return nil, errors.New("there is no secret in it")
	}
	return keys, nil
}

// String is a mask.
func (SigningKey) String() string { return mask }

// GoString is a mask.
func (SigningKey) GoString() string { return "inflow.SigningKey(" + mask + ")" }

// Format writes a mask for every verb.
func (k SigningKey) Format(f fmt.State, verb rune) {
	text := k.String()
	if verb == 'v' && f.Flag('#') {
		text = k.GoString()
	}
	_, _ = io.WriteString(f, text) // fmt.State has no error to give
}

// LogValue is a mask.
func (SigningKey) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalText is a mask.
func (SigningKey) MarshalText() ([]byte, error) { return []byte(mask), nil }

// MarshalJSON is a mask.
func (SigningKey) MarshalJSON() ([]byte, error) { return []byte(`"` + mask + `"`), nil }

func (k SigningKey) isZero() bool { return k.reveal == nil }

func (k SigningKey) bytes() []byte {
	if k.isZero() {
		return nil
	}
	return k.reveal().key
}

// Sign is the value of [SignatureHeader] for a body. What the zero key signs, no
// [Verifier] accepts.
func Sign(key SigningKey, body []byte) string {
	return base64.StdEncoding.EncodeToString(hmacSHA256(key.bytes(), body))
}

func hmacSHA256(key, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(body) // a hash never fails to write
	return mac.Sum(nil)
}

// SignatureError is why a signature was refused. Its values are few and fixed,
// so that they may label a metric.
type SignatureError string

// The reasons to refuse a signature.
const (
	// SignatureMissing: no header, or an empty one.
	SignatureMissing SignatureError = "signature-missing"
	// SignatureDoubled: two headers, or two values in one.
	SignatureDoubled SignatureError = "signature-doubled"
	// SignatureMalformed: not the padded standard base64 of 32 bytes.
	SignatureMalformed SignatureError = "signature-malformed"
	// SignatureMismatch: right for none of the secrets.
	SignatureMismatch SignatureError = "signature-mismatch"
)

// Error is the reason.
func (e SignatureError) Error() string { return string(e) }

// Verifier verifies signatures against several secrets at once, so that one can
// be rotated without losing a delivery. It is safe for concurrent use.
type Verifier struct {
	keys []SigningKey
}

// NewVerifier fails without a secret, and with a zero one: its empty key would
// let anybody sign.
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

// Secrets is how many secrets there are.
func (v *Verifier) Secrets() int { return len(v.keys) }

// Verify says which secret, from 0, the body was signed with. headerValues are
// all values of [SignatureHeader] in the request. The error is a
// [SignatureError], and the index then -1.
func (v *Verifier) Verify(headerValues []string, body []byte) (secretIndex int, err error) {
	signature, err := decodeSignature(headerValues)
	if err != nil {
		return -1, err
	}
	// Every key is tried and compared in constant time, so that the duration tells
	// neither which key matched nor how much of the signature was right.
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

// signatureLength is the length of the base64 of 32 bytes.
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
	case strings.Contains(value, ","): // a proxy may join two headers into one (RFC 9110, 5.3)
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

var errLineBreak = errors.New("a line break in base64")

// decodeBase64 takes the one canonical form only: standard alphabet, padded,
// no bits left over, and no line breaks, which encoding/base64 skips.
func decodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errLineBreak
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}

const byteOrderMark = "\ufeff"

// trimByteOrderMark: RFC 8259, 8.1 lets a reader of JSON ignore one.
func trimByteOrderMark(body []byte) []byte {
	return bytes.TrimPrefix(body, []byte(byteOrderMark))
}
