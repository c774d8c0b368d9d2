package notify

import (
	"strings"
	"unicode"
)

// oneLine makes an order's text safe to show on one line. It removes control characters and marks
// that change the writing direction, and cuts the text to limit characters.
func oneLine(text string, limit int) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\uFFFD"), separates), " ")
	if runes := []rune(text); len(runes) > limit {
		text = strings.TrimSpace(string(runes[:limit-1])) + "…"
	}
	return text
}

func separates(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || r == '\u2028' || r == '\u2029' ||
		unicode.Is(unicode.Bidi_Control, r)
}

// chatText makes an order's text safe for a chat. It breaks mentions such as @everyone, and links
// that show another text than their URL.
func chatText(text string, limit int) string { return chatMarks.Replace(oneLine(text, limit)) }

// chatMarks inserts a word joiner (U+2060), which is invisible and does not allow a line break.
var chatMarks = strings.NewReplacer("@", "@\u2060", "<", "<\u2060", "](", "]\u2060(")
