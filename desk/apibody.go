package desk

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

	strictjson "sigs.k8s.io/json"

	"error-check-gate/internal/ordercheck"
)

const (
	// maxAPIBody is the largest body, in bytes. An override may name hundreds of findings.
	maxAPIBody = 64 << 10
	// maxBodyFaults and maxShownName bound what a problem repeats of a body.
	maxBodyFaults = 20
	maxShownName  = 60
)

// bodyField is a field that a body may have.
type bodyField struct {
	into any    // a pointer
	is   string // what the value must be
}

// readBody reads a JSON object with no other fields than these. All of its faults are told at once.
// An empty body is an object without fields.
func readBody(w http.ResponseWriter, r *http.Request, fields map[string]bodyField) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAPIBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &problem{Status: http.StatusRequestEntityTooLarge,
			Detail: fmt.Sprintf("The body has over %d bytes. Send less.", maxAPIBody)}
	case err != nil:
		return &problem{Status: http.StatusBadRequest,
			Detail: "The body did not arrive as a whole. Send it again."}
	case len(body) == 0 && len(fields) == 0:
		return nil
	}
	if !isJSON(r.Header) {
		return &problem{Status: http.StatusUnsupportedMediaType,
			Detail: "Send JSON in UTF-8, without a Content-Encoding, as Content-Type: application/json."}
	}
	faults := parseBody(body, fields)
	if len(faults) == 0 {
		return nil
	}
	if n := len(faults); n > maxBodyFaults {
		faults = append(faults[:maxBodyFaults],
			fmt.Sprintf("%d more faults are not listed", n-maxBodyFaults))
	}
	return &problem{Status: http.StatusBadRequest, Faults: faults,
		Detail: "The body is not as expected. " + expected(fields)}
}

func expected(fields map[string]bodyField) string {
	names := slices.Sorted(maps.Keys(fields))
	if len(names) == 0 {
		return "Send none."
	}
	return `Send a JSON object with fields out of "` + strings.Join(names, `", "`) + `".`
}

func isJSON(header http.Header) bool {
	if encoding := header.Get("Content-Encoding"); encoding != "" || len(header["Content-Type"]) != 1 {
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
	// encoding/json takes a field that is there twice, and one in other letters.
	var values map[string]json.RawMessage
	strict, err := strictjson.UnmarshalStrict(body, &values)
	if err != nil {
		if isSyntax, offset := strictjson.SyntaxErrorOffset(err); isSyntax {
			return []string{fmt.Sprintf("the body is not JSON: there is a mistake at byte %d", offset)}
		}
		return []string{"the body is not a JSON object"}
	}
	for _, twice := range strict {
		var field strictjson.FieldError
		if errors.As(twice, &field) {
			shown := ordercheck.Cut(field.FieldPath(), maxShownName)
			faults = append(faults, fmt.Sprintf("%q is given twice", shown))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values[name]
		switch field, ok := fields[name]; {
		case !ok && name == "by":
			faults = append(faults, `"by" is not to be given: it is the name of the token`)
		case !ok:
			shown := ordercheck.Cut(name, maxShownName)
			faults = append(faults, fmt.Sprintf("%q is no field of this request", shown))
		case string(value) == "null", json.Unmarshal(value, field.into) != nil:
			faults = append(faults, fmt.Sprintf("%q must be %s", name, field.is))
		}
	}
	return faults
}
