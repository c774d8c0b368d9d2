package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	gosmtp "github.com/wneessen/go-mail/smtp"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/localonly"
	"error-check-gate/internal/option"
)

// TLSMode says how the connection to the mail server is encrypted.
type TLSMode string

// TLS modes.
const (
	TLSNone TLSMode = "none" // not encrypted
	// encrypted after STARTTLS, which is required; usually port 587
	TLSStartTLS TLSMode = "starttls"
	TLSImplicit TLSMode = "tls" // encrypted from the start; usually port 465
)

// SMTP describes the mail server.
type SMTP struct {
	// Addr is host:port.
	Addr string
	// Username and Password are both set or both empty.
	Username string
	Password inflow.Secret
	TLS      TLSMode
	From     mail.Address
	// RootCAs verify the server's certificate. Nil means the system's.
	RootCAs *x509.CertPool
}

// address returns the mail server's host and port.
func (s *SMTP) address() (host string, port int, err error) {
	host, text, err := net.SplitHostPort(s.Addr)
	if err != nil || host == "" {
		return "", 0, fmt.Errorf("%q is not the address of a mail server: "+
			"write host:port, such as smtp.example.com:587", s.Addr)
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil || number == 0 {
		return "", 0, fmt.Errorf("%q has no valid port: write a port from 1 to 65535", s.Addr)
	}
	return host, int(number), nil
}

// Faults returns everything that is wrong and can be found without contacting the server.
func (s *SMTP) Faults() option.Faults {
	var faults option.Faults
	host, _, err := s.address()
	faults.AddError("Addr", err)
	switch s.TLS {
	case TLSNone:
		if s.Username != "" && !localonly.Host(host) {
			faults.Add("TLS", "is none, but the mail server is another machine: write starttls or tls, "+
				"so the password is encrypted on the way")
		}
	case TLSStartTLS, TLSImplicit:
	default:
		faults.Add("TLS", "%q is not a TLS mode: write none, starttls or tls", s.TLS)
	}
	switch {
	case s.Username != "" && s.Password == "":
		faults.Add("Password", "is not set, but {Username} is: "+
			"set both, or neither if the mail server needs none")
	case s.Username == "" && s.Password != "":
		faults.Add("Username", "is not set, but {Password} is: "+
			"set both, or neither if the mail server needs none")
	}
	if s.From.Address == "" {
		faults.Add("From", "is not set: write the sender's address, such as gate@example.com")
	}
	return faults
}

// mailer sends mails to the mail server, over a new connection for each mail.
type mailer struct {
	SMTP
	host    string
	port    int
	timeout time.Duration
}

func newMailer(s SMTP, timeout time.Duration) (*mailer, error) {
	if err := s.Faults().Err(); err != nil {
		return nil, err
	}
	host, port, err := s.address()
	if err != nil {
		return nil, err
	}
	return &mailer{SMTP: s, host: host, port: port, timeout: timeout}, nil
}

// quitTimeout limits the wait for the server's response to QUIT.
const quitTimeout = 2 * time.Second

// send sends a mail. It returns nil if the server accepted the mail, even if the connection broke
// afterwards: the mail must not be sent twice.
func (s *mailer) send(ctx context.Context, msg *gomail.Msg) error {
	var conn connection
	defer conn.close()
	client, err := s.client(ctx, &conn)
	if err != nil {
		return err
	}
	if err := client.DialWithContext(ctx); err != nil {
		return describeDialError(err)
	}
	err = client.Send(msg)
	conn.setDeadline(quitTimeout)
	_ = client.Close() // sends QUIT; whether the mail was accepted is already known
	if msg.IsDelivered() {
		return nil
	}
	return describeSendError(err)
}

// connection is a connection to the mail server that is closed when a context ends. go-mail itself
// checks the context only while it dials.
type connection struct {
	net.Conn
	stop func() bool
}

func (c *connection) dial(ctx, dialCtx context.Context, network, addr string) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(dialCtx, network, addr)
	if err != nil {
		return err
	}
	c.Conn, c.stop = conn, context.AfterFunc(ctx, func() { _ = conn.Close() })
	return nil
}

func (c *connection) setDeadline(d time.Duration) { _ = c.SetDeadline(time.Now().Add(d)) }

func (c *connection) close() {
	if c.Conn != nil {
		c.stop()
		_ = c.Conn.Close() // usually already closed by QUIT
	}
}

// extraTimeout makes go-mail's own timeout longer than the context's. The context then always ends
// first, and its error says why.
const extraTimeout = 5 * time.Second

// client returns a client for a single mail.
func (s *mailer) client(ctx context.Context, conn *connection) (*gomail.Client, error) {
	tlsConfig := &tls.Config{ServerName: s.host, RootCAs: s.RootCAs, MinVersion: tls.VersionTLS12}
	dial := func(dialCtx context.Context, network, addr string) (net.Conn, error) {
		if err := conn.dial(ctx, dialCtx, network, addr); err != nil {
			return nil, err
		}
		if s.TLS != TLSImplicit {
			return conn.Conn, nil
		}
		protected := tls.Client(conn.Conn, tlsConfig)
		return protected, protected.HandshakeContext(dialCtx)
	}
	policy := gomail.NoTLS
	if s.TLS == TLSStartTLS {
		policy = gomail.TLSMandatory
	}
	options := []gomail.Option{
		gomail.WithPort(s.port), gomail.WithTimeout(s.timeout + extraTimeout),
		gomail.WithTLSPolicy(policy), gomail.WithTLSConfig(tlsConfig),
		gomail.WithDialContextFunc(dial), gomail.WithoutNoop(), gomail.WithoutRset(),
	}
	if s.Username != "" {
		options = append(options, gomail.WithSMTPAuthCustom(&auth{
			host: s.host, username: s.Username, password: string(s.Password),
		}))
	}
	client, err := gomail.NewClient(s.host, options...)
	if err != nil {
		return nil, fmt.Errorf("set up the mail client: %w", err)
	}
	return client, nil
}

