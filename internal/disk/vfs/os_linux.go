package vfs

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// maxInterrupts bounds how often a system call that a signal interrupted is
// begun again. EINTR means that the call did nothing, so this is not the
// retry of a failed sync.
const maxInterrupts = 1000

// onFD runs call with the descriptor of f and names the failure.
func onFD(f *os.File, op string, call func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = raw.Control(func(fd uintptr) {
		for range maxInterrupts {
			result = call(int(fd))
			if result != unix.EINTR {
				return
			}
		}
	})
	if err == nil {
		err = result
	}
	if err != nil {
		return &fs.PathError{Op: op, Path: f.Name(), Err: err}
	}
	return nil
}

func datasync(f *os.File) error {
	return onFD(f, "fdatasync", unix.Fdatasync)
}

func preallocate(f *os.File, off, length int64) error {
	err := onFD(f, "fallocate", func(fd int) error {
		return unix.Fallocate(fd, 0, off, length)
	})
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return growTo(f, off+length)
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

func freeBytes(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, &fs.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return st.Bavail * uint64(st.Bsize), nil
}
