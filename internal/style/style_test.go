// Package style_test checks the prose of the repository: plain English in comments, docs, help and
// log texts, short lines, and links that lead somewhere.
package style_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	root = "../.."

	// maxStilted is the number of stilted phrases that the repository may have. It is not zero,
	// because "where" has good uses. Lower it when you rewrite something; never raise it.
	maxStilted = 55

	maxColumns = 120 // in a line of a page

	goColumns    = 100 // in a line of Go, counting a tab as one column
	maxLongLines = 160
)

// stilted matches phrases that usually mark a sentence to rewrite. CONTRIBUTING.md has examples.
var stilted = regexp.MustCompile(`(?i)\b(where|whom|theirs|thereof|is what|what is|what was|` +
	`that which|th(?:ose|at) of|those that|of those|is to be|are to be|under way|as long ` +
	`as|so many)\b`)

// idiomatic matches phrases that are fine although stilted matches them.
var idiomatic = regexp.MustCompile(`(?i)\bwhat is (wrong|missing)\b`)

// TestPlainEnglish counts stilted phrases in both modules, and prints the worst files.
func TestPlainEnglish(t *testing.T) {
	var files []file
	for _, path := range sources(t) {
		text := idiomatic.ReplaceAllString(prose(t, path), "")
		files = append(files, file{path, len(stilted.FindAllString(text, -1))})
	}
	total := logWorst(t, files)
	assert.LessOrEqual(t, total, maxStilted,
		"too many stilted phrases (%s): see CONTRIBUTING.md, \"Style\"", stilted)
	t.Logf("%d stilted phrases, at most %d are allowed", total, maxStilted)
}

// file is the path of a file, and its number of faults.
type file struct {
	path   string
	faults int
}

// logWorst logs the files with the most faults, and returns the number of all faults.
func logWorst(t *testing.T, files []file) (total int) {
	t.Helper()
	slices.SortStableFunc(files, func(a, b file) int { return b.faults - a.faults })
	for i, f := range files {
		total += f.faults
		if i < 10 && f.faults > 0 {
			t.Logf("%4d  %s", f.faults, strings.TrimPrefix(f.path, root+"/"))
		}
	}
	return total
}

// TestProse checks which text TestPlainEnglish reads in each kind of file.
func TestProse(t *testing.T) {
	for name, texts := range map[string][2]string{
		"a.go": {
			"package a\n\n// where one\nvar b = \"where it is two\" // where three\nconst c = `where`",
			"where one where three where it is two",
		},
		"a.md":   {"where one\n\n    where two\n```\nwhere three\n```\n`where` four", "where one four"},
		"a.yaml": {"a: where # where one\n# where two\nb: c", "where one where two"},
	} {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, []byte(texts[0]), 0o600))
		assert.Equal(t, texts[1], strings.Join(strings.Fields(prose(t, path)), " "), name)
	}
}

// TestGoLines counts lines of Go that are too long, and prints the worst files.
func TestGoLines(t *testing.T) {
	var files []file
	for _, path := range sources(t) {
		if filepath.Ext(path) == ".go" {
			files = append(files, file{path, longLines(t, path, read(t, path))})
		}
	}
	total := logWorst(t, files)
	assert.LessOrEqual(t, total, maxLongLines, "too many lines over %d columns", goColumns)
	t.Logf("%d lines over %d columns, at most %d are allowed", total, goColumns, maxLongLines)
}

// longLines counts the lines of a Go file that are too long and can be wrapped. A tag of a field
// and a line within a raw string cannot, and a nolint comment must stay on its line.
func longLines(t *testing.T, path, source string) (long int) {
	t.Helper()
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
	require.NoError(t, err)
	fixed := map[int]bool{} // numbers of lines that cannot be wrapped
	ast.Inspect(parsed, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.Field:
			if node.Tag != nil {
				fixed[files.Position(node.Tag.Pos()).Line] = true
			}
		case *ast.BasicLit:
			first, last := files.Position(node.Pos()).Line, files.Position(node.End()).Line
			for line := first; line <= last && last > first; line++ {
				fixed[line] = true
			}
		}
		return true
	})
	number := 0
	for line := range strings.Lines(source) {
		number++
		code, _, _ := strings.Cut(strings.TrimRight(line, "\n"), " //nolint:")
		if !fixed[number] && len([]rune(code)) > goColumns {
			long++
		}
	}
	return long
}

func TestLongLines(t *testing.T) {
	long := strings.Repeat("x", goColumns)
	source := "package a\n\nvar " + long + " int\n\ntype b struct {\n\tc int `" + long + "`\n}\n\n" +
		"const d = `\n" + long + "x`\n\nvar e = 1 //nolint:" + long + "\n\n// " + long + "\n"
	assert.Equal(t, 2, longLines(t, "a.go", source), "the name and the comment")
}

