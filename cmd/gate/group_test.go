package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestWrongUse checks that every group of commands refuses unknown commands and flags. The exit
// status must be 2, because 0 and 1 could mean that an order is right or wrong.
func TestWrongUse(t *testing.T) {
	for name, tt := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"no such command": {[]string{"chekc"}, exitUsage,
			`gate has no command "chekc"; did you mean check?`},
		"marks":            {[]string{"marks", "stop"}, exitUsage, `gate marks has no command "stop"`},
		"rules":            {[]string{"rules", "lst"}, exitUsage, "did you mean list"},
		"flag of check":    {[]string{"check", "SO-1", "--jsno"}, exitUsage, "unknown flag: --jsno"},
		"flag of marks":    {[]string{"marks", "status", "--json"}, exitUsage, "unknown flag: --json"},
		"flag of override": {[]string{"override", "SO-1", "--wait", "soon"}, exitUsage, "--wait"},
		// The contract of these groups has one status for all failures.
		"orders": {[]string{"orders", "exprot"}, exitFault, "did you mean export"},
		"webhooks": {[]string{"webhooks", "send-all"}, exitFault,
			`gate webhooks has no command "send-all"`},
		"flag of webhooks": {[]string{"webhooks", "list", "--jsno"}, exitFault, "unknown flag: --jsno"},
	} {
		t.Run(name, func(t *testing.T) {
			out, _, status, err := runGate(t, "", tt.args...)
			assert.ErrorContains(t, err, tt.says)
			assert.Equal(t, tt.status, status)
			assert.Empty(t, out)
		})
	}
}

func TestGroupsShowTheirHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"marks"}, {"orders"}, {"rules"}, {"webhooks"}} {
		out, _, status, err := runGate(t, "", args...)
		assert.NoError(t, err)
		assert.Zero(t, status)
		assert.Contains(t, out, "Available Commands:")
	}
}
