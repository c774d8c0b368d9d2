//go:build !linux

package devserver

import "syscall"

// childAttributes: a group of its own, so that the terminal's Ctrl-C reaches the
// gate first, which then stops in order.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
