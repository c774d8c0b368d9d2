package fakeinflow

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFaultQueue(t *testing.T) {
	var q faultQueue[string]
	q.add("a twice", 0, 2)
	q.add("a every second", 2, 0)
	q.add("b", 0, 0)
	take := func(letter string) string {
		return q.take(func(fault string) bool { return fault[:1] == letter })
	}
	assert.Equal(t, "a twice", take("a"))
	assert.Equal(t, "b", take("b"))
	assert.Equal(t, "a twice", take("a"))
	assert.Empty(t, take("a"))
	assert.Equal(t, "a every second", take("a"))
	assert.Empty(t, take("a"))
	assert.Equal(t, "b", take("b"))
	assert.Empty(t, take("c"))
	assert.Len(t, q, 2, "a fault ends after its number of matches")
}
