package orders

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"error-check-gate/internal/ordercheck"
)

// TestRelease has an entry for every status. If you add a status, decide on its release here.
func TestRelease(t *testing.T) {
	t.Parallel()
	want := map[ordercheck.Status]struct{ settled, checkDue Release }{
		ordercheck.StatusChecking:   {ReleaseUnknown, ReleaseUnknown},
		ordercheck.StatusPassed:     {ReleaseYes, ReleaseUnknown},
		ordercheck.StatusWarning:    {ReleaseYes, ReleaseUnknown},
		ordercheck.StatusPending:    {ReleaseNo, ReleaseNo},
		ordercheck.StatusFailed:     {ReleaseNo, ReleaseNo},
		ordercheck.StatusOverridden: {ReleaseYes, ReleaseUnknown},
		ordercheck.StatusIncomplete: {ReleaseUnknown, ReleaseUnknown},
		ordercheck.StatusUnchecked:  {ReleaseUnknown, ReleaseUnknown},
	}
	for _, status := range ordercheck.Statuses() {
		expected, ok := want[status]
		assert.True(t, ok, "status %q has no release", status)
		assert.Equal(t, expected.settled, release(status, false), status)
		assert.Equal(t, expected.checkDue, release(status, true), status)
	}
	assert.Len(t, want, len(ordercheck.Statuses()))
	assert.Equal(t, ReleaseUnknown, release("", false), "no status")
	assert.Equal(t, ReleaseUnknown, release("a status of a later version", false))
}
