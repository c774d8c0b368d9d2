package inflow_test

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // what a wrong sender may use
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
)

func explanation(found []inflow.Diagnosis) string {
	var b strings.Builder
	for _, d := range found {
		b.WriteString(d.Problem + " → " + d.Remedy + "\n")
	}
	return b.String()
}

// mistake is a signature that does not verify, and parts of its explanation.
type mistake struct {
	name    string
	secrets []string // nil means secretText
	header  []string
	body    string
	want    []string
}

// otherwise begins the last sentence if nothing else is wrong.
const otherwise = "Otherwise the signature is right"

var (
	// The signatures of these bodies have characters that differ in the URL alphabet.
	urlBody  = bodySignedWith("+/")
	plusBody = bodySignedWith("+")
	indented = indent(signedBody)
)

// bodySignedWith returns a body whose signature has one of chars.
func bodySignedWith(chars string) string {
	body := ""
	for !strings.ContainsAny(sign(secretText, body), chars) {
		body += "x"
	}
	return body
}

func indent(text string) string {
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(text), "", "  "); err != nil {
		panic(err)
	}
	return b.String()
}

// formatMistakes are signatures in another format than InFlow's.
var formatMistakes = []mistake{
	{"missing", nil, nil, signedBody, []string{"is missing or empty"}},
	{"empty", nil, []string{" "}, signedBody, []string{"is missing or empty"}},
	{"doubled", nil, []string{goodSignature, sign(otherText, signedBody)}, signedBody,
		[]string{"There are 2 signatures", "Signature 1 is right"}},
	{"joined", nil, []string{sign(otherText, signedBody) + ", " + goodSignature}, signedBody,
		[]string{"There are 2 signatures"}},
	{"hex", nil, []string{hex.EncodeToString(goodDigest)}, signedBody,
		[]string{"in hex", "in base64", otherwise}},
	{"prefixed hex", nil, []string{"sha256=" + hex.EncodeToString(goodDigest)}, signedBody,
		[]string{`begins with "sha256="`, "in hex", otherwise}},
	{"base64 of hex", nil, []string{std([]byte(hex.EncodeToString(goodDigest)))}, signedBody,
		[]string{"base64 of hex text", "not hexdigest()", otherwise}},
	{"URL alphabet", nil, []string{base64.URLEncoding.EncodeToString(digest(sha256.New,
		secretText, urlBody))}, urlBody, []string{"URL alphabet", otherwise}},
	{"no padding", nil, []string{strings.TrimRight(goodSignature, "=")}, signedBody,
		[]string{"padding is missing", otherwise}},
	{"bits left over", nil, []string{strayBits}, signedBody,
		[]string{"bits that belong to no byte", otherwise}},
	{"white space", nil, []string{goodSignature + "\n"}, signedBody,
		[]string{"white space or a line break", otherwise}},
	{"broken line", nil, []string{goodSignature[:20] + "\r\n " + goodSignature[20:]}, signedBody,
		[]string{"white space or a line break", otherwise}},
	{"URL decoded", nil, []string{strings.ReplaceAll(sign(secretText, plusBody), "+", " ")},
		plusBody, []string{"spaces instead of +", otherwise}},
	{"quotes", nil, []string{`"` + goodSignature + `"`}, signedBody,
		[]string{"is in quotes", otherwise}},
	{"prefix", nil, []string{"SHA256=" + goodSignature}, signedBody,
		[]string{"begins with", otherwise}},
	{"not base64", nil, []string{"{{signature}}"}, signedBody, []string{"is not base64"}},
	{"SHA-1", nil, []string{std(digest(sha1.New, secretText, signedBody))}, signedBody,
		[]string{"20 bytes", "SHA-1", "HMAC-SHA256"}},
	{"SHA-512", nil, []string{std(digest(sha512.New, secretText, signedBody))}, signedBody,
		[]string{"64 bytes", "SHA-512", "HMAC-SHA256"}},
	{"cut off", nil, []string{std(goodDigest[:20])}, signedBody, []string{"cut off after 20"}},
	{"too long", nil, []string{std(append(bytes.Clone(goodDigest), 1, 2))}, signedBody,
		[]string{"2 more bytes follow it"}},
	{"odd size", nil, []string{std([]byte("12345"))}, signedBody, []string{"has 5 bytes"}},
	{"plain SHA-256", nil, []string{std(sum256(signedBody))}, signedBody, []string{"plain SHA-256"}},
}

// keyMistakes are signatures with another key than the secret's text.
var keyMistakes = []mistake{
	{"key decoded", nil, []string{sign(decodedSecret, signedBody)}, signedBody,
		[]string{"decoded from base64", "Put `base64:` in front", otherwise}},
	{"key decoded, of several", []string{otherText, secretText},
		[]string{sign(decodedSecret, signedBody)}, signedBody,
		[]string{"decoded from base64", "secret 2 of 2"}},
	{"key not decoded", []string{"base64:" + secretText}, []string{goodSignature}, signedBody,
		[]string{"The secret is configured as `base64:…`", "Remove `base64:`", otherwise}},
	{"key from hex", []string{hex.EncodeToString([]byte(otherText))},
		[]string{sign(otherText, signedBody)}, signedBody, []string{"decoded from hex", otherwise}},
	{"key with a line feed", nil, []string{sign(secretText+"\n", signedBody)}, signedBody,
		[]string{"line break at the end of the secret", otherwise}},
	{"key in quotes", []string{`"` + secretText + `"`}, []string{goodSignature}, signedBody,
		[]string{"with quotes around it", otherwise}},
	{"empty key", nil, []string{sign("", signedBody)}, signedBody, []string{"an empty key"}},
}

