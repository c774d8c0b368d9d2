package inflow

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// Diagnosis is one thing that is wrong with a signature, for the person who sets a webhook up.
type Diagnosis struct {
	Problem string
	// Remedy is what to do about it; empty where there is nothing to do.
	Remedy string
}

// Explain says why a signature does not verify; it answers nothing for one that does.
// It tries the mistakes that senders, proxies and people make: another
// encoding, another reading of the secret, a body changed on its way. It shows
// neither a secret nor what a signature should have been.
func Explain(keys []SigningKey, headerValues []string, body []byte) []Diagnosis {
	verifier, err := NewVerifier(keys)
	if err != nil {
		return []Diagnosis{{"There is no secret to verify with.", "Set WEBHOOK_SECRET, or WEBHOOK_SECRET_FILE, to the secret that InFlow gave when the webhook was subscribed."}}
	}
	if _, err := verifier.Verify(headerValues, body); err == nil {
		return nil
	}

	values := splitValues(headerValues)
	switch {
	case len(values) == 0:
		return []Diagnosis{{
			"There is no signature: the header " + SignatureHeader + " is missing or empty.",
			"See that the request comes from InFlow, and that no proxy in between drops the header.",
		}}
	case len(values) > 1:
		found := []Diagnosis{{
			fmt.Sprintf("There are %d signatures, and only one is accepted.", len(values)),
			"Find what adds a second " + SignatureHeader + " header: a proxy, or a test tool that sends it twice.",
		}}
		for i, value := range values {
			if index, err := verifier.Verify([]string{value}, body); err == nil {
				return append(found, Diagnosis{Problem: fmt.Sprintf("Number %d of them is right: it was signed with %s.", i+1, nthSecret(index, keys))})
			}
		}
		return append(found, explainValue(keys, values[0], body)...)
	}
	return explainValue(keys, values[0], body)
}

func splitValues(headerValues []string) []string {
	var values []string
	for _, value := range headerValues {
		for part := range strings.SplitSeq(value, ",") {
			if strings.TrimSpace(part) != "" {
				values = append(values, part)
			}
		}
	}
	return values
}

func explainValue(keys []SigningKey, value string, body []byte) []Diagnosis {
	mac, found, ok := readSignature(value)
	if !ok {
		return found
	}
	switch cause, ok := findCause(keys, mac, body); {
	case ok:
		found = append(found, cause.diagnoses()...)
		return append(found, Diagnosis{Problem: fmt.Sprintf("Apart from that the signature is right: it was signed with %s.", nthSecret(cause.key.secret, keys))})
	case len(mac) != sha256.Size:
		return append(found, explainSize(keys, mac, body))
	default:
		return append(found, explainMismatch(keys, mac, body))
	}
}

func nthSecret(index int, keys []SigningKey) string {
	if len(keys) == 1 {
		return "the secret"
	}
	return fmt.Sprintf("secret %d of %d", index+1, len(keys))
}

// readSignature takes the dress off a signature, and says what of it does not belong there.
func readSignature(value string) (mac []byte, found []Diagnosis, ok bool) {
	add := func(problem, remedy string) { found = append(found, Diagnosis{problem, remedy}) }

	text := strings.TrimSpace(value)
	if plus := strings.ReplaceAll(text, " ", "+"); plus != text && len(plus) == signatureLength {
		text = plus
		add("The signature has spaces where base64 has +, as URL decoding leaves it.", "Send it as a header, without URL encoding or decoding.")
	} else if text = strings.Join(strings.Fields(value), ""); text != value {
		add("The signature has white space or a line break in it.", "Send it on one line as it is: `base64` needs -w0 on Linux, and `echo` adds a line break where `printf %s` does not.")
	}
	if bare := strings.Trim(text, `"'`); bare != text {
		text = bare
		add("The signature stands in quotes.", "Send it without quotes.")
	}
	for _, prefix := range []string{"sha256=", "sha256:", "hmac-sha256=", "v1="} {
		if len(text) > len(prefix) && strings.EqualFold(text[:len(prefix)], prefix) {
			text = text[len(prefix):]
			add(fmt.Sprintf("The signature begins with %q, as other services write it.", prefix), "Send the base64 alone.")
			break
		}
	}

	if mac, err := hex.DecodeString(text); err == nil && len(mac) >= 16 {
		add("The signature is written in hex.", "Write the same bytes in base64, as InFlow does: 32 bytes are 44 characters.")
		return mac, found, true
	}
	standard := strings.NewReplacer("-", "+", "_", "/").Replace(text)
	if standard != text {
		add("The signature is written in the URL alphabet of base64, with - and _.", "Use the standard alphabet, with + and /.")
	}
	unpadded := strings.TrimRight(standard, "=")
	if padded := unpadded + strings.Repeat("=", (4-len(unpadded)%4)%4); padded != standard {
		add("The signature's padding is missing or wrong.", "End it with as many = as make its length a multiple of 4; 32 bytes end with one.")
	}
	mac, err := base64.RawStdEncoding.Strict().DecodeString(unpadded)
	if err != nil {
		if mac, err = base64.RawStdEncoding.DecodeString(unpadded); err != nil {
			add("The signature is not base64.", "Send the base64 of the 32 bytes of HMAC-SHA256, with padding: 44 characters.")
			return nil, found, false
		}
		add("The signature's last character holds bits that belong to no byte: it was changed, or written by a faulty encoder.", "Send it as the encoder of a standard library writes it.")
	}
	if inner, err := hex.DecodeString(string(mac)); err == nil && len(inner) >= 16 {
		add("The signature is the base64 of hex text.", "Encode the bytes of the digest, not its hex: digest() and not hexdigest().")
		mac = inner
	}
	return mac, found, true
}

