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

// Diagnosis describes one fault of a signature to the person who sets up a webhook.
type Diagnosis struct {
	Problem string
	// Remedy says what to do about the problem. It may be empty.
	Remedy string
}

// Explain returns the reasons why a signature does not verify, or nil if it does. It tries the
// common mistakes of senders, proxies and people: another encoding of the signature or the
// secret, or a body that was changed on the way. The result contains neither a secret nor the
// right signature.
func Explain(keys []SigningKey, headerValues []string, body []byte) []Diagnosis {
	verifier, err := NewVerifier(keys)
	if err != nil {
		return []Diagnosis{{"There is no secret to verify with.",
			"Set WEBHOOK_SECRET or WEBHOOK_SECRET_FILE to the secret that InFlow showed when you " +
				"subscribed the webhook."}}
	}
	if _, err := verifier.Verify(headerValues, body); err == nil {
		return nil
	}

	values := splitValues(headerValues)
	switch {
	case len(values) == 0:
		return []Diagnosis{{
			"There is no signature: the header " + SignatureHeader + " is missing or empty.",
			"Check that the request comes from InFlow, and that no proxy removes the header.",
		}}
	case len(values) > 1:
		found := []Diagnosis{{
			fmt.Sprintf("There are %d signatures, and only one is accepted.", len(values)),
			"Find what adds a second " + SignatureHeader + " header: a proxy, or a test tool " +
				"that sends it twice.",
		}}
		for i, value := range values {
			if index, err := verifier.Verify([]string{value}, body); err == nil {
				return append(found, Diagnosis{Problem: fmt.Sprintf("Signature %d is right: it "+
					"was made with %s.", i+1, nthSecret(index, keys))})
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
		return append(found, Diagnosis{Problem: fmt.Sprintf("Otherwise the signature is right: "+
			"it was made with %s.", nthSecret(cause.key.secret, keys))})
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

// readSignature decodes a signature in any common notation. found lists everything that is wrong
// with the notation. ok is false if the signature cannot be decoded.
func readSignature(value string) (mac []byte, found []Diagnosis, ok bool) {
	add := func(problem, remedy string) { found = append(found, Diagnosis{problem, remedy}) }

	text := strings.TrimSpace(value)
	if plus := strings.ReplaceAll(text, " ", "+"); plus != text && len(plus) == signatureLength {
		text = plus
		add("The signature has spaces instead of +. URL decoding causes that.",
			"Send it as a header, without URL encoding or decoding.")
	} else if text = strings.Join(strings.Fields(value), ""); text != value {
		add("The signature contains white space or a line break.",
			"Send it on one line: use `base64 -w0` on Linux, and `printf %s` instead of `echo`, "+
				"which adds a line break.")
	}
	if bare := strings.Trim(text, `"'`); bare != text {
		text = bare
		add("The signature is in quotes.", "Send it without quotes.")
	}
	for _, prefix := range []string{"sha256=", "sha256:", "hmac-sha256=", "v1="} {
		if len(text) > len(prefix) && strings.EqualFold(text[:len(prefix)], prefix) {
			text = text[len(prefix):]
			add(fmt.Sprintf("The signature begins with %q, as other services write it.", prefix),
				"Send only the base64.")
			break
		}
	}

	if mac, err := hex.DecodeString(text); err == nil && len(mac) >= 16 {
		add("The signature is written in hex.", "Write the same bytes in base64, as InFlow does: "+
			"32 bytes give 44 characters.")
		return mac, found, true
	}
	standard := strings.NewReplacer("-", "+", "_", "/").Replace(text)
	if standard != text {
		add("The signature uses the URL alphabet of base64, with - and _.",
			"Use the standard alphabet, with + and /.")
	}
	unpadded := strings.TrimRight(standard, "=")
	if padded := unpadded + strings.Repeat("=", (4-len(unpadded)%4)%4); padded != standard {
		add("The signature's padding is missing or wrong.", "Add = at the end until the length "+
			"is a multiple of 4. The base64 of 32 bytes ends with one =.")
	}
	mac, err := base64.RawStdEncoding.Strict().DecodeString(unpadded)
	if err != nil {
		if mac, err = base64.RawStdEncoding.DecodeString(unpadded); err != nil {
			add("The signature is not base64.", "Send the base64 of the 32 bytes of HMAC-SHA256, "+
				"with padding: 44 characters.")
			return nil, found, false
		}
		add("The signature's last character has bits that belong to no byte: somebody changed "+
			"it, or the encoder is faulty.", "Use the base64 encoder of a standard library.")
	}
	if inner, err := hex.DecodeString(string(mac)); err == nil && len(inner) >= 16 {
		add("The signature is the base64 of hex text.", "Encode the bytes of the digest, not its "+
			"hex: use digest(), not hexdigest().")
		mac = inner
	}
	return mac, found, true
}

// keyReading is a key that a sender may have signed with. The right key has an empty Problem.
type keyReading struct {
	secret int // index of the secret
	key    []byte
	Diagnosis
}

// bodyReading is a body that a sender may have signed. The right body has an empty Problem.
type bodyReading struct {
	body []byte
	Diagnosis
}

// cause is a key and a body that together give the signature.
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

// findCause returns the cause with the fewest mistakes.
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
			add([]byte(encoded), name+" is configured as `base64:…`, but the sender signed with "+
				"the text as it is.", "Remove `base64:` from the secret.")
		} else {
			for _, decoded := range decodings(text) {
				add(decoded, "The sender signed with the secret decoded from base64.",
					"Put `base64:` in front of the secret.")
			}
		}
		if decoded, err := hex.DecodeString(text); err == nil {
			add(decoded, "The sender signed with the secret decoded from hex.",
				"Write the secret as `base64:` followed by the base64 of these bytes.")
		}
		for _, ending := range []string{"\n", "\r\n"} {
			add(append(bytes.Clone(key), ending...), "The sender signed with a line break at the "+
				"end of the secret.", "Remove the line break from the sender's secret. A file "+
				"written with `echo` ends with one.")
		}
		if bare := strings.Trim(text, `"'`); bare != text {
			add([]byte(bare), name+" is configured with quotes around it.",
				"Remove the quotes. Docker and systemd may keep them when they read a .env file.")
		}
	}
	return append(readings, keyReading{0, nil, Diagnosis{
		"The sender signed with an empty key.", "Check the setting that has the sender's secret: " +
			"the sender does not read it.",
	}})
}

// decodings returns the bytes that text may be the base64 of.
func decodings(text string) [][]byte {
	unpadded := strings.TrimRight(text, "=")
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if decoded, err := encoding.DecodeString(unpadded); err == nil && len(decoded) > 0 {
			return [][]byte{decoded}
		}
	}
	return nil
}