// bodyMistakes are bodies that were changed after signing.
var bodyMistakes = []mistake{
	{"line feed added", nil, []string{goodSignature}, signedBody + "\n",
		[]string{"ends with a line break, but the signed body did not", otherwise}},
	{"line feed lost", nil, []string{sign(secretText, signedBody+"\n")}, signedBody,
		[]string{"ended with a line break", otherwise}},
	{"LF to CRLF", nil, []string{sign(secretText, "a\nb")}, "a\r\nb",
		[]string{"CRLF", otherwise}},
	{"CRLF to LF", nil, []string{sign(secretText, "a\r\nb")}, "a\nb",
		[]string{"LF line breaks, but", otherwise}},
	{"byte order mark added", nil, []string{goodSignature}, "\ufeff" + signedBody,
		[]string{"begins with a byte order mark", otherwise}},
	{"byte order mark lost", nil, []string{sign(secretText, "\ufeff"+signedBody)}, signedBody,
		[]string{"signed body began with a byte order mark", otherwise}},
	{"pretty-printed", nil, []string{goodSignature}, indented + "\n",
		[]string{"signed body was compact JSON", "wrote it again", otherwise}},
	{"compacted", nil, []string{sign(secretText, indented)}, signedBody,
		[]string{"signed body was JSON indented by two spaces", otherwise}},
	{"written by Python", nil, []string{sign(secretText, `{"b": "x,y", "a": [1, 2]}`)},
		`{"b":"x,y","a":[1,2]}`, []string{"a space after each comma and colon", otherwise}},
	{"sorted", nil, []string{sign(secretText, `{"a":1,"b":"<&>"}`)}, `{"b": "<&>", "a": 1}`,
		[]string{"with sorted fields", otherwise}},
	{"read twice", nil, []string{sign(secretText, "")}, signedBody,
		[]string{"signed body was empty", otherwise}},
}

// otherMistakes are combinations of mistakes, and mistakes that cannot be distinguished.
var otherMistakes = []mistake{
	{"hex, key decoded and a line feed", nil,
		[]string{hex.EncodeToString(digest(sha256.New, decodedSecret, signedBody))}, signedBody + "\n",
		[]string{"in hex", "decoded from base64", "ends with a line break", otherwise}},
	{"another key", nil, []string{sign(otherText, signedBody)}, signedBody,
		[]string{"not made with the secret for this body", "InFlow shows once"}},
	{"another key than any of several", []string{secretText, "secret number two!"},
		[]string{sign(otherText, signedBody)}, signedBody, []string{"any of the 2 secrets"}},
	{"empty body", nil, []string{goodSignature}, "", []string{"body is empty"}},
}

func TestExplain(t *testing.T) {
	for _, mistakes := range [][]mistake{formatMistakes, keyMistakes, bodyMistakes, otherMistakes} {
		for _, m := range mistakes {
			t.Run(m.name, m.test)
		}
	}
}

func (m mistake) test(t *testing.T) {
	secrets := m.secrets
	if secrets == nil {
		secrets = []string{secretText}
	}
	keys := make([]inflow.SigningKey, len(secrets))
	for i, text := range secrets {
		keys[i] = parseSecret(t, text)
	}
	got := explanation(inflow.Explain(keys, m.header, []byte(m.body)))
	for _, want := range m.want {
		assert.Contains(t, got, want)
	}
	// The text must not contain a secret or a valid signature.
	for _, secret := range secrets {
		assert.NotContains(t, got, strings.TrimPrefix(secret, "base64:"))
		assert.NotContains(t, got, inflow.Sign(parseSecret(t, secret), []byte(m.body)))
	}
}

func TestExplainPrefersTheFewestMistakes(t *testing.T) {
	keys := []inflow.SigningKey{parseSecret(t, secretText)}
	found := inflow.Explain(keys, []string{hex.EncodeToString(digest(sha256.New, secretText,
		signedBody))}, []byte(signedBody))
	require.Len(t, found, 2, explanation(found))
	assert.Contains(t, found[0].Problem, "hex")
}

func TestExplainOfAValidSignatureIsEmpty(t *testing.T) {
	keys := []inflow.SigningKey{parseSecret(t, otherText), parseSecret(t, secretText)}
	assert.Empty(t, inflow.Explain(keys, []string{inflow.Sign(keys[1], []byte(signedBody))},
		[]byte(signedBody)))
}

func TestExplainWithoutSecrets(t *testing.T) {
	assert.Contains(t, explanation(inflow.Explain(nil, []string{"x"}, nil)), "WEBHOOK_SECRET")
}
