// Package devserver runs Temporal's development server as a child process: the
// engine of 'gate dev' and of the tests.
package devserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"error-check-gate/internal/ordercheck"
)

// Options say how the server is run. The zero value is an in-memory server on
// free ports without a Web UI.
type Options struct {
	// CLI is the path of the temporal command; empty is [FindCLI]'s.
	CLI string
	// DBFile keeps everything across restarts; empty keeps it in memory. Its folder is made.
	DBFile string
	// Port of the gRPC service on 127.0.0.1; 0 is a free one.
	Port int
	// UI switches the Web UI on, at UIPort; 0 is a free one.
	UI     bool
	UIPort int
	// Namespaces are made besides "default".
	Namespaces []string
	// Output takes what the server prints; nil drops it.
	Output io.Writer
}

// Server is a running development server.
type Server struct {
	// Addr is the host:port of its gRPC service.
	Addr string
	// UIURL is the address of its Web UI, without a slash at the end; empty where there is none.
	UIURL string

	process *os.Process
	done    chan struct{}
	err     error // valid once done is closed

	stopping sync.Once
	stopped  chan struct{} // closed when [Server.Stop] was asked for
}

const (
	readyTimeout = 45 * time.Second
	readyPoll    = 50 * time.Millisecond
	stopPatience = 10 * time.Second
)

// dynamicConfig makes the one history shard of a development server quick: its
// queues are read 20 times a second by default, which costs a short workflow a
// quarter of a second.
var dynamicConfig = []string{
	"history.transferProcessorMaxPollRPS=1000",
	"history.transferProcessorMaxPollHostRPS=1000",
	"history.timerProcessorMaxPollRPS=1000",
	"history.timerProcessorMaxPollHostRPS=1000",
	"history.visibilityProcessorMaxPollRPS=1000",
	"history.visibilityProcessorMaxPollHostRPS=1000",
	"system.forceSearchAttributesCacheRefreshOnRead=true",
}

// FindCLI looks for the temporal command: TEMPORAL_CLI, then the PATH, then
// bin/temporal beside or above the working folder, where 'make temporal' puts it.
func FindCLI() (string, error) {
	if path := os.Getenv("TEMPORAL_CLI"); path != "" {
		if _, err := exec.LookPath(path); err != nil {
			return "", fmt.Errorf("TEMPORAL_CLI names no command: %w", err)
		}
		return path, nil
	}
	if path, err := exec.LookPath("temporal"); err == nil {
		return path, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("look for the temporal command: %w", err)
	}
	for {
		if path, err := exec.LookPath(filepath.Join(dir, "bin", "temporal")); err == nil {
			return path, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the temporal command is neither on the PATH nor in bin/: run 'make temporal', which builds it once")
		}
		dir = parent
	}
}

// Start runs the server and returns once it serves every namespace. ctx bounds
// the start only; [Server.Stop] ends the server. It also ends with this process,
// however that dies.
func Start(ctx context.Context, o Options) (*Server, error) {
	cli := o.CLI
	if cli == "" {
		var err error
		if cli, err = FindCLI(); err != nil {
			return nil, err
		}
	}
	if o.DBFile != "" {
		if err := os.MkdirAll(filepath.Dir(o.DBFile), 0o700); err != nil {
			return nil, fmt.Errorf("make the folder of Temporal's database file: %w", err)
		}
	}
	ports, err := choosePorts(o)
	if err != nil {
		return nil, err
	}

	s := &Server{
		Addr:    net.JoinHostPort("127.0.0.1", strconv.Itoa(ports.frontend)),
		done:    make(chan struct{}),
		stopped: make(chan struct{}),
	}
	if o.UI {
		s.UIURL = "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(ports.ui))
	}
	if err := s.spawn(exec.Command(cli, arguments(o, ports)...), o.Output); err != nil { //nolint:gosec,noctx // the operator chooses the command; Stop ends it
		return nil, err
	}
	ready, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := s.waitReady(ready, append([]string{"default"}, o.Namespaces...)); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func arguments(o Options, p chosenPorts) []string {
	args := []string{
		"server", "start-dev", "--ip", "127.0.0.1", "--log-level", "error",
		"--port", strconv.Itoa(p.frontend),
		"--search-attribute", ordercheck.SearchOrderNumber + "=Keyword",
		"--search-attribute", ordercheck.SearchGateStatus + "=Keyword",
		"--search-attribute", ordercheck.SearchErrorCount + "=Int",
		"--search-attribute", ordercheck.SearchFailedRules + "=KeywordList",
	}
	if o.UI {
		args = append(args, "--ui-ip", "127.0.0.1", "--ui-port", strconv.Itoa(p.ui))
	} else {
		args = append(args, "--headless")
	}
	if o.DBFile != "" {
		args = append(args, "--db-filename", o.DBFile)
	}
	for _, value := range dynamicConfig {
		args = append(args, "--dynamic-config-value", value)
	}
	for _, namespace := range o.Namespaces {
		args = append(args, "--namespace", namespace)
	}
	return args
}

// spawn starts the child on a thread that lives as long as the child does: the
// kernel's signal on the parent's death follows the thread, not the process.
func (s *Server) spawn(cmd *exec.Cmd, output io.Writer) error {
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = childAttributes()
	cmd.WaitDelay = time.Second
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- fmt.Errorf("start Temporal's development server: %w", err)
			return
		}
		s.process = cmd.Process
		started <- nil
		err := cmd.Wait()
		select {
		case <-s.stopped:
		default:
			s.err = fmt.Errorf("the Temporal development server ended by itself (%s)", exitText(err))
		}
		close(s.done)
	}()
	return <-started
}

