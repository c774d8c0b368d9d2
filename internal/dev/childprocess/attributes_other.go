//go:build !linux

package childprocess

import "syscall"

// attributes gives the child a process group of its own, so that Ctrl-C in the terminal reaches
// only the gate, which then stops its children in order.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
