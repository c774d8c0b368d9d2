package signin

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gorilla/securecookie"
)

// sealer signs and encrypts values for one purpose. It cannot open a value that was sealed for
// another purpose, because the keys and securecookie's name differ. Encryption keeps people's
// addresses out of other systems' logs.
type sealer struct {
	purpose string
	codecs  []securecookie.Codec // the first one seals, all of them open
}

var errForged = errors.New("it was not signed here for this purpose")

func checkSecrets(secrets []string) error {
	if len(secrets) == 0 {
		return fmt.Errorf("is not set: write a secret of at least %d bytes", MinSecret)
	}
	for i, secret := range secrets {
		if len(secret) < MinSecret {
			return fmt.Errorf("secret %d of %d has %d bytes and needs %d",
				i+1, len(secrets), len(secret), MinSecret)
		}
	}
	return nil
}

func newSealer(secrets []string, purpose string) (*sealer, error) {
	s := &sealer{purpose: purpose}
	for _, secret := range secrets {
		derive := func(use string) ([]byte, error) {
			info := "error-check-gate: signing in to the desk, version 1: " + purpose + ": " + use
			return hkdf.Key(sha256.New, []byte(secret), nil, info, 32)
		}
		hashKey, err := derive("sign")
		if err != nil {
			return nil, fmt.Errorf("derive a key: %w", err)
		}
		blockKey, err := derive("encrypt")
		if err != nil {
			return nil, fmt.Errorf("derive a key: %w", err)
		}
		// securecookie checks times with its own clock, which tests cannot set. So values contain
		// their time and we check it.
		s.codecs = append(s.codecs,
			securecookie.New(hashKey, blockKey).MaxAge(0).SetSerializer(plainJSON{}))
	}
	return s, nil
}

// seal returns text that needs no escaping in a URL.
func (s *sealer) seal(value any) (string, error) {
	text, err := securecookie.EncodeMulti(s.purpose, value, s.codecs...)
	if err != nil {
		return "", fmt.Errorf("sign a %s: %w", s.purpose, err)
	}
	// Some mail programs cut off a "=" at the end of a link.
	return strings.TrimRight(text, "="), nil
}

// open decodes a text that seal returned. For any other text it returns errForged.
func (s *sealer) open(text string, value any) error {
	if padding := len(text) % 4; padding != 0 {
		text += strings.Repeat("=", 4-padding)
	}
	if securecookie.DecodeMulti(s.purpose, text, value, s.codecs...) != nil {
		return errForged
	}
	return nil
}

// plainJSON is JSON without HTML escapes. They would make a sealed path up to six times as long.
type plainJSON struct{}

func (plainJSON) Serialize(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return b.Bytes(), err
}

func (plainJSON) Deserialize(text []byte, value any) error { return json.Unmarshal(text, value) }

// randomID returns 128 random bits as text.
func randomID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails: it ends the process instead
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// clockSkew is the tolerated difference between the clocks of two desks.
const clockSkew = time.Minute

// expired reports whether a value that was issued at a Unix time is older than valid.
func expired(issued int64, valid time.Duration, now time.Time) bool {
	age := now.Sub(time.Unix(issued, 0))
	return age >= valid || age < -clockSkew
}
