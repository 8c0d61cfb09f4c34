//go:build unix

package admin

import (
	"math"
	"os"
	"runtime"
	"syscall"
)

// openFiles counts the file descriptors this process has open, where the system lists them.
func openFiles() (int64, bool) {
	list := "/dev/fd"
	if runtime.GOOS == "linux" {
		list = "/proc/self/fd"
	}
	entries, err := os.ReadDir(list)
	if err != nil || len(entries) == 0 {
		return 0, false
	}
	return int64(len(entries)) - 1, true // one of them is the listing itself
}

// maxFiles returns how many file descriptors this process may have open.
func maxFiles() (int64, bool) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	return int64(min(uint64(limit.Cur), math.MaxInt64)), true
}
