//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// exclusiveFile is a lock by existence, for platforms without flock. It
// outlives a process that ends without closing it; the file must then be
// removed by hand.
type exclusiveFile struct {
	*os.File
}

func lockFile(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: ErrLocked}
	}
	if err != nil {
		return nil, err
	}
	return exclusiveFile{f}, nil
}

// Close gives the lock back.
func (e exclusiveFile) Close() error {
	return errors.Join(e.File.Close(), os.Remove(e.Name()))
}
