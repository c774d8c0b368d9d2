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

// Error is why a notice did not reach a target. It holds no secret, no URL, nothing that a
// server said in its own words and nothing of the notice.
type Error struct {
	// Target is the [Target.Name].
	Target string
	// Permanent: the same notice to the same target would be refused again. What an
	// operator can mend (a password, a certificate, a server that is down) is not.
	Permanent bool
	// Code is the status of SMTP or HTTP; 0 where there was no answer.
	Code int
	// RetryAfter is how long the target asked to be left alone; 0 where it did not.
	RetryAfter time.Duration
	// Reason says what happened and, where it is known, what to do.
	Reason string
}

func (e *Error) Error() string { return "notice to " + e.Target + ": " + e.Reason }

// networkReason says why a call had no answer. Of the network's errors it tells the host
// at most, and of a certificate's what is wrong with it.
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
		return "there was no answer in time"
	case errors.As(err, &certificate):
		return fmt.Sprintf("its certificate is not trusted: %v", certificate.Err)
	case errors.As(err, &noTLS):
		return "it does not speak TLS there"
	case errors.As(err, &alert):
		return fmt.Sprintf("it ended TLS: %v", alert)
	case errors.As(err, &number):
		return number.Error()
	default:
		return "the connection broke"
	}
}
