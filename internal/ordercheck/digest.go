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
	// MaxDigestOrders is the most orders that a digest lists.
	MaxDigestOrders = 500
)

// DigestStart is the argument of [DigestWorkflowType].
type DigestStart struct {
	// TimeZone is the zone of the schedule that starts it.
	TimeZone string `json:"timeZone,omitempty"`
}

// SendDigestInput is the argument of [ActivitySendDigest].
type SendDigestInput struct {
	// Key is the same however often sending the digest is tried.
	Key string `json:"key"`
	// At is when the digest was due.
	At time.Time `json:"at"`
	// Since is when the digest before was made: orders held since then are new. Zero if there was
	// none.
	Since time.Time `json:"since,omitzero"`
}

// SentDigest is the result of [DigestWorkflowType]. It names no address.
type SentDigest struct {
	// ListedAt is when the orders were listed.
	ListedAt time.Time `json:"listedAt"`
	// Held is the number of held orders, New how many of them the digest before didn't have, and
	// Pending the number of orders within their grace period.
	Held    int `json:"held"`
	New     int `json:"new"`
	Pending int `json:"pending"`
	// Sent are the targets that have the mail, Refused those whose mail server refused it. There
	// are none if nothing is held.
	Sent    []string `json:"sent,omitempty"`
	Refused []string `json:"refused,omitempty"`
}
