package ordercheck

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// ParseVersion parses InFlow's version of an order: a rowversion of at most 16 hex digits that
// increases with each change in the whole account. It returns all 16 digits in capitals, so
// versions sort as texts. ok is false for any other text.
func ParseVersion(text string) (version string, ok bool) {
	text = strings.TrimSpace(text)
	n, err := strconv.ParseUint(text, 16, 64)
	if err != nil || len(text) > 16 {
		return "", false
	}
	return fmt.Sprintf("%016X", n), true
}

// CompareVersions returns a negative number if a is older than b, 0 if they are equal, and a
// positive number otherwise. A text that is not a version, such as an empty one, is older than
// every version.
func CompareVersions(a, b string) int {
	x, _ := ParseVersion(a)
	y, _ := ParseVersion(b)
	return cmp.Compare(x, y)
}
