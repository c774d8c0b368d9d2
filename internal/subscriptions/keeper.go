package subscriptions

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/nowait"
)

// Keeper takes a new subscription's secret to where the ingress finds it, or to whoever
// brings it there.
type Keeper interface {
	// Ready fails where Keep would. It is called before anything is asked of InFlow.
	Ready() error
	// Keep has the secret safe once it returns nil.
	Keep(subscription inflow.Subscription) error
	// Withdraw undoes what Keep did for a subscription that was given up.
	Withdraw(subscription inflow.Subscription) error
}

// Show keeps a secret by showing it to a person.
type Show func(subscription inflow.Subscription) error

// Ready has nothing to find out.
func (s Show) Ready() error { return nil }

// Keep shows the subscription with its secret.
func (s Show) Keep(subscription inflow.Subscription) error { return s(subscription) }

// Withdraw does nothing: what was seen was seen.
func (s Show) Withdraw(inflow.Subscription) error { return nil }

const (
	// DefaultSecretMode is for the owner alone.
	DefaultSecretMode fs.FileMode = 0o600
	// maxSecretFile is far more than secrets need, in bytes; a wrong path may lead to anything.
	maxSecretFile = 64 << 10
	// trialSecret is longer than InFlow's secrets, to find out whether one more would fit on the disk.
	trialSecret = "trial-of-the-disk-trial-of-the-disk-trial-of-the-disk-trial-of-the-disk"
)

// SecretFile keeps secrets in a file as WEBHOOK_SECRET_FILE names it: one a line, the
// newest first, since the first one signs what 'gate webhooks send' sends. What the file
// holds stays in it. It is never seen half written, and never readable by more users than
// it is to be: each time another file is written beside it, and put in its place. Its owner stays.
type SecretFile struct {
	// Path of the file, or of a link to it. The file may not exist yet.
	Path string
	// Mode of the file; 0 is [DefaultSecretMode].
	Mode fs.FileMode
	// Say gets a line where the file's mode was wider before; nil is silence.
	Say func(line string)

	existed bool // before the first Keep
	before  fs.FileMode
	kept    bool
}

// Lock keeps other commands that write secrets to this folder away, until unlock or the end of
// the process: two that write at once could lose a secret, and two rotations of one
// subscription remove each other's.
func (f *SecretFile) Lock() (unlock func(), err error) {
	path, _, _, err := f.read()
	if err != nil {
		return nil, err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, f.failed(err)
	}
	err = syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errors.New("another 'gate webhooks subscribe' or 'rotate' writes to its folder: wait until that has ended")
	}
	if err != nil {
		return nil, errors.Join(f.failed(err), folder.Close())
	}
	return func() { _ = folder.Close() }, nil // which unlocks it
}

// Ready writes beside the file as Keep does, and leaves nothing behind.
func (f *SecretFile) Ready() error {
	path, content, info, err := f.read()
	if err != nil {
		return err
	}
	aside, err := f.writeAside(path, withSecret(content, trialSecret), info, DefaultSecretMode)
	if err != nil {
		return err
	}
	return f.failed(os.Remove(aside))
}

// Keep puts the secret before those that the file has.
func (f *SecretFile) Keep(subscription inflow.Subscription) error {
	return f.replace(func(content []byte, info os.FileInfo) replacement {
		if !f.kept {
			f.existed, f.kept = info != nil, true
			if info != nil {
				f.before = info.Mode().Perm()
			}
		}
		if !hasSecret(content, string(subscription.Secret)) {
			content = withSecret(content, string(subscription.Secret))
		}
		return replacement{content: content, mode: f.mode()}
	})
}

// Withdraw takes the secret out, and leaves the file as it was before Keep.
func (f *SecretFile) Withdraw(subscription inflow.Subscription) error {
	if !f.kept {
		return nil
	}
	return f.replace(func(content []byte, info os.FileInfo) replacement {
		content = withoutSecret(content, string(subscription.Secret))
		switch {
		case info == nil, !f.existed && len(bytes.TrimSpace(content)) == 0:
			return replacement{gone: true}
		case !f.existed:
			return replacement{content: content, mode: f.mode()}
		default:
			return replacement{content: content, mode: f.before}
		}
	})
}

func (f *SecretFile) mode() fs.FileMode { return cmp.Or(f.Mode, DefaultSecretMode) }

// ParseSecretMode reads a mode for a [SecretFile], in octal.
func ParseSecretMode(text string) (fs.FileMode, error) {
	mode, err := strconv.ParseUint(text, 8, 32)
	if err != nil || mode&^0o666 != 0 || mode&0o400 == 0 || mode&0o002 != 0 {
		return 0, fmt.Errorf("%q is no mode for a file of secrets: write one such as 600, or 440 for a group that may read it", text)
	}
	return fs.FileMode(mode), nil
}

// replacement is what takes a file's place, or that nothing does.
type replacement struct {
	content []byte
	mode    fs.FileMode
	gone    bool
}

