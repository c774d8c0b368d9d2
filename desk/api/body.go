package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"error-check-gate/internal/ordercheck"
)

const (
	// maxBody is the maximum size of a body, in bytes. An override may name hundreds of findings.
	maxBody = 64 << 10
	// maxFaults is the maximum number of faults in a problem.
	maxFaults = 20
	// maxShownName is the maximum length of a field name in a fault, in characters.
	maxShownName = 60
)

// bodyField is a field that a body may have.
type bodyField struct {
	target any    // pointer to the decoded value
	want   string // describes a valid value
}

// readBody decodes a JSON object that has only these fields. It reports all faults at once. If
// fields is empty, the body may be empty too.
func readBody(w http.ResponseWriter, r *http.Request, fields map[string]bodyField) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &problem{Status: http.StatusRequestEntityTooLarge,
			Detail: fmt.Sprintf("The body has more than %d bytes. Send less.", maxBody)}
	case err != nil:
		return &problem{Status: http.StatusBadRequest,
			Detail: "The body did not arrive completely. Send it again."}
	case len(body) == 0 && len(fields) == 0:
		return nil
	}
	if !isJSON(r.Header) {
		return &problem{Status: http.StatusUnsupportedMediaType,
			Detail: "Send JSON in UTF-8 with Content-Type: application/json and no Content-Encoding."}
	}
	faults := parseBody(body, fields)
	if len(faults) == 0 {
		return nil
	}
	if n := len(faults); n > maxFaults {
		faults = append(faults[:maxFaults], "not listed: "+ordercheck.Plural(n-maxFaults, "more fault"))
	}
	return &problem{Status: http.StatusBadRequest, Faults: faults,
		Detail: "The body is not valid. " + usage(fields)}
}

func usage(fields map[string]bodyField) string {
	names := slices.Sorted(maps.Keys(fields))
	if len(names) == 0 {
		return "Send no body, or {}."
	}
	return `Send a JSON object. Its fields are "` + strings.Join(names, `", "`) + `".`
}

func isJSON(header http.Header) bool {
	if header.Get("Content-Encoding") != "" || len(header["Content-Type"]) != 1 {
		return false
	}
	mediaType, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	charset := parameters["charset"]
	return err == nil && mediaType == "application/json" &&
		(charset == "" || strings.EqualFold(charset, "utf-8"))
}

func parseBody(body []byte, fields map[string]bodyField) (faults []string) {
	if !utf8.Valid(body) {
		return []string{"the body is not UTF-8"}
	}
	if trimmed := bytes.TrimSpace(body); len(trimmed) == 0 || trimmed[0] != '{' {
		return []string{"the body is not a JSON object"}
	}
	// A struct would accept fields in another case.
	var values map[string]json.RawMessage
	if err := json.Unmarshal(body, &values); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return []string{fmt.Sprintf("the body is not JSON: there is a mistake at byte %d",
				syntax.Offset)}
		}
		return []string{"the body is not a JSON object"}
	}
	for _, name := range repeatedFields(body) {
		shown := ordercheck.Cut(name, maxShownName)
		faults = append(faults, fmt.Sprintf("%q is given twice", shown))
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values[name]
		switch field, ok := fields[name]; {
		case !ok && name == "by":
			faults = append(faults, `"by" is not allowed: it is always the token's name`)
		case !ok:
			shown := ordercheck.Cut(name, maxShownName)
			faults = append(faults, fmt.Sprintf("%q is not a field of this request", shown))
		case string(value) == "null", json.Unmarshal(value, field.target) != nil:
			faults = append(faults, fmt.Sprintf("%q must be %s", name, field.want))
		}
	}
	return faults
}

// repeatedFields returns the names that a valid JSON object has more than once. [json.Unmarshal]
// would keep the last value of each.
func repeatedFields(object []byte) (repeated []string) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	_, _ = decoder.Token() // the opening brace
	count := map[string]int{}
	for decoder.More() {
		name, err := decoder.Token()
		var value json.RawMessage
		if err == nil {
			err = decoder.Decode(&value)
		}
		if err != nil {
			return repeated // not a valid object
		}
		text, _ := name.(string)
		if count[text]++; count[text] == 2 {
			repeated = append(repeated, text)
		}
	}
	return repeated
}
