// Package productionserver runs Temporal's production server on PostgreSQL, with the settings, the
// dynamic configuration and the scripts of docker-compose.yml, but as processes of this machine.
package productionserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"error-check-gate/internal/dev/childprocess"
	"error-check-gate/internal/dev/temporalserver"
	"error-check-gate/workshop/internal/lowport"
)

const (
	readyWithin  = 2 * time.Minute // enough for a busy machine
	pollInterval = 100 * time.Millisecond
)

// Server is a running Temporal server with its PostgreSQL database.
type Server struct {
	// Addr is the host:port of Temporal's gRPC service.
	Addr string

	root           string
	project        *types.Project
	dir            string // holds all files; Stop removes it
	data           string // PostgreSQL's data
	passwordFile   string
	postgresPort   int
	serverPorts    map[string]int // by variable
	postgresTool   func(name string) (string, error)
	asPostgresUser []string // prefix that runs a command as the PostgreSQL user
	postgres       *childprocess.Child
	temporal       *childprocess.Child
	logs           []*os.File
}

// Start starts PostgreSQL and Temporal, and waits until both serve. It creates no namespaces. root
// is the folder of the repository. PostgreSQL waits for the disk at each commit, as in production.
func Start(ctx context.Context, root string) (p *Server, err error) {
	p = &Server{root: root, serverPorts: map[string]int{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Stop())
		}
	}()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")},
		cli.WithEnv([]string{"INFLOW_COMPANY_ID=6f1c"}))
	if err != nil {
		return p, err
	}
	if p.project, err = options.LoadProject(ctx); err != nil {
		return p, err
	}
	if p.dir, err = os.MkdirTemp("", "gate-production"); err != nil {
		return p, err
	}
	//nolint:gosec // PostgreSQL's user goes through it
	if err := os.Chmod(p.dir, 0o755); err != nil {
		return p, err
	}
	p.passwordFile = filepath.Join(p.dir, "postgres_password")
	//nolint:gosec // PostgreSQL's user reads it
	if err := os.WriteFile(p.passwordFile, []byte("of-this-run-only\n"), 0o644); err != nil {
		return p, err
	}
	if err := p.choosePorts(); err != nil {
		return p, err
	}
	if err := p.makeDatabases(ctx); err != nil {
		return p, err
	}
	return p, p.StartTemporal(ctx)
}

func (p *Server) choosePorts() (err error) {
	variables := []string{"FRONTEND_HTTP_PORT"}
	for _, service := range []string{"FRONTEND", "MATCHING", "HISTORY", "WORKER"} {
		variables = append(variables, service+"_GRPC_PORT", service+"_MEMBERSHIP_PORT")
	}
	for _, variable := range variables {
		if p.serverPorts[variable], err = lowport.Choose(); err != nil {
			return err
		}
	}
	p.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(p.serverPorts["FRONTEND_GRPC_PORT"]))
	p.postgresPort, err = lowport.Choose()
	return err
}

