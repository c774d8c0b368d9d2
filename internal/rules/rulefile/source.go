package rulefile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"time"

	"error-check-gate/internal/nowait"
	"error-check-gate/internal/rules/plaintext"
)

// files reads rule files, and the tables and examples that they name.
type files interface {
	// read reads a file of at most limit bytes.
	read(ctx context.Context, name string, limit int64) ([]byte, error)
	// resolve returns the path of a name that a file gives relative to itself.
	resolve(file, name string) string
}

// ReadFile reads a file of at most limit bytes. It stops when ctx ends.
func ReadFile(ctx context.Context, path string, limit int64) ([]byte, error) {
	return diskFiles{}.read(ctx, path, limit)
}

// diskFiles are files on disk.
type diskFiles struct{}

// read also reads pipes, such as a shell's <(…). It stops when ctx ends.
func (diskFiles) read(ctx context.Context, name string, limit int64) ([]byte, error) {
	f, err := nowait.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	content, err := readUpTo(ctx, f, limit)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return content, err
}

func (diskFiles) resolve(file, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(file), filepath.FromSlash(name))
}

// fsFiles are files in an [fs.FS].
type fsFiles struct{ fs.FS }

func (f fsFiles) read(ctx context.Context, name string, limit int64) ([]byte, error) {
	file, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	return readUpTo(ctx, file, limit)
}

func (fsFiles) resolve(file, name string) string { return path.Join(path.Dir(file), name) }

func readUpTo(ctx context.Context, r io.Reader, limit int64) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(untilDone{ctx, r}, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("the file is larger than %d bytes", limit)
	}
	return content, nil
}

// untilDone is a reader that stops when ctx ends.
type untilDone struct {
	ctx context.Context //nolint:containedctx // belongs to one call
	io.Reader
}

func (r untilDone) Read(into []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(into)
}

// readText reads a text file and returns it as UTF-8.
func readText(ctx context.Context, from files, name string, limit int64) ([]byte, error) {
	content, err := from.read(ctx, name, limit)
	if err != nil {
		return nil, err
	}
	return plaintext.UTF8(content)
}

// fileError returns the text of an error from reading a file, without the name of the file.
func fileError(err error) string {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err.Error()
	}
	return err.Error()
}
