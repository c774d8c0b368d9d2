package ordercheck

import "strings"

// CanonicalID returns a UUID in lower case, and any other id as it is. InFlow's ids are UUIDs,
// whose case means nothing, so every id that comes from outside goes through here before it is
// compared or names a workflow.
func CanonicalID(id string) string {
	if !isUUID(id) {
		return id
	}
	return strings.ToLower(id)
}

// isUUID reports whether id has the form 8-4-4-4-12 of hex digits.
func isUUID(id string) bool {
	const form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if len(id) != len(form) {
		return false
	}
	for i := range len(id) {
		c := id[i]
		isHex := '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
		if isHex != (form[i] == 'x') || !isHex && c != '-' {
			return false
		}
	}
	return true
}
