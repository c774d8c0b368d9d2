// Package docsection writes measured results into documentation pages.
package docsection

import (
	"fmt"
	"os"
	"strings"
)

// Replace replaces the section of a page between the lines <!-- name:begin --> and <!-- name:end
// -->. If the page has no such lines, it returns an error and changes nothing.
func Replace(path, name, text string) error {
	page, err := os.ReadFile(path) //nolint:gosec // the caller's choice
	if err != nil {
		return err
	}
	begin, end := "<!-- "+name+":begin -->\n", "<!-- "+name+":end -->"
	before, rest, begins := strings.Cut(string(page), begin)
	_, after, ends := strings.Cut(rest, end)
	if !begins || !ends {
		return fmt.Errorf("%s has no section between %s and %s", path, strings.TrimSpace(begin), end)
	}
	return os.WriteFile(path, []byte(before+begin+"\n"+strings.TrimSpace(text)+"\n\n"+end+after), 0o644) //nolint:gosec // a page in the repository
}
