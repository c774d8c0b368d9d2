package rules_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"error-check-gate/internal/rules/rulefile"

	"github.com/stretchr/testify/require"
)

// docChecks returns the page's table of the general checks. The first columns come from the checks'
// descriptions, and the last two from the page.
func docChecks(t *testing.T, page string) string {
	t.Helper()
	written := map[string]string{}
	for _, row := range regexp.MustCompile(
		"(?m)^\\| `([a-z-]+)` \\|[^|]*\\|[^|]*\\|[^|]*(\\|[^|]+\\|[^|]+\\|)$").FindAllStringSubmatch(page,
		-1) {
		written[row[1]] = row[2]
	}
	set := rulefile.Default()
	var b strings.Builder
	b.WriteString(
		"\n| check | severity | what it finds | what it does not look at | why this severity | to " +
			"tighten it |\n| --- | --- | --- | --- | --- | --- |\n",
	)
	for _, rule := range set.Rules() {
		finds, rest, said := strings.Cut(rule.Description, "Not looked at: ")
		require.True(t, said, "%s does not say what it does not look at", rule.ID)
		require.Contains(t, written, rule.ID,
			"docs/rules-reference.md has no row for %s, with a reason for its severity and a way to "+
				"tighten it",
			rule.ID)
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s %s\n", rule.ID, rule.Severity, strings.TrimSpace(finds),
			strings.ToUpper(rest[:1])+rest[1:], written[rule.ID])
	}
	require.Len(t, set.Rules(), 48)
	return b.String()
}

// TestDocsTightenEveryCheck loads the table's entries as a company's rule file, after the general
// checks.
func TestDocsTightenEveryCheck(t *testing.T) {
	content, err := os.ReadFile(docsFile)
	require.NoError(t, err)
	entries := regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|.*\\| `(\\{.*\\})` \\|$").
		FindAllStringSubmatch(string(content), -1)
	require.Len(t, entries, 48, "a row for each check, with an entry for a rule file")
	ours := "version: 1\nname: ours\nrules:\n"
	for _, entry := range entries {
		ours += "- " + entry[2] + "\n"
	}
	file := filepath.Join(t.TempDir(), "ours.yaml")
	require.NoError(t, os.WriteFile(file, []byte(ours), 0o600))
	_, err = rulefile.Load(t.Context(), "../../rules/default.yaml", file)
	require.NoError(t, err)
}
