package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// Error says why a notice did not reach a target. It contains no secret, no URL, no text from a
// server and nothing of the notice.
type Error struct {
	// Target is the target's [Target.Name].
	Target string
	// Permanent is true if a retry would fail too. Problems that an operator can fix (a wrong
	// password, a bad certificate, a server that is down) are not permanent.
	Permanent bool
	// Code is the SMTP or HTTP status, or 0 if there was no response.
	Code int
	// RetryAfter is the wait that the target asked for, or 0.
	RetryAfter time.Duration
	// Reason says what happened and, if known, what to do.
	Reason string
}

func (e *Error) Error() string { return "notice to " + e.Target + ": " + e.Reason }

// networkReason says why a request got no response. It may name the host and the fault of a
// certificate, but nothing else.
func networkReason(err error) string {
	var (
		timeout     net.Error
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
		noTLS       tls.RecordHeaderError
		alert       tls.AlertError
		number      syscall.Errno
	)
	switch {
	case errors.Is(err, context.Canceled):
		return "it was interrupted"
	case errors.As(err, &dns):
		return fmt.Sprintf("the host %s cannot be found", dns.Name)
	case errors.As(err, &timeout) && timeout.Timeout():
		return "there was no response in time"
	case errors.As(err, &certificate):
		return fmt.Sprintf("its certificate is not trusted: %v", certificate.Err)
	case errors.As(err, &noTLS):
		return "it does not use TLS on this port"
	case errors.As(err, &alert):
		return fmt.Sprintf("TLS failed: %v", alert)
	case errors.As(err, &number):
		return number.Error()
	default:
		return "the connection broke"
	}
}
