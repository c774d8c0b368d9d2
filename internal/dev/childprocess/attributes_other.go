//go:build !linux

package childprocess

import "syscall"

// attributes: a group of its own, so that the terminal's Ctrl-C reaches the
// gate first, which then stops in order.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
