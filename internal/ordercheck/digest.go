package ordercheck

import "time"

const (
	// DigestWorkflowType is the workflow that mails a list of all held orders. It takes
	// [DigestStart] and answers [SentDigest].
	DigestWorkflowType = "SendDigest"
	// DigestScheduleID is the schedule that starts it, and the beginning of its workflows' ids.
	DigestScheduleID = "digest"
	// ActivitySendDigest takes [SendDigestInput] and answers [SentDigest]; on [TaskQueue].
	ActivitySendDigest = "SendDigest"
	// MaxDigestOrders limits the orders that a digest lists.
	MaxDigestOrders = 500
)

// DigestStart is the argument of [DigestWorkflowType].
type DigestStart struct {
	// TimeZone is the zone of the schedule that starts it.
	TimeZone string `json:"timeZone,omitempty"`
}

// SendDigestInput is the argument of [ActivitySendDigest].
type SendDigestInput struct {
	// Key is the same for every attempt to send the digest.
	Key string `json:"key"`
	// At is when the digest was due.
	At time.Time `json:"at"`
	// Since is when the previous digest was made; zero if there was none. Orders held since then are
	// new.
	Since time.Time `json:"since,omitzero"`
}

// SentDigest is the result of [DigestWorkflowType]. It names no address.
type SentDigest struct {
	// ListedAt is when the orders were listed.
	ListedAt time.Time `json:"listedAt"`
	// Held is the number of held orders, New the number of them that the previous digest did not
	// have, and Pending the number of orders in their grace period.
	Held    int `json:"held"`
	New     int `json:"new"`
	Pending int `json:"pending"`
	// Sent lists the targets that have the mail, Refused the targets whose mail server refused it.
	// Both are empty if nothing is held.
	Sent    []string `json:"sent,omitempty"`
	Refused []string `json:"refused,omitempty"`
}
