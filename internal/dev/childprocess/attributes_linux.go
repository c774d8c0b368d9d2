package childprocess

import "syscall"

// attributes: a group of its own, so that the terminal's Ctrl-C reaches the
// gate first, which then stops in order; and an end with the gate if that is killed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
