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
	// MaxKeyword is the longest keyword that a run shows, in characters. PostgreSQL stores 255.
	MaxKeyword = 200
	// maxKeywordList is the largest list of keywords, in bytes of its JSON. Temporal takes 2 KiB.
	maxKeywordList = 1500
	// maxShortID is the longest id that is kept as it is, in bytes. InFlow's ids are UUIDs.
	maxShortID = 128
	// maxSummaryName is the longest name in the summary of an activity, in bytes. Temporal takes
	// 400 bytes, encrypted ones included.
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

// Keyword returns text as a search attribute takes it on every database: one line of at
// most [MaxKeyword] characters.
func Keyword(text string) string {
	oneLine := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	return Cut(oneLine, MaxKeyword)
}

// KeywordList returns the first of some keywords, as many as a search attribute takes. If
// it leaves some out, the last entry says how many: "+12 more".
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

// ShortID returns an id of InFlow's as it is, or a hash if it is longer than any id should be
// or has characters that ids don't have. Different ids stay different.
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

// ShortText returns a text that is only compared, without case, as it is, or a hash if it is
// longer than people write. Different texts stay different.
func ShortText(text string) string {
	if short := storable(text); utf8.RuneCountInString(short) <= MaxKeyword {
		return short
	}
	return ShortID("~" + strings.ToLower(text))
}

// SummaryName returns a name as the summary of an activity takes it.
func SummaryName(name string) string {
	name = Keyword(name)
	if len(name) <= maxSummaryName {
		return name
	}
	return strings.ToValidUTF8(name[:maxSummaryName], "") + "…"
}
