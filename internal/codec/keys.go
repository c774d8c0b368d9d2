// Package codec encrypts what Temporal stores about an order: every payload in a history, and the
// texts of errors. Temporal, its database and its backups then hold only ciphertext. The gate's
// commands and its codec server decrypt it for people who have the keys.
package codec

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"error-check-gate/internal/nowait"
	"error-check-gate/internal/option"
)

// Variables that hold the keys.
const (
	KeysVariable     = "PAYLOAD_KEYS"
	KeysFileVariable = "PAYLOAD_KEYS_FILE"
)

const (
	keySize   = 32 // AES-256
	maxKeyID  = 64 // bytes
	plainWord = "plain"
)

// makeKey says how to make a key.
const makeKey = "make one with 'openssl rand -base64 32'"

// Keys encrypt and decrypt payloads. Nil and the zero value have no keys: they leave payloads as
// they are and cannot read encrypted ones. Formatting and logging Keys shows only ids.
type Keys struct {
	keys []key // the first one encrypts, unless plain is set
	// plain stops encryption. It is for the time before all processes have the keys, and before the
	// keys are removed.
	plain bool
}

type key struct {
	id string
	// aead returns the cipher. It is a function because fmt prints the fields of a struct, but
	// cannot look into a function.
	aead func() cipher.AEAD
}

// ParseKeys reads keys of the form id:base64, with 32 random bytes each, separated by commas or
// line breaks. The first key encrypts, all of them decrypt. The word "plain" in first place stops
// encryption. The error lists every fault by its place in the list, and quotes no key.
func ParseKeys(text string) (*Keys, error) {
	var k Keys
	var faults []string
	secrets := map[string]bool{}
	entries := splitKeys(text)
	for i, entry := range entries {
		if entry == plainWord && i == 0 {
			k.plain = true
			continue
		}
		if err := k.add(entry, secrets); err != nil {
			faults = append(faults, fmt.Sprintf("key %d of %d %v", i+1, len(entries), err))
		}
	}
	switch {
	case len(faults) > 0:
		return nil, errors.New(strings.Join(faults, "; "))
	case len(k.keys) == 0:
		return nil, errors.New("has no key: write id:base64 with 32 random bytes; " + makeKey)
	}
	return &k, nil
}

func splitKeys(text string) []string {
	entries := strings.FieldsFunc(strings.TrimPrefix(text, "\ufeff"), func(r rune) bool {
		return r == ',' || r == '\n' || r == '\r'
	})
	for i := range entries {
		entries[i] = strings.TrimSpace(entries[i])
	}
	return slices.DeleteFunc(entries, func(entry string) bool { return entry == "" })
}

// add parses an entry and adds its key. secrets holds the bytes of the keys so far, to find
// duplicates. The text of an error follows the words "key 1 of 2".
func (k *Keys) add(entry string, secrets map[string]bool) error {
	id, encoded, ok := strings.Cut(entry, ":")
	switch {
	case entry == plainWord:
		return errors.New(`is the word "plain", which must come first`)
	case !ok:
		return fmt.Errorf("has no id: write id:base64, such as 2026-01:…, with %d random bytes", keySize)
	case !isKeyID(id):
		return fmt.Errorf("has an invalid id: write 1 to %d of A-Z a-z 0-9 . _ -", maxKeyID)
	case k.find(id) != nil:
		return fmt.Errorf("has the id %s, which is taken: give each new key a new id", id)
	}
	secret, err := base64.StdEncoding.Strict().DecodeString(encoded)
	switch {
	case err != nil:
		return fmt.Errorf("(%s) is not base64: %s", id, makeKey)
	case len(secret) != keySize:
		return fmt.Errorf("(%s) has %d bytes instead of %d: %s", id, len(secret), keySize, makeKey)
	case secrets[string(secret)]:
		return fmt.Errorf("(%s) is in the list twice: remove one of them", id)
	}
	secrets[string(secret)] = true
	added, err := newKey(id, secret)
	if err != nil {
		return fmt.Errorf("(%s): %w", id, err)
	}
	k.keys = append(k.keys, added)
	return nil
}

func newKey(id string, secret []byte) (key, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return key{}, fmt.Errorf("set up AES: %w", err)
	}
	// Each payload gets its own nonce of 96 random bits, which precedes the ciphertext.
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return key{}, fmt.Errorf("set up GCM: %w", err)
	}
	return key{id: id, aead: func() cipher.AEAD { return aead }}, nil
}

func isKeyID(id string) bool {
	for i := range len(id) {
		c := id[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return id != "" && len(id) <= maxKeyID
}

// ReadKeys reads the keys from the value of [KeysVariable], or from the file that
// [KeysFileVariable] names. If both are empty, it returns no keys. The error is an [option.Fault]
// whose Field is the variable.
func ReadKeys(value, file string) (*Keys, error) {
	variable := KeysVariable
	switch {
	case value == "" && file == "":
		return &Keys{}, nil
	case value != "" && file != "":
		return nil, option.Fault{
			Field: variable, Problem: KeysFileVariable + " is set too: keep one of them",
		}
	case file != "":
		variable = KeysFileVariable
		content, err := nowait.ReadSmallFile(file)
		if err != nil {
			return nil, option.Fault{Field: variable, Problem: err.Error()}
		}
		value = string(content)
	}
	keys, err := ParseKeys(value)
	if err != nil {
		return nil, option.Fault{Field: variable, Problem: err.Error()}
	}
	return keys, nil
}

// Encrypts reports whether new payloads are encrypted.
func (k *Keys) Encrypts() bool { return k != nil && len(k.keys) > 0 && !k.plain }

// IDs returns the ids of the keys. The first key encrypts.
func (k *Keys) IDs() []string {
	if k == nil {
		return nil
	}
	ids := make([]string, len(k.keys))
	for i := range k.keys {
		ids[i] = k.keys[i].id
	}
	return ids
}

func (k *Keys) find(id string) *key {
	if k == nil {
		return nil
	}
	for i := range k.keys {
		if k.keys[i].id == id {
			return &k.keys[i]
		}
	}
	return nil
}

// String returns the ids of the keys.
func (k *Keys) String() string { return "codec.Keys(" + strings.Join(k.IDs(), ",") + ")" }

// GoString returns the ids of the keys.
func (k *Keys) GoString() string { return k.String() }

// LogValue returns the ids of the keys.
func (k *Keys) LogValue() slog.Value { return slog.StringValue(k.String()) }
