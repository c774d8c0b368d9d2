package ordercheck_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"error-check-gate/internal/ordercheck"
)

func TestVersionsAreCompared(t *testing.T) {
	ordered := []string{
		"",
		"0000000000000001",
		"a",
		"00000000000000fF",
		"0000000000310AB6",
		"FFFFFFFFFFFFFFFF",
	}
	for i, a := range ordered {
		for j, b := range ordered {
			assert.Equal(t, i < j, ordercheck.CompareVersions(a, b) < 0, "%q and %q", a, b)
			assert.Equal(t, i == j, ordercheck.CompareVersions(a, b) == 0, "%q and %q", a, b)
		}
	}
	assert.Zero(t, ordercheck.CompareVersions("310ab6", "0000000000310AB6"))
	for _, text := range []string{"", "-1", "+1", "0x1", "g", "00000000000310AB6", "1_0"} {
		_, ok := ordercheck.ParseVersion(text)
		assert.False(t, ok, text)
		assert.Negative(t, ordercheck.CompareVersions(text, "1"), text)
	}
}
