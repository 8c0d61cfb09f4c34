//go:build unix

package cli

import (
	"syscall"
	"time"
)

// cpuTime returns the CPU time this process has used, user and system.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0 // cannot happen; a report without CPU times is still one
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
