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

// sign signs body as InFlow does, with the text of key.
func sign(key, body string) string { return std(digest(sha256.New, key, body)) }

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

// goodSignature is the signature of signedBody with secretText.
var (
	goodDigest    = digest(sha256.New, secretText, signedBody)
	goodSignature = std(goodDigest)
	decodedSecret = mustDecode(secretText)
)

// strayBits is goodSignature with one more bit set in its last character. That bit belongs to none
// of the 32 bytes.
var strayBits = goodSignature[:42] + setLowestBit(goodSignature[42]) + "="

func setLowestBit(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	return string(alphabet[strings.IndexByte(alphabet, c)|1])
}

func mustDecode(text string) string {
	decoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return string(decoded)
}

func flipFirstSmallLetter(text string) string {
	at := strings.IndexFunc(text, func(r rune) bool { return r >= 'a' && r <= 'z' })
	return text[:at] + strings.ToUpper(text[at:at+1]) + text[at+1:]
}

var doubledSignatures = []struct {
	name   string
	header []string
}{
	{"two headers, both right", []string{goodSignature, goodSignature}},
	{"two headers, the first right", []string{goodSignature, std(make([]byte, 32))}},
	{"two headers, the second right", []string{"", goodSignature}},
	{"joined by a comma", []string{goodSignature + "," + goodSignature}},
	{"joined by a comma and a space", []string{goodSignature + ", " + goodSignature}},
	{"a comma at the end", []string{goodSignature + ","}},
	{"a comma in the place of a character", []string{goodSignature[:10] + "," + goodSignature[11:]}},
}

var malformedSignatures = []struct{ name, signature string }{
	{"without padding", strings.TrimRight(goodSignature, "=")},
	{"too much padding", goodSignature + "="},
	{"padding for 31 bytes", goodSignature[:42] + "=="},
	{"padding in the middle", goodSignature[:20] + "=" + goodSignature[21:]},
	{"padding first", "=" + goodSignature[:43]},
	{"bits left over", strayBits},
	{"URL alphabet, dash", "-" + goodSignature[1:]},
	{"URL alphabet, underscore", "_" + goodSignature[1:]},
	{"line feed at the end", goodSignature + "\n"},
	{"line feed at the start", "\n" + goodSignature},
	{"carriage return within", goodSignature[:20] + "\r" + goodSignature[20:]},
	{"broken into two lines", goodSignature[:22] + "\r\n" + goodSignature[22:]},
	{"44 characters, one a line feed", goodSignature[:22] + "\n" + goodSignature[22:43]},
	{"44 characters, two a line break", goodSignature[:20] + "\r\n" + goodSignature[20:42]},
	{"a space before", " " + goodSignature},
	{"a space after", goodSignature + " "},
	{"a space within", goodSignature[:12] + " " + goodSignature[13:]},
	{"a tab", "\t" + goodSignature[1:]},
	{"only spaces", "   "},
	{"a zero byte", "\x00" + goodSignature[1:]},
	{"not ASCII", "é" + goodSignature[2:]},
	{"in double quotes", `"` + goodSignature + `"`},
	{"prefix sha256=", "sha256=" + goodSignature},
	{"prefix HMAC", "HMAC " + goodSignature},
	{"hex", hex.EncodeToString(goodDigest)},
	{"hex in capitals", strings.ToUpper(hex.EncodeToString(goodDigest))},
	{"sha256= and hex", "sha256=" + hex.EncodeToString(goodDigest)},
	{"base64 of hex", std([]byte(hex.EncodeToString(goodDigest)))},
	{"base64 of base64", std([]byte(goodSignature))},
	{"raw bytes", string(goodDigest)},
	{"cut to 31 bytes", std(goodDigest[:31])},
	{"cut to 16 bytes", std(goodDigest[:16])},
	{"cut to 30 bytes, 40 characters", goodSignature[:40]},
	{"one byte more", std(append(bytes.Clone(goodDigest), 0))},
	{"twice in one", std(append(bytes.Clone(goodDigest), goodDigest...))},
	{"MD5", std(digest(md5.New, secretText, signedBody))},
	{"SHA-1", std(digest(sha1.New, secretText, signedBody))},
	{"SHA-224", std(digest(sha256.New224, secretText, signedBody))},
	{"SHA-384", std(digest(sha512.New384, secretText, signedBody))},
	{"SHA-512", std(digest(sha512.New, secretText, signedBody))},
	{"one megabyte", strings.Repeat("A", 1<<20)},
}

// wrongSignatures are well formed, and not the signature of body with secretText.
var wrongSignatures = []struct{ name, signature, body string }{
	{"case of one letter flipped", flipFirstSmallLetter(goodSignature), signedBody},
	{"small letters", strings.ToLower(goodSignature[:42]) + goodSignature[42:], signedBody},
	{"zeros", std(make([]byte, 32)), signedBody},
	{"first bit flipped", std(append([]byte{goodDigest[0] ^ 0x80}, goodDigest[1:]...)), signedBody},
	{"last bit flipped", std(append(bytes.Clone(goodDigest[:31]), goodDigest[31]^1)), signedBody},
	{"another key", sign(otherText, signedBody), signedBody},
	{"empty key", sign("", signedBody), signedBody},
	{"key decoded from base64", sign(decodedSecret, signedBody), signedBody},
	{"key with a line feed", sign(secretText+"\n", signedBody), signedBody},
	{"key in small letters", sign(strings.ToLower(secretText), signedBody), signedBody},
	{"key with its base64: prefix", sign("base64:"+secretText, signedBody), signedBody},
	{"SHA-512/256", std(digest(sha512.New512_256, secretText, signedBody)), signedBody},
	{"body with a line feed", goodSignature, signedBody + "\n"},
	{"body with a byte order mark", goodSignature, "\ufeff" + signedBody},
	{"body with a space", goodSignature, strings.Replace(signedBody, ":", ": ", 1)},
	{"body empty", goodSignature, ""},
	{"body twice", goodSignature, signedBody + signedBody},
	{"body without its last byte", goodSignature, signedBody[:len(signedBody)-1]},
	{"plain SHA-256", std(sum256(signedBody)), signedBody},
	{"SHA-256 of key and body", std(sum256(secretText + signedBody)), signedBody},
}

func sum256(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// refusedVariant is a signature that must not verify.
type refusedVariant struct {
	name   string
	header []string
	body   string
	reason inflow.SignatureError
}

func refusedVariants() []refusedVariant {
	variants := []refusedVariant{
		{"no header", nil, signedBody, inflow.SignatureMissing},
		{"empty list", []string{}, signedBody, inflow.SignatureMissing},
		{"empty", []string{""}, signedBody, inflow.SignatureMissing},
	}
	for _, v := range doubledSignatures {
		variants = append(variants,
			refusedVariant{v.name, v.header, signedBody, inflow.SignatureDoubled})
	}
	for _, v := range malformedSignatures {
		variants = append(variants,
			refusedVariant{v.name, []string{v.signature}, signedBody, inflow.SignatureMalformed})
	}
	for _, v := range wrongSignatures {
		variants = append(variants,
			refusedVariant{v.name, []string{v.signature}, v.body, inflow.SignatureMismatch})
	}
	return variants
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