// replace puts something else in the file's place. It fails where somebody else has
// changed the file meanwhile. info is nil where there is no file.
func (f *SecretFile) replace(change func(content []byte, info os.FileInfo) replacement) error {
	path, before, info, err := f.read()
	if err != nil {
		return err
	}
	next := change(before, info)
	if next.gone {
		if info == nil {
			return nil
		}
		return f.failed(os.Remove(path))
	}
	aside, err := f.writeAside(path, next.content, info, next.mode)
	if err != nil {
		return err
	}
	defer os.Remove(aside) //nolint:errcheck // it is gone where all went well
	if _, now, _, err := f.read(); err != nil || !bytes.Equal(now, before) {
		return errors.Join(err, fmt.Errorf("%s was changed by somebody else at the same time: nothing was written", f.Path))
	}
	if err := os.Rename(aside, path); err != nil {
		return f.failed(err)
	}
	if info != nil && f.Say != nil && info.Mode().Perm()&^next.mode != 0 {
		f.Say(fmt.Sprintf("%s had mode %#o and has %#o now: see that the ingress's user can read it", f.Path, info.Mode().Perm(), next.mode))
	}
	return f.failed(syncFolder(filepath.Dir(path)))
}

// read gives the file's content, and a nil info where it does not exist. path is the
// file's own, where Path is a link.
func (f *SecretFile) read() (path string, content []byte, info os.FileInfo, err error) {
	if f.Path == "" {
		return "", nil, nil, errors.New("the secret file has no name")
	}
	path, err = filepath.EvalSymlinks(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(f.Path); err == nil {
			return "", nil, nil, fmt.Errorf("the secret file %s is a link to a file that does not exist", f.Path)
		}
		if folder, err := os.Stat(filepath.Dir(f.Path)); err != nil || !folder.IsDir() {
			return "", nil, nil, fmt.Errorf("the folder of the secret file does not exist: make it with 'mkdir -m 700 %s'", filepath.Dir(f.Path))
		}
		return f.Path, nil, nil, nil
	}
	if err != nil {
		return "", nil, nil, f.failed(err)
	}
	if info, err = os.Stat(path); err != nil {
		return "", nil, nil, f.failed(err)
	}
	if !info.Mode().IsRegular() {
		return "", nil, nil, fmt.Errorf("the secret file %s is not a regular file", f.Path)
	}
	if info.Size() > maxSecretFile {
		return "", nil, nil, fmt.Errorf("the secret file %s has over %d bytes: is it the right file?", f.Path, maxSecretFile)
	}
	if content, err = nowait.ReadFile(path); err != nil {
		return "", nil, nil, f.failed(err)
	}
	if len(bytes.TrimSpace(content)) > 0 {
		if _, err := inflow.ParseSecretLines(content); err != nil {
			return "", nil, nil, fmt.Errorf("the secret file %s holds something else than secrets, one a line: %w", f.Path, err)
		}
	}
	return path, content, info, nil
}

// writeAside writes a file beside another, on the disk when it returns. It has mode 0600
// from its first moment, and its own at the end.
func (f *SecretFile) writeAside(path string, content []byte, info os.FileInfo, mode fs.FileMode) (aside string, err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return "", f.failed(err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
			aside, err = "", f.failed(err)
		}
	}()
	_, err = file.Write(content)
	err = errors.Join(err, keepOwner(file, info), file.Chmod(mode), file.Sync(), file.Close())
	return file.Name(), err
}

// keepOwner: an ingress that runs as another user must go on reading the file.
func keepOwner(file *os.File, info os.FileInfo) error {
	if info == nil {
		return nil
	}
	now, err := file.Stat()
	if err != nil {
		return err
	}
	was, okWas := info.Sys().(*syscall.Stat_t)
	is, okIs := now.Sys().(*syscall.Stat_t)
	if !okWas || !okIs || was.Uid == is.Uid && was.Gid == is.Gid {
		return nil
	}
	if err := file.Chown(int(was.Uid), int(was.Gid)); err != nil && was.Uid != is.Uid {
		return fmt.Errorf("the file belongs to user %d: run this as that user, or as root: %w", was.Uid, err)
	}
	return nil // of the group nothing depends: the mode gives it nothing
}

func syncFolder(path string) error {
	folder, err := os.Open(path) //nolint:gosec // the folder of the operator's file
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

func (f *SecretFile) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the secret file %s cannot be written: %w", f.Path, err)
}

const byteOrderMark = "\ufeff"

func withSecret(content []byte, secret string) []byte {
	return append([]byte(secret+"\n"), bytes.TrimPrefix(content, []byte(byteOrderMark))...)
}

func hasSecret(content []byte, secret string) bool {
	return len(withoutSecret(content, secret)) < len(content)
}

func withoutSecret(content []byte, secret string) []byte {
	var rest []byte
	for line := range strings.Lines(string(content)) {
		if strings.TrimSpace(strings.TrimPrefix(line, byteOrderMark)) != secret {
			rest = append(rest, line...)
		}
	}
	return rest
}

// usable fails for a secret that neither a file nor an ingress could take as it is.
func usable(secret inflow.Secret) error {
	keys, err := inflow.ParseSecretLines([]byte(secret))
	if err == nil && (len(keys) != 1 || strings.TrimSpace(string(secret)) != string(secret)) {
		err = errors.New("it is not one line without white space around it")
	}
	if err != nil {
		return fmt.Errorf("the secret that InFlow gave cannot be used: %w", err)
	}
	return nil
}
