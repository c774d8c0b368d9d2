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
)

// TLSMode is how mail is protected on its way to the mail server.
type TLSMode string

// The modes of TLS.
const (
	TLSNone     TLSMode = "none"     // not at all
	TLSStartTLS TLSMode = "starttls" // from the command STARTTLS on, which is required; port 587 as a rule
	TLSImplicit TLSMode = "tls"      // from the first byte on; port 465 as a rule
)

// SMTP is the mail server that takes the notices.
type SMTP struct {
	// Addr is its host:port.
	Addr string
	// Username and Password are both set, or neither.
	Username string
	Password inflow.Secret
	TLS      TLSMode
	From     mail.Address
	// RootCAs are who may sign its certificate; nil is the system's.
	RootCAs *x509.CertPool
}

// SMTPFault is what is wrong with one field of [SMTP].
type SMTPFault struct {
	Field   string // its Go name
	Problem string // begins with "is", and has no secret in it
}

// Faults are all that is wrong with the settings, as far as it can be told without the server.
func (s *SMTP) Faults() []SMTPFault {
	var faults []SMTPFault
	add := func(field, format string, args ...any) {
		faults = append(faults, SMTPFault{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil || host == "" {
		add("Addr", "is %q, which is not the address of a mail server: write host:port, such as smtp.example.com:587", s.Addr)
	} else if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		add("Addr", "is %q, whose port is not one from 1 to 65535", s.Addr)
	}
	switch s.TLS {
	case TLSNone:
		if s.Username != "" && !isLoopback(host) {
			add("TLS", "is none, and the mail server is another machine: the password would travel unprotected; write starttls or tls")
		}
	case TLSStartTLS, TLSImplicit:
	default:
		add("TLS", "is %q, which is not a mode: write none, starttls or tls", s.TLS)
	}
	switch {
	case s.Username != "" && s.Password == "":
		add("Password", "is not set, and the user is: set both, or neither where the mail server asks for none")
	case s.Username == "" && s.Password != "":
		add("Username", "is not set, and the password is: set both, or neither where the mail server asks for none")
	}
	if s.From.Address == "" {
		add("From", "is not set: write the address that mail is from, such as gate@example.com")
	}
	return faults
}

// mailer hands mails to the mail server, with a connection for each.
type mailer struct {
	SMTP
	timeout time.Duration
}

// quitPatience is how long the server may take to say goodbye.
const quitPatience = 2 * time.Second

// send hands a mail over. The mail was taken where it returns nil, even if the
// conversation broke after that: it must not be sent again.
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
	conn.hurry(quitPatience)
	_ = client.Close() // QUIT: by now the mail was taken, or was not
	if msg.IsDelivered() {
		return nil
	}
	return describeSendError(err)
}

// connection is one to the mail server that ends with a context: go-mail looks at the context
// only while it dials.
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

func (c *connection) hurry(d time.Duration) { _ = c.SetDeadline(time.Now().Add(d)) }

func (c *connection) close() {
	if c.Conn != nil {
		c.stop()
		_ = c.Conn.Close() // closed by QUIT, as a rule
	}
}

// ownTimeLimit is how much later go-mail's own time limit is: the context's comes first, and says why.
const ownTimeLimit = 5 * time.Second

// client is one for a single mail.
func (s *mailer) client(ctx context.Context, conn *connection) (*gomail.Client, error) {
	host, portText, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return nil, fmt.Errorf("the mail server's address: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("the mail server's port: %w", err)
	}
	tlsConfig := &tls.Config{ServerName: host, RootCAs: s.RootCAs, MinVersion: tls.VersionTLS12}
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
		gomail.WithPort(port), gomail.WithTimeout(s.timeout + ownTimeLimit), gomail.WithTLSPolicy(policy), gomail.WithTLSConfig(tlsConfig),
		gomail.WithDialContextFunc(dial), gomail.WithoutNoop(), gomail.WithoutRset(),
	}
	if s.Username != "" {
		options = append(options, gomail.WithSMTPAuthCustom(&auth{host: host, username: s.Username, password: string(s.Password)}))
	}
	client, err := gomail.NewClient(host, options...)
	if err != nil {
		return nil, fmt.Errorf("set up the mail client: %w", err)
	}
	return client, nil
}

