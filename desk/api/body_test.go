package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBodiesWithFaults(t *testing.T) {
	a := startAPI(t)
	before := a.orders.Order.Clone()
	nested := strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000)
	for name, body := range map[string]string{
		"null": "null", "a list": "[]", "a string": `"x"`, "a number": "1", "NUL": "\x00",
		"spaces": "  ", "cut off": `{"text":`, "trailing data": `{"text":"x"} {}`,
		"a trailing comma":         `{"text":"x",}`,
		"a field twice":            `{"text":"x","text":"y"}`,
		"a field twice, escaped":   `{"text":"x","te\u0078t":"y"}`,
		"a field in another case":  `{"Text":"x"}`,
		"an unknown field":         `{"text":"x","id":"y"}`,
		"by":                       `{"text":"x","by":"boss"}`,
		"a null field":             `{"text":null}`,
		"a list for a string":      `{"text":["x"]}`,
		"not UTF-8":                "{\"text\":\"\xff\"}",
		"a byte order mark":        "\ufeff{\"text\":\"x\"}",
		"deeply nested":            `{"text":` + nested + `}`,
		"NaN":                      `{"text":NaN}`,
		"a comment":                `{/**/"text":"x"}`,
		"thousands of fields":      `{"text":"x",` + strings.Repeat(`"a":1,`, 9000) + `"b":1}`,
		"fields of another action": `{"a":1,"b":2,"text":3}`,
	} {
		got := a.post("comment", body)
		assert.Equal(t, 400, got.status, name)
		assert.NotEmpty(t, got.problem(t).Faults, name)
		assert.LessOrEqual(t, len(got.problem(t).Faults), maxFaults+1, name)
		assert.Less(t, len(got.body), 4000, name)
	}
	for _, body := range []string{
		`{"findings":"all","reason":"x","for":"1h"}`, `{"findings":[1],"reason":"x"}`,
		`{"findings":["all"],"until":"tomorrow"}`, `{"findings":["all"],"until":1735689600}`,
		`{"findings":["all"],"by":"boss","reason":"x","for":"1h"}`,
		`{"findings":["all"],"by":"","reason":"x","for":"1h"}`,
	} {
		assert.Equal(t, 400, a.post("override", body).status, body)
	}
	tooLarge := `{"text":"` + strings.Repeat("x", maxBody) + `"}`
	assert.Equal(t, 413, a.post("comment", tooLarge).status)
	assert.Equal(t, 413, a.post("override", strings.Repeat(" ", maxBody+1)).status)
	assert.Equal(t, before, a.orders.Order.Report)
}

func TestFaultsOfABody(t *testing.T) {
	a := startAPI(t)
	assert.Equal(t, []string{
		`"a" is not a field of this request`, `"b" is not a field of this request`,
		`"text" must be a string`,
	}, a.post("comment", `{"a":1,"b":2,"text":3}`).problem(t).Faults)
	assert.Equal(t, []string{`"by" is not allowed: it is always the token's name`},
		a.post("override", `{"by":"x"}`).problem(t).Faults)
}

func TestContentTypes(t *testing.T) {
	a := startAPI(t)
	for _, header := range []http.Header{
		{},
		{"Content-Type": {"application/x-www-form-urlencoded"}},
		{"Content-Type": {"text/json"}},
		{"Content-Type": {";"}},
		{"Content-Type": {"application/json; charset=utf-16"}},
		{"Content-Type": {"application/json", "application/json"}},
		{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}},
	} {
		header.Set("Authorization", "Bearer "+actToken)
		for _, action := range []string{"comment", "override"} {
			got := a.send(http.MethodPost, testOrderPath+"/"+action, header, `{"text":"x"}`)
			assert.Equal(t, 415, got.status, header)
		}
	}
	assert.Len(t, a.orders.Order.Timeline, 1)
	header := http.Header{
		"Content-Type": {"Application/JSON; Charset=UTF-8"}, "Authorization": {"Bearer " + actToken},
	}
	got := a.send(http.MethodPost, testOrderPath+"/comment", header, `{"text":"x"}`)
	assert.Equal(t, 200, got.status)
}

// FuzzParseBody checks that an accepted body means the same to every JSON parser.
func FuzzParseBody(f *testing.F) {
	for _, seed := range []string{
		`{"text":"x"}`, `{"text":"x","text":"y"}`, `null`, `{`,
		`{"until":"2026-01-01T00:00:00Z","findings":["a"]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var text string
		var until time.Time
		var findings []string
		faults := parseBody(body, map[string]bodyField{
			"text": {&text, "a string"}, "until": {&until, "a time"}, "findings": {&findings, "a list"},
		})
		if len(faults) > 0 {
			return
		}
		var again struct {
			Text     string    `json:"text"`
			Until    time.Time `json:"until"`
			Findings []string  `json:"findings"`
		}
		require.NoError(t, json.Unmarshal(body, &again))
		assert.Equal(t, again.Text, text)
		assert.True(t, again.Until.Equal(until))
		assert.Equal(t, again.Findings, findings)
	})
}