// keyReading and bodyReading are what a sender may have taken for the key and for the
// body. An empty problem is the right reading.
type keyReading struct {
	secret int // index of the secret it was made from
	key    []byte
	Diagnosis
}

type bodyReading struct {
	body []byte
	Diagnosis
}

// cause is a reading of the key and one of the body that together give the signature.
type cause struct {
	key  keyReading
	body bodyReading
}

func (c cause) diagnoses() []Diagnosis {
	var found []Diagnosis
	for _, d := range []Diagnosis{c.key.Diagnosis, c.body.Diagnosis} {
		if d.Problem != "" {
			found = append(found, d)
		}
	}
	return found
}

// findCause prefers the cause with the fewest mistakes in it.
func findCause(keys []SigningKey, mac, body []byte) (cause, bool) {
	keyReadings, bodyReadings := readKeys(keys), readBodies(body)
	best, ok := cause{}, false
	for _, k := range keyReadings {
		for _, b := range bodyReadings {
			c := cause{k, b}
			if ok && len(c.diagnoses()) >= len(best.diagnoses()) {
				continue
			}
			if subtle.ConstantTimeCompare(hmacSHA256(k.key, b.body), mac) == 1 {
				best, ok = c, true
			}
		}
	}
	return best, ok
}

func readKeys(keys []SigningKey) []keyReading {
	var readings []keyReading
	for i, key := range keys {
		add := func(reading []byte, problem, remedy string) {
			readings = append(readings, keyReading{i, reading, Diagnosis{problem, remedy}})
		}
		name := "The secret"
		if len(keys) > 1 {
			name = fmt.Sprintf("Secret %d", i+1)
		}
		key, text := key.reveal().key, key.reveal().text
		add(key, "", "")
		if encoded, ok := strings.CutPrefix(text, secretBase64Prefix); ok {
			add([]byte(encoded), name+" is configured as `base64:…`, and the sender signed with its text undecoded.", "Take `base64:` off the secret.")
		} else {
			for _, decoded := range decodings(text) {
				add(decoded, "The sender signed with the secret decoded from base64.", "Write the secret as `base64:` followed by what it is now.")
			}
		}
		if decoded, err := hex.DecodeString(text); err == nil {
			add(decoded, "The sender signed with the secret decoded from hex.", "Write the secret as `base64:` followed by the base64 of those bytes.")
		}
		for _, ending := range []string{"\n", "\r\n"} {
			add(append(bytes.Clone(key), ending...), "The sender signed with a line break at the end of the secret.", "Let the sender read its secret without the line break; a file written with `echo` ends with one.")
		}
		if bare := strings.Trim(text, `"'`); bare != text {
			add([]byte(bare), name+" is configured with quotes around it.", "Take the quotes off: a .env file in Docker or systemd may keep them.")
		}
	}
	return append(readings, keyReading{0, nil, Diagnosis{
		"The sender signed with an empty key.", "Give the sender its secret: its setting is not being read.",
	}})
}

// decodings are the bytes that a text may be base64 of.
func decodings(text string) [][]byte {
	unpadded := strings.TrimRight(text, "=")
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if decoded, err := encoding.DecodeString(unpadded); err == nil && len(decoded) > 0 {
			return [][]byte{decoded}
		}
	}
	return nil
}

const signRawBytes = "The signature is over the raw bytes: verify and forward the body before anything parses or rewrites it."

func readBodies(body []byte) []bodyReading {
	readings := []bodyReading{{body: body}}
	add := func(reading []byte, problem string) {
		if !bytes.Equal(reading, body) {
			readings = append(readings, bodyReading{reading, Diagnosis{problem, signRawBytes}})
		}
	}

	bare := bytes.TrimRight(body, "\r\n")
	add(bare, "The body here ends with a line break that was not signed.")
	for _, ending := range []string{"\n", "\r\n"} {
		add(append(bytes.Clone(bare), ending...), "The body was signed with a line break at its end that is not here, or is another here.")
	}
	add(bytes.TrimSpace(body), "The body here has white space around it that was not signed.")
	unix := bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	add(unix, "The body here has Windows line breaks (CRLF) where LF was signed.")
	add(bytes.ReplaceAll(unix, []byte("\n"), []byte("\r\n")), "The body here has LF line breaks where Windows ones (CRLF) were signed.")
	add(trimByteOrderMark(body), "The body here begins with a byte order mark that was not signed.")
	add(append([]byte(byteOrderMark), body...), "The body was signed with a byte order mark at its start that is not here.")

	if text := bytes.TrimSpace(trimByteOrderMark(body)); json.Valid(text) {
		for _, written := range rewriteJSON(text) {
			for _, ending := range []string{"", "\n", "\r\n"} {
				add(append(bytes.Clone(written.body), ending...), "The body was signed as "+written.as+", and is written otherwise here: something parsed it and wrote it again.")
			}
		}
	}
	add(nil, "An empty body was signed: the sender signed before it had the body, or read the body twice.")
	return readings
}

