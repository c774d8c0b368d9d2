package notify

import (
	"strings"
	"unicode"
)

// oneLine is an order's text on one line, without control characters and marks that turn
// the direction of writing, and cut to a number of characters.
func oneLine(text string, limit int) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\uFFFD"), separates), " ")
	if runes := []rune(text); len(runes) > limit {
		text = strings.TrimSpace(string(runes[:limit-1])) + "…"
	}
	return text
}

func separates(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
}

// chatText is an order's text for a chat, whose marks for "tell everyone" and for links
// with a text of their own it must not be able to write.
func chatText(text string, limit int) string { return chatMarks.Replace(oneLine(text, limit)) }

// A word joiner has no width and keeps what stands on either side of it together.
var chatMarks = strings.NewReplacer("@", "@\u2060", "<", "<\u2060", "](", "]\u2060(")
