package inflow_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"  //nolint:gosec // what a wrong sender may use
	"crypto/sha1" //nolint:gosec // what a wrong sender may use
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
)

const (
	// secretText looks like a secret of InFlow's: base64 that is used as text.
	secretText = "c2VjcmV0IGZyb20gSW5GbG93ISE="
	otherText  = "another-secret-of-good-length"
	signedBody = `{"event":"salesOrder.updated",` +
		`"data":{"salesOrderId":"8a3c6d4e-71c2-4d0a-9f53-2d6f0c1e7b11"},` +
		`"timestamp":"2025-10-28T12:00:00Z"}`
)

func parseSecret(t testing.TB, text string) inflow.SigningKey {
	t.Helper()
	key, err := inflow.ParseSecret(text)
	require.NoError(t, err)
	return key
}

func newVerifier(t testing.TB, texts ...string) *inflow.Verifier {
	t.Helper()
	keys := make([]inflow.SigningKey, len(texts))
	for i, text := range texts {
		keys[i] = parseSecret(t, text)
	}
	v, err := inflow.NewVerifier(keys)
	require.NoError(t, err)
	return v
}

func digest(newHash func() hash.Hash, key, body string) []byte {
	mac := hmac.New(newHash, []byte(key))
	mac.Write([]byte(body))
	return mac.Sum(nil)
}