// makeDatabases does what the postgres image does with an empty volume, and what the job
// temporal-schema does.
func (p *Server) makeDatabases(ctx context.Context) error {
	settings := p.project.Services["postgres"].Environment
	user := *settings["POSTGRES_USER"]
	p.data = filepath.Join(p.dir, "data")
	if err := os.Mkdir(p.data, 0o700); err != nil {
		return err
	}
	if err := p.findPostgres(); err != nil {
		return err
	}
	initdb, err := p.postgresTool("initdb")
	if err != nil {
		return err
	}
	args := append(append([]string{}, p.asPostgresUser...), initdb, "--pgdata", p.data,
		"--username", user,
		"--pwfile", p.passwordFile, "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-sync")
	if err := p.run(ctx, nil, args...); err != nil {
		return err
	}
	if err := p.StartPostgres(ctx); err != nil {
		return err
	}
	if err := p.psql(ctx, "postgres", "--command",
		"CREATE DATABASE "+*settings["POSTGRES_DB"]); err != nil {
		return err
	}
	if err := p.psql(ctx, *settings["POSTGRES_DB"], "--file",
		filepath.Join(p.root, "deploy/postgres/databases.sql")); err != nil {
		return err
	}
	sqlTool, err := childprocess.FindCommand("temporal-sql-tool", "TEMPORAL_SQL_TOOL_CLI")
	if err != nil {
		return err
	}
	if sqlTool, err = filepath.Abs(sqlTool); err != nil {
		return err
	}
	schema := p.environment("temporal-schema", map[string]string{
		"PATH":     filepath.Dir(sqlTool) + string(os.PathListSeparator) + os.Getenv("PATH"),
		"SQL_HOST": "127.0.0.1",
		"SQL_PORT": strconv.Itoa(p.postgresPort), "SQL_PASSWORD_FILE": p.passwordFile,
	})
	script := filepath.Join(p.root, "deploy/temporal/schema.sh")
	// Run the script twice, because the job runs at each start.
	return errors.Join(p.run(ctx, schema, "sh", script),
		p.run(ctx, schema, "sh", script))
}

// findPostgres finds PostgreSQL's programs on the PATH or in Debian's folder. If this process is
// root, PostgreSQL gets the user postgres, because it refuses to run as root.
func (p *Server) findPostgres() error {
	p.postgresTool = func(name string) (string, error) {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
		found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
		if err != nil || len(found) == 0 {
			return "", fmt.Errorf("PostgreSQL's %s is not installed: 'make test-production' says "+
				"how", name)
		}
		return found[len(found)-1], nil
	}
	if os.Geteuid() != 0 {
		return nil
	}
	p.asPostgresUser = []string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups",
		"--pdeathsig=QUIT"}
	return p.run(context.Background(), nil, "chown", "postgres:postgres", p.data)
}

// environment returns the environment of a service in the compose file. The variables in here
// replace the file's.
func (p *Server) environment(service string, here map[string]string) []string {
	all := map[string]string{"PATH": os.Getenv("PATH")}
	for name, value := range p.project.Services[service].Environment {
		all[name] = *value
	}
	for name, value := range here {
		all[name] = value
	}
	list := make([]string, 0, len(all))
	for name, value := range all {
		list = append(list, name+"="+value)
	}
	return list
}

func (p *Server) run(ctx context.Context, env []string, args ...string) error {
	//nolint:gosec // PostgreSQL's and the project's own
	command := exec.CommandContext(ctx, args[0], args[1:]...)
	command.Env = env
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, output)
	}
	return nil
}

func (p *Server) psql(ctx context.Context, database string, args ...string) error {
	return p.run(ctx, []string{"PATH=" + os.Getenv("PATH"), "PGPASSWORD=of-this-run-only"},
		append([]string{
			"psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--host", "127.0.0.1",
			"--port", strconv.Itoa(p.postgresPort),
			"--username", *p.project.Services["postgres"].Environment["POSTGRES_USER"], "--dbname",
			database,
		}, args...)...)
}

