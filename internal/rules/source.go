package rules

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// files reads rule files, their tables and examples.
type files interface {
	// read reads at most limit bytes of a file.
	read(name string, limit int64) ([]byte, error)
	// beside is a name given in file, relative to it.
	beside(file, name string) string
}

// diskFiles are files of the machine.
type diskFiles struct{}

func (diskFiles) read(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name) //nolint:gosec // rule files are named by the operator
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	return readUpTo(f, limit)
}

func (diskFiles) beside(file, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(file), filepath.FromSlash(name))
}

// fsFiles are files of an [fs.FS].
type fsFiles struct{ fs.FS }

func (f fsFiles) read(name string, limit int64) ([]byte, error) {
	file, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	return readUpTo(file, limit)
}

func (fsFiles) beside(file, name string) string { return path.Join(path.Dir(file), name) }

func readUpTo(r io.Reader, limit int64) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("the file is larger than %d bytes", limit)
	}
	return content, nil
}

// fileError is what is wrong with reading a file, without its name.
func fileError(err error) string {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err.Error()
	}
	return err.Error()
}
