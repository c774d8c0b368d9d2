package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"error-check-gate/internal/dev/childprocess"
	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/dev/temporalserver"
	"error-check-gate/workshop/internal/product"
	"error-check-gate/workshop/internal/productionserver"
)

const (
	secret = "a-secret-of-the-benchmark-only"
	// noLimit is a rate limit that no load reaches.
	noLimit = 1_000_000
	// readyWithin is the time limit for the start of a process.
	readyWithin = 30 * time.Second
)

func temporalVersion(ctx context.Context) (string, error) {
	cli, err := temporalserver.FindCLI()
	if err != nil {
		return "", err
	}
	output, err := exec.CommandContext(ctx, cli, "--version").Output() //nolint:gosec // the temporal command
	if err != nil {
		return "", fmt.Errorf("temporal --version: %w", err)
	}
	return strings.TrimSpace(string(output)), nil
}

// site holds the servers and processes of a section, among them its own Temporal server.
type site struct {
	b        *bench
	address  string // of Temporal
	temporal client.Client
	fake     *fakeinflow.Server
	inflow   string // its URL
	quota    int    // requests per minute to InFlow; 0 means no limit
	stops    []func() error
}

func (b *bench) newSite(ctx context.Context) (_ *site, err error) {
	s := &site{b: b}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	if err := s.startTemporal(ctx); err != nil {
		return nil, err
	}
	if s.temporal, err = dial(ctx, s.address); err != nil {
		return nil, err
	}
	s.stops = append(s.stops, func() error { s.temporal.Close(); return nil })
	return s, nil
}

// startTemporal starts the Temporal server for the measurement.
func (s *site) startTemporal(ctx context.Context) error {
	if !s.b.production {
		server, err := temporalserver.Start(ctx, temporalserver.Options{})
		if err != nil {
			return err
		}
		s.address, s.stops = server.Addr, append(s.stops, server.Stop)
		return nil
	}
	root, err := product.Root(ctx)
	if err != nil {
		return err
	}
	server, err := productionserver.Start(ctx, root)
	if err != nil {
		return err
	}
	s.address, s.stops = server.Addr, append(s.stops, server.Stop)
	return server.MakeNamespace(ctx, client.DefaultNamespace)
}

// dial returns a client without options that would slow it down.
func dial(ctx context.Context, address string) (client.Client, error) {
	return client.DialContext(ctx, client.Options{
		HostPort: address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
}

// stop stops everything, latest first.
func (s *site) stop() (err error) {
	for i := len(s.stops) - 1; i >= 0; i-- {
		err = errors.Join(err, s.stops[i]())
	}
	s.stops = nil
	return err
}

// startInflow starts the stand-in. Nobody subscribes to its webhooks.
func (s *site) startInflow(ctx context.Context) (err error) {
	if s.fake, err = fakeinflow.New(fakeinflow.Options{RequestsPerMinute: s.quota}); err != nil {
		return err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.inflow = "http://" + listener.Addr().String()
	serving, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- s.fake.Serve(serving, listener) }()
	s.stops = append(s.stops, func() error {
		cancel()
		s.fake.Close()
		return <-done
	})
	return nil
}

// process is a running command.
type process struct {
	*childprocess.Child
	url string // the URL that it serves
}

// startIngress starts an ingress, and returns when it answers.
func (s *site) startIngress(ctx context.Context, env ...string) (*process, error) {
	port, err := childprocess.ChoosePort(0)
	if err != nil {
		return nil, err
	}
	p := &process{url: fmt.Sprintf("http://127.0.0.1:%d/webhook/inflow", port)}
	limits := strconv.Itoa(noLimit)
	p.Child, err = s.start("the ingress", append([]string{
		fmt.Sprintf("LISTEN_ADDR=127.0.0.1:%d", port), "WEBHOOK_SECRET=" + secret,
		"AUDIT_LOG=" + filepath.Join(s.b.dir, "audit.log"),
		"RATE_LIMIT=" + limits, "PEER_RATE_LIMIT=" + limits, "PEER_FAILURE_LIMIT=" + limits,
	}, env...), "ingress")
	if err != nil {
		return nil, err
	}
	return p, p.waitUntilItAnswers(ctx)
}

// startWorker starts a worker. It does not wait until the worker is ready.
func (s *site) startWorker(env ...string) (*process, error) {
	child, err := s.start("the worker", append([]string{
		"INFLOW_API_URL=" + s.inflow, "INFLOW_COMPANY_ID=" + s.fake.CompanyID(),
		"INFLOW_API_KEY=" + s.fake.APIKey(),
		"INFLOW_REQUESTS_PER_MINUTE=60000", "SWEEP_EVERY=0",
	}, env...), "worker")
	return &process{Child: child}, err
}

func (s *site) start(name string, env []string, args ...string) (*childprocess.Child, error) {
	command := exec.Command(s.b.gate, args...) //nolint:gosec,noctx // the command that was just built; stop ends it
	command.Env = append([]string{"TEMPORAL_ADDRESS=" + s.address, "ADMIN_ADDR=127.0.0.1:0",
		"PATH=" + os.Getenv("PATH")}, env...)
	stderr, err := os.OpenFile(filepath.Join(s.b.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY,
		0o600)
	if err != nil {
		return nil, err
	}
	defer stderr.Close() // the process has its own
	command.Dir, command.Stderr = s.b.dir, stderr
	return s.run(name, command)
}

// startRole starts this command again in a role: as a program that we compare the gate with.
func (s *site) startRole(ctx context.Context, role string, env ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(self) //nolint:gosec,noctx // this command; stop ends it
	command.Env = append(append(os.Environ(), roleVariable+"="+role,
		"TEMPORAL_ADDRESS="+s.address), env...)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p := &process{}
	if p.Child, err = s.run(role, command); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("%s did not print its URL: %w", role, err)
	}
	p.url = strings.TrimSpace(line)
	return p, ctx.Err()
}

func (s *site) run(name string, command *exec.Cmd) (*childprocess.Child, error) {
	child, err := childprocess.Start(name, command)
	if err != nil {
		return nil, err
	}
	s.stops = append(s.stops, child.Stop)
	return child, nil
}

func (p *process) waitUntilItAnswers(ctx context.Context) error {
	deadline := time.Now().Add(readyWithin)
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, http.NoBody)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_, err = io.Copy(io.Discard, response.Body)
			return errors.Join(err, response.Body.Close())
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not answer: %w", p.url, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// residentMiB returns the resident memory of the process.
func (p *process) residentMiB() (float64, error) { return statusMiB(p.PID(), "VmRSS") }

// ownMiB returns the resident memory without the program's file, which the kernel shares and can
// drop.
func (p *process) ownMiB() (float64, error) { return statusMiB(p.PID(), "RssAnon") }

// processorTime returns the CPU time that the threads of the process have used.
func (p *process) processorTime() (time.Duration, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.PID()))
	if err != nil {
		return 0, err
	}
	var used time.Duration
	for _, thread := range threads {
		stat, err := os.ReadFile(thread) //nolint:gosec // the kernel's
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(stat), " ")
		nanoseconds, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", thread, err)
		}
		used += time.Duration(nanoseconds)
	}
	return used, nil
}

// statusMiB returns a size from /proc/PID/status, in MiB.
func statusMiB(pid int, field string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(status, []byte("\n"+field+":"))
	var kib float64
	if _, err := fmt.Sscanf(string(rest), "%f", &kib); err != nil {
		return 0, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	return kib / 1024, nil
}
