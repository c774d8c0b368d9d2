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

// requirement is one line of a go.mod.
type requirement struct {
	Path, Version string
	Indirect      bool
}

func requirements(t *testing.T, goMod string) []requirement {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json", goMod).Output()
	require.NoError(t, err)
	var module struct{ Require []requirement }
	require.NoError(t, json.Unmarshal(output, &module))
	require.NotEmpty(t, module.Require)
	return module.Require
}

func directPaths(list []requirement) []string {
	var paths []string
	for _, r := range list {
		if !r.Indirect {
			paths = append(paths, r.Path)
		}
	}
	return paths
}

// TestEveryDependencyHasItsReason compares docs/dependencies.md with both go.mod files. The page
// gives a reason for every module that the product requires directly, then for every module that
// only the workshop requires directly.
func TestEveryDependencyHasItsReason(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/dependencies.md")
	require.NoError(t, err)
	product, workshop, ok := strings.Cut(string(page), "\n## The workshop\n")
	require.True(t, ok)

	direct := directPaths(requirements(t, "../../go.mod"))
	extra := slices.DeleteFunc(directPaths(requirements(t, "../../workshop/go.mod")),
		func(path string) bool {
			return path == "error-check-gate" || slices.Contains(direct, path)
		})
	assert.ElementsMatch(t, direct, reasons(t, product),
		"the product's modules: page and go.mod differ")
	assert.ElementsMatch(t, extra, reasons(t, workshop),
		"the workshop's modules: page and go.mod differ")
}

// reasons returns the modules of a table on the page.
func reasons(t *testing.T, section string) []string {
	t.Helper()
	var paths []string
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|(.*)\\|$")
	for _, cells := range row.FindAllStringSubmatch(section, -1) {
		paths = append(paths, cells[1])
		assert.NotEmpty(t, strings.TrimSpace(cells[2]), "%s has no reason", cells[1])
	}
	return paths
}

// TestWorkshopTestsTheVersionsThatShip compares the versions in the two go.mod files. The tests in
// the workshop run the product's packages with the workshop's versions.
func TestWorkshopTestsTheVersionsThatShip(t *testing.T) {
	t.Parallel()
	ships := map[string]string{}
	for _, r := range requirements(t, "../../go.mod") {
		ships[r.Path] = r.Version
	}
	for _, r := range requirements(t, "../../workshop/go.mod") {
		if version, shared := ships[r.Path]; shared {
			assert.Equal(t, version, r.Version, "%s: run 'go get %[1]s@%[2]s' in the other module", r.Path,
				version)
		}
	}
}

// TestGateLinksNothingThatForgesWebhooks checks that the program that runs in production links
// neither the stand-in for InFlow nor anything else that only development and tests use.
func TestGateLinksNothingThatForgesWebhooks(t *testing.T) {
	t.Parallel()
	output, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	packages := strings.Fields(string(output))
	require.Contains(t, packages, "error-check-gate/ingress")
	for _, path := range packages {
		for _, folder := range []string{"error-check-gate/internal/dev", "error-check-gate/workshop"} {
			assert.False(t, path == folder || strings.HasPrefix(path, folder+"/"), "gate links %s", path)
		}
	}
}
