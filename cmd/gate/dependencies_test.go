package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEveryDependencyHasItsReason compares docs/dependencies.md with go.mod.
func TestEveryDependencyHasItsReason(t *testing.T) {
	t.Parallel()
	output, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json", "../../go.mod").Output()
	require.NoError(t, err)
	var module struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	require.NoError(t, json.Unmarshal(output, &module))
	var direct, listed []string
	for _, required := range module.Require {
		if !required.Indirect {
			direct = append(direct, required.Path)
		}
	}
	page, err := os.ReadFile("../../docs/dependencies.md")
	require.NoError(t, err)
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|(.*)\\|$").FindAllStringSubmatch(string(page), -1) {
		listed = append(listed, row[1])
		assert.NotEmpty(t, strings.TrimSpace(row[2]), "%s has no reason", row[1])
	}
	require.NotEmpty(t, direct)
	assert.ElementsMatch(t, direct, listed, "docs/dependencies.md lists what go.mod requires directly, each with its reason")
}
