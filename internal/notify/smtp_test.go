package notify_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/mailcatcher"
	"error-check-gate/internal/notify"
)

// certificate creates a self-signed certificate for names, and a pool that trusts only it.
func certificate(t *testing.T, names ...string) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path,
			pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", keyDER), pool
}

func users(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(path, []byte("gate:hush-right\n"), 0o600))
	return path
}

func TestSMTPTLSAndLogin(t *testing.T) {
	t.Parallel()
	cert, key, trusted := certificate(t, "127.0.0.1", "localhost")
	otherCert, otherKey, otherTrusted := certificate(t, "mail.example.com")
	_, _, otherCA := certificate(t, "127.0.0.1")
	auth := users(t)
	servers := map[string]*mailcatcher.Server{
		"plain":       catcher(t, mailcatcher.Options{}),
		"plain, auth": catcher(t, mailcatcher.Options{AuthFile: auth}),
		"starttls":    catcher(t, mailcatcher.Options{CertFile: cert, KeyFile: key}),
		"starttls, auth": catcher(t,
			mailcatcher.Options{CertFile: cert, KeyFile: key, AuthFile: auth}),
		"tls": catcher(t,
			mailcatcher.Options{CertFile: cert, KeyFile: key, TLSOnly: true}),
		"tls, auth": catcher(t,
			mailcatcher.Options{CertFile: cert, KeyFile: key, TLSOnly: true, AuthFile: auth}),
		"other name": catcher(t, mailcatcher.Options{CertFile: otherCert, KeyFile: otherKey}),
	}
	const untrusted = "the mail server cannot be reached: its certificate is not trusted: x509: "
	for _, test := range []struct {
		name, server string
		change       func(*notify.SMTP)
		code         int
		reason       string // prefix of the reason; empty means success
	}{
		{"plain", "plain", func(s *notify.SMTP) { s.TLS = notify.TLSNone }, 0, ""},
		{"password to this machine", "plain, auth", func(s *notify.SMTP) {
			s.TLS, s.Username, s.Password = notify.TLSNone, "gate", "hush-right"
		}, 0, ""},
		{"wrong password", "plain, auth", func(s *notify.SMTP) {
			s.TLS, s.Username, s.Password = notify.TLSNone, "gate", "hush-wrong"
		}, 535,
			"the mail server refused the user or the password (535)"},
		{"password wanted", "plain, auth", func(s *notify.SMTP) { s.TLS = notify.TLSNone }, 530,
			"the mail server requires a login (530"},
		{"password unknown there", "plain", func(s *notify.SMTP) {
			s.TLS, s.Username, s.Password = notify.TLSNone, "gate", "hush-right"
		}, 0,
			"the mail server supports no login method that the gate knows"},
		{"starttls", "starttls", func(*notify.SMTP) {}, 0, ""},
		{"starttls, password", "starttls, auth", func(s *notify.SMTP) {
			s.Username, s.Password = "gate", "hush-right"
		}, 0, ""},
		{"starttls, wrong password", "starttls, auth", func(s *notify.SMTP) {
			s.Username, s.Password = "gate", "hush-wrong"
		}, 535, "the mail server refused the user or the password (535)"},
		{"starttls, other authority", "starttls", func(s *notify.SMTP) {
			s.RootCAs = otherCA
		}, 0, untrusted},
		{"starttls, the system's authorities", "starttls", func(s *notify.SMTP) {
			s.RootCAs = nil
		}, 0, untrusted + "certificate signed by unknown authority"},
		{"starttls, other name", "other name", func(s *notify.SMTP) {
			s.RootCAs = otherTrusted
		}, 0, untrusted + "cannot validate certificate for 127.0.0.1"},
		{"starttls, not offered", "plain", func(*notify.SMTP) {}, 0,
			"the mail server has no STARTTLS on this port: set SMTP_TLS=tls, or use another port"},
		{"tls", "tls", func(s *notify.SMTP) { s.TLS = notify.TLSImplicit }, 0, ""},
		{"tls, password", "tls, auth", func(s *notify.SMTP) {
			s.TLS, s.Username, s.Password = notify.TLSImplicit, "gate", "hush-right"
		}, 0, ""},
		{"tls, wrong password", "tls, auth", func(s *notify.SMTP) {
			s.TLS, s.Username, s.Password = notify.TLSImplicit, "gate", "hush-wrong"
		}, 535, "the mail server refused the user or the password (535)"},
		{"tls, other authority", "tls", func(s *notify.SMTP) {
			s.TLS, s.RootCAs = notify.TLSImplicit, otherCA
		}, 0, untrusted},
		{"tls, not spoken", "plain", func(s *notify.SMTP) {
			s.TLS = notify.TLSImplicit
		}, 0, "the mail server cannot be reached: it does not use TLS on this port"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := servers[test.server]
			options := to(server.SMTPAddr, jane)
			options.SMTP.TLS, options.SMTP.RootCAs = notify.TLSStartTLS, trusted
			test.change(&options.SMTP)
			before, err := server.List(t.Context())
			require.NoError(t, err)
			if test.reason == "" {
				require.NoError(t, send(t, options, failed()))
				after, err := server.List(t.Context())
				require.NoError(t, err)
				require.Len(t, after, len(before)+1)
				return
			}
			sent := sendError(t, options, failed())
			assert.True(t, strings.HasPrefix(sent.Reason, test.reason), sent.Reason)
			assert.Equal(t, test.code, sent.Code)
			assert.False(t, sent.Permanent, "an operator can fix it")
			assert.NotContains(t, sent.Error(), "hush")
			after, err := server.List(t.Context())
			require.NoError(t, err)
			assert.Len(t, after, len(before))
		})
	}
}

