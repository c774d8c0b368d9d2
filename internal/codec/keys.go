// Package codec encrypts what Temporal keeps of an order: every payload of the
// histories, and the text of errors. Temporal, its database and its backups then hold
// ciphertext; who has the keys reads it, by the gate's commands or the codec server.
package codec

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"error-check-gate/internal/nowait"
)

// Variables that hold the keys.
const (
	KeysVariable     = "PAYLOAD_KEYS"
	KeysFileVariable = "PAYLOAD_KEYS_FILE"
)

const (
	keySize   = 32 // AES-256
	maxKeyID  = 64 // bytes
	maxFile   = 64 << 10
	plainWord = "plain"
)

// Keys are what payloads are encrypted and decrypted with. Nil, and the zero value, have
// none: payloads are left as they are, and encrypted ones cannot be read. Formatting and
// logging Keys shows ids only.
type Keys struct {
	keys []key // the first encrypts, unless plain
	// plain: decrypt only, while the keys reach every process, or before they go.
	plain bool
}

type key struct {
	id string
	// aead gives the cipher. A function, because fmt prints the fields of a struct but
	// cannot look into one.
	aead func() cipher.AEAD
}

// ParseKeys reads keys in the form id:base64, of 32 bytes each, separated by commas or line
// breaks: the first encrypts, all decrypt. The word "plain" in the first place encrypts
// nothing. The error tells every fault, by its place in the list, and holds no key.
func ParseKeys(text string) (*Keys, error) {
	var k Keys
	var faults []string
	seen := map[string]bool{} // the keys' bytes
	entries := strings.FieldsFunc(strings.TrimPrefix(text, "\ufeff"), func(r rune) bool { return r == ',' || r == '\n' || r == '\r' })
	entries = slices.DeleteFunc(entries, func(entry string) bool { return strings.TrimSpace(entry) == "" })
	for i, entry := range entries {
		entry = strings.TrimSpace(entry)
		fault := func(format string, args ...any) {
			faults = append(faults, fmt.Sprintf("key %d of %d %s", i+1, len(entries), fmt.Sprintf(format, args...)))
		}
		id, encoded, ok := strings.Cut(entry, ":")
		switch {
		case entry == plainWord && i == 0:
			k.plain = true
			continue
		case entry == plainWord:
			fault(`is the word "plain", which may stand in the first place only`)
			continue
		case !ok:
			fault("has no id: write id:base64, such as 2026-01:…, the base64 being of %d random bytes", keySize)
			continue
		case !isKeyID(id):
			fault("has an id with other than 1 to %d of A-Z a-z 0-9 . _ -", maxKeyID)
			continue
		case k.find(id) != nil:
			fault("has the id %s, as one before it: a new key needs a new id", id)
			continue
		}
		secret, err := base64.StdEncoding.Strict().DecodeString(encoded)
		switch {
		case err != nil:
			fault("(%s) is not base64: make one with 'openssl rand -base64 %d'", id, keySize)
			continue
		case len(secret) != keySize:
			fault("(%s) has %d bytes in place of %d: make one with 'openssl rand -base64 %d'", id, len(secret), keySize, keySize)
			continue
		case seen[string(secret)]:
			fault("(%s) is the same as one before it", id)
			continue
		}
		seen[string(secret)] = true
		added, err := newKey(id, secret)
		if err != nil {
			fault("(%s): %v", id, err)
			continue
		}
		k.keys = append(k.keys, added)
	}
	switch {
	case len(faults) > 0:
		return nil, errors.New(strings.Join(faults, "; "))
	case len(k.keys) == 0:
		return nil, errors.New("there is no key in it: write id:base64, the base64 being of 32 random bytes, as 'openssl rand -base64 32' makes them")
	}
	return &k, nil
}

func newKey(id string, secret []byte) (key, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return key{}, fmt.Errorf("set up AES: %w", err)
	}
	// The nonce, 96 random bits for each payload, stands before the ciphertext.
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
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return id != "" && len(id) <= maxKeyID
}

// ReadKeys reads the keys from the value of [KeysVariable], or from the file that
// [KeysFileVariable] names; both empty are no keys. The error begins with the variable
// that is at fault.
func ReadKeys(value, file string) (*Keys, error) {
	switch {
	case value != "" && file != "":
		return nil, &VariableError{KeysVariable, errors.New(KeysFileVariable + " is set too: keep one of them")}
	case value != "":
		keys, err := ParseKeys(value)
		if err != nil {
			return nil, &VariableError{KeysVariable, err}
		}
		return keys, nil
	case file != "":
		content, err := readFile(file)
		if err != nil {
			return nil, &VariableError{KeysFileVariable, fmt.Errorf("the file cannot be read: %w", err)}
		}
		keys, err := ParseKeys(content)
		if err != nil {
			return nil, &VariableError{KeysFileVariable, err}
		}
		return keys, nil
	default:
		return &Keys{}, nil
	}
}

// VariableError is what is wrong with a variable.
type VariableError struct {
	Variable string
	Err      error
}

func (e *VariableError) Error() string { return e.Variable + ": " + e.Err.Error() }

// Unwrap gives what is wrong.
func (e *VariableError) Unwrap() error { return e.Err }

func readFile(path string) (string, error) {
	file, err := nowait.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(content) > maxFile {
		return "", fmt.Errorf("%s has more than %d bytes: is it the right file?", path, maxFile)
	}
	return string(content), nil
}

// Encrypt says whether payloads are encrypted as they are written.
func (k *Keys) Encrypt() bool { return k != nil && len(k.keys) > 0 && !k.plain }

// IDs of the keys, the one that encrypts first.
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

// String lists the ids.
func (k *Keys) String() string { return "codec.Keys(" + strings.Join(k.IDs(), ",") + ")" }

// GoString lists the ids.
func (k *Keys) GoString() string { return k.String() }

// LogValue lists the ids.
func (k *Keys) LogValue() slog.Value { return slog.StringValue(k.String()) }
