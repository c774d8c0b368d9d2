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

const (
	// DefaultSecretMode allows only the owner to read the file.
	DefaultSecretMode fs.FileMode = 0o600
	// maxSecretFile is the maximum size of the file, in bytes. Secrets need far less, so a larger
	// file means that the path is wrong.
	maxSecretFile = 64 << 10
	// trialSecret is longer than InFlow's secrets. Ready writes it to find out whether the disk
	// has space.
	trialSecret = "trial-of-the-disk-trial-of-the-disk-trial-of-the-disk-trial-of-the-disk"
)

// SecretFile stores secrets in the file that WEBHOOK_SECRET_FILE names. It has one secret per line,
// the newest first, because 'gate webhooks send' signs with the first one. Existing secrets stay.
// The file is never half written, and never readable by more users than its mode says: each change
// writes a temporary file beside it, which then replaces it. The owner stays the same.
type SecretFile struct {
	// Path is the path of the file or of a link to it. The file may not exist yet.
	Path string
	// Mode is the file's mode. 0 means [DefaultSecretMode].
	Mode fs.FileMode
	// Say gets a message if Keep narrows the file's mode. May be nil.
	Say func(line string)

	existed bool        // whether the file existed before the first Keep
	before  fs.FileMode // its mode before the first Keep
	kept    bool
}

// Lock keeps other commands from writing secrets to this folder until unlock or the end of the
// process. Two concurrent writers could lose a secret, and two rotations of the same subscription
// would remove each other's successor.
func (f *SecretFile) Lock() (unlock func(), err error) {
	path, _, _, err := f.read()
	if err != nil {
		return nil, err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, f.failed("lock", err)
	}
	err = syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errors.New("another 'gate webhooks subscribe' or 'rotate' is writing to its " +
			"folder: wait until it has ended")
	}
	if err != nil {
		return nil, errors.Join(f.failed("lock", err), folder.Close())
	}
	return func() { _ = folder.Close() }, nil // closing releases the lock
}

// Ready writes a temporary file beside the file, as Keep does, and removes it.
func (f *SecretFile) Ready() error {
	path, content, info, err := f.read()
	if err != nil {
		return err
	}
	temp, err := f.writeTemp(path, withSecret(content, trialSecret), info, DefaultSecretMode)
	if err != nil {
		return err
	}
	return f.failed("write", os.Remove(temp))
}

// Keep inserts the secret as the first one.
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

// Withdraw removes the secret, and restores the file's mode. It removes the file if Keep created
// it and no other secret is left.
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

// ParseSecretMode parses the octal mode of a [SecretFile]. It returns an error if the mode lets
// everybody write, does not let the owner read, or has other bits than read and write.
func ParseSecretMode(text string) (fs.FileMode, error) {
	mode, err := strconv.ParseUint(text, 8, 32)
	if err != nil || mode&^0o666 != 0 || mode&0o400 == 0 || mode&0o002 != 0 {
		return 0, fmt.Errorf("%q is not a mode for a secret file: write 600, or 440 if a group "+
			"may read it", text)
	}
	return fs.FileMode(mode), nil
}

// replacement is the new content and mode of a file. If gone is true, the file is removed.
type replacement struct {
	content []byte
	mode    fs.FileMode
	gone    bool
}

// replace replaces the file. It fails if somebody else changes the file at the same time. info is
// nil if the file does not exist.
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
		return f.failed("write", os.Remove(path))
	}
	temp, err := f.writeTemp(path, next.content, info, next.mode)
	if err != nil {
		return err
	}
	defer os.Remove(temp) //nolint:errcheck // after a successful rename it does not exist
	if _, now, _, err := f.read(); err != nil || !bytes.Equal(now, before) {
		return errors.Join(err, fmt.Errorf("somebody else changed %s at the same time: nothing "+
			"was written", f.Path))
	}
	if err := os.Rename(temp, path); err != nil {
		return f.failed("write", err)
	}
	if info != nil && f.Say != nil && info.Mode().Perm()&^next.mode != 0 {
		f.Say(fmt.Sprintf("changed the mode of %s from %#o to %#o: make sure that the ingress's "+
			"user can read it", f.Path, info.Mode().Perm(), next.mode))
	}
	return f.failed("write", syncFolder(filepath.Dir(path)))
}

// read returns the file's content. If the file does not exist, info is nil. If Path is a link, path
// is its target.
func (f *SecretFile) read() (path string, content []byte, info os.FileInfo, err error) {
	if f.Path == "" {
		return "", nil, nil, errors.New("the secret file has no name")
	}
	path, err = filepath.EvalSymlinks(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(f.Path); err == nil {
			return "", nil, nil, fmt.Errorf("the secret file %s is a link to a file that does "+
				"not exist", f.Path)
		}
		if folder, err := os.Stat(filepath.Dir(f.Path)); err != nil || !folder.IsDir() {
			return "", nil, nil, fmt.Errorf("the folder of the secret file does not exist: "+
				"create it with 'mkdir -m 700 %s'", filepath.Dir(f.Path))
		}
		return f.Path, nil, nil, nil
	}
	if err != nil {
		return "", nil, nil, f.failed("read", err)
	}
	if info, err = os.Stat(path); err != nil {
		return "", nil, nil, f.failed("read", err)
	}
	if !info.Mode().IsRegular() {
		return "", nil, nil, fmt.Errorf("the secret file %s is not a regular file", f.Path)
	}
	if info.Size() > maxSecretFile {
		return "", nil, nil, fmt.Errorf("the secret file %s is larger than %d bytes: check that "+
			"it is the right file", f.Path, maxSecretFile)
	}
	if content, err = nowait.ReadFile(path); err != nil {
		return "", nil, nil, f.failed("read", err)
	}
	if len(bytes.TrimSpace(content)) > 0 {
		if _, err := inflow.ParseSecretLines(content); err != nil {
			return "", nil, nil, fmt.Errorf("the secret file %s must contain only secrets, one "+
				"per line: %w", f.Path, err)
		}
	}
	return path, content, info, nil
}

// writeTemp writes a temporary file beside the file and syncs it to disk. The temporary file is
// created with mode 0600 and gets its final mode after it is written.
func (f *SecretFile) writeTemp(
	path string, content []byte, info os.FileInfo, mode fs.FileMode,
) (temp string, err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return "", f.failed("write", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
			temp, err = "", f.failed("write", err)
		}
	}()
	_, err = file.Write(content)
	err = errors.Join(err, keepOwner(file, info), file.Chmod(mode), file.Sync(), file.Close())
	return file.Name(), err
}

// keepOwner gives the new file the owner of the old one, so an ingress that runs as another user
// can still read it.
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
		return fmt.Errorf("the file belongs to user %d: run this command as that user or as "+
			"root: %w", was.Uid, err)
	}
	return nil // a wrong group is fine, because the default mode gives the group no access
}

func syncFolder(path string) error {
	folder, err := os.Open(path) //nolint:gosec // the folder of the operator's file
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

func (f *SecretFile) failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cannot %s the secret file %s: %w", doing, f.Path, err)
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

// checkSecret returns an error if a file cannot store the secret, or an ingress cannot use it,
// unchanged.
func checkSecret(secret inflow.Secret) error {
	keys, err := inflow.ParseSecretLines([]byte(secret))
	if err == nil && (len(keys) != 1 || strings.TrimSpace(string(secret)) != string(secret)) {
		err = errors.New("it must be one line without white space around it")
	}
	if err != nil {
		return fmt.Errorf("the secret from InFlow cannot be used: %w", err)
	}
	return nil
}