func TestPasswordIsNotSentToAnotherMachineWithoutTLS(t *testing.T) {
	t.Parallel()
	options := to("smtp.example.com:25", jane)
	options.SMTP.Username, options.SMTP.Password = "gate", "hush"
	_, err := notify.New(options)
	require.ErrorContains(t, err, "so the password is encrypted on the way")
	assert.NotContains(t, err.Error(), "hush")
	options.SMTP.Password = ""
	_, err = notify.New(options)
	require.ErrorContains(t, err, "TLS: is none")
}

// script is a mail server with scripted replies. The first word of each command selects the reply.
// It records all commands.
type script struct {
	addr    string
	replies map[string]string

	mu    sync.Mutex
	heard []string

	silent chan struct{} // closed when the server stops replying
}

// Special replies of a script.
const (
	silence = "silence" // never reply again
	hangUp  = "hang up" // close the connection
)

func newScript(t *testing.T, replies map[string]string) *script {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &script{addr: l.Addr().String(), silent: make(chan struct{}), replies: map[string]string{
		"greeting": "220 ready", "EHLO": "250-script\r\n250 ENHANCEDSTATUSCODES",
		"MAIL": "250 2.1.0 ok", "RCPT": "250 2.1.5 ok",
		"DATA": "354 go on", ".": "250 2.0.0 taken", "QUIT": "221 2.0.0 bye",
		"RSET": "250 2.0.0 ok", "NOOP": "250 2.0.0 ok",
	}}
	for word, reply := range replies {
		s.replies[word] = reply
	}
	ctx, stop := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() { s.serve(ctx, conn) })
		}
	})
	t.Cleanup(func() {
		stop()
		assert.NoError(t, l.Close())
		served.Wait()
	})
	return s
}

func (s *script) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	lines := bufio.NewScanner(conn)
	word, inData := "greeting", false
	for {
		if !inData {
			switch reply := s.replies[word]; reply {
			case silence:
				close(s.silent)
				<-ctx.Done()
				return
			case hangUp:
				return
			default:
				if _, err := fmt.Fprintf(conn, "%s\r\n", reply); err != nil || word == "QUIT" {
					return
				}
				inData = word == "DATA" && strings.HasPrefix(reply, "354")
			}
		}
		if !lines.Scan() {
			return
		}
		line := lines.Text()
		if inData {
			if line == "." {
				inData, word = false, "."
			}
			continue
		}
		word, _, _ = strings.Cut(line, " ")
		s.mu.Lock()
		s.heard = append(s.heard, line)
		s.mu.Unlock()
	}
}

func (s *script) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard
}

func TestSMTPErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		word, reply string
		permanent   bool
		code        int
		reason      string
	}{
		{"greeting", "554 5.7.1 no service hush", false, 554,
			"the mail server refused the connection (554)"},
		{"greeting", "421 4.3.2 later hush", false, 421, "the mail server refused the connection " +
			"(421)"},
		{"greeting", "hush, who are you?", false, 0, "the mail server cannot be reached: the " +
			"connection broke"},
		{"greeting", hangUp, false, 0, "the mail server cannot be reached: the connection broke"},
		{"EHLO", "421 4.3.2 hush", false, 421, "the mail server refused the connection (421)"},
		{"MAIL", "550 5.7.1 hush", false, 550, "the mail server refused the sender, MAIL_FROM " +
			"(550 5.7.1: security or policy)"},
		{"MAIL", "530 5.7.0 hush", false, 530, "the mail server requires a login (530 5.7.0: " +
			"security or policy): set SMTP_USERNAME and SMTP_PASSWORD"},
		{"MAIL", "451 4.3.0 hush", false, 451, "the mail server refused the sender, MAIL_FROM " +
			"for now (451 4.3.0: the receiving system)"},
		{"RCPT", "550 5.1.1 hush", true, 550, "the mail server refused the recipient (550 5.1.1: " +
			"the address)"},
		{"RCPT", "550 hush", true, 550, "the mail server refused the recipient (550)"},
		{"RCPT", "450 4.2.0 greylisted hush", false, 450, "the mail server refused the recipient " +
			"for now (450 4.2.0: the mailbox)"},
		{"RCPT", hangUp, false, 0, "the connection broke before the mail server accepted the mail"},
		{"DATA", "554 5.6.0 hush", true, 554, "the mail server refused the mail (554 5.6.0: the " +
			"content)"},
		{"DATA", "451 4.3.0 hush", false, 451, "the mail server refused the mail for now (451 " +
			"4.3.0: the receiving system)"},
		{".", "554 5.7.1 looks like spam hush", true, 554, "the mail server refused the mail " +
			"(554 5.7.1: security or policy)"},
		{".", "452 4.3.1 hush", false, 452, "the mail server refused the mail for now (452 " +
			"4.3.1: the receiving system)"},
		{".", hangUp, false, 0, "the connection broke before the mail server accepted the mail"},
	} {
		t.Run(test.word+" "+test.reply, func(t *testing.T) {
			server := newScript(t, map[string]string{test.word: test.reply})
			sent := sendError(t, to(server.addr, jane), failed())
			assert.Equal(t, test.reason, sent.Reason)
			assert.Equal(t, test.permanent, sent.Permanent)
			assert.Equal(t, test.code, sent.Code)
			assert.NotContains(t, sent.Error(), "hush", "the server's text is not shown")
			assert.Equal(t, "mail:8c87b4", sent.Target)
		})
	}
}