// auth logs in by the first mechanism that both sides have. go-mail chooses too, but takes a
// connection for unprotected that it did not dial itself.
type auth struct {
	host, username, password string
	gosmtp.Auth              // the chosen one
}

var errNoAuth = errors.New("no common mechanism")

// Start implements [gosmtp.Auth]. PLAIN and LOGIN refuse to go without TLS, except to this machine.
func (a *auth) Start(server *gosmtp.ServerInfo) (mechanism string, toServer []byte, err error) {
	for _, offered := range []struct {
		name string
		auth func() gosmtp.Auth
	}{
		{"PLAIN", func() gosmtp.Auth { return gosmtp.PlainAuth("", a.username, a.password, a.host, false) }},
		{"LOGIN", func() gosmtp.Auth { return gosmtp.LoginAuth(a.username, a.password, a.host, false) }},
		{"SCRAM-SHA-256", func() gosmtp.Auth { return gosmtp.ScramSHA256Auth(a.username, a.password) }},
		{"CRAM-MD5", func() gosmtp.Auth { return gosmtp.CRAMMD5Auth(a.username, a.password) }},
	} {
		if slices.Contains(server.Auth, offered.name) {
			a.Auth = offered.auth()
			return a.Auth.Start(server)
		}
	}
	return "", nil, errNoAuth
}

// noSTARTTLS is how go-mail says so; it has no error value for it.
const noSTARTTLS = "does not support STARTTLS"

// authFailed begins go-mail's errors of logging in.
const authFailed = "SMTP AUTH failed"

// describeDialError tells what failed before the mail's own turn. An operator can mend all
// of it, so that none is permanent.
func describeDialError(err error) *Error {
	var reply *textproto.Error
	errors.As(err, &reply)
	switch {
	case errors.Is(err, errNoAuth):
		return &Error{Reason: "the mail server offers no way to log in that the gate knows (PLAIN, LOGIN, SCRAM-SHA-256, CRAM-MD5)"}
	case strings.Contains(err.Error(), noSTARTTLS):
		return &Error{Reason: "the mail server offers no STARTTLS there: set SMTP_TLS=tls, or another port"}
	case reply != nil && strings.HasPrefix(err.Error(), authFailed):
		return &Error{Code: reply.Code, Reason: fmt.Sprintf("the mail server refused the user or the password (%d)", reply.Code)}
	case reply != nil:
		return &Error{Code: reply.Code, Reason: fmt.Sprintf("the mail server does not serve the gate (%d)", reply.Code)}
	default:
		return &Error{Reason: "the mail server cannot be reached: " + networkReason(err)}
	}
}

// describeSendError tells why a mail was not taken. It is permanent where the server refused
// the recipient or the mail itself.
func describeSendError(err error) *Error {
	var sent *gomail.SendError
	if !errors.As(err, &sent) || sent.ErrorCode() == 0 {
		// go-mail keeps what is under its errors to itself.
		return &Error{Reason: "the connection to the mail server broke before it had taken the mail"}
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
		e.Reason = fmt.Sprintf("the mail server wants the gate to log in (%s): set SMTP_USERNAME and SMTP_PASSWORD", reply)
	case sent.Reason != gomail.ErrSMTPMailFrom:
		e.Permanent = true
	}
	return e
}

// statusMeaning is what an enhanced status code is about: RFC 3463, 3.
func statusMeaning(enhanced string) string {
	parts := strings.Split(enhanced, ".")
	if len(parts) != 3 {
		return ""
	}
	meaning := map[string]string{
		"1": "the address", "2": "the mailbox", "3": "the receiving system", "4": "the network or the routing",
		"5": "the protocol", "6": "the content", "7": "security or policy",
	}[parts[1]]
	if meaning == "" {
		return ""
	}
	return ": " + meaning
}
