// Package product finds and builds the programs that the workshop tests and measures.
package product

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Root returns the folder of the product's module, which is the repository.
func Root(ctx context.Context) (string, error) {
	output, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}",
		"error-check-gate").Output()
	if err != nil {
		return "", fmt.Errorf("find the module error-check-gate: %w", err)
	}
	return strings.TrimSpace(string(output)), nil
}

// Build compiles a program of cmd/, such as gate, into folder and returns its path. It builds in
// the product's own module, so the program has the dependencies that the product ships with.
func Build(ctx context.Context, name, folder string) (string, error) {
	root, err := Root(ctx)
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, name)
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/"+name) //nolint:gosec // our own program
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, output)
	}
	return path, nil
}
