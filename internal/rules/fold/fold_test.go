package fold

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSpellingsThatLookTheSame(t *testing.T) {
	for name, spellings := range map[string][2]string{
		"case":                 {"SO-000123", "so-000123"},
		"Unicode form":         {"Ku\u0308che", "K\u00fcche"},
		"case and form":        {"ku\u0308che", "K\u00dcCHE"},
		"white space around":   {" DR-18\t", "DR-18"},
		"white space within":   {"Base  Cabinet", "Base Cabinet"},
		"no-break space":       {"Base\u00a0Cabinet", "base cabinet"},
		"line break":           {"Base\nCabinet", "Base Cabinet"},
		"Greek final sigma":    {"\u03a3\u0391\u03a3", "\u03c3\u03b1\u03c2"},
		"compatibility Kelvin": {"5 \u212a", "5 K"},
		"zero-width space":     {"DR-18\u200b", "DR-18"},
		"soft hyphen":          {"Cabi\u00adnet", "cabinet"},
		"non-breaking hyphen":  {"DR\u201118", "DR-18"},
		"full width":           {"\uff24\uff32\uff0d\uff11\uff18", "DR-18"},
		"byte order mark":      {"\ufeffDR-18", "DR-18"},
	} {
		assert.Equal(t, Key(spellings[0]), Key(spellings[1]), name)
		assert.Equal(t, Key(spellings[0]), Key(Key(spellings[0])), name)
	}
	assert.NotEqual(t, Key("Base Cabinet"), Key("BaseCabinet"))
	assert.NotEqual(t, Key("5\u00b2"), Key("52"), "people see the difference")
	assert.NotEqual(t, Case("a b"), Case("a  b"), "spaces inside a code count")
}
