package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/rules/rulefile"
)

// docBlock is a fenced block of a page: a file to write, lines to add to a file, or commands and
// their output.
type docBlock struct {
	line       int
	language   string
	attributes map[string]string
	text       string
}

// docBlocks reads the fenced blocks of a page. The text after a block's language says what to do
// with the block. GitHub does not show that text.
func docBlocks(t *testing.T, page string) []docBlock {
	t.Helper()
	var blocks []docBlock
	var open *docBlock
	for i, line := range strings.Split(page, "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &docBlock{line: i + 1, attributes: map[string]string{}}
			for j, word := range strings.Fields(info) {
				if j == 0 {
					open.language = word
					continue
				}
				name, value, _ := strings.Cut(word, "=")
				open.attributes[name] = value
			}
		case fence:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	require.Nil(t, open, "a block that does not end")
	return blocks
}

// TestDocsRulesPages follows the instructions of each page about rules in an empty folder.
func TestDocsRulesPages(t *testing.T) {
	repository, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	t.Setenv("RULES_FILE", "")
	t.Setenv("TZ", "UTC")
	for name, commands := range map[string]int{"rules.md": 8, "rules-reference.md": 1} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			assert.GreaterOrEqual(t, followPage(t, repository, name), commands)
		})
	}
}

// followPage follows the instructions of a page, and returns the number of commands that it ran.
func followPage(t *testing.T, repository, name string) (commands int) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(repository, "docs", name)) //nolint:gosec // our page
	require.NoError(t, err)
	read := func(name string) string {
		content, err := os.ReadFile(name) //nolint:gosec // a file that the page made
		require.NoError(t, err)
		return string(content)
	}
	put := func(name, text string) { require.NoError(t, os.WriteFile(name, []byte(text), 0o600)) }

	files := map[string]bool{}
	for _, block := range docBlocks(t, string(page)) {
		has := func(name string) (string, bool) { value, ok := block.attributes[name]; return value, ok }
		if name, ok := has("file"); ok {
			put(name, block.text)
			files[name] = true
		}
		if name, ok := has("append"); ok {
			put(name, read(name)+block.text)
		}
		if from, ok := has("from"); ok {
			changed := strings.Replace(read(from), block.attributes["replace"], block.attributes["with"], 1)
			require.NotEqual(t, read(from), changed)
			put(block.attributes["to"], changed)
		}
		if paths, ok := has("copy"); ok {
			for path := range strings.SplitSeq(paths, ",") {
				put(filepath.Base(path), read(filepath.Join(repository, path)))
			}
		}
		if block.language != "console" {
			continue
		}
		status := 0
		if text, ok := has("exit"); ok {
			status, err = strconv.Atoi(text)
			require.NoError(t, err)
		}
		command, want, _ := strings.Cut(block.text, "\n")
		args, ok := strings.CutPrefix(command, "$ gate rules ")
		require.True(t, ok, "line %d: %s", block.line, command)
		out, stderr, got := runRules(t, "", strings.Fields(args)...)
		assert.Equal(t, status, got, "line %d: %s\n%s%s", block.line, command, out, stderr)
		assert.Regexp(t, printed(want), out, "line %d: %s", block.line, command)
		commands++
	}
	for name := range files {
		if filepath.Ext(name) != ".yaml" || name == "ours.yaml" || name == "trial.yaml" {
			continue // these change rules of other files
		}
		set, err := rulefile.Load(t.Context(), name)
		require.NoError(t, err, name)
		for _, result := range set.Test(t.Context()) {
			assert.Empty(t, result.Problem, result.Place)
		}
		for _, rule := range set.Rules() {
			broken, fine := set.ExampleCounts(rule.ID)
			assert.True(t, broken > 0 && fine > 0, "%s: rule %s of the page has no examples", name, rule.ID)
		}
	}
	return commands
}

// printed returns a pattern for an output. … matches any text, and white space at the ends of
// lines does not matter.
func printed(text string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`^`)
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "…" {
			b.WriteString(`(?:.*\n)*?`)
			continue
		}
		for i, part := range strings.Split(line, "…") {
			if i > 0 {
				b.WriteString(`.*`)
			}
			b.WriteString(regexp.MustCompile(` {2,}`).ReplaceAllString(regexp.QuoteMeta(part), ` +`))
		}
		b.WriteString(` *\n`)
	}
	b.WriteString(`$`)
	return regexp.MustCompile(b.String())
}