func std(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// TestSignatureVectors runs the RFC 4231 cases with long enough keys through the public API.
func TestSignatureVectors(t *testing.T) {
	for _, tc := range []struct {
		name      string
		key, body []byte
		mac       string
	}{
		{"1", bytes.Repeat([]byte{0x0b}, 20), []byte("Hi There"),
			"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{"3", bytes.Repeat([]byte{0xaa}, 20), bytes.Repeat([]byte{0xdd}, 50),
			"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
		{"6", bytes.Repeat([]byte{0xaa}, 131), []byte("Test Using Larger Than Block-Size Key - " +
			"Hash Key First"), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			mac, err := hex.DecodeString(tc.mac)
			require.NoError(t, err)
			text := "base64:" + std(tc.key)
			assert.Equal(t, std(mac), inflow.Sign(parseSecret(t, text), tc.body))
			index, err := newVerifier(t, text).Verify([]string{std(mac)}, tc.body)
			require.NoError(t, err)
			assert.Zero(t, index)
		})
	}
}

// TestSignatureUsesSecretTextAsKey follows InFlow's Python example: the key is the secret's text.
func TestSignatureUsesSecretTextAsKey(t *testing.T) {
	// printf %s "$BODY" | openssl dgst -sha256 -hmac "$SECRET" -binary | base64
	const signature = "fPmiHlBZqZYGkXbIAiadhMudoYV8pTyK0BmJ2JmbPvU="
	assert.Equal(t, signature, inflow.Sign(parseSecret(t, secretText), []byte(signedBody)))
	_, err := newVerifier(t, secretText).Verify([]string{signature}, []byte(signedBody))
	assert.NoError(t, err)
}

func TestVerifySeveralSecrets(t *testing.T) {
	body := []byte(signedBody)
	v := newVerifier(t, secretText, "base64:"+secretText, otherText)
	for want, text := range []string{secretText, "base64:" + secretText, otherText} {
		index, err := v.Verify([]string{inflow.Sign(parseSecret(t, text), body)}, body)
		require.NoError(t, err)
		assert.Equal(t, want, index)
	}
	index, err := v.Verify([]string{inflow.Sign(parseSecret(t, "a secret that is not configured"),
		body)}, body)
	require.ErrorIs(t, err, inflow.SignatureMismatch)
	assert.Equal(t, -1, index)
}

func TestVerifyBodies(t *testing.T) {
	v, key := newVerifier(t, secretText), parseSecret(t, secretText)
	for _, body := range [][]byte{nil, {0}, []byte("x"), {0xff, 0xfe, 0x00},
		bytes.Repeat([]byte("long "), 60_000)} {
		_, err := v.Verify([]string{inflow.Sign(key, body)}, body)
		assert.NoError(t, err, "%d bytes", len(body))
	}
}

// refusedVariant is a signature that must not verify.
type refusedVariant struct {
	name   string
	header []string
	body   string
	reason inflow.SignatureError
}

func refusedVariants() []refusedVariant {
	right := digest(sha256.New, secretText, signedBody)
	good := std(right)
	decoded, err := base64.StdEncoding.DecodeString(secretText)
	if err != nil {
		panic(err)
	}
	flipCase := func(s string, i int) string {
		b := []byte(s)
		b[i] ^= 0x20
		return string(b)
	}
	letter := strings.IndexFunc(good, func(r rune) bool { return r >= 'a' && r <= 'z' })
	// trailing sets a bit of the last character that encodes no part of the 32 bytes.
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	trailing := good[:42] + string(alphabet[strings.IndexByte(alphabet, good[42])|1]) + "="
	one := func(s string) []string { return []string{s} }

	variants := []refusedVariant{
		{"no header", nil, signedBody, inflow.SignatureMissing},
		{"empty list", []string{}, signedBody, inflow.SignatureMissing},
		{"empty", one(""), signedBody, inflow.SignatureMissing},

		{"two headers, both right", []string{good, good}, signedBody, inflow.SignatureDoubled},
		{"two headers, the first right", []string{good, std(make([]byte, 32))}, signedBody,
			inflow.SignatureDoubled},
		{"two headers, the second right", []string{"", good}, signedBody, inflow.SignatureDoubled},
		{"joined by a comma", one(good + "," + good), signedBody, inflow.SignatureDoubled},
		{"joined by a comma and a space", one(good + ", " + good), signedBody,
			inflow.SignatureDoubled},
		{"a comma at the end", one(good + ","), signedBody, inflow.SignatureDoubled},
		{"a comma in the place of a character", one(good[:10] + "," + good[11:]), signedBody,
			inflow.SignatureDoubled},

		{"without padding", one(strings.TrimRight(good, "=")), signedBody,
			inflow.SignatureMalformed},
		{"too much padding", one(good + "="), signedBody, inflow.SignatureMalformed},
		{"padding for 31 bytes", one(good[:42] + "=="), signedBody, inflow.SignatureMalformed},
		{"padding in the middle", one(good[:20] + "=" + good[21:]), signedBody,
			inflow.SignatureMalformed},
		{"padding first", one("=" + good[:43]), signedBody, inflow.SignatureMalformed},
		{"bits left over", one(trailing), signedBody, inflow.SignatureMalformed},
		{"URL alphabet, dash", one("-" + good[1:]), signedBody, inflow.SignatureMalformed},
		{"URL alphabet, underscore", one("_" + good[1:]), signedBody, inflow.SignatureMalformed},
		{"line feed at the end", one(good + "\n"), signedBody, inflow.SignatureMalformed},
		{"line feed at the start", one("\n" + good), signedBody, inflow.SignatureMalformed},
		{"carriage return within", one(good[:20] + "\r" + good[20:]), signedBody,
			inflow.SignatureMalformed},
		{"broken into two lines", one(good[:22] + "\r\n" + good[22:]), signedBody,
			inflow.SignatureMalformed},
		{"44 characters, one a line feed", one(good[:22] + "\n" + good[22:43]), signedBody,
			inflow.SignatureMalformed},
		{"44 characters, two a line break", one(good[:20] + "\r\n" + good[20:42]), signedBody,
			inflow.SignatureMalformed},
		{"a space before", one(" " + good), signedBody, inflow.SignatureMalformed},
		{"a space after", one(good + " "), signedBody, inflow.SignatureMalformed},
		{"a space within", one(good[:12] + " " + good[13:]), signedBody, inflow.SignatureMalformed},
		{"a tab", one("\t" + good[1:]), signedBody, inflow.SignatureMalformed},
		{"only spaces", one("   "), signedBody, inflow.SignatureMalformed},
		{"a zero byte", one("\x00" + good[1:]), signedBody, inflow.SignatureMalformed},
		{"not ASCII", one("é" + good[2:]), signedBody, inflow.SignatureMalformed},
		{"in double quotes", one(`"` + good + `"`), signedBody, inflow.SignatureMalformed},
		{"prefix sha256=", one("sha256=" + good), signedBody, inflow.SignatureMalformed},
		{"prefix HMAC", one("HMAC " + good), signedBody, inflow.SignatureMalformed},
		{"hex", one(hex.EncodeToString(right)), signedBody, inflow.SignatureMalformed},
		{"hex in capitals", one(strings.ToUpper(hex.EncodeToString(right))), signedBody,
			inflow.SignatureMalformed},
		{"sha256= and hex", one("sha256=" + hex.EncodeToString(right)), signedBody,
			inflow.SignatureMalformed},
		{"base64 of hex", one(std([]byte(hex.EncodeToString(right)))), signedBody,
			inflow.SignatureMalformed},
		{"base64 of base64", one(std([]byte(good))), signedBody, inflow.SignatureMalformed},
		{"raw bytes", one(string(right)), signedBody, inflow.SignatureMalformed},
		{"cut to 31 bytes", one(std(right[:31])), signedBody, inflow.SignatureMalformed},
		{"cut to 16 bytes", one(std(right[:16])), signedBody, inflow.SignatureMalformed},
		{"cut to 30 bytes, 40 characters", one(good[:40]), signedBody, inflow.SignatureMalformed},
		{"one byte more", one(std(append(bytes.Clone(right), 0))), signedBody,
			inflow.SignatureMalformed},
		{"twice in one", one(std(append(bytes.Clone(right), right...))), signedBody,
			inflow.SignatureMalformed},
		{"MD5", one(std(digest(md5.New, secretText, signedBody))), signedBody,
			inflow.SignatureMalformed},
		{"SHA-1", one(std(digest(sha1.New, secretText, signedBody))), signedBody,
			inflow.SignatureMalformed},
		{"SHA-224", one(std(digest(sha256.New224, secretText, signedBody))), signedBody,
			inflow.SignatureMalformed},
		{"SHA-384", one(std(digest(sha512.New384, secretText, signedBody))), signedBody,
			inflow.SignatureMalformed},
		{"SHA-512", one(std(digest(sha512.New, secretText, signedBody))), signedBody,
			inflow.SignatureMalformed},
		{"one megabyte", one(strings.Repeat("A", 1<<20)), signedBody, inflow.SignatureMalformed},

		{"case of one letter flipped", one(flipCase(good, letter)), signedBody,
			inflow.SignatureMismatch},
		{"small letters", one(strings.ToLower(good[:42]) + good[42:]), signedBody,
			inflow.SignatureMismatch},
		{"zeros", one(std(make([]byte, 32))), signedBody, inflow.SignatureMismatch},
		{"first bit flipped", one(std(append([]byte{right[0] ^ 0x80}, right[1:]...))), signedBody,
			inflow.SignatureMismatch},
		{"last bit flipped", one(std(append(bytes.Clone(right[:31]), right[31]^1))), signedBody,
			inflow.SignatureMismatch},
		{"another key", one(std(digest(sha256.New, otherText, signedBody))), signedBody,
			inflow.SignatureMismatch},
		{"empty key", one(std(digest(sha256.New, "", signedBody))), signedBody,
			inflow.SignatureMismatch},
		{"key decoded from base64", one(std(digest(sha256.New, string(decoded), signedBody))),
			signedBody, inflow.SignatureMismatch},
		{"key with a line feed", one(std(digest(sha256.New, secretText+"\n", signedBody))),
			signedBody, inflow.SignatureMismatch},
		{"key in small letters", one(std(digest(sha256.New, strings.ToLower(secretText),
			signedBody))), signedBody, inflow.SignatureMismatch},
		{"key with its base64: prefix",
			one(std(digest(sha256.New, "base64:"+secretText, signedBody))), signedBody,
			inflow.SignatureMismatch},
		{"SHA-512/256", one(std(digest(sha512.New512_256, secretText, signedBody))), signedBody,
			inflow.SignatureMismatch},
		{"body with a line feed", one(good), signedBody + "\n", inflow.SignatureMismatch},
		{"body with a byte order mark", one(good), "\ufeff" + signedBody, inflow.SignatureMismatch},
		{"body with a space", one(good), strings.Replace(signedBody, ":", ": ", 1),
			inflow.SignatureMismatch},
		{"body empty", one(good), "", inflow.SignatureMismatch},
		{"body twice", one(good), signedBody + signedBody, inflow.SignatureMismatch},
		{"body without its last byte", one(good), signedBody[:len(signedBody)-1],
			inflow.SignatureMismatch},
	}
	plain := sha256.Sum256([]byte(signedBody))
	keyed := sha256.Sum256([]byte(secretText + signedBody))
	return append(variants,
		refusedVariant{"plain SHA-256", one(std(plain[:])), signedBody, inflow.SignatureMismatch},
		refusedVariant{"SHA-256 of key and body", one(std(keyed[:])), signedBody,
			inflow.SignatureMismatch},
	)
}

func TestVerifyRefuses(t *testing.T) {
	v := newVerifier(t, secretText)
	variants := refusedVariants()
	require.GreaterOrEqual(t, len(variants), 30)
	for _, tc := range variants {
		t.Run(tc.name, func(t *testing.T) {
			index, err := v.Verify(tc.header, []byte(tc.body))
			var reason inflow.SignatureError
			require.ErrorAs(t, err, &reason)
			assert.Equal(t, tc.reason, reason)
			assert.Equal(t, -1, index)
		})
	}
}

// TestVerifyRefusesEveryChangedByte changes each byte of the body and of the signature.
func TestVerifyRefusesEveryChangedByte(t *testing.T) {
	v := newVerifier(t, secretText)
	good := inflow.Sign(parseSecret(t, secretText), []byte(signedBody))
	for i := range len(signedBody) {
		body := []byte(signedBody)
		body[i] ^= 1
		_, err := v.Verify([]string{good}, body)
		require.ErrorIs(t, err, inflow.SignatureMismatch, "byte %d of the body", i)
	}
	for i := range len(good) {
		for c := range 256 {
			changed := []byte(good)
			if changed[i] == byte(c) {
				continue
			}
			changed[i] = byte(c)
			_, err := v.Verify([]string{string(changed)}, []byte(signedBody))
			require.Error(t, err, "byte %d of the signature as %#x", i, c)
		}
	}
}

func TestParseSecret(t *testing.T) {
	body := []byte(signedBody)
	raw := []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff}
	for _, tc := range []struct{ name, text, key string }{
		{"text", "sixteen bytes ok", "sixteen bytes ok"},
		{"text that is base64", secretText, secretText},
		{"text beyond ASCII", "clé-secrète-16b", "clé-secrète-16b"},
		{"decoded", "base64:" + std(raw), string(raw)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			key, err := inflow.ParseSecret(tc.text)
			require.NoError(t, err)
			assert.Equal(t, std(digest(sha256.New, tc.key, signedBody)), inflow.Sign(key, body))
		})
	}

	for _, tc := range []struct{ name, text, want string }{
		{"empty", "", "the key has 0 bytes and needs at least 16"},
		{"short", "hunter2-hunter2", "the key has 15 bytes and needs at least 16"},
		{"short once decoded", "base64:" + std(raw[:15]), "the key has 15 bytes"},
		{"nothing to decode", "base64:", "the key has 0 bytes"},
		{"not base64", "base64:not*base64*hunter2", "not padded standard base64"},
		{"without padding", "base64:" + strings.TrimRight(std(raw), "="),
			"not padded standard base64"},
		{"URL alphabet", "base64:" +
			base64.URLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 18)),
			"not padded standard base64"},
		{"line break", "base64:" + std(raw) + "\n", "not padded standard base64"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := inflow.ParseSecret(tc.text)
			require.ErrorContains(t, err, tc.want)
			if secret := strings.TrimPrefix(tc.text, "base64:"); len(secret) > 0 {
				assert.NotContains(t, err.Error(), secret)
				assert.NotContains(t, err.Error(), "hunter2")
			}
		})
	}
}

