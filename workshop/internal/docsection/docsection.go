// Package docsection writes the parts of documentation pages that are measured.
package docsection

import (
	"fmt"
	"os"
	"strings"
)

// Replace puts text where a page has a section of that name, between the lines
// <!-- name:begin --> and <!-- name:end -->. It fails, and changes nothing, where the page has no such lines.
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
	return os.WriteFile(path, []byte(before+begin+"\n"+strings.TrimSpace(text)+"\n\n"+end+after), 0o644) //nolint:gosec // a page of the repository
}
