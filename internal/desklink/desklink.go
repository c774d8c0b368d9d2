// Package desklink signs the links in notices. The key in a link lets one receiver act on one order
// at the desk, until the key expires.
package desklink

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"error-check-gate/internal/ordercheck"
)

// The errors of [Signer.Verify].
var (
	// ErrInvalid means that none of the secrets signed the key, or that it is for another order.
	ErrInvalid = errors.New("the link is not valid")
	// ErrExpired means that the key was valid until it expired.
	ErrExpired = errors.New("the link has expired")
)

const (
	// MinSecret is the minimum length of a secret, in bytes. Longer ones don't make HMAC-SHA256
	// safer.
	MinSecret = 32
	// maxReceiver is the maximum length of an address in SMTP, in bytes.
	maxReceiver = 254
	// maxKey is the maximum length of a key, in bytes. A key for the longest order id and
	// receiver is about 660 bytes long.
	maxKey = 1024
	// purpose separates these keys from others that are signed with the same secret.
	purpose = "error-check-gate: link in a notice, version 1"
)

// Signer signs and verifies keys. It is safe for concurrent use.
type Signer struct {
	// hashKeys returns the keys of the secrets; the first one signs. It is a function because fmt
	// prints the fields of a struct, but cannot look into a function.
	hashKeys func() [][]byte
	valid    time.Duration
}

// New returns a Signer whose keys expire after valid. The first secret signs and all of them
// verify, so secrets can be rotated.
func New(secrets []string, valid time.Duration) (*Signer, error) {
	if len(secrets) == 0 {
		return nil, errors.New("set up signed links: no secret is given; give one of at least 32 bytes")
	}
	if valid <= 0 {
		return nil, fmt.Errorf("set up signed links: they are valid for %v; give a time above 0", valid)
	}
	keys := make([][]byte, len(secrets))
	for i, secret := range secrets {
		if len(secret) < MinSecret {
			return nil, fmt.Errorf("set up signed links: secret %d of %d has %d bytes; it needs %d",
				i+1, len(secrets), len(secret), MinSecret)
		}
		var err error
		if keys[i], err = hkdf.Key(sha256.New, []byte(secret), nil, purpose, sha256.Size); err != nil {
			return nil, fmt.Errorf("set up signed links: derive a key from secret %d: %w", i+1, err)
		}
	}
	return &Signer{hashKeys: func() [][]byte { return keys }, valid: valid}, nil
}

// claims is the signed content of a key.
type claims struct {
	Order    string `json:"o"`
	Receiver string `json:"r"`
	Expires  int64  `json:"e"` // Unix time in seconds
}

// Sign returns the key for a receiver's link to an order. The key needs no escaping in a URL. The
// same arguments give the same key, so both copies of a mail that is sent twice are alike. Sign
// returns an error if the order's id is not valid, or if the receiver is empty or too long.
func (s *Signer) Sign(orderID, receiver string, now time.Time) (key string, err error) {
	if err := ordercheck.ValidateSalesOrderID(orderID); err != nil {
		return "", fmt.Errorf("sign a link: %w", err)
	}
	if receiver == "" || len(receiver) > maxReceiver {
		return "", fmt.Errorf("sign a link: the receiver has %d bytes; give an address of 1 to %d",
			len(receiver), maxReceiver)
	}
	payload, err := json.Marshal(claims{
		Order: ordercheck.CanonicalID(orderID), Receiver: receiver, Expires: now.Add(s.valid).Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("sign a link: %w", err)
	}
	key = encode(payload) + "." + encode(sum(s.hashKeys()[0], payload))
	if len(key) > maxKey {
		return "", fmt.Errorf("sign a link: the key has %d bytes; the desk reads at most %d",
			len(key), maxKey)
	}
	return key, nil
}

// Verify returns the receiver in a key. The error wraps [ErrInvalid] if the key is forged or
// belongs to another order, and [ErrExpired] if it has expired.
func (s *Signer) Verify(key, orderID string, now time.Time) (receiver string, err error) {
	payload, ok := s.open(key)
	if !ok {
		return "", fmt.Errorf("%w: its signature is wrong", ErrInvalid)
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return "", fmt.Errorf("%w: its content cannot be read", ErrInvalid)
	}
	if c.Order != ordercheck.CanonicalID(orderID) {
		return "", fmt.Errorf("%w: it is for another order", ErrInvalid)
	}
	if expires := time.Unix(c.Expires, 0); !now.Before(expires) {
		return "", fmt.Errorf("%w: at %s", ErrExpired, expires.UTC().Format(time.RFC3339))
	}
	return c.Receiver, nil
}

// open returns the content of a key, if one of the secrets signed it.
func (s *Signer) open(key string) (payload []byte, ok bool) {
	if len(key) > maxKey || strings.ContainsAny(key, "\r\n") { // the decoder would skip line breaks
		return nil, false
	}
	text, signature, _ := strings.Cut(key, ".")
	payload, err := encoding.DecodeString(text)
	if err != nil {
		return nil, false
	}
	got, err := encoding.DecodeString(signature)
	if err != nil {
		return nil, false
	}
	for _, hashKey := range s.hashKeys() {
		if hmac.Equal(got, sum(hashKey, payload)) {
			return payload, true
		}
	}
	return nil, false
}

func sum(hashKey, payload []byte) []byte {
	mac := hmac.New(sha256.New, hashKey)
	mac.Write(payload)
	return mac.Sum(nil)
}

// encoding is strict, so that each key has only one form.
var encoding = base64.RawURLEncoding.Strict()

func encode(b []byte) string { return encoding.EncodeToString(b) }