const signRawBytes = "The signature is over the raw bytes: verify and forward the body before " +
	"anything parses or rewrites it."

func readBodies(body []byte) []bodyReading {
	readings := []bodyReading{{body: body}}
	add := func(reading []byte, problem string) {
		if !bytes.Equal(reading, body) {
			readings = append(readings, bodyReading{reading, Diagnosis{problem, signRawBytes}})
		}
	}

	bare := bytes.TrimRight(body, "\r\n")
	add(bare, "This body ends with a line break, but the signed body did not.")
	for _, ending := range []string{"\n", "\r\n"} {
		add(append(bytes.Clone(bare), ending...), "The signed body ended with a line break. This "+
			"body has none, or another kind.")
	}
	add(bytes.TrimSpace(body), "This body has white space around it, but the signed body had none.")
	unix := bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	add(unix, "This body has Windows line breaks (CRLF), but the signed body had LF.")
	add(bytes.ReplaceAll(unix, []byte("\n"), []byte("\r\n")),
		"This body has LF line breaks, but the signed body had Windows ones (CRLF).")
	add(trimByteOrderMark(body), "This body begins with a byte order mark, but the signed body "+
		"did not.")
	add(append([]byte(byteOrderMark), body...), "The signed body began with a byte order mark, "+
		"but this body does not.")

	if text := bytes.TrimSpace(trimByteOrderMark(body)); json.Valid(text) {
		for _, written := range rewriteJSON(text) {
			for _, ending := range []string{"", "\n", "\r\n"} {
				add(append(bytes.Clone(written.body), ending...),
					"The signed body was "+written.as+". This body is formatted differently: "+
						"something parsed it and wrote it again.")
			}
		}
	}
	add(nil, "The signed body was empty: the sender signed before it had the body, or read the "+
		"body twice.")
	return readings
}

