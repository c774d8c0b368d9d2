package desk

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzParseBody: a body that is taken means the same to every reader of JSON.
func FuzzParseBody(f *testing.F) {
	for _, seed := range []string{`{"text":"x"}`, `{"text":"x","text":"y"}`, `{"until":"2026-01-01T00:00:00Z","findings":["a"]}`, `null`, `{`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var text string
		var until time.Time
		var findings []string
		faults := parseBody(body, map[string]bodyField{
			"text": {&text, "a text"}, "until": {&until, "a time"}, "findings": {&findings, "a list"},
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
