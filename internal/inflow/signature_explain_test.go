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

func TestExplain(t *testing.T) {
	const body = signedBody
	right := digest(sha256.New, secretText, body)
	good := std(right)
	decoded, err := base64.StdEncoding.DecodeString(secretText)
	require.NoError(t, err)
	sign := func(key, body string) string { return std(digest(sha256.New, key, body)) }
	plain := sha256.Sum256([]byte(body))
	var indented bytes.Buffer
	require.NoError(t, json.Indent(&indented, []byte(body), "", "  "))
	// Find a body whose signature has + or /, which differ in the URL alphabet.
	urlBody := ""
	for i := 0; !strings.ContainsAny(sign(secretText, urlBody), "+/"); i++ {
		urlBody = strings.Repeat("x", i)
	}
	plusBody := ""
	for i := 0; !strings.Contains(sign(secretText, plusBody), "+"); i++ {
		plusBody = strings.Repeat("y", i)
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	const otherwise = "Otherwise the signature is right"

	for _, tc := range []struct {
		name    string
		secrets []string // nil means secretText
		header  []string
		body    string
		want    []string
	}{
		{"missing", nil, nil, body, []string{"is missing or empty"}},
		{"empty", nil, []string{" "}, body, []string{"is missing or empty"}},
		{"doubled", nil, []string{good, sign(otherText, body)}, body,
			[]string{"There are 2 signatures", "Signature 1 is right"}},
		{"joined", nil, []string{sign(otherText, body) + ", " + good}, body,
			[]string{"There are 2 signatures"}},
		{"hex", nil, []string{hex.EncodeToString(right)}, body,
			[]string{"in hex", "in base64", otherwise}},
		{"prefixed hex", nil, []string{"sha256=" + hex.EncodeToString(right)}, body,
			[]string{`begins with "sha256="`, "in hex", otherwise}},
		{"base64 of hex", nil, []string{std([]byte(hex.EncodeToString(right)))}, body,
			[]string{"base64 of hex text", "not hexdigest()", otherwise}},
		{"URL alphabet", nil, []string{base64.URLEncoding.EncodeToString(digest(sha256.New,
			secretText, urlBody))}, urlBody, []string{"URL alphabet", otherwise}},
		{"no padding", nil, []string{strings.TrimRight(good, "=")}, body,
			[]string{"padding is missing", otherwise}},
		{"bits left over", nil, []string{good[:42] +
			string(alphabet[strings.IndexByte(alphabet, good[42])|1]) + "="}, body,
			[]string{"bits that belong to no byte", otherwise}},
		{"white space", nil, []string{good + "\n"}, body,
			[]string{"white space or a line break", otherwise}},
		{"broken line", nil, []string{good[:20] + "\r\n " + good[20:]}, body,
			[]string{"white space or a line break", otherwise}},
		{"URL decoded", nil, []string{strings.ReplaceAll(sign(secretText, plusBody), "+", " ")},
			plusBody, []string{"spaces instead of +", otherwise}},
		{"quotes", nil, []string{`"` + good + `"`}, body, []string{"is in quotes", otherwise}},
		{"prefix", nil, []string{"SHA256=" + good}, body, []string{"begins with", otherwise}},
		{"not base64", nil, []string{"{{signature}}"}, body, []string{"is not base64"}},
		{"SHA-1", nil, []string{std(digest(sha1.New, secretText, body))}, body,
			[]string{"20 bytes", "SHA-1", "HMAC-SHA256"}},
		{"SHA-512", nil, []string{std(digest(sha512.New, secretText, body))}, body,
			[]string{"64 bytes", "SHA-512", "HMAC-SHA256"}},
		{"cut off", nil, []string{std(right[:20])}, body, []string{"cut off after 20"}},
		{"too long", nil, []string{std(append(bytes.Clone(right), 1, 2))}, body,
			[]string{"2 more bytes follow it"}},
		{"odd size", nil, []string{std([]byte("12345"))}, body, []string{"has 5 bytes"}},
		{"plain SHA-256", nil, []string{std(plain[:])}, body, []string{"plain SHA-256"}},

		{"key decoded", nil, []string{sign(string(decoded), body)}, body,
			[]string{"decoded from base64", "Put `base64:` in front", otherwise}},
		{"key decoded, of several", []string{otherText, secretText},
			[]string{sign(string(decoded), body)}, body,
			[]string{"decoded from base64", "secret 2 of 2"}},
		{"key not decoded", []string{"base64:" + secretText}, []string{good}, body,
			[]string{"The secret is configured as `base64:…`", "Remove `base64:`", otherwise}},
		{"key from hex", []string{hex.EncodeToString([]byte(otherText))},
			[]string{sign(otherText, body)}, body, []string{"decoded from hex", otherwise}},
		{"key with a line feed", nil, []string{sign(secretText+"\n", body)}, body,
			[]string{"line break at the end of the secret", otherwise}},
		{"key in quotes", []string{`"` + secretText + `"`}, []string{good}, body,
			[]string{"with quotes around it", otherwise}},
		{"empty key", nil, []string{sign("", body)}, body, []string{"an empty key"}},

		{"line feed added", nil, []string{good}, body + "\n",
			[]string{"ends with a line break, but the signed body did not", otherwise}},
		{"line feed lost", nil, []string{sign(secretText, body+"\n")}, body,
			[]string{"ended with a line break", otherwise}},
		{"LF to CRLF", nil, []string{sign(secretText, "a\nb")}, "a\r\nb",
			[]string{"CRLF", otherwise}},
		{"CRLF to LF", nil, []string{sign(secretText, "a\r\nb")}, "a\nb",
			[]string{"LF line breaks, but", otherwise}},
		{"byte order mark added", nil, []string{good}, "\ufeff" + body,
			[]string{"begins with a byte order mark", otherwise}},
		{"byte order mark lost", nil, []string{sign(secretText, "\ufeff"+body)}, body,
			[]string{"signed body began with a byte order mark", otherwise}},
		{"pretty-printed", nil, []string{good}, indented.String() + "\n",
			[]string{"signed body was compact JSON", "wrote it again", otherwise}},
		{"compacted", nil, []string{sign(secretText, indented.String())}, body,
			[]string{"signed body was JSON indented by two spaces", otherwise}},
		{"written by Python", nil, []string{sign(secretText, `{"b": "x,y", "a": [1, 2]}`)},
			`{"b":"x,y","a":[1,2]}`, []string{"a space after each comma and colon", otherwise}},
		{"sorted", nil, []string{sign(secretText, `{"a":1,"b":"<&>"}`)}, `{"b": "<&>", "a": 1}`,
			[]string{"with sorted fields", otherwise}},
		{"read twice", nil, []string{sign(secretText, "")}, body,
			[]string{"signed body was empty", otherwise}},

		{"hex, key decoded and a line feed", nil,
			[]string{hex.EncodeToString(digest(sha256.New, string(decoded), body))}, body + "\n",
			[]string{"in hex", "decoded from base64", "ends with a line break", otherwise}},
		{"another key", nil, []string{sign(otherText, body)}, body,
			[]string{"not made with the secret for this body", "InFlow shows once"}},
		{"another key than any of several", []string{secretText, "secret number two!"},
			[]string{sign(otherText, body)}, body, []string{"any of the 2 secrets"}},
		{"empty body", nil, []string{good}, "", []string{"body is empty"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			secrets := tc.secrets
			if secrets == nil {
				secrets = []string{secretText}
			}
			keys := make([]inflow.SigningKey, len(secrets))
			for i, text := range secrets {
				keys[i] = parseSecret(t, text)
			}
			got := explanation(inflow.Explain(keys, tc.header, []byte(tc.body)))
			for _, want := range tc.want {
				assert.Contains(t, got, want)
			}
			// The text must not contain a secret or a valid signature.
			for _, secret := range secrets {
				assert.NotContains(t, got, strings.TrimPrefix(secret, "base64:"))
				assert.NotContains(t, got, inflow.Sign(parseSecret(t, secret), []byte(tc.body)))
			}
		})
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
