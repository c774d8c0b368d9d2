package fakeinflow

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

const (
	// saveEvery is the minimum time between two saves. A large state is saved less often, so that
	// saving takes at most 20 % of the time.
	saveEvery  = 250 * time.Millisecond
	retrySave  = 5 * time.Second
	stateForm  = 1
	entityMark = "$entity"
)

// state is the account in the state file.
type state struct {
	Form          int                 `json:"form"`
	APIKey        string              `json:"apiKey"`
	Version       string              `json:"version"`
	OrdersCreated int                 `json:"ordersCreated"`
	Subscriptions []savedSubscription `json:"subscriptions"`
	// The entities are read with the rest, and written by [snapshot.write].
	Customers   []map[string]any `json:"customers,omitempty"`
	Products    []map[string]any `json:"products,omitempty"`
	SalesOrders []map[string]any `json:"salesOrders,omitempty"`
}

type savedSubscription struct {
	ID     string   `json:"webHookSubscriptionId"`
	URL    string   `json:"url"`
	Events []string `json:"events"`
	Secret string   `json:"secret"`
	Off    bool     `json:"off,omitempty"`
}

func (st *state) documents(kind string) []map[string]any {
	switch kind {
	case kindCustomer:
		return st.Customers
	case kindProduct:
		return st.Products
	default:
		return st.SalesOrders
	}
}

// MarshalJSON writes a reference for the state file. Nothing else has references.
func (r reference) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{entityMark: r.id})
}

// Restored reports whether the account was read from the state file.
func (s *Server) Restored() bool { return s.restored }

// restore reads the state file, if there is one.
func (s *Server) restore() error {
	content, err := os.ReadFile(s.options.StateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the state: %w", err)
	}
	if err := s.use(content); err != nil {
		return fmt.Errorf("the state file %s is damaged, and stays as it is: %w; "+
			"move it away to start with a new one", s.options.StateFile, err)
	}
	s.restored = true
	return nil
}

