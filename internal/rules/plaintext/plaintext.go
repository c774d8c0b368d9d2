// Package plaintext decodes text files as editors and spreadsheet programs write them.
package plaintext

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Errors of files that are not text in a known encoding.
var (
	ErrEncoding = errors.New(
		"the file is not UTF-8: save it as UTF-8, in a spreadsheet program as \"CSV UTF-8\"",
	)
	ErrNotText = errors.New("the file is not text: it has NUL bytes")
)

// UTF8 returns content as UTF-8 without a byte order mark. It also reads UTF-16, which
// spreadsheet programs call "Unicode text", if content starts with its byte order mark.
func UTF8(content []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(content, []byte("\xff\xfe")), bytes.HasPrefix(content, []byte("\xfe\xff")):
		decoder := unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder()
		decoded, _, err := transform.Bytes(decoder, content)
		if err != nil || len(content)%2 != 0 {
			return nil, ErrEncoding
		}
		content = decoded
	default:
		content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	}
	if bytes.IndexByte(content, 0) >= 0 {
		return nil, ErrNotText
	}
	if !utf8.Valid(content) {
		return nil, ErrEncoding
	}
	return content, nil
}
