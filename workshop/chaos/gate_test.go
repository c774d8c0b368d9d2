package chaos_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/childprocess"
	"error-check-gate/internal/dev/temporalserver"
	"error-check-gate/workshop/internal/product"
)

// patience is the timeout of each wait. It is long enough for a busy machine.
const patience = 12 * time.Minute

// part is a process that the test kills, and restarts as a service manager would.
type part struct {
	name  string
	start func(ctx context.Context) (*childprocess.Child, error)

	kills  chan time.Duration // how long to keep it dead
	mu     sync.Mutex
	child  *childprocess.Child // nil while it is dead
	killed int
	ended  []string // the errors when it ended by itself
}

func newPart(name string, start func(ctx context.Context) (*childprocess.Child, error)) *part {
	return &part{name: name, start: start, kills: make(chan time.Duration)}
}

// run keeps the part running until ctx is done, then stops it in order.
func (p *part) run(ctx context.Context) error {
	for {
		child, err := p.start(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("start %s: %w", p.name, err)
		}
		p.set(child)
		dead := 200 * time.Millisecond
		select {
		case dead = <-p.kills:
			p.set(nil)
			if err := child.Kill(); err != nil {
				return fmt.Errorf("kill %s: %w", p.name, err)
			}
			p.mu.Lock()
			p.killed++
			p.mu.Unlock()
		case <-child.Done(): // a worker ends if Temporal is down
			p.set(nil)
			p.mu.Lock()
			p.ended = append(p.ended, child.Err().Error())
			p.mu.Unlock()
		case <-ctx.Done():
			p.set(nil)
			return child.Stop()
		}
		if !pause(ctx, dead) {
			return nil
		}
	}
}

func (p *part) set(child *childprocess.Child) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.child = child
}

// kill kills the part and keeps it dead for that time. It returns when the part receives the
// request, or when ctx is done.
func (p *part) kill(ctx context.Context, dead time.Duration) {
	select {
	case p.kills <- dead:
	case <-ctx.Done():
	}
}

func (p *part) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.child == nil {
		return 0
	}
	return p.child.PID()
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// gate has the processes under test.
type gate struct {
	dir                       string
	ingressAddr               string
	ingressAdmin, workerAdmin string
	temporalAddr              string
	ingress, worker, temporal *part
}

// resources counts the goroutines and open files of a process.
type resources struct{ goroutines, files int }

type environment map[string]string

func (e environment) list() []string {
	var list []string
	for name, value := range e {
		list = append(list, name+"="+value)
	}
	return list
}

func newGate(t *testing.T, dir string, inflow environment, secret, notices, auditLog string) *gate {
	t.Helper()
	binary, err := product.Build(t.Context(), "gate", dir)
	require.NoError(t, err)
	temporalPort := freePort(t)
	g := &gate{
		dir:          dir,
		ingressAddr:  loopback(freePort(t)),
		ingressAdmin: loopback(freePort(t)),
		workerAdmin:  loopback(freePort(t)),
		temporalAddr: loopback(temporalPort),
	}
	base := environment{
		"PATH": os.Getenv("PATH"), "HOME": dir, "TMPDIR": dir,
		"TEMPORAL_ADDRESS": g.temporalAddr, "LOG_LEVEL": "warn",
	}
	g.ingress = newPart("ingress", func(context.Context) (*childprocess.Child, error) {
		return g.process("ingress", binary, base, environment{
			"LISTEN_ADDR": g.ingressAddr, "ADMIN_ADDR": g.ingressAdmin,
			"WEBHOOK_SECRET": secret, "AUDIT_LOG": auditLog,
		})
	})
	g.worker = newPart("worker", func(context.Context) (*childprocess.Child, error) {
		settings := environment{
			"ADMIN_ADDR": g.workerAdmin, "NOTIFY_URLS": notices,
			// Gathered notices have tests of their own.
			"NOTICES_PER_HOUR": "0",
			"SETTLE_QUIET":     "300ms", "SETTLE_MAX": "3s", "GRACE_PERIOD": "300ms",
			// The quota is tested elsewhere, and a sweep would find lost deliveries.
			"INFLOW_REQUESTS_PER_MINUTE": "60000", "SWEEP_EVERY": "0",
			"TZ": "UTC", // the time zone of the days in hold marks
		}
		for name, value := range inflow {
			settings[name] = value
		}
		return g.process("worker", binary, base, settings)
	})
	g.temporal = newPart("Temporal", func(ctx context.Context) (*childprocess.Child, error) {
		server, err := temporalserver.Start(ctx, temporalserver.Options{
			DBFile: filepath.Join(dir, "temporal.db"), Port: temporalPort, Output: g.log("temporal"),
		})
		if err != nil {
			return nil, err
		}
		return server.Child, nil
	})
	return g
}

