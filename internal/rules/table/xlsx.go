package table

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxUnzipped is the maximum size of an unpacked workbook, in bytes. The longest allowed table
	// takes about 90 MB.
	maxUnzipped = 128 << 20
	// maxTag is the maximum distance between two tags, in bytes. A cell holds at most 32,767
	// characters.
	maxTag = 1 << 20
)

// readXLSX reads a sheet of a workbook. It streams the parts of the ZIP archive, so the sheet is
// never in memory as a whole. It uses no library, because libraries hide faults in a file, and do
// not tell a formula without a value from an empty cell.
func readXLSX(ctx context.Context, content []byte, key, sheet string) (*Table, error) {
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return nil, &Fault{Message: "not an XLSX workbook: " + err.Error()}
	}
	w := &workbook{ctx: ctx, files: archive.File, remaining: maxUnzipped}
	t, err := w.table(key, sheet)
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	var fault *Fault
	var faults Faults
	if err != nil && !errors.As(err, &fault) && !errors.As(err, &faults) {
		err = &Fault{Message: "the workbook cannot be read: " + err.Error()}
	}
	return t, err
}

// workbook holds the state of reading a workbook.
type workbook struct {
	ctx   context.Context //nolint:containedctx // belongs to one call
	files []*zip.File
	// remaining is the number of bytes that may still be unpacked.
	remaining int64
	shared    []string
	formats   []*numberFormat // by style
	date1904  bool
}

func (w *workbook) table(key, sheet string) (*Table, error) {
	main, err := w.related("", "/officeDocument")
	if err != nil {
		return nil, err
	}
	if main == "" {
		main = "xl/workbook.xml"
	}
	at, err := w.findSheet(main, sheet)
	if err != nil {
		return nil, err
	}
	if err := w.readRelated(main, "/styles", w.readStyles); err != nil {
		return nil, err
	}
	if err := w.readRelated(main, "/sharedStrings", w.readShared); err != nil {
		return nil, err
	}
	b := &builder{key: key, notation: eitherNotation, workbook: true}
	if err := w.read(at, func(r io.Reader) error { return w.readSheet(r, b) }); err != nil {
		return nil, err
	}
	return b.table()
}

// readRelated reads the part that another part names for a purpose, if any.
func (w *workbook) readRelated(from, purpose string, read func(io.Reader) error) error {
	name, err := w.related(from, purpose)
	if err != nil || name == "" {
		return err
	}
	return w.read(name, read)
}

