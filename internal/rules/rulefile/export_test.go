package rulefile

import (
	"context"
	"io/fs"

	"error-check-gate/internal/rules"
)

// Exported for tests.
const MaxFileSize = maxFileSize

var Patched = patched

// LoadFS loads rule files from a file system.
func LoadFS(ctx context.Context, from fs.FS, paths ...string) (*rules.Set, error) {
	loaded, err := load(ctx, fsFiles{from}, paths)
	return loaded.Set, err
}