// auth logs in with the first mechanism that both sides support. go-mail can choose one too, but it
// treats connections that it did not dial as unencrypted.
type auth struct {
	host, username, password string
	gosmtp.Auth              // the chosen mechanism
}

var errNoAuth = errors.New("no common mechanism")

// Start implements [gosmtp.Auth]. PLAIN and LOGIN require TLS, unless the server is on this
// machine.
func (a *auth) Start(server *gosmtp.ServerInfo) (mechanism string, toServer []byte, err error) {
	for _, offered := range []struct {
		name string
		auth func() gosmtp.Auth
	}{
		{"PLAIN", func() gosmtp.Auth {
			return gosmtp.PlainAuth("", a.username, a.password, a.host, false)
		}},
		{"LOGIN", func() gosmtp.Auth {
			return gosmtp.LoginAuth(a.username, a.password, a.host, false)
		}},
		{"SCRAM-SHA-256", func() gosmtp.Auth {
			return gosmtp.ScramSHA256Auth(a.username, a.password)
		}},
		{"CRAM-MD5", func() gosmtp.Auth { return gosmtp.CRAMMD5Auth(a.username, a.password) }},
	} {
		if slices.Contains(server.Auth, offered.name) {
			a.Auth = offered.auth()
			return a.Auth.Start(server)
		}
	}
	return "", nil, errNoAuth
}

// noSTARTTLS is part of go-mail's error if the server has no STARTTLS. There is no error value for
// it.
const noSTARTTLS = "does not support STARTTLS"

// authFailed is how go-mail's login errors begin.
const authFailed = "SMTP AUTH failed"

// describeDialError describes an error that happened before the mail itself was sent. An operator
// can fix all of these, so none is permanent.
func describeDialError(err error) *Error {
	var reply *textproto.Error
	errors.As(err, &reply)
	switch {
	case errors.Is(err, errNoAuth):
		return &Error{Reason: "the mail server supports no login method that the gate knows " +
			"(PLAIN, LOGIN, SCRAM-SHA-256, CRAM-MD5)"}
	case strings.Contains(err.Error(), noSTARTTLS):
		return &Error{Reason: "the mail server has no STARTTLS on this port: set SMTP_TLS=tls, " +
			"or use another port"}
	case reply != nil && strings.HasPrefix(err.Error(), authFailed):
		return &Error{Code: reply.Code, Reason: fmt.Sprintf("the mail server refused the user or "+
			"the password (%d)", reply.Code)}
	case reply != nil:
		return &Error{Code: reply.Code, Reason: fmt.Sprintf("the mail server refused the "+
			"connection (%d)", reply.Code)}
	default:
		return &Error{Reason: "the mail server cannot be reached: " + networkReason(err)}
	}
}

// describeSendError says why a mail was not accepted. The error is permanent if the server refused
// the recipient or the mail itself.
func describeSendError(err error) *Error {
	var sent *gomail.SendError
	if !errors.As(err, &sent) || sent.ErrorCode() == 0 {
		// go-mail does not wrap the underlying error.
		return &Error{Reason: "the connection broke before the mail server accepted the mail"}
	}
	code := sent.ErrorCode()
	reply := strconv.Itoa(code)
	if enhanced := sent.EnhancedStatusCode(); enhanced != "" {
		reply += " " + enhanced + statusMeaning(enhanced)
	}
	refused := map[gomail.SendErrReason]string{
		gomail.ErrSMTPMailFrom: "the sender, MAIL_FROM",
		gomail.ErrSMTPRcptTo:   "the recipient",
	}[sent.Reason]
	if refused == "" {
		refused = "the mail"
	}
	e := &Error{Code: code, Reason: fmt.Sprintf("the mail server refused %s (%s)", refused, reply)}
	switch {
	case code < 500:
		e.Reason = fmt.Sprintf("the mail server refused %s for now (%s)", refused, reply)
	case code >= 530 && code <= 538: // RFC 4954, 6
		e.Reason = fmt.Sprintf("the mail server requires a login (%s): set SMTP_USERNAME and "+
			"SMTP_PASSWORD", reply)
	case sent.Reason != gomail.ErrSMTPMailFrom:
		e.Permanent = true
	}
	return e
}

// statusMeaning returns the subject of an enhanced status code (RFC 3463, 3).
func statusMeaning(enhanced string) string {
	parts := strings.Split(enhanced, ".")
	if len(parts) != 3 {
		return ""
	}
	meaning := map[string]string{
		"1": "the address", "2": "the mailbox", "3": "the receiving system",
		"4": "the network or the routing",
		"5": "the protocol", "6": "the content", "7": "security or policy",
	}[parts[1]]
	if meaning == "" {
		return ""
	}
	return ": " + meaning
}
