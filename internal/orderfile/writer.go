package orderfile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// fileMode lets only the owner read the file, because it has the company's prices and customers.
const fileMode fs.FileMode = 0o600

// headerRoom is the space in the first line for values that are known only at the end, in bytes.
const headerRoom = 256

// Writer writes a file. The file appears under its name only when it is complete.
type Writer struct {
	path   string
	file   *os.File // nil when it is committed or aborted
	out    *bufio.Writer
	header Header
	room   int // bytes of the first line, without its newline
	last   Place
}

// Create starts to write a file beside path. The Writer sets Format, Version, Orders and Newest of
// the header. Call [Writer.Commit] or [Writer.Abort] at the end.
func Create(path string, header Header) (*Writer, error) {
	header.Format, header.Version, header.Orders, header.Newest = Format, Version, 0, ""
	header.MadeAt = header.MadeAt.UTC()
	encoded, err := json.Marshal(&header)
	if err != nil {
		return nil, fmt.Errorf("encode the first line of %s: %w", path, err)
	}
	// os.CreateTemp gives the file mode 0600.
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	w := &Writer{
		path: path, file: file, out: bufio.NewWriterSize(file, 1<<20), header: header,
		room: len(encoded) + headerRoom,
	}
	if _, err := w.out.Write(append(bytes.Repeat([]byte(" "), w.room), '\n')); err != nil {
		w.Abort()
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return w, nil
}

// Add writes an order. Orders must be sorted as [Compare] sorts them.
func (w *Writer) Add(order *inflow.SalesOrder, exportedAt time.Time) error {
	line, err := EncodeLine(order, exportedAt)
	if err != nil {
		return err
	}
	return w.AddLine(PlaceOf(order), order.Timestamp, line)
}

// AddLine is [Writer.Add] for an order whose line [EncodeLine] has already encoded.
func (w *Writer) AddLine(place Place, version string, line []byte) error {
	id := ordercheck.ShortID(place.SalesOrderID)
	version, ok := ordercheck.ParseVersion(version)
	switch {
	case w.file == nil:
		return errors.New("the file is committed or aborted")
	case w.header.Orders > 0 && w.last.Compare(place) >= 0:
		return fmt.Errorf("write %s: sales order %s does not come after the one before it", w.path, id)
	case !ok:
		return fmt.Errorf("write %s: sales order %s has no version", w.path, id)
	case len(line) > MaxLine:
		return fmt.Errorf("write %s: sales order %s is larger than %d MiB", w.path, id, MaxLine>>20)
	}
	_, err := w.out.Write(line)
	if err == nil {
		err = w.out.WriteByte('\n')
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", w.path, err)
	}
	w.header.Orders++
	w.header.Newest = max(w.header.Newest, version)
	w.last = place
	return nil
}

// Commit completes the file and gives it its name. If it fails, an earlier file with this name is
// unchanged.
func (w *Writer) Commit() error {
	if w.file == nil {
		return errors.New("the file is committed or aborted")
	}
	defer w.Abort()
	encoded, err := json.Marshal(&w.header)
	if err != nil {
		return fmt.Errorf("encode the first line of %s: %w", w.path, err)
	}
	if len(encoded) > w.room {
		return fmt.Errorf("the first line of %s became too long", w.path)
	}
	err = w.out.Flush()
	if err == nil {
		_, err = w.file.WriteAt(encoded, 0)
	}
	err = errors.Join(err, w.file.Chmod(fileMode), w.file.Sync(), w.file.Close())
	if err == nil {
		err = os.Rename(w.file.Name(), w.path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", w.path, err)
	}
	w.file = nil
	return syncFolder(filepath.Dir(w.path))
}

// Abort removes what was written, unless the file is committed.
func (w *Writer) Abort() {
	if w.file == nil {
		return
	}
	_ = w.file.Close() // Commit may have closed it
	_ = os.Remove(w.file.Name())
	w.file = nil
}

// syncFolder makes a rename last through a power failure.
func syncFolder(path string) error {
	folder, err := os.Open(path) //nolint:gosec // the caller's path
	if err != nil {
		return fmt.Errorf("sync the folder %s: %w", path, err)
	}
	err = folder.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrInvalid) {
		err = nil // the file system cannot sync folders; it may be a network share
	}
	if err := errors.Join(err, folder.Close()); err != nil {
		return fmt.Errorf("sync the folder %s: %w", path, err)
	}
	return nil
}
