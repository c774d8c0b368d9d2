// Package mailcatcher runs mailpit as a child process. Mailpit is a mail server that keeps mail and
// delivers none. 'gate dev' shows the mail on a page, and tests read it.
package mailcatcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"error-check-gate/internal/dev/childprocess"
)

// Options configure a mail server. The zero value accepts mail without a password or TLS, on free
// ports, and forgets it when it stops.
type Options struct {
	// CLI is the path of the mailpit command. If it is empty, Start calls [FindCLI].
	CLI string
	// DBFile is the file with the mail, which survives restarts. Start makes its folder. If it is
	// empty, the file is temporary.
	DBFile string
	// SMTPPort is a port of 127.0.0.1; 0 means a free port.
	SMTPPort int
	// CertFile and KeyFile turn STARTTLS on. With TLSOnly, the server requires TLS from the first
	// byte instead.
	CertFile, KeyFile string
	TLSOnly           bool
	// AuthFile has a line "user:password" for each user who may send; empty allows everyone.
	// Without a certificate, passwords are sent in clear text.
	AuthFile string
	// Output receives what the server prints. Nil discards it.
	Output io.Writer
}

// Server is a running mail server.
type Server struct {
	// SMTPAddr is the host:port that takes mail.
	SMTPAddr string
	// APIURL is the address of mailpit's own API, without a slash at the end.
	APIURL string

	*childprocess.Child
	client *http.Client
}

const (
	startAttempts = 3
	readyTimeout  = 30 * time.Second
	readyPoll     = 20 * time.Millisecond
	callTimeout   = 10 * time.Second
)

// FindCLI looks for the mailpit command: MAILPIT_CLI, then the PATH, then bin/mailpit
// beside or above the working folder, where 'make mailpit' puts it.
func FindCLI() (string, error) { return childprocess.FindCommand("mailpit", "MAILPIT_CLI") }

// Start runs the server and returns once it takes mail. ctx limits only the start; Stop ends the
// server. The server also ends when this process dies.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.CLI == "" {
		var err error
		if o.CLI, err = FindCLI(); err != nil {
			return nil, err
		}
	}
	if o.DBFile != "" {
		if err := os.MkdirAll(filepath.Dir(o.DBFile), 0o700); err != nil {
			return nil, fmt.Errorf("make the folder of the mail catcher's database: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		s, err := start(ctx, o)
		// Another process may take a free port before the child does.
		if err == nil || !errors.Is(err, childprocess.ErrEnded) || attempt == startAttempts {
			return s, err
		}
	}
}

func start(ctx context.Context, o Options) (*Server, error) {
	smtpPort, err := childprocess.ChoosePort(o.SMTPPort)
	if err != nil {
		return nil, fmt.Errorf("port %d for the mail catcher: %w", o.SMTPPort, err)
	}
	apiPort, err := childprocess.ChoosePort(0)
	if err != nil {
		return nil, fmt.Errorf("a port for the mail catcher's API: %w", err)
	}
	s := &Server{
		SMTPAddr: loopback(smtpPort), APIURL: "http://" + loopback(apiPort),
		client: &http.Client{Timeout: callTimeout},
	}
	//nolint:gosec,noctx // the operator chooses the command; Stop ends it
	cmd := exec.Command(o.CLI, arguments(o, s.SMTPAddr, loopback(apiPort))...)
	cmd.Stdout, cmd.Stderr = o.Output, o.Output
	// Only the arguments set its options, not the environment.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "MP_")
	})
	if s.Child, err = childprocess.Start("the mail catcher", cmd); err != nil {
		return nil, err
	}
	if err := s.waitReady(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func arguments(o Options, smtpAddr, apiAddr string) []string {
	args := []string{
		"--smtp", smtpAddr, "--listen", apiAddr,
		"--quiet", "--disable-version-check", "--smtp-disable-rdns", "--block-remote-css-and-fonts",
	}
	if o.DBFile != "" {
		args = append(args, "--database", o.DBFile)
	}
	if o.CertFile != "" {
		args = append(args, "--smtp-tls-cert", o.CertFile, "--smtp-tls-key", o.KeyFile)
	}
	if o.TLSOnly {
		args = append(args, "--smtp-require-tls")
	}
	if o.AuthFile != "" {
		args = append(args, "--smtp-auth-file", o.AuthFile)
		if o.CertFile == "" {
			args = append(args, "--smtp-auth-allow-insecure")
		}
	}
	return args
}

func (s *Server) waitReady(ctx context.Context) error {
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for {
		err := s.probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.Done():
			return s.Err()
		case <-ctx.Done():
			return fmt.Errorf("the mail catcher at %s did not become ready: %w", s.SMTPAddr, err)
		case <-ticker.C:
		}
	}
}

// probe returns an error unless the server answers on both the API's and the SMTP address.
func (s *Server) probe(ctx context.Context) error {
	if _, err := s.get(ctx, "/readyz"); err != nil {
		return err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", s.SMTPAddr)
	if err != nil {
		return err
	}
	return conn.Close()
}
