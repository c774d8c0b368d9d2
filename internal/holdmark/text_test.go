package holdmark

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
)

var november = time.Date(2026, 11, 25, 23, 30, 0, 0, time.UTC)

func TestFormat(t *testing.T) {
	t.Parallel()
	kyiv := time.FixedZone("Kyiv", 2*3600)
	long := strings.Repeat("ö", 200)
	for _, tt := range []struct {
		text string
		zone *time.Location
		mark ordercheck.HoldMark
		want string
	}{
		{"", time.UTC, ordercheck.HoldMark{}, ""},
		{"", time.UTC, ordercheck.HoldMark{Since: november, Error: "total is 175.00, should be 100.00", More: 2},
			"HOLD since 25 Nov: total is 175.00, should be 100.00 (+2 more)"},
		{"", kyiv, ordercheck.HoldMark{Since: november, Error: "total is wrong"}, "HOLD since 26 Nov: total is wrong"},
		{"", time.UTC, ordercheck.HoldMark{Since: november, Error: "two\r\nlines\tand\x00more"}, "HOLD since 25 Nov: two lines andmore"},
		{"DO NOT SHIP, {since}", time.UTC, ordercheck.HoldMark{Since: november, Error: "x", More: 4},
			"DO NOT SHIP, 25 Nov"},
		{"", time.UTC, ordercheck.HoldMark{Since: november, Error: "a\u202eb\u200bc\u0085d\u2028e\ufefff\u009bg"},
			"HOLD since 25 Nov: abc d efg"},
		{"", time.UTC, ordercheck.HoldMark{Since: november, Error: long, More: 12},
			"HOLD since 25 Nov: " + strings.Repeat("ö", 69) + "… (+12 more)"},
		{"", time.UTC, ordercheck.HoldMark{Since: november, Error: "{since} {more}"}, "HOLD since 25 Nov: {since} {more}"},
	} {
		text, err := ParseText(tt.text, tt.zone)
		require.NoError(t, err)
		got := text.Format(tt.mark)
		assert.Equal(t, tt.want, got)
		assert.LessOrEqual(t, utf8.RuneCountInString(got), MaxLength)
		if got != "" {
			assert.True(t, text.Recognizes(got), got)
		}
	}
}

func TestWordsOfAPersonAreNotRecognized(t *testing.T) {
	t.Parallel()
	text, err := ParseText("", time.UTC)
	require.NoError(t, err)
	for _, words := range []string{
		"", "HOLD", "HOLD since yesterday: call Bob", "Please HOLD since 25 Nov: x", "hold since 25 Nov: x",
		"HOLD since 25 November: x", "HOLD since 25 Foo: x", "Jane said: HOLD since 25 Nov: x", "HOLD since 25 Nov",
	} {
		assert.False(t, text.Recognizes(words), words)
	}
}

func TestParseTextSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"HOLD: {error}":                      "{since} is missing",
		"HOLD {since} {order}":               "{order} is not a placeholder",
		"HOLD {since} {since}":               "{since} occurs more than once",
		"HOLD\n{since}":                      "not one line",
		"{since} {error}":                    "under 8 characters",
		"ship {since}":                       "under 8 characters",
		"öööö {since}":                       "under 8 characters",
		"HOLD\u202esince {since}":            "not one line",
		strings.Repeat("x", 61) + " {since}": "62 characters outside the placeholders",
	} {
		_, err := ParseText(text, time.UTC)
		require.ErrorContains(t, err, want, text)
	}
}

// The gate trims a mark, so spaces of the text may be missing at its ends.
func TestEveryMarkIsRecognized(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	for _, text := range []string{
		DefaultText, "HOLD since {since}: {error} {more}", "{more} HOLD since {since} {error}",
		"  HOLDHOLD   {since}   {error}   ", "HOLD\u00a0since\u00a0{since}:\u00a0{error}",
		"(HOLD) [since] {since}? *{error}* $ ^ \\d", "{error}{more}{since}HOLDHOLD",
		"HOLD%s%d {{since}}: {error}", "暂停发货请联系办公室 {since}: {error}{more}",
	} {
		parsed, err := ParseText(text, time.UTC)
		require.NoError(t, err, text)
		for _, message := range []string{
			"total is 1", "", "\u200b", "\xff", "a\nb {since} {more} {error}", " 100% of $1 ",
			strings.Repeat("é", 5000), strings.Repeat("👩\u200d👧", 60),
		} {
			for _, more := range []int{0, 1, 999_999_999} {
				mark := parsed.Format(ordercheck.HoldMark{Since: since, Error: message, More: more})
				assert.True(t, parsed.Recognizes(mark), "%q of %q", mark, text)
				assert.LessOrEqual(t, utf8.RuneCountInString(mark), MaxLength)
			}
		}
		assert.False(t, parsed.Recognizes("call Bob on 25 Nov"), text)
	}
}
