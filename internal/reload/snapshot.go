package reload

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"time"
)

// minAge is the age from which a file's time and size prove that the file is unchanged. While
// the last change is more recent, a second change within the clock's granularity may keep both
// the same.
const minAge = 3 * time.Second

// Snapshot holds the state of files when they were read, by path. [Snapshot.Changed] detects
// changes.
type Snapshot map[string]fileState

type fileState struct {
	info   os.FileInfo // nil if the file is missing
	digest string      // empty if the file could not be read
	at     time.Time
}

// Take returns a snapshot of files that were just read, from the [Digest] of their contents. The
// digest of a file that could not be read is empty. If a file changed after it was read, the next
// [Snapshot.Changed] notices.
func Take(digests map[string]string) Snapshot {
	s := make(Snapshot, len(digests))
	for path, digest := range digests {
		state := stateOf(path)
		state.digest = digest
		s[path] = state
	}
	return s
}

func stateOf(path string) fileState {
	info, err := os.Stat(path)
	if err != nil {
		info = nil
	}
	return fileState{info: info, at: time.Now()}
}

// Changed reports whether a file has changed, or exists but could not be read. It reads only
// files that changed so recently that their time and size prove nothing. It passes the expected
// size in bytes to read.
func (s Snapshot) Changed(read func(path string, size int64) ([]byte, error)) bool {
	for path, before := range s {
		now := stateOf(path)
		if !before.sameFile(now) {
			return true
		}
		if now.info == nil {
			continue
		}
		if before.digest == "" {
			return true
		}
		if before.at.Sub(before.info.ModTime()) < minAge {
			content, err := read(path, now.info.Size())
			if err != nil || Digest(content) != before.digest {
				return true
			}
			before.at = now.at
			s[path] = before
		}
	}
	return false
}

func (f fileState) sameFile(other fileState) bool {
	if f.info == nil || other.info == nil {
		return f.info == nil && other.info == nil
	}
	return os.SameFile(f.info, other.info) && f.info.Size() == other.info.Size() &&
		f.info.ModTime().Equal(other.info.ModTime())
}

// Digest returns the SHA-256 of a file's content, in hex.
func Digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
