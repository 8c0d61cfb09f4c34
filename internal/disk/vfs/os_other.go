//go:build !linux

package vfs

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
)

func datasync(f *os.File) error {
	return f.Sync()
}

func preallocate(f *os.File, off, length int64) error {
	return growTo(f, off+length)
}

// syncDir does nothing on Windows, which has no call for it: NTFS journals
// its directories.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
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
	return 0, &fs.PathError{Op: "statfs", Path: dir, Err: errors.ErrUnsupported}
}