func TestParseSecrets(t *testing.T) {
	first, second := parseSecret(t, secretText), parseSecret(t, otherText)
	for name, parse := range map[string]func() ([]inflow.SigningKey, error){
		"list": func() ([]inflow.SigningKey, error) {
			return inflow.ParseSecrets(secretText + "," + otherText)
		},
		"list with spaces": func() ([]inflow.SigningKey, error) {
			return inflow.ParseSecrets(" " + secretText + " ,, " + otherText + ",")
		},
		"lines": func() ([]inflow.SigningKey, error) {
			return inflow.ParseSecretLines([]byte(secretText + "\n" + otherText))
		},
		"lines from Windows": func() ([]inflow.SigningKey, error) {
			return inflow.ParseSecretLines([]byte("\ufeff" + secretText + "\r\n\r\n" + otherText +
				"\r\n"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := parse()
			require.NoError(t, err)
			require.Len(t, keys, 2)
			assert.Equal(t, inflow.Sign(first, nil), inflow.Sign(keys[0], nil))
			assert.Equal(t, inflow.Sign(second, nil), inflow.Sign(keys[1], nil))
		})
	}

	_, err := inflow.ParseSecrets(secretText + ",hunter2")
	require.ErrorContains(t, err, "secret 2: the key has 7 bytes")
	assert.NotContains(t, err.Error(), "hunter2")
	_, err = inflow.ParseSecretLines([]byte(secretText + "\n\nhunter2\n"))
	require.ErrorContains(t, err, "line 3: the key has 7 bytes")
	for _, empty := range []string{"", " ", ",", "\n\r\n"} {
		_, err = inflow.ParseSecrets(empty)
		require.Error(t, err)
		_, err = inflow.ParseSecretLines([]byte(empty))
		require.Error(t, err)
	}
}

func TestNewVerifierRefuses(t *testing.T) {
	_, err := inflow.NewVerifier(nil)
	require.ErrorContains(t, err, "no secret")
	_, err = inflow.NewVerifier([]inflow.SigningKey{parseSecret(t, secretText), {}})
	require.ErrorContains(t, err, "secret 2 is empty")
}

func TestSigningKeyNeverPrints(t *testing.T) {
	type holder struct {
		Key    inflow.SigningKey
		hidden inflow.SigningKey
		list   []inflow.SigningKey
	}
	const text = "hunter2-hunter2-hunter2"
	key := parseSecret(t, text)
	h := holder{key, key, []inflow.SigningKey{key}}
	verifier := newVerifier(t, text)

	var logged bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&logged, nil))
	logger.Info("text", "key", key, "keys", []inflow.SigningKey{key}, "holder", h, "error",
		fmt.Errorf("with %v", key))
	slog.New(slog.NewTextHandler(&logged, nil)).Info("text", "key", key, "holder", h)

	var shown []string
	for _, value := range []any{key, &key, h, &h, []inflow.SigningKey{key},
		map[string]inflow.SigningKey{"k": key}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o",
			"%t"} {
			shown = append(shown, fmt.Sprintf(verb, value))
		}
		encoded, err := json.Marshal(value)
		require.NoError(t, err)
		shown = append(shown, string(encoded))
	}
	shown = append(shown, logged.String(), key.String(), key.GoString(), key.LogValue().String(),
		fmt.Sprint(verifier))
	marshalled, err := key.MarshalText()
	require.NoError(t, err)
	shown = append(shown, string(marshalled))

	for _, s := range shown {
		assert.NotContains(t, s, "hunter2")
		assert.NotContains(t, strings.ToLower(s), hex.EncodeToString([]byte("hunter2")))
		assert.NotContains(t, s, "104 117 110 116 101 114", "as a list of bytes")
	}
}

