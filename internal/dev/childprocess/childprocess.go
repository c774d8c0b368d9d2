// Package childprocess runs another program beside this one, and no longer than this one.
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

// stopPatience is how long a child may take to end in order.
const stopPatience = 10 * time.Second

// ErrEnded is what [Child.Err] wraps.
var ErrEnded = errors.New("ended by itself")

// Child is a running program.
type Child struct {
	name    string
	process *os.Process
	done    chan struct{}
	err     error // valid once done is closed

	stopping sync.Once
	stopped  chan struct{} // closed when [Child.Stop] or [Child.Kill] was asked for
}

// Start runs a command that is not started yet. It gets a group of its own, and on
// Linux it ends with this process, however that dies. name is what errors call it.
func Start(name string, cmd *exec.Cmd) (*Child, error) {
	c := &Child{name: name, done: make(chan struct{}), stopped: make(chan struct{})}
	cmd.SysProcAttr = attributes()
	cmd.WaitDelay = time.Second
	started := make(chan error, 1)
	// On a thread that lives as long as the child does: the kernel's signal on the
	// parent's death follows the thread, not the process.
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

// Err says why the child ended by itself: nil while it runs and after [Child.Stop].
func (c *Child) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// PID is the id of the child's process.
func (c *Child) PID() int { return c.process.Pid }

// Kill ends the child as a power cut would, and waits until it is gone.
func (c *Child) Kill() error {
	c.stopping.Do(func() { close(c.stopped) })
	err := c.process.Kill()
	<-c.done
	return ignoreFinished(err)
}

// Stop asks the child to end, kills it after ten seconds, and waits until it is gone.
// Stopping twice is no error.
func (c *Child) Stop() error {
	c.stopping.Do(func() { close(c.stopped) })
	if err := ignoreFinished(c.process.Signal(syscall.SIGTERM)); err != nil {
		return fmt.Errorf("stop %s: %w", c.name, err)
	}
	select {
	case <-c.done:
		return nil
	case <-time.After(stopPatience):
		return c.Kill()
	}
}

func ignoreFinished(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// FindCommand looks for a program: first where an environment variable says, then on the
// PATH, then in bin/ beside or above the working folder, where 'make <name>' puts it.
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
			return "", fmt.Errorf("the %s command is neither on the PATH nor in bin/: run 'make %s', which builds it once", name, name)
		}
		dir = parent
	}
}

// ChoosePort is a port of 127.0.0.1 for a child to listen on; 0 chooses a free one. A
// port in use is found early here, with its number, where the child would fail late without it.
func ChoosePort(port int) (int, error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		return 0, err
	}
	addr := netip.MustParseAddrPort(l.Addr().String())
	return int(addr.Port()), l.Close()
}