type rewritten struct {
	body []byte
	as   string
}

// rewriteJSON writes valid JSON as common libraries do.
func rewriteJSON(text []byte) []rewritten {
	var written []rewritten
	add := func(body []byte, as string) { written = append(written, rewritten{body, as}) }
	indent := func(text []byte, as string) {
		for _, by := range []struct{ indent, name string }{{"  ", "two spaces"}, {"    ", "four spaces"}, {"\t", "tabs"}} {
			var b bytes.Buffer
			if json.Indent(&b, text, "", by.indent) == nil {
				add(b.Bytes(), as+" indented by "+by.name)
			}
		}
	}

	var compact bytes.Buffer
	if json.Compact(&compact, text) != nil {
		return nil
	}
	add(compact.Bytes(), "compact JSON")
	add(spacedJSON(compact.Bytes()), "JSON with a space after each comma and colon")
	indent(compact.Bytes(), "JSON")

	var value any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if dec.Decode(&value) != nil {
		return written
	}
	var sorted bytes.Buffer
	enc := json.NewEncoder(&sorted)
	enc.SetEscapeHTML(false)
	if enc.Encode(value) != nil {
		return written
	}
	plain := bytes.TrimSpace(sorted.Bytes())
	add(plain, "compact JSON with sorted fields")
	add(spacedJSON(plain), "JSON with sorted fields and a space after each comma and colon")
	indent(plain, "JSON with sorted fields")
	return written
}

// spacedJSON writes compact JSON as Python's json.dumps does.
func spacedJSON(compact []byte) []byte {
	spaced := make([]byte, 0, len(compact)+len(compact)/8)
	inString, escaped := false, false
	for _, c := range compact {
		spaced = append(spaced, c)
		switch {
		case escaped:
			escaped = false
		case inString && c == '\\':
			escaped = true
		case c == '"':
			inString = !inString
		case !inString && (c == ',' || c == ':'):
			spaced = append(spaced, ' ')
		}
	}
	return spaced
}

// digestNames by size in bytes.
var digestNames = map[int]string{16: "MD5", 20: "SHA-1", 28: "SHA-224", 48: "SHA-384", 64: "SHA-512"}

func explainSize(keys []SigningKey, mac, body []byte) Diagnosis {
	for _, key := range keys {
		right := hmacSHA256(key.bytes(), body)
		shared := min(len(right), len(mac))
		if shared < 8 || !bytes.Equal(right[:shared], mac[:shared]) {
			continue
		}
		if len(mac) < len(right) {
			return Diagnosis{fmt.Sprintf("The signature is right, but cut off after %d of its 32 bytes.", len(mac)), "Send it whole: 44 characters of base64."}
		}
		return Diagnosis{fmt.Sprintf("The signature is right, but %d bytes follow it.", len(mac)-len(right)), "Send the 32 bytes of HMAC-SHA256 alone: 44 characters of base64."}
	}
	if name, ok := digestNames[len(mac)]; ok {
		return Diagnosis{fmt.Sprintf("The signature has %d bytes, as one made with %s has.", len(mac), name), "Sign with HMAC-SHA256, which gives 32 bytes."}
	}
	return Diagnosis{fmt.Sprintf("The signature has %d bytes; HMAC-SHA256 gives 32.", len(mac)), "Sign with HMAC-SHA256, and send its base64 whole: 44 characters."}
}

func explainMismatch(keys []SigningKey, mac, body []byte) Diagnosis {
	for _, key := range keys {
		secret := key.bytes()
		for _, preimage := range [][]byte{body, append(bytes.Clone(secret), body...), append(bytes.Clone(body), secret...)} {
			if digest := sha256.Sum256(preimage); bytes.Equal(digest[:], mac) {
				return Diagnosis{"The signature is a plain SHA-256, not an HMAC.", "Sign with HMAC-SHA256, keyed with the secret."}
			}
		}
	}
	secrets := "the secret"
	if len(keys) > 1 {
		secrets = fmt.Sprintf("any of the %d secrets", len(keys))
	}
	if len(body) == 0 {
		return Diagnosis{
			"The body here is empty, and the signature is not that of an empty body with " + secrets + ".",
			"Give the body exactly as it was sent; an empty one often means that it had been read already.",
		}
	}
	return Diagnosis{
		"The signature has the right form, but was not made with " + secrets + " over this body.",
		"Compare the secret with that of this very subscription: each has its own, and InFlow shows it once, when the webhook is subscribed. If the secret is right, the body was changed on its way: save the raw bytes as they arrive, and verify those.",
	}
}
