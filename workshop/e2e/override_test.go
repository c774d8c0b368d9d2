package e2e_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// TestOverrideWithoutAWorker overrides an error while no worker runs. The command ends and says
// that the outcome is unknown. The override may take effect when a worker runs, or Temporal may
// drop it. Repeating the command does no harm.
func TestOverrideWithoutAWorker(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{noWorker: true, settings: orderlife.Settings{
		SettleQuiet: time.Millisecond, SettleMax: time.Second, HoldMax: time.Hour,
	}})
	stop := s.startWorker()
	id := s.create("balance-wrong")
	s.waitForRun(id)
	require.Eventually(t, func() bool {
		return s.report(id).Status == ordercheck.StatusFailed
	}, waitFor, tick)
	stop()

	const override = ` override SALES_ORDER_ID --by Anna --reason agreed --until 72h`
	for command, says := range map[string]string{
		"gate" + override +
			" --wait 2s": "no worker answered within 2s: " +
			"it is not known whether the override was accepted",
		`timeout --preserve-status -s INT 8 "$GATE"` + override +
			" --wait 10m": "interrupted: it is not known whether the override was accepted",
	} {
		output, err := s.shell(command, id)
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, output)
		assert.Equal(t, 1, exit.ExitCode(), command)
		assert.Contains(t, output, says)
		assert.Contains(t, output, "'gate check "+id+"' shows it")
		assert.Equal(t, 1, strings.Count(output, "\n"), output)
	}

	s.startWorker()
	if output, err := s.shell("gate"+override, id); err != nil {
		assert.Contains(t, output, "no error that could be overridden",
			"the first override has taken effect")
	}
	report := s.waitForReport(id, ordercheck.StatusOverridden)
	require.NotNil(t, report.Findings[0].Override)
	assert.WithinDuration(t, time.Now().Add(72*time.Hour), report.Findings[0].Override.Until,
		30*time.Minute)
}
