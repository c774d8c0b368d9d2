package e2e_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
)

// readmeCommands returns the commands of the README after a marker.
func readmeCommands(t *testing.T, marker string) []string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(readme), "<!-- "+marker)
	require.True(t, found, "the README has no marker %q", marker)
	_, rest, _ = strings.Cut(rest, "\n\n")
	block, _, _ := strings.Cut(rest, "\n\n")
	var commands []string
	for line := range strings.Lines(block) {
		commands = append(commands, strings.TrimSpace(line))
	}
	return commands
}

func TestFailedRunIsRerunWithTheCommandsOfTheReadme(t *testing.T) {
	t.Parallel()
	commands := readmeCommands(t, "rerun:")
	require.Len(t, commands, 2)
	list, rerun := commands[0], commands[1]

	s := newStack(t, options{})
	key := s.fake.APIKey()
	s.fake.SetAPIKey("another-key-at-inflow")
	id := s.create("plain")
	_, err := s.result(id)
	var application *temporal.ApplicationError
	require.ErrorAs(t, err, &application)
	require.Equal(t, ordercheck.ErrorInflowUnauthorized, application.Type())

	require.Eventually(t, func() bool {
		output, err := s.shell(list, id)
		return assert.NoError(t, err, output) && strings.Contains(output, ordercheck.WorkflowID(id))
	}, waitFor, tick, "the list does not show the failed run")

	s.fake.SetAPIKey(key)
	output, err := s.shell(rerun, id)
	require.NoError(t, err, output)
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
}

func TestRerunNeverDisturbsAnOpenRun(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{noWorker: true})
	id := s.create("plain")
	s.waitForRun(id)
	before := s.history(id)
	output, err := s.shell(readmeCommands(t, "rerun:")[1], id)
	require.NoError(t, err, output)
	assert.Equal(t, before, s.history(id))
	s.startWorker()
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(id).Status)
	assert.Len(t, s.runs(id), 1)
}
