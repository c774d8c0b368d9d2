package ordercheck

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxKeyword limits a keyword in search attributes, in characters. PostgreSQL stores 255.
	MaxKeyword = 200
	// maxKeywordList limits a list of keywords, in bytes of JSON. Temporal accepts 2 KiB.
	maxKeywordList = 1500
	// maxShortID limits an id that is kept as it is, in bytes. InFlow's ids are UUIDs.
	maxShortID = 128
	// maxSummaryName limits a name in the summary of an activity, in bytes. Temporal accepts 400
	// bytes after encryption.
	maxSummaryName = 120
)

// Cut returns text with at most limit characters. If it cuts, the last one is "…". Text that
// PostgreSQL does not store (a NUL, a byte that is not UTF-8) becomes U+FFFD.
func Cut(text string, limit int) string {
	text = storable(text)
	if len(text) <= limit || utf8.RuneCountInString(text) <= limit {
		return text
	}
	for i := range text {
		if limit--; limit == 0 {
			return text[:i] + "…"
		}
	}
	return ""
}

func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// Keyword returns text for a search attribute of any database: one line of at most [MaxKeyword]
// characters.
func Keyword(text string) string {
	oneLine := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	return Cut(oneLine, MaxKeyword)
}

// KeywordList returns as many of the keywords as fit a search attribute. If it leaves some out, the
// last entry says how many: "+12 more".
func KeywordList(keywords []string) []string {
	size := 0
	for i, keyword := range keywords {
		const quotesAndComma = 3
		const lastEntry = len(`"+99999 more"`)
		if size += len(keyword) + quotesAndComma; size > maxKeywordList-lastEntry {
			return append(keywords[:i:i], fmt.Sprintf("+%d more", len(keywords)-i))
		}
	}
	return keywords
}

// ShortID returns an id of InFlow's, or its hash if the id is unusually long or has unusual
// characters. Different ids stay different.
func ShortID(id string) string {
	plain := len(id) <= maxShortID
	for i := 0; plain && i < len(id); i++ {
		plain = ' ' <= id[i] && id[i] <= '~'
	}
	if plain {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "~" + hex.EncodeToString(sum[:16])
}

// ShortText returns a text that is only compared, ignoring case, or its hash if the text is
// unusually long. Different texts stay different.
func ShortText(text string) string {
	if short := storable(text); utf8.RuneCountInString(short) <= MaxKeyword {
		return short
	}
	return ShortID("~" + strings.ToLower(text))
}

// SummaryName returns a name cut for the summary of an activity.
func SummaryName(name string) string {
	name = Keyword(name)
	if len(name) <= maxSummaryName {
		return name
	}
	return strings.ToValidUTF8(name[:maxSummaryName], "") + "…"
}