func (p *Server) start(name string, command *exec.Cmd) (*childprocess.Child, error) {
	output, err := os.OpenFile(filepath.Join(p.dir, name+".log"), //nolint:gosec // in our own folder
		os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	p.logs = append(p.logs, output)
	command.Stdout, command.Stderr = output, output
	return childprocess.Start(name, command)
}

// StartPostgres starts PostgreSQL and waits until it responds.
func (p *Server) StartPostgres(ctx context.Context) (err error) {
	postgres, err := p.postgresTool("postgres")
	if err != nil {
		return err
	}
	args := append(append([]string{}, p.asPostgresUser...), postgres, "-D", p.data, "-p",
		strconv.Itoa(p.postgresPort),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
	//nolint:gosec,noctx // Stop ends it
	if p.postgres, err = p.start("postgres", exec.Command(args[0], args[1:]...)); err != nil {
		return err
	}
	return p.await(ctx, p.postgres, func(ctx context.Context) error {
		return p.psql(ctx, "postgres", "--command", "SELECT 1")
	})
}

// StopPostgres does a fast shutdown, which closes all connections.
func (p *Server) StopPostgres() error {
	if err := syscall.Kill(p.postgres.PID(), syscall.SIGINT); err != nil &&
		!errors.Is(err, syscall.ESRCH) {
		return err
	}
	select {
	case <-p.postgres.Done():
		return nil
	case <-time.After(readyWithin):
		return errors.Join(errors.New("PostgreSQL did not stop"), p.postgres.Kill())
	}
}

// StartTemporal starts the server and waits until it responds.
func (p *Server) StartTemporal(ctx context.Context) error {
	binary, err := childprocess.FindCommand("temporal-server", "TEMPORAL_SERVER_CLI")
	if err != nil {
		return err
	}
	dynamic := filepath.Join(p.root, "deploy/temporal/dynamicconfig.yaml")
	here := map[string]string{
		"POSTGRES_SEEDS": "127.0.0.1", "DB_PORT": strconv.Itoa(p.postgresPort),
		"POSTGRES_PWD": "of-this-run-only",
		"BIND_ON_IP":   "127.0.0.1", "DYNAMIC_CONFIG_FILE_PATH": dynamic, "LOG_LEVEL": "warn",
	}
	for variable, port := range p.serverPorts {
		here[variable] = strconv.Itoa(port)
	}
	command := exec.Command(binary, "start") //nolint:gosec,noctx // Stop ends it
	command.Env = p.environment("temporal", here)
	command.Dir = p.dir
	if p.temporal, err = p.start("temporal", command); err != nil {
		return err
	}
	c, err := client.NewLazyClient(client.Options{HostPort: p.Addr,
		Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		return err
	}
	defer c.Close()
	return p.await(ctx, p.temporal, func(ctx context.Context) error {
		_, err := c.WorkflowService().DescribeNamespace(ctx,
			&workflowservice.DescribeNamespaceRequest{Namespace: "temporal-system"})
		return err
	})
}

// StopTemporal sends SIGTERM, as a container engine does.
func (p *Server) StopTemporal() error { return p.temporal.Stop() }

func (p *Server) await(
	ctx context.Context, child *childprocess.Child, ready func(context.Context) error,
) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := ready(attempt)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-child.Done():
			return errors.Join(child.Err(), p.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("it did not become ready: %w", err)
		case <-ticker.C:
		}
	}
}

// lastWords returns the last 2,000 bytes of each log as an error, because Stop removes the logs.
func (p *Server) lastWords() error {
	var errs []error
	for _, output := range p.logs {
		text, err := os.ReadFile(output.Name())
		if err == nil {
			err = fmt.Errorf("%s:\n%s", filepath.Base(output.Name()), text[max(0, len(text)-2000):])
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// MakeNamespace runs the script of the job temporal-namespace.
func (p *Server) MakeNamespace(ctx context.Context, name string) error {
	temporal, err := temporalserver.FindCLI()
	if err != nil {
		return err
	}
	if temporal, err = filepath.Abs(temporal); err != nil {
		return err
	}
	return p.run(ctx, p.environment("temporal-namespace", map[string]string{
		"PATH":             filepath.Dir(temporal) + string(os.PathListSeparator) + os.Getenv("PATH"),
		"HOME":             p.dir,
		"TEMPORAL_ADDRESS": p.Addr, "TEMPORAL_NAMESPACE": name,
	}), "sh", filepath.Join(p.root, "deploy/temporal/namespace.sh"))
}

// Stop stops Temporal and PostgreSQL, and removes all files.
func (p *Server) Stop() error {
	var errs []error
	if p.temporal != nil {
		errs = append(errs, p.temporal.Stop())
	}
	if p.postgres != nil {
		errs = append(errs, p.StopPostgres())
	}
	for _, output := range p.logs {
		errs = append(errs, output.Close())
	}
	if p.dir != "" {
		errs = append(errs, os.RemoveAll(p.dir))
	}
	return errors.Join(errs...)
}