func (g *gate) process(
	role, binary string, environments ...environment,
) (*childprocess.Child, error) {
	cmd := exec.Command(binary, role) //nolint:gosec,noctx // our own command; the part stops it
	for _, e := range environments {
		cmd.Env = append(cmd.Env, e.list()...)
	}
	cmd.Dir = g.dir
	log := g.log(role)
	cmd.Stdout, cmd.Stderr = log, log
	return childprocess.Start(role, cmd)
}

// log opens the log file of a part. Each process of the part appends to it.
func (g *gate) log(name string) *os.File {
	path := filepath.Join(g.dir, name+".log")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil
	}
	return file
}

func freePort(t *testing.T) int {
	t.Helper()
	port, err := childprocess.ChoosePort(0)
	require.NoError(t, err)
	return port
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// ready waits until the ingress and the worker are ready. It fails the test if ctx is done, because
// then a part could not be started.
func (g *gate) ready(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, address := range []string{g.ingressAddr, g.workerAdmin} {
		page := "http://" + address + "/readyz"
		require.Eventually(t, func() bool {
			body, err := get(ctx, page)
			return err == nil && len(body) > 0 || ctx.Err() != nil
		}, patience, 100*time.Millisecond, "%s did not come up; see %s", page, g.dir)
		require.NoError(t, ctx.Err(), "a part did not start")
	}
}

func get(ctx context.Context, page string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", page, response.Status)
	}
	var body bytes.Buffer
	_, err = body.ReadFrom(response.Body)
	return body.Bytes(), err
}

// measure counts the goroutines of a process, from its metrics, and its open files, from /proc.
func measure(ctx context.Context, admin string, pid int) (resources, error) {
	page, err := get(ctx, "http://"+admin+"/metrics")
	if err != nil {
		return resources{}, err
	}
	var o resources
	lines := bufio.NewScanner(bytes.NewReader(page))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			if o.goroutines, err = strconv.Atoi(value); err != nil {
				return o, err
			}
		}
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	o.files = len(files)
	if o.goroutines == 0 {
		err = errors.Join(err, errors.New("the metrics page has no go_goroutines"))
	}
	return o, err
}

// receiver receives notices, as a company's own webhook does.
type receiver struct {
	mu      sync.Mutex
	outages int      // the faults in progress that make it answer 503
	notices []notice // in the order of their arrival
}

type notice struct {
	Key    string `json:"key"`
	Kind   string `json:"kind"`
	Report struct {
		SalesOrderID string `json:"salesOrderId"`
		OrderVersion string `json:"orderVersion"`
		Findings     []struct {
			ID    string `json:"id"`
			State string `json:"state"`
		} `json:"findings"`
	} `json:"report"`
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.outages > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var n notice
	if err := json.NewDecoder(request.Body).Decode(&n); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.notices = append(r.notices, n)
}

// addOutages begins outages, or ends them if n is negative. It answers 503 while one lasts.
func (r *receiver) addOutages(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outages += n
}

func (r *receiver) all() []notice {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]notice(nil), r.notices...)
}

// serve answers on a free port until the test ends.
func serve(t *testing.T, handler http.Handler) (addr string) {
	t.Helper()
	l := listen(t)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		assert.NoError(t, server.Close())
		assert.ErrorIs(t, <-done, http.ErrServerClosed)
	})
	return l.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l
}

// disk is a small file system for the audit log.
type disk struct {
	dir     string
	mounted bool
}

const diskSize = 1 << 20

// newDisk mounts a disk. Only root may do so; otherwise the audit log is in a folder that never
// fills.
func newDisk(t *testing.T, dir string) *disk {
	t.Helper()
	d := &disk{dir: filepath.Join(dir, "audit")}
	require.NoError(t, os.Mkdir(d.dir, 0o700))
	if err := syscall.Mount("tmpfs", d.dir, "tmpfs", 0, fmt.Sprintf("size=%d", diskSize)); err != nil {
		t.Logf("the audit log's disk will not be filled: mount: %v", err)
		return d
	}
	d.mounted = true
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(d.dir, syscall.MNT_DETACH)) })
	return d
}

func (d *disk) ballast() string { return filepath.Join(d.dir, "ballast") }

func (d *disk) fill() error {
	if !d.mounted {
		return nil
	}
	err := os.WriteFile(d.ballast(), make([]byte, 2*diskSize), 0o600)
	if err == nil {
		return fmt.Errorf("the disk of %d bytes took %d", diskSize, 2*diskSize)
	}
	if errors.Is(err, syscall.ENOSPC) {
		return nil
	}
	return err
}

func (d *disk) free() error {
	if !d.mounted {
		return nil
	}
	return os.Remove(d.ballast())
}