// FuzzVerify checks that a signature verifies if and only if the request has exactly one header,
// and its value is the standard base64 of an independently computed HMAC.
func FuzzVerify(f *testing.F) {
	good := std(digest(sha256.New, secretText, signedBody))
	f.Add(good, "", false, []byte(signedBody))
	f.Add(good, good, true, []byte(signedBody))
	f.Add(std(digest(sha256.New, otherText, "")), "", false, []byte(""))
	for _, tc := range refusedVariants() {
		value := strings.Join(tc.header, "")
		f.Add(value, "", len(tc.header) > 1, []byte(tc.body))
	}
	v := newVerifier(f, secretText, otherText)
	f.Fuzz(func(t *testing.T, value, second string, two bool, body []byte) {
		header := []string{value}
		if two {
			header = append(header, second)
		}
		want := -1
		for i, text := range []string{secretText, otherText} {
			if !two && value == std(digest(sha256.New, text, string(body))) {
				want = i
			}
		}
		index, err := v.Verify(header, body)
		if index != want || (err == nil) != (want >= 0) {
			t.Fatalf("Verify(%q, %q) = %d, %v; want %d", header, body, index, err, want)
		}
		if err != nil {
			reasons := []inflow.SignatureError{inflow.SignatureMissing, inflow.SignatureDoubled,
				inflow.SignatureMalformed, inflow.SignatureMismatch}
			var reason inflow.SignatureError
			if !errors.As(err, &reason) || !slices.Contains(reasons, reason) {
				t.Fatalf("error outside the four reasons: %v", err)
			}
		}
		// Sign's result must verify for every body.
		if _, err := v.Verify([]string{inflow.Sign(parseSecret(t, otherText), body)},
			body); err != nil {
			t.Fatalf("a right signature was refused: %v", err)
		}
	})
}