func exitText(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

func (s *Server) waitReady(ctx context.Context, namespaces []string) error {
	c, err := client.NewLazyClient(client.Options{HostPort: s.Addr, Logger: discardLogger{}})
	if err != nil {
		return fmt.Errorf("connect to Temporal's development server: %w", err)
	}
	defer c.Close()
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for {
		namespaces = slices.DeleteFunc(namespaces, func(namespace string) bool {
			attempt, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err = c.WorkflowService().DescribeNamespace(attempt, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
			return err == nil
		})
		if len(namespaces) == 0 {
			return nil
		}
		select {
		case <-s.done:
			return s.err
		case <-ctx.Done():
			return fmt.Errorf("the Temporal development server at %s did not become ready: %w", s.Addr, err)
		case <-ticker.C:
		}
	}
}

// Done is closed when the server has ended, whoever ended it.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err says why the server ended by itself: nil while it runs and after [Server.Stop].
func (s *Server) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Kill ends the server as a power cut would, and waits until it is gone.
func (s *Server) Kill() error {
	s.stopping.Do(func() { close(s.stopped) })
	err := s.process.Kill()
	<-s.done
	return ignoreFinished(err)
}

// Stop asks the server to end, kills it after ten seconds, and waits until it is gone.
// Stopping twice is no error.
func (s *Server) Stop() error {
	s.stopping.Do(func() { close(s.stopped) })
	if err := ignoreFinished(s.process.Signal(syscall.SIGTERM)); err != nil {
		return fmt.Errorf("stop Temporal's development server: %w", err)
	}
	select {
	case <-s.done:
		return nil
	case <-time.After(stopPatience):
		return s.Kill()
	}
}

func ignoreFinished(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

type chosenPorts struct{ frontend, ui int }

func choosePorts(o Options) (chosenPorts, error) {
	var p chosenPorts
	var err error
	if p.frontend, err = choosePort(o.Port); err != nil {
		return p, fmt.Errorf("port %d for Temporal: %w", o.Port, err)
	}
	if o.UI {
		if p.ui, err = choosePort(o.UIPort); err != nil {
			return p, fmt.Errorf("port %d for Temporal's Web UI: %w", o.UIPort, err)
		}
	}
	return p, nil
}

// choosePort fails early, with the port's number, where the server would fail late without it.
func choosePort(port int) (int, error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		return 0, err
	}
	addr := netip.MustParseAddrPort(l.Addr().String())
	return int(addr.Port()), l.Close()
}

// discardLogger: a client that asks a server still starting has nothing to say.
type discardLogger struct{}

var _ log.Logger = discardLogger{}

func (discardLogger) Debug(string, ...any) {}
func (discardLogger) Info(string, ...any)  {}
func (discardLogger) Warn(string, ...any)  {}
func (discardLogger) Error(string, ...any) {}

// PID is the id of the server's process.
func (s *Server) PID() int { return s.process.Pid }
