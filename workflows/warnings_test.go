package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
)

// TestWarningsAreToldOnce: an order that has only warnings is told once for each warning, by whichever notice
// lists it first, and is not held.
func TestWarningsAreToldOnce(t *testing.T) {
	telling := settings
	telling.NotifyWarnings = true
	toldBefore := func(rule string) []ordercheck.Finding {
		f := finding(rule, ordercheck.SeverityWarning)
		f.Told = true
		return []ordercheck.Finding{f}
	}
	for name, tc := range map[string]struct {
		broken []string
		life   func(l *life)
		want   []string
	}{
		"at once":                  {[]string{"~stock"}, func(*life) {}, []string{"0s warning"}},
		"told by an earlier run":   {[]string{"~stock"}, func(l *life) { l.toldBefore = toldBefore("~stock") }, []string{}},
		"another one told then":    {[]string{"~stock"}, func(l *life) { l.toldBefore = toldBefore("~phone") }, []string{"0s warning"}},
		"one more since then":      {[]string{"~stock", "~phone"}, func(l *life) { l.toldBefore = toldBefore("~phone") }, []string{"0s warning"}},
		"no warnings":              {nil, func(*life) {}, []string{}},
		"an error within grace":    {[]string{"total", "~stock"}, func(l *life) { l.save(time.Minute, func() { l.broken = l.broken[1:] }) }, []string{"1m2s warning"}},
		"listed by the failure":    {[]string{"total", "~stock"}, func(l *life) { l.save(time.Hour, func() { l.broken = l.broken[1:] }) }, []string{"30m0s failed", "1h0m2s resolved"}},
		"of a cancelled order":     {[]string{"~stock"}, func(l *life) { l.cancel = true }, []string{}},
		"an error while it stands": {[]string{"~stock", "total"}, func(l *life) { l.save(time.Hour, func() { l.gone = true }) }, []string{"30m0s failed", "1h0m5s ended"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, telling, tc.broken...)
			tc.life(l)
			report := l.mustRun(t)
			assert.Equal(t, tc.want, l.told())
			for _, f := range report.Findings {
				assert.Equal(t, !l.cancel, f.Told, "the report says that people know of %s", f.RuleID)
			}
		})
	}
	t.Run("off", func(t *testing.T) {
		l := newLife(t, settings, "~stock")
		assert.Equal(t, ordercheck.StatusWarning, l.mustRun(t).Status)
		assert.Empty(t, l.sent)
	})
}

// TestWarningsWhileTheMailServerIsDown: checks meanwhile make a notice for what is new, and only for that.
func TestWarningsWhileTheMailServerIsDown(t *testing.T) {
	telling := settings
	telling.NotifyWarnings = true
	l := newLife(t, telling, "~stock")
	l.notify = func(ordercheck.NotifyInput) error {
		if l.Now().Sub(l.start) < time.Hour {
			return temporal.NewApplicationErrorWithOptions("down", "NoticeNotSent", temporal.ApplicationErrorOptions{NextRetryDelay: 40 * time.Minute})
		}
		return nil
	}
	l.save(10*time.Minute, func() {})
	l.save(20*time.Minute, func() { l.broken = []string{"~stock", "~phone"} })
	l.save(30*time.Minute, func() { l.broken = []string{"~phone"} })
	assert.Equal(t, ordercheck.StatusWarning, l.mustRun(t).Status)
	var listed []int
	for _, s := range l.sent {
		assert.Equal(t, ordercheck.NoticeWarning, s.notice.Kind)
		listed = append(listed, len(s.notice.Report.Findings))
	}
	assert.Equal(t, []int{1, 2}, listed)
	assert.True(t, l.sent[1].notice.Report.Findings[0].Told, "the second notice says which warning is not new")
	assert.False(t, l.sent[1].notice.Report.Findings[1].Told)
}