func (s *Server) use(content []byte) error {
	if len(bytes.TrimSpace(content)) == 0 {
		return errors.New("it is empty")
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	decoder.DisallowUnknownFields()
	var saved state
	if err := decoder.Decode(&saved); err != nil {
		return fmt.Errorf("at byte %d of %d: %w", decoder.InputOffset(), len(content), err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("at byte %d of %d: there is more after the state's end",
			decoder.InputOffset(), len(content))
	}
	if saved.Form != stateForm {
		return fmt.Errorf("its form is %d, and this program writes form %d", saved.Form, stateForm)
	}
	version, err := strconv.ParseUint(saved.Version, 16, 64)
	if err != nil {
		return errors.New("version is not a rowversion in hex digits")
	}
	restored := newStore(version)
	for _, kind := range kinds {
		for i, document := range saved.documents(kind) {
			id := fieldText(document, idField(kind))
			if !entityIDForm.MatchString(id) || restored.find(kind, id) != nil {
				return fmt.Errorf("%s %d has no id, or another's", inWords(kind), i+1)
			}
			restored.eachRelated(kind, document, func(holder map[string]any, field, related string) {
				if object, ok := holder[field].(map[string]any); ok && has(object, entityMark) {
					holder[field] = reference{related, fieldText(object, entityMark)}
				}
			})
			restored.insert(kind, id, document, time.Time{})
		}
	}
	restored.collections[kindSalesOrder].numbers = max(saved.OrdersCreated, len(saved.SalesOrders))
	for i, sub := range saved.Subscriptions {
		if sub.ID == "" || sub.URL == "" || sub.Secret == "" {
			return fmt.Errorf("subscription %d lacks its id, url or secret", i+1)
		}
		s.subscriptions = append(s.subscriptions, &subscription{
			id: sub.ID, url: sub.URL, events: sub.Events, secret: sub.Secret, off: sub.Off,
		})
	}
	s.store = restored
	if s.options.APIKey == "" {
		s.apiKey = saved.APIKey
	}
	return nil
}

// changed makes keepSaving save the state soon. The caller holds the mutex.
func (s *Server) changed() {
	select {
	case s.unsaved <- struct{}{}:
	default: // a save is due already
	}
}

// keepSaving saves the state after changes, until the server is closed.
func (s *Server) keepSaving() {
	for {
		select {
		case <-s.unsaved:
		case <-s.stopping.Done():
			return
		}
		start := time.Now()
		rest := saveEvery
		if err := s.save(); err != nil {
			s.logger.ErrorContext(s.stopping, "the state was not saved; it is tried again", "error", err)
			s.changed()
			rest = retrySave
		}
		pause(s.stopping, s.stopping, max(rest, 4*time.Since(start)))
	}
}

// save writes the whole state to a new file and renames it, so that the state file is always
// complete. Without a state file it does nothing.
func (s *Server) save() error {
	if s.options.StateFile == "" {
		return nil
	}
	s.saving.Lock()
	defer s.saving.Unlock()
	snapshot := s.snapshot()
	if err := snapshot.encode(); err != nil {
		return fmt.Errorf("save the state: %w", err)
	}
	s.keepEncoded(snapshot)
	if err := writeAtomically(s.options.StateFile, snapshot.write); err != nil {
		return fmt.Errorf("save the state: %w", err)
	}
	return nil
}

// snapshot is the account at one moment, to be saved.
type snapshot struct {
	state    state
	entities map[string][]savedEntity // by kind
}

type savedEntity struct {
	record   *record
	document map[string]any
	encoded  []byte
}

func (s *Server) snapshot() *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	sn := &snapshot{entities: map[string][]savedEntity{}, state: state{
		Form: stateForm, APIKey: s.apiKey, Version: fmt.Sprintf("%016X", s.store.version),
		OrdersCreated: s.store.collections[kindSalesOrder].numbers, Subscriptions: []savedSubscription{},
	}}
	for _, sub := range s.subscriptions {
		sn.state.Subscriptions = append(sn.state.Subscriptions, savedSubscription{
			sub.id, sub.url, slices.Clone(sub.events), sub.secret, sub.off,
		})
	}
	for _, kind := range kinds {
		for _, r := range s.store.collections[kind].created {
			sn.entities[kind] = append(sn.entities[kind], savedEntity{r, r.document, r.encoded})
		}
	}
	return sn
}

// encode encodes the entities that have changed since the last encoding.
func (sn *snapshot) encode() error {
	for _, entities := range sn.entities {
		for i := range entities {
			if entities[i].encoded != nil {
				continue
			}
			var err error
			if entities[i].encoded, err = json.Marshal(entities[i].document); err != nil {
				r := entities[i].record
				return fmt.Errorf("%s %s: %w", inWords(r.kind), r.id, err)
			}
		}
	}
	return nil
}

// keepEncoded keeps the encoded documents of entities that have not changed since.
func (s *Server) keepEncoded(sn *snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, entities := range sn.entities {
		for _, e := range entities {
			if e.record.text("timestamp") == fieldText(e.document, "timestamp") {
				e.record.encoded = e.encoded
			}
		}
	}
}

// write writes the form of [state], one entity after the other.
func (sn *snapshot) write(file io.Writer) error {
	head, err := json.Marshal(sn.state) //nolint:gosec // only the owner can read the file
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	_, _ = w.Write(bytes.TrimSuffix(head, []byte("}"))) // w keeps its first error, for Flush
	for _, kind := range kinds {
		_, _ = fmt.Fprintf(w, ",\n%q:[", kind+"s")
		for i, e := range sn.entities[kind] {
			if i > 0 {
				_ = w.WriteByte(',')
			}
			_ = w.WriteByte('\n')
			_, _ = w.Write(e.encoded)
		}
		_ = w.WriteByte(']')
	}
	_, _ = w.WriteString("}\n")
	return w.Flush()
}

// writeAtomically writes a file that only its owner can read, because it has secrets.
func writeAtomically(path string, write func(io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	aside, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = aside.Close()
			_ = os.Remove(aside.Name())
		}
	}()
	if err := write(aside); err != nil {
		return err
	}
	if err := aside.Sync(); err != nil {
		return err
	}
	if err := aside.Close(); err != nil {
		return err
	}
	if err := os.Rename(aside.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename durable. Not every system can sync a folder.
func syncDir(dir string) error {
	opened, err := os.Open(dir) //nolint:gosec // the folder of the operator's own file
	if err != nil {
		return err
	}
	defer func() { _ = opened.Close() }()
	err = opened.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrInvalid) {
		return nil
	}
	return err
}
