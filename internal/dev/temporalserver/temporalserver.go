// Package temporalserver runs Temporal's development server as a child process, for 'gate dev' and
// for tests.
package temporalserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"error-check-gate/internal/dev/childprocess"
	"error-check-gate/internal/ordercheck"
)

// Options configure a server. The zero value runs an in-memory server on free ports, without a Web
// UI.
type Options struct {
	// CLI is the path of the temporal command. If it is empty, Start calls [FindCLI].
	CLI string
	// DBFile is the database file, which survives restarts. Start makes its folder. If it is empty,
	// the database is in memory.
	DBFile string
	// Port of the gRPC service on 127.0.0.1; 0 means a free port.
	Port int
	// UI turns the Web UI on, at UIPort; 0 means a free port.
	UI     bool
	UIPort int
	// UICodecEndpoint is the URL of the Web UI's codec server, if any.
	UICodecEndpoint string
	// Namespaces are created in addition to "default".
	Namespaces []string
	// Pragmas are SQLite pragmas for the database, such as "synchronous=OFF".
	Pragmas []string
	// Output receives what the server prints. Nil discards it.
	Output io.Writer
	// LogLevel is "debug", "info", "warn" or "error"; empty is "error".
	LogLevel string
}

// Server is a running development server.
type Server struct {
	// Addr is the host:port of its gRPC service.
	Addr string
	// UIURL is the address of its Web UI, without a slash at the end; empty without a Web UI.
	UIURL string

	*childprocess.Child
}

const (
	startAttempts = 3
	readyTimeout  = 45 * time.Second
	readyPoll     = 50 * time.Millisecond
)

// dynamicConfig speeds up the only history shard of a development server. By default it reads its
// queues 20 times a second, which costs a short workflow a quarter of a second. It also sets what
// deploy/temporal/dynamicconfig.yaml sets for InFlow's task queue: priorities, and one partition,
// so that the rate limit holds.
var dynamicConfig = []string{
	"matching.useNewMatcher=true",
	"matching.numTaskqueueReadPartitions=1",
	"matching.numTaskqueueWritePartitions=1",
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
func FindCLI() (string, error) { return childprocess.FindCommand("temporal", "TEMPORAL_CLI") }

// Start runs the server and returns once it serves every namespace. ctx limits only the start;
// [Server.Stop] ends the server. The server also ends when this process dies.
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
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		s, err := start(ctx, cli, o)
		// Another process may take a free port before the child does.
		chosen := o.Port == 0 || o.UI && o.UIPort == 0
		if err == nil || !errors.Is(err, childprocess.ErrEnded) || !chosen || attempt == startAttempts {
			return s, err
		}
	}
}

func start(ctx context.Context, cli string, o Options) (*Server, error) {
	ports, err := choosePorts(o)
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(ports.frontend))}
	if o.UI {
		s.UIURL = "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(ports.ui))
	}
	//nolint:gosec,noctx // the operator chooses the command; Stop ends it
	cmd := exec.Command(cli, arguments(o, ports)...)
	cmd.Stdout, cmd.Stderr = o.Output, o.Output
	if s.Child, err = childprocess.Start("the Temporal development server", cmd); err != nil {
		return nil, err
	}
	if err := s.waitReady(ctx, append([]string{"default"}, o.Namespaces...)); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func arguments(o Options, p chosenPorts) []string {
	args := []string{
		"server", "start-dev", "--ip", "127.0.0.1", "--log-level", cmp.Or(o.LogLevel, "error"),
		"--port", strconv.Itoa(p.frontend),
		"--search-attribute", ordercheck.SearchOrderNumber + "=Keyword",
		"--search-attribute", ordercheck.SearchGateStatus + "=Keyword",
		"--search-attribute", ordercheck.SearchErrorCount + "=Int",
		"--search-attribute", ordercheck.SearchFailedRules + "=KeywordList",
		"--search-attribute", ordercheck.SearchWarningRules + "=KeywordList",
		"--search-attribute", ordercheck.SearchHeldSince + "=Datetime",
		"--search-attribute", ordercheck.SearchOrderVersion + "=Keyword",
	}
	if o.UI {
		args = append(args, "--ui-ip", "127.0.0.1", "--ui-port", strconv.Itoa(p.ui))
		if o.UICodecEndpoint != "" {
			args = append(args, "--ui-codec-endpoint", o.UICodecEndpoint)
		}
	} else {
		args = append(args, "--headless")
	}
	if o.DBFile != "" {
		args = append(args, "--db-filename", o.DBFile)
	}
	for _, pragma := range o.Pragmas {
		args = append(args, "--sqlite-pragma", pragma)
	}
	for _, value := range dynamicConfig {
		args = append(args, "--dynamic-config-value", value)
	}
	for _, namespace := range o.Namespaces {
		args = append(args, "--namespace", namespace)
	}
	return args
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
			_, err = c.WorkflowService().DescribeNamespace(attempt,
				&workflowservice.DescribeNamespaceRequest{Namespace: namespace})
			return err == nil
		})
		if len(namespaces) == 0 {
			return nil
		}
		select {
		case <-s.Done():
			return s.Err()
		case <-ctx.Done():
			return fmt.Errorf("the Temporal development server at %s did not become ready: %w", s.Addr, err)
		case <-ticker.C:
		}
	}
}

type chosenPorts struct{ frontend, ui int }

func choosePorts(o Options) (chosenPorts, error) {
	var p chosenPorts
	var err error
	if p.frontend, err = childprocess.ChoosePort(o.Port); err != nil {
		return p, fmt.Errorf("port %d for Temporal: %w", o.Port, err)
	}
	if o.UI {
		if p.ui, err = childprocess.ChoosePort(o.UIPort); err != nil {
			return p, fmt.Errorf("port %d for Temporal's Web UI: %w", o.UIPort, err)
		}
	}
	return p, nil
}

// discardLogger discards the client's messages, because failed calls are normal until the server is
// ready.
type discardLogger struct{}

var _ log.Logger = discardLogger{}

func (discardLogger) Debug(string, ...any) {}
func (discardLogger) Info(string, ...any)  {}
func (discardLogger) Warn(string, ...any)  {}
func (discardLogger) Error(string, ...any) {}