// read reads a part of the archive.
func (w *workbook) read(name string, read func(io.Reader) error) error {
	i := slices.IndexFunc(w.files, func(f *zip.File) bool {
		return strings.EqualFold(strings.TrimPrefix(strings.ReplaceAll(f.Name, `\`, "/"), "/"), name)
	})
	if i < 0 {
		return fmt.Errorf("its part %s is missing", name)
	}
	part, err := w.files[i].Open()
	if err != nil {
		return fmt.Errorf("its part %s: %w", name, err)
	}
	defer part.Close() //nolint:errcheck // only read
	if err := read(&bounded{w: w, from: part}); err != nil {
		if errors.As(err, new(*Fault)) || errors.As(err, new(Faults)) {
			return err
		}
		return fmt.Errorf("its part %s: %w", name, err)
	}
	return nil
}

// bounded unpacks a part within the limits of the workbook.
type bounded struct {
	w    *workbook
	from io.Reader
	// since is the number of bytes since the last tag began.
	since int
}

func (r *bounded) Read(into []byte) (int, error) {
	if err := r.w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.from.Read(into)
	if r.w.remaining -= int64(n); r.w.remaining < 0 {
		return 0, &Fault{
			Message: fmt.Sprintf("the workbook is too large: its parts unpack to more than %d MiB",
				maxUnzipped>>20),
		}
	}
	if tag := bytes.LastIndexByte(into[:n], '<'); tag >= 0 {
		r.since = n - tag
	} else if r.since += n; r.since > maxTag {
		return 0, &Fault{Message: "the workbook has a text that is too long for a cell"}
	}
	return n, err
}

// related returns the part that another part names for a purpose, or "" if it names none.
func (w *workbook) related(from, purpose string) (string, error) {
	return w.relatedBy(from, func(r relationship) bool { return strings.HasSuffix(r.Type, purpose) })
}

type relationship struct {
	ID     string `xml:"Id,attr"`
	Type   string `xml:"Type,attr"`
	Target string `xml:"Target,attr"`
}

func (w *workbook) relatedBy(from string, wanted func(relationship) bool) (string, error) {
	var list struct {
		Relationships []relationship `xml:"Relationship"`
	}
	name := path.Join(path.Dir(from), "_rels", path.Base(from)+".rels")
	if from == "" {
		name = "_rels/.rels"
	}
	if err := w.decode(name, &list); err != nil {
		return "", err
	}
	i := slices.IndexFunc(list.Relationships, wanted)
	if i < 0 {
		return "", nil
	}
	target := list.Relationships[i].Target
	if strings.HasPrefix(target, "/") {
		return path.Clean(target)[1:], nil
	}
	return path.Join(path.Dir(from), target), nil
}

func (w *workbook) decode(name string, into any) error {
	return w.read(name, func(r io.Reader) error { return xml.NewDecoder(r).Decode(into) })
}

// findSheet returns the name of a sheet's part. If wanted is empty, it takes the first sheet.
func (w *workbook) findSheet(main, wanted string) (string, error) {
	var book struct {
		Properties struct {
			Date1904 string `xml:"date1904,attr"`
		} `xml:"workbookPr"`
		Sheets []struct {
			Name string `xml:"name,attr"`
			ID   string `xml:"id,attr"`
		} `xml:"sheets>sheet"`
	}
	if err := w.decode(main, &book); err != nil {
		return "", err
	}
	w.date1904 = book.Properties.Date1904 == "1" || book.Properties.Date1904 == "true"
	var names []string
	for _, sheet := range book.Sheets {
		names = append(names, sheet.Name)
		if wanted != "" && sheet.Name != wanted {
			continue
		}
		at, err := w.relatedBy(main, func(r relationship) bool { return r.ID == sheet.ID })
		if err != nil {
			return "", err
		}
		if at == "" {
			return "", fmt.Errorf("the sheet %q is missing", sheet.Name)
		}
		return at, nil
	}
	if wanted == "" {
		return "", errors.New("it has no sheet")
	}
	return "", &Fault{
		Message: fmt.Sprintf("the workbook has no sheet %q; it has %s", wanted, quoted(names)),
	}
}

// readStyles reads the number format of each style.
func (w *workbook) readStyles(r io.Reader) error {
	var sheet struct {
		Formats []struct {
			ID   int    `xml:"numFmtId,attr"`
			Code string `xml:"formatCode,attr"`
		} `xml:"numFmts>numFmt"`
		Styles []struct {
			Format int `xml:"numFmtId,attr"`
		} `xml:"cellXfs>xf"`
	}
	if err := xml.NewDecoder(r).Decode(&sheet); err != nil {
		return err
	}
	codes := make(map[int]string, len(sheet.Formats))
	for _, f := range sheet.Formats {
		codes[f.ID] = f.Code
	}
	parsed := map[int]*numberFormat{}
	for _, style := range sheet.Styles {
		if parsed[style.Format] == nil {
			code, custom := codes[style.Format]
			if !custom {
				code = builtinFormat(style.Format)
			}
			parsed[style.Format] = parseFormat(code)
		}
		w.formats = append(w.formats, parsed[style.Format])
	}
	return nil
}

// readShared reads the texts that cells refer to by number.
func (w *workbook) readShared(r io.Reader) error {
	d := xml.NewDecoder(r)
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "si" {
			text, err := richText(d)
			if err != nil {
				return err
			}
			if len(w.shared) >= maxCells {
				return &Fault{
					Message: fmt.Sprintf("the workbook is too large: at most %d texts are read", maxCells),
				}
			}
			w.shared = append(w.shared, text)
		}
	}
}

// richText reads to the end of the current element and returns the text in it. It leaves out
// phonetic hints (rPh).
func richText(d *xml.Decoder) (string, error) {
	var text strings.Builder
	within, spoken := 0, 0
	for depth := 1; depth > 0; {
		token, err := d.Token()
		if err != nil {
			return "", err
		}
		switch t := token.(type) {
		case xml.StartElement:
			depth++
			switch t.Name.Local {
			case "t":
				within++
			case "rPh":
				spoken++
			}
		case xml.EndElement:
			depth--
			switch {
			case depth == 0:
			case t.Name.Local == "t":
				within--
			case t.Name.Local == "rPh":
				spoken--
			}
		case xml.CharData:
			if within > 0 && spoken == 0 {
				text.Write(t)
			}
		}
	}
	return unescaped(text.String()), nil
}

var escapedCharacter = regexp.MustCompile(`_x([0-9A-Fa-f]{4})_`)

// unescaped replaces escapes such as _x000D_ with their characters.
func unescaped(text string) string {
	if !strings.Contains(text, "_x") {
		return text
	}
	return escapedCharacter.ReplaceAllStringFunc(text, func(escaped string) string {
		code, err := strconv.ParseUint(escaped[2:6], 16, 16)
		if err != nil {
			return escaped
		}
		return string(rune(code))
	})
}
