package interop

import "syscall"

// dieWithParent makes the kernel kill the child when the test binary ends in whatever way, so that a test that
// panics or runs into its time limit leaves no server behind.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
