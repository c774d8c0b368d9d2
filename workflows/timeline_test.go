package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"error-check-gate/internal/ordercheck"
)

// comment sends the update at a time after the start. If the validator rejects it, comment stores
// the validator's error in refused.
func (l *life) comment(at time.Duration, comment ordercheck.Comment, refused *string) {
	l.RegisterDelayedCallback(func() {
		l.UpdateWorkflow(ordercheck.UpdateComment, "", &testsuite.TestUpdateCallback{
			OnAccept: func() {},
			OnReject: func(err error) { *refused = err.Error() },
			OnComplete: func(_ any, err error) {
				assert.NoError(l.t, err)
			},
		}, comment)
	}, at)
}

func TestInvalidCommentsAreRefused(t *testing.T) {
	l := newLife(t, settings, "total")
	var nobody, nothing string
	l.comment(time.Hour, ordercheck.Comment{Text: "who?"}, &nobody)
	l.comment(time.Hour, ordercheck.Comment{By: "Jim", Text: " "}, &nothing)
	l.save(2*time.Hour, func() { l.broken = nil })
	report := l.mustRun(t)
	assert.Contains(t, nobody, `"by" is missing`)
	assert.Contains(t, nothing, `"text" is missing`)
	for _, entry := range report.Timeline {
		require.NotEqual(t, ordercheck.TimelineCommented, entry.Kind)
	}
}
