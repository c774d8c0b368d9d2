package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
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
	for _, path := range direct {
		assert.True(t, slices.Contains(listed, path), "docs/dependencies.md does not say why go.mod requires %s", path)
	}
	for _, path := range listed {
		assert.True(t, slices.Contains(direct, path), "docs/dependencies.md has %s, which go.mod does not require directly", path)
	}
}
