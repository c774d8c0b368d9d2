package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// module is the prefix of the import paths of both modules.
const module = "error-check-gate/"

// layer is a row of the table in docs/architecture.md.
type layer struct {
	name      string
	patterns  []string // "internal/rules/..." includes the packages below it
	mayImport []string // names of layers
}

// TestImportRules checks the imports of both modules against the table in docs/architecture.md. It
// ignores the imports of tests.
func TestImportRules(t *testing.T) {
	t.Parallel()
	layers := importRules(t)
	used := map[string]bool{} // patterns, and pairs of layers
	imports := packageImports(t)
	for path, imported := range imports {
		from, pattern := layerOf(layers, path)
		if !assert.NotNil(t, from, "docs/architecture.md has no layer for the package %s", path) {
			continue
		}
		used[pattern] = true
		for _, other := range imported {
			to, _ := layerOf(layers, other)
			if to == nil {
				continue // reported when the loop reaches that package
			}
			assert.Contains(t, from.mayImport, to.name,
				"%s (layer %s) imports %s, which docs/architecture.md does not allow", path, from.name, other)
			used[from.name+" -> "+to.name] = true
		}
	}
	for _, l := range layers {
		for _, pattern := range l.patterns {
			assert.True(t, used[pattern], "docs/architecture.md names %s, which does not exist", pattern)
		}
		for _, name := range l.mayImport {
			assert.True(t, used[l.name+" -> "+name],
				"docs/architecture.md lets %s import %s, but it does not: remove that", l.name, name)
		}
	}
}

// TestArchitecturePicture checks that the packages in the picture exist.
func TestArchitecturePicture(t *testing.T) {
	t.Parallel()
	picture, err := os.ReadFile("../../docs/pictures/delivery.svg")
	require.NoError(t, err)
	named := regexp.MustCompile(`<text class="[^"]*pkg"[^>]*>([^<]+)<`).FindAllSubmatch(picture, -1)
	require.NotEmpty(t, named)
	for _, match := range named {
		assert.DirExists(t, filepath.Join("..", "..", string(match[1])))
	}
}

// TestArchitectureFiles checks that the files in "Find your way" exist.
func TestArchitectureFiles(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/architecture.md")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(page), "## Find your way\n")
	section, _, _ = strings.Cut(section, "\n## ")
	named := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(section, -1)
	require.NotEmpty(t, named)
	for _, match := range named {
		_, err := os.Stat(filepath.Join("..", "..", match[1]))
		assert.NoError(t, err)
	}
}

// importRules reads the table of the page.
func importRules(t *testing.T) []layer {
	t.Helper()
	page, err := os.ReadFile("../../docs/architecture.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(page), "| layer | packages | may import | does |\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	var layers []layer
	for _, row := range strings.Split(table, "\n")[1:] {
		cells := strings.Split(strings.Trim(row, "| \n"), " | ")
		require.Len(t, cells, 4, row)
		l := layer{name: cells[0]}
		for _, match := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			l.patterns = append(l.patterns, match[1])
		}
		if cells[2] != "none" {
			l.mayImport = strings.Split(cells[2], ", ")
		}
		layers = append(layers, l)
	}
	require.NotEmpty(t, layers)
	return layers
}

// layerOf returns the layer of a package and the pattern that matches it. The longest pattern wins.
func layerOf(layers []layer, path string) (found *layer, pattern string) {
	for i := range layers {
		for _, p := range layers[i].patterns {
			prefix, below := strings.CutSuffix(p, "/...")
			matches := path == prefix || below && strings.HasPrefix(path, prefix+"/")
			if matches && len(p) > len(pattern) {
				found, pattern = &layers[i], p
			}
		}
	}
	return found, pattern
}

// packageImports returns the packages of both modules, each with the packages of these modules that
// it imports.
func packageImports(t *testing.T) map[string][]string {
	t.Helper()
	imports := map[string][]string{}
	for _, folder := range []string{"../..", "../../workshop"} {
		const format = `{{.ImportPath}} {{join .Imports " "}}`
		list := exec.CommandContext(t.Context(), "go", "list", "-f", format, "./...")
		list.Dir = folder
		output, err := list.Output()
		require.NoError(t, err, folder)
		for line := range strings.Lines(string(output)) {
			ours := slices.DeleteFunc(strings.Fields(line), func(path string) bool {
				return !strings.HasPrefix(path, module)
			})
			for i := range ours {
				ours[i] = strings.TrimPrefix(ours[i], module)
			}
			imports[ours[0]] = ours[1:]
		}
	}
	return imports
}
