package plaintext

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUTF8(t *testing.T) {
	for name, content := range map[string]string{
		"plain":                "Stra\u00dfe,1\n",
		"UTF-8 with a mark":    "\xef\xbb\xbfStra\u00dfe,1\n",
		"UTF-16 little-endian": "\xff\xfeS\x00t\x00r\x00a\x00\xdf\x00e\x00,\x001\x00\n\x00",
		"UTF-16 big-endian":    "\xfe\xff\x00S\x00t\x00r\x00a\x00\xdf\x00e\x00,\x001\x00\n",
	} {
		got, err := UTF8([]byte(content))
		require.NoError(t, err, name)
		assert.Equal(t, "Stra\u00dfe,1\n", string(got), name)
	}
	for content, want := range map[string]error{
		"Stra\xdfe":                     ErrEncoding,
		"\xff\xfea\x00b":                ErrEncoding,
		"a\x00b\x00":                    ErrNotText,
		"\xff\xfe\x00\x00a\x00\x00":     ErrEncoding, // UTF-32, cut short
		"\xff\xfe\x00\x00a\x00\x00\x00": ErrNotText,
	} {
		_, err := UTF8([]byte(content))
		assert.ErrorIs(t, err, want, "%q", content)
	}
}
