package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// OS is the file system of the operating system. Its zero value is ready.
type OS struct{}

var _ FS = OS{}

// osFile adds to os.File what the interface has and os.File has not.
type osFile struct {
	*os.File
}

// Open implements [FS].
func (OS) Open(name string) (File, error) {
	return openOS(name, os.O_RDONLY)
}

// Create implements [FS]. The file can be read by everybody and written by
// its owner, as far as the umask allows.
func (OS) Create(name string) (File, error) {
	return openOS(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

// OpenRW implements [FS].
func (OS) OpenRW(name string) (File, error) {
	return openOS(name, os.O_RDWR)
}

func openOS(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, 0o644)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Rename implements [FS].
func (OS) Rename(oldName, newName string) error {
	return os.Rename(oldName, newName)
}

// Remove implements [FS].
func (OS) Remove(name string) error {
	return os.Remove(name)
}

// MkdirAll implements [FS]. Each parent in which a directory was made is
// synced, the outermost first.
func (o OS) MkdirAll(dir string) error {
	dir = filepath.Clean(dir)
	info, err := os.Stat(dir)
	if err == nil {
		if !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: errNotDir}
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := o.MkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return o.SyncDir(parent)
}

// List implements [FS].
func (OS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// Stat implements [FS].
func (OS) Stat(name string) (Info, error) {
	info, err := os.Stat(name)
	if err != nil {
		return Info{}, err
	}
	return Info{Size: info.Size(), IsDir: info.IsDir(), ModTime: info.ModTime()}, nil
}

// SyncDir implements [FS].
func (OS) SyncDir(dir string) error {
	return syncDir(dir)
}

// Lock implements [FS].
func (OS) Lock(name string) (io.Closer, error) {
	return lockFile(name)
}

// FreeBytes implements [FS]. Where the platform has no call for it the error
// is errors.ErrUnsupported.
func (OS) FreeBytes(dir string) (uint64, error) {
	return freeBytes(dir)
}

// Size implements [File].
func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Datasync implements [File].
func (f osFile) Datasync() error {
	return datasync(f.File)
}

// Preallocate implements [File].
func (f osFile) Preallocate(off, length int64) error {
	if length <= 0 {
		return nil
	}
	return preallocate(f.File, off, length)
}

// growTo raises the size of f to at least size without reserving space.
func growTo(f *os.File, size int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() >= size {
		return nil
	}
	return f.Truncate(size)
}
