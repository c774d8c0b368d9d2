// Package childprocess runs child processes that end when this process ends.
package childprocess

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// stopTimeout is the time that a child has to stop before [Child.Stop] kills it.
const stopTimeout = 10 * time.Second

// ErrEnded is wrapped by the error of [Child.Err].
var ErrEnded = errors.New("ended by itself")

// Child is a running program.
type Child struct {
	name    string
	process *os.Process
	done    chan struct{}
	err     error // valid once done is closed

	stopping sync.Once
	stopped  chan struct{} // closed by Stop and Kill
}

// Start starts a command in a process group of its own. On Linux the child also ends when this
// process is killed. name is the child's name in errors.
func Start(name string, cmd *exec.Cmd) (*Child, error) {
	c := &Child{name: name, done: make(chan struct{}), stopped: make(chan struct{})}
	cmd.SysProcAttr = attributes()
	cmd.WaitDelay = time.Second
	started := make(chan error, 1)
	// The thread that starts the child must outlive the child: the kernel kills the child when that
	// thread ends, not only when the process does.
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- fmt.Errorf("start %s: %w", name, err)
			return
		}
		c.process = cmd.Process
		started <- nil
		err := cmd.Wait()
		select {
		case <-c.stopped:
		default:
			c.err = fmt.Errorf("%s %w (%s)", name, ErrEnded, exitText(err))
		}
		close(c.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return c, nil
}

func exitText(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// Done is closed when the child has ended, whoever ended it.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err returns why the child ended by itself. It is nil while the child runs and after [Child.Stop].
func (c *Child) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// PID returns the child's process id.
func (c *Child) PID() int { return c.process.Pid }

// Kill kills the child and waits until it is gone.
func (c *Child) Kill() error {
	c.stopping.Do(func() { close(c.stopped) })
	err := c.process.Kill()
	<-c.done
	return ignoreFinished(err)
}

// Stop asks the child to stop, kills it after ten seconds, and waits until it is gone. Stopping
// twice is fine.
func (c *Child) Stop() error {
	c.stopping.Do(func() { close(c.stopped) })
	if err := ignoreFinished(c.process.Signal(syscall.SIGTERM)); err != nil {
		return fmt.Errorf("stop %s: %w", c.name, err)
	}
	select {
	case <-c.done:
		return nil
	case <-time.After(stopTimeout):
		return c.Kill()
	}
}

func ignoreFinished(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// FindCommand returns the path of a program. It takes the program that an environment variable
// names. If the variable is not set, it looks on the PATH, then in bin/ of the working folder and
// of its parents, where 'make <name>' puts the program.
func FindCommand(name, variable string) (string, error) {
	if path := os.Getenv(variable); path != "" {
		if _, err := exec.LookPath(path); err != nil {
			return "", fmt.Errorf("%s names no command: %w", variable, err)
		}
		return path, nil
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("look for the %s command: %w", name, err)
	}
	for {
		if path, err := exec.LookPath(filepath.Join(dir, "bin", name)); err == nil {
			return path, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("the %s command is neither on the PATH nor in bin/: "+
				"run 'make %[1]s', which builds it once", name)
		}
		dir = parent
	}
}

// ChoosePort checks that a port of 127.0.0.1 is free for a child, or chooses one if port is 0. The
// child itself would fail later, and without naming the port.
func ChoosePort(port int) (int, error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		return 0, err
	}
	addr := netip.MustParseAddrPort(l.Addr().String())
	return int(addr.Port()), l.Close()
}