type rewritten struct {
	body []byte
	as   string
}

// rewriteJSON formats valid JSON in the ways that common libraries do.
func rewriteJSON(text []byte) []rewritten {
	var written []rewritten
	add := func(body []byte, as string) { written = append(written, rewritten{body, as}) }
	indent := func(text []byte, as string) {
		for _, by := range []struct{ indent, name string }{{"  ", "two spaces"},
			{"    ", "four spaces"}, {"\t", "tabs"}} {
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

// spacedJSON formats compact JSON as Python's json.dumps does.
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

// digestNames maps the size of a digest in bytes to its name.
var digestNames = map[int]string{16: "MD5", 20: "SHA-1", 28: "SHA-224", 48: "SHA-384",
	64: "SHA-512"}

func explainSize(keys []SigningKey, mac, body []byte) Diagnosis {
	for _, key := range keys {
		right := hmacSHA256(key.bytes(), body)
		shared := min(len(right), len(mac))
		if shared < 8 || !bytes.Equal(right[:shared], mac[:shared]) {
			continue
		}
		if len(mac) < len(right) {
			return Diagnosis{fmt.Sprintf("The signature is right, but cut off after %d of its 32 "+
				"bytes.", len(mac)), "Send all 44 characters of the base64."}
		}
		return Diagnosis{fmt.Sprintf("The signature is right, but %d more bytes follow it.",
			len(mac)-len(right)), "Send only the 32 bytes of HMAC-SHA256: 44 characters of base64."}
	}
	if name, ok := digestNames[len(mac)]; ok {
		return Diagnosis{fmt.Sprintf("The signature has %d bytes, like one made with %s.", len(mac),
			name), "Sign with HMAC-SHA256, which gives 32 bytes."}
	}
	return Diagnosis{fmt.Sprintf("The signature has %d bytes; HMAC-SHA256 gives 32.", len(mac)),
		"Sign with HMAC-SHA256, and send all 44 characters of its base64."}
}

func explainMismatch(keys []SigningKey, mac, body []byte) Diagnosis {
	for _, key := range keys {
		secret := key.bytes()
		for _, preimage := range [][]byte{body, append(bytes.Clone(secret), body...),
			append(bytes.Clone(body), secret...)} {
			if digest := sha256.Sum256(preimage); bytes.Equal(digest[:], mac) {
				return Diagnosis{"The signature is a plain SHA-256, not an HMAC.",
					"Sign with HMAC-SHA256, and use the secret as its key."}
			}
		}
	}
	secrets := "the secret"
	if len(keys) > 1 {
		secrets = fmt.Sprintf("any of the %d secrets", len(keys))
	}
	if len(body) == 0 {
		return Diagnosis{
			"This body is empty, and the signature does not fit an empty body with " + secrets +
				".",
			"Pass the body exactly as it was sent. An empty body often means that something has " +
				"read it before.",
		}
	}
	return Diagnosis{
		"The signature has the right form, but was not made with " + secrets + " for this body.",
		"Check that the secret belongs to this subscription: each subscription has its own, " +
			"which InFlow shows once, when you subscribe. If the secret is right, the body was " +
			"changed on the way: save the raw bytes as they arrive, and verify those.",
	}
}
