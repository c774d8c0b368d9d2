package ordercheck_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
)

func TestCut(t *testing.T) {
	for _, tc := range []struct {
		text  string
		limit int
		want  string
	}{
		{"", 5, ""},
		{"", 0, ""},
		{"abc", 0, ""},
		{"abcde", 5, "abcde"},
		{"abcdef", 5, "abcd…"},
		{"äöüßé", 5, "äöüßé"},
		{"äöüßéx", 5, "äöüß…"},
		{"ab", 1, "…"},
		{"a\x00b", 5, "a\uFFFDb"},
		{"a\xffb", 5, "a\uFFFDb"},
		{"\xff\xfe\xfd" + strings.Repeat("x", 10), 4, "\uFFFDxx…"},
	} {
		got := ordercheck.Cut(tc.text, tc.limit)
		assert.Equal(t, tc.want, got, "%q, %d", tc.text, tc.limit)
		assert.Equal(t, got, ordercheck.Cut(got, tc.limit), "cut once more")
	}
}

// hostile holds texts that may break databases, JSON or limits.
var hostile = map[string]string{
	"long":          strings.Repeat("x", 10_000),
	"four bytes":    strings.Repeat("😀", 10_000),
	"NUL":           "SO-\x00-1",
	"only NULs":     strings.Repeat("\x00", 10_000),
	"invalid UTF-8": "SO-\xff\xfe-1",
	"half a rune":   strings.Repeat("x", ordercheck.MaxKeyword-1) + "😀"[:2],
	"JSON escapes":  strings.Repeat("<&>\u2028", 2500),
	"lines":         "SO\r\n1\t\v\f",
}

func TestKeywordsFitEveryDatabase(t *testing.T) {
	for name, text := range hostile {
		for kind, got := range map[string]string{"keyword": ordercheck.Keyword(text),
			"id": ordercheck.ShortID(text)} {
			assert.LessOrEqual(t, utf8.RuneCountInString(got), 255, "%s: %s: PostgreSQL's column", name,
				kind)
			assert.LessOrEqual(t, len(got), 2048, "%s: %s: Temporal's search attribute", name, kind)
			assert.True(t, utf8.ValidString(got), "%s: %s", name, kind)
			assert.NotContains(t, got, "\x00", "%s: %s", name, kind)
			assert.NotContains(t, got, "\n", "%s: %s", name, kind)
		}
		assert.LessOrEqual(t, len(ordercheck.SummaryName(text)), 150, name)
		assert.True(t, utf8.ValidString(ordercheck.SummaryName(text)), name)
	}
	assert.Equal(t, "SO-000123", ordercheck.Keyword("SO-000123"))
	assert.Equal(t, "SO-000123", ordercheck.SummaryName("SO-000123"))
}

func TestShortIDsStayDifferent(t *testing.T) {
	long := strings.Repeat("x", 3000)
	assert.Equal(t, "0000000000310AB6", ordercheck.ShortID("0000000000310AB6"))
	assert.NotEqual(t, ordercheck.ShortID(long+"1"), ordercheck.ShortID(long+"2"))
	assert.NotEqual(t, ordercheck.ShortID("a\x00"), ordercheck.ShortID("a\x01"))
	assert.Equal(t, "PO-1", ordercheck.ShortText("PO-1"))
	assert.Equal(t, "Größe", ordercheck.ShortText("Größe"))
	assert.NotEqual(t, ordercheck.ShortText(long+"1"), ordercheck.ShortText(long+"2"))
	assert.Equal(t, ordercheck.ShortText(long+"ä"), ordercheck.ShortText(strings.ToUpper(long)+"Ä"),
		"compared without case")
	assert.Equal(t, ordercheck.ShortText(long), ordercheck.ShortText(ordercheck.ShortText(long)))
}

func TestKeywordListSaysHowManyItLeavesOut(t *testing.T) {
	short := []string{"order-total", "line-subtotal"}
	assert.Equal(t, short, ordercheck.KeywordList(short))
	assert.Empty(t, ordercheck.KeywordList([]string{}))
	var rules []string
	for i := range 500 {
		rules = append(rules, fmt.Sprintf("rule-%03d-%s", i, strings.Repeat("x", 55)))
		list := ordercheck.KeywordList(rules)
		data, err := json.Marshal(list)
		require.NoError(t, err)
		require.LessOrEqual(t, len(data), 1800, "Temporal takes 2 KiB, and encryption is not free")
		if len(list) == len(rules) && list[len(list)-1] == rules[i] {
			continue
		}
		shown := len(list) - 1
		require.Greater(t, shown, 15)
		require.Equal(t, rules[:shown], list[:shown])
		require.Equal(t, fmt.Sprintf("+%d more", len(rules)-shown), list[shown])
	}
}
