package childprocess

import "syscall"

// attributes gives the child a process group of its own, so that Ctrl-C in the terminal reaches
// only the gate, which then stops its children in order. The kernel kills the child if the gate is
// killed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