func TestLoginUsesMechanismOfServer(t *testing.T) {
	t.Parallel()
	options := func(addr string) notify.Options {
		o := to(addr, jane)
		o.SMTP.Username, o.SMTP.Password = "gate", "hush"
		return o
	}
	login := newScript(t, map[string]string{
		"EHLO": "250-script\r\n250 AUTH XOAUTH2 LOGIN", "AUTH": "334 VXNlcm5hbWU6",
		"Z2F0ZQ==": "334 UGFzc3dvcmQ6", "aHVzaA==": "235 welcome",
	})
	require.NoError(t, send(t, options(login.addr), failed()))
	assert.Equal(t, []string{"AUTH LOGIN", "Z2F0ZQ==", "aHVzaA=="}, login.lines()[1:4])

	both := newScript(t, map[string]string{"EHLO": "250-script\r\n250 AUTH LOGIN PLAIN",
		"AUTH": "235 welcome"})
	require.NoError(t, send(t, options(both.addr), failed()))
	assert.Equal(t, "AUTH PLAIN AGdhdGUAaHVzaA==", both.lines()[1])

	refusing := newScript(t, map[string]string{"EHLO": "250-script\r\n250 AUTH PLAIN",
		"AUTH": "535 5.7.8 no AGdhdGUAaHVzaA=="})
	sent := sendError(t, options(refusing.addr), failed())
	assert.Equal(t, "the mail server refused the user or the password (535)", sent.Reason)
}

func TestAcceptedMailIsSentWhateverHappensNext(t *testing.T) {
	t.Parallel()
	for _, reply := range []string{"500 what?", hangUp, silence} {
		t.Run(reply, func(t *testing.T) {
			server := newScript(t, map[string]string{"QUIT": reply, "RSET": reply, "NOOP": reply})
			options := to(server.addr, jane)
			options.Timeout = time.Hour
			start := time.Now()
			require.NoError(t, send(t, options, failed()))
			assert.Less(t, time.Since(start), options.Timeout)
			assert.Equal(t, []string{"MAIL FROM:<gate@example.com>", "RCPT TO:<jane@example.com>",
				"DATA", "QUIT"}, server.lines()[1:])
		})
	}
}

func TestSilentMailServerTimesOut(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"greeting", "EHLO", "MAIL", "RCPT", "DATA", "."} {
		t.Run(word, func(t *testing.T) {
			server := newScript(t, map[string]string{word: silence})
			options := to(server.addr, jane)
			options.Timeout = 50 * time.Millisecond
			sent := sendError(t, options, failed())
			assert.Equal(t, "there was no response within 50ms", sent.Reason)
			assert.False(t, sent.Permanent)
		})
	}
}

func TestSendEndsWithItsContext(t *testing.T) {
	t.Parallel()
	server := newScript(t, map[string]string{"RCPT": silence})
	n := notifier(t, to(server.addr, jane))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-server.silent
		cancel()
	}()
	sent := asError(t, n.Send(ctx, n.Targets(failed())[0], failed()))
	assert.Equal(t, "it was interrupted", sent.Reason)
	assert.False(t, sent.Permanent)
}

func TestUnreachableMailServer(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	sent := sendError(t, to(l.Addr().String(), jane), failed())
	assert.Equal(t, "the mail server cannot be reached: connection refused", sent.Reason)
	assert.False(t, sent.Permanent)
	sent = sendError(t, to("mail.invalid:25", jane), failed())
	assert.True(t, strings.HasPrefix(sent.Reason, "the mail server cannot be reached: "),
		sent.Reason)
	assert.False(t, sent.Permanent)
}