// TestPageLines checks that pages fit into a terminal. Tables, HTML and commands may be longer.
func TestPageLines(t *testing.T) {
	for _, path := range pages(t) {
		for number, line := range pageText(t, path) {
			breakable := strings.Contains(strings.TrimSpace(line), " ") &&
				!strings.ContainsAny(line[:1], "|<")
			if breakable {
				assert.LessOrEqual(t, len([]rune(line)), maxColumns, "%s:%d is too long", path, number+1)
			}
		}
	}
}

// TestPageLinks checks that each link to a file of the repository leads to a file, and to a heading
// if it names one.
func TestPageLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]*)(#[^)]+)?\)`)
	for _, path := range pages(t) {
		for number, line := range pageText(t, path) {
			for _, match := range link.FindAllStringSubmatch(line, -1) {
				target := path
				if match[1] != "" {
					target = filepath.Join(filepath.Dir(path), match[1])
				}
				if !assert.FileExists(t, target, "%s:%d: %s", path, number+1, match[0]) || match[2] == "" {
					continue
				}
				assert.Contains(t, anchors(t, target), match[2],
					"%s:%d: %s has no such heading", path, number+1, target)
			}
		}
	}
}

// TestPagesNameTests checks that the tests that a page names exist.
func TestPagesNameTests(t *testing.T) {
	declaration := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	name := regexp.MustCompile("`(Test[A-Z]\\w+)`")
	declared := map[string]bool{}
	for _, path := range sources(t) {
		if strings.HasSuffix(path, "_test.go") {
			for _, match := range declaration.FindAllStringSubmatch(read(t, path), -1) {
				declared[match[1]] = true
			}
		}
	}
	for _, path := range pages(t) {
		for _, match := range name.FindAllStringSubmatch(read(t, path), -1) {
			assert.True(t, declared[match[1]], "%s names %s, which does not exist", path, match[1])
		}
	}
}

// sources returns the files that people write, without test data.
func sources(t *testing.T) []string {
	t.Helper()
	var paths []string
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if slices.Contains([]string{".git", ".gate", "bin", "testdata", "secrets"}, name) {
				return fs.SkipDir
			}
			return nil
		}
		extensions := []string{".go", ".md", ".yaml", ".yml", ".sh", ".html"}
		known := slices.Contains(extensions, filepath.Ext(name)) ||
			slices.Contains([]string{"Makefile", "Dockerfile", ".env.example"}, name)
		if known && !strings.HasSuffix(path, "internal/style/style_test.go") {
			paths = append(paths, path)
		}
		return nil
	}))
	require.NotEmpty(t, paths)
	return paths
}

// pages returns the Markdown files.
func pages(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(sources(t), func(path string) bool { return filepath.Ext(path) != ".md" })
}

// prose returns the parts of a file that are written for people.
func prose(t *testing.T, path string) string {
	t.Helper()
	switch filepath.Ext(path) {
	case ".go":
		return goProse(t, path)
	case ".md":
		text := strings.Join(pageText(t, path), "\n")
		if filepath.Base(path) == "CONTRIBUTING.md" {
			// Its table shows stilted sentences.
			text = regexp.MustCompile(`(?m)^\|.*$`).ReplaceAllString(text, "")
		}
		return regexp.MustCompile("`[^`\n]*`").ReplaceAllString(text, "")
	case ".html":
		return read(t, path)
	default:
		var comments []string
		comment := regexp.MustCompile(`(?m)(?:^|\s)#+ ?(.*)$`)
		for _, match := range comment.FindAllStringSubmatch(read(t, path), -1) {
			comments = append(comments, match[1])
		}
		return strings.Join(comments, "\n")
	}
}

// goProse returns the comments of a Go file, and its string literals of more than two words.
func goProse(t *testing.T, path string) string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	require.NoError(t, err)
	var texts []string
	for _, group := range parsed.Comments {
		texts = append(texts, group.Text())
	}
	ast.Inspect(parsed, func(node ast.Node) bool {
		if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil && strings.Count(text, " ") > 1 {
				texts = append(texts, text)
			}
		}
		return true
	})
	return strings.Join(texts, "\n")
}

// pageText returns the lines of a page. Lines of code are empty.
func pageText(t *testing.T, path string) []string {
	t.Helper()
	lines := strings.Split(read(t, path), "\n")
	fenced := false
	for i, line := range lines {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		if fenced || fence || strings.HasPrefix(line, "    ") {
			lines[i] = ""
		}
		fenced = fenced != fence
	}
	return lines
}

// anchors returns the anchors that GitHub gives to the headings of a page.
func anchors(t *testing.T, path string) []string {
	t.Helper()
	var found []string
	for _, line := range pageText(t, path) {
		title, heading := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if !heading || !strings.HasPrefix(line, "#") {
			continue
		}
		title = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(title), "")
		found = append(found, "#"+strings.ReplaceAll(title, " ", "-"))
	}
	return found
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}
