package subscriptions

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"github.com/google/uuid"
)

// successorID makes an id for the subscription that replaces another. It is random in its
// first half and, from that and the other's id, derived in its second, so that a run that was
// interrupted is recognized by the next one: InFlow keeps no note beside a subscription.
func successorID(of string) string {
	id := uuid.New()
	id[6] = 0x80 | id[6]&0x0f // version 8, RFC 9562: of one's own making
	copy(id[8:], successorMark(id, of))
	return id.String()
}

// isSuccessor says whether [successorID] made an id for the subscription of.
func isSuccessor(id, of string) bool {
	parsed, err := uuid.Parse(id)
	return err == nil && parsed[6]>>4 == 8 && subtle.ConstantTimeCompare(parsed[8:], successorMark(parsed, of)) == 1
}

func successorMark(id uuid.UUID, of string) []byte {
	digest := sha256.Sum256(append(id[:8:8], strings.ToLower(of)...))
	mark := digest[:8]
	mark[0] = 0x80 | mark[0]&0x3f // the variant of RFC 9562
	return mark
}
