package docsection_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/workshop/internal/docsection"
)

func TestReplace(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	require.NoError(t, os.WriteFile(page,
		[]byte("before\n<!-- table:begin -->\nold\n<!-- table:end -->\nafter\n"), 0o600))
	for _, text := range []string{"new", "newer\n"} {
		require.NoError(t, docsection.Replace(page, "table", text))
	}
	got, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Equal(t, "before\n<!-- table:begin -->\n\nnewer\n\n<!-- table:end -->\nafter\n",
		string(got))

	require.ErrorContains(t, docsection.Replace(page, "figures", "new"),
		"page.md has no section between <!-- figures:begin --> and <!-- figures:end -->")
	left, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Equal(t, got, left)
	require.ErrorIs(t, docsection.Replace(page+"x", "table", "new"), os.ErrNotExist)
}
