package vfs

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// ErrStopped is what [StopAfter] answers once it has stopped.
var ErrStopped = errors.New("file system stopped by test")

// Op names a call that touches the disk.
type Op string

// The calls a [Fault] reports. Seek, Name and the like are not among them.
const (
	OpOpen        Op = "open"
	OpCreate      Op = "create"
	OpOpenRW      Op = "openrw"
	OpRename      Op = "rename"
	OpRemove      Op = "remove"
	OpMkdirAll    Op = "mkdirall"
	OpList        Op = "list"
	OpStat        Op = "stat"
	OpSyncDir     Op = "syncdir"
	OpLock        Op = "lock"
	OpFreeBytes   Op = "freebytes"
	OpRead        Op = "read"
	OpReadAt      Op = "readat"
	OpWrite       Op = "write"
	OpWriteAt     Op = "writeat"
	OpSize        Op = "size"
	OpTruncate    Op = "truncate"
	OpSync        Op = "sync"
	OpDatasync    Op = "datasync"
	OpPreallocate Op = "preallocate"
	OpClose       Op = "close"
)

// Hook is asked before every call. An error it returns is the result of the
// call, which then does not happen. For a rename path is the old name. Hooks
// may be called by several goroutines at once.
type Hook func(op Op, path string) error

// Fault wraps a file system, counts the calls and lets a hook refuse them.
type Fault struct {
	fsys FS

	mu    sync.Mutex
	hook  Hook
	calls int
}

var _ FS = (*Fault)(nil)

// NewFault wraps fsys. The hook may be nil.
func NewFault(fsys FS, hook Hook) *Fault {
	return &Fault{fsys: fsys, hook: hook}
}

// SetHook replaces the hook for all later calls, also on files that are open.
func (f *Fault) SetHook(hook Hook) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

// Calls is the number of calls so far, refused ones included.
func (f *Fault) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// before counts a call and asks the hook, outside the lock.
func (f *Fault) before(op Op, path string) error {
	f.mu.Lock()
	f.calls++
	hook := f.hook
	f.mu.Unlock()
	if hook == nil {
		return nil
	}
	if err := hook(op, path); err != nil {
		return pathError(string(op), path, err)
	}
	return nil
}

// StopAfter returns a hook that lets n calls pass and answers [ErrStopped] to
// all others: the moment a process dies.
func StopAfter(n int) Hook {
	var mu sync.Mutex
	return func(Op, string) error {
		mu.Lock()
		defer mu.Unlock()
		if n <= 0 {
			return ErrStopped
		}
		n--
		return nil
	}
}

// FailOnce returns a hook that answers err to the n-th call (from 1) of one
// kind, and lets all others pass: a disk that hiccups.
func FailOnce(op Op, n int, err error) Hook {
	var mu sync.Mutex
	return func(got Op, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		if got != op {
			return nil
		}
		if n--; n == 0 {
			return err
		}
		return nil
	}
}

// LogCalls returns a hook that writes one line per call, "op path", and never
// refuses.
func LogCalls(w io.Writer) Hook {
	var mu sync.Mutex
	return func(op Op, path string) error {
		mu.Lock()
		defer mu.Unlock()
		_, err := fmt.Fprintf(w, "%s %s\n", op, path)
		return err
	}
}

// checked asks the hook and then makes the call.
func checked[T any](f *Fault, op Op, path string, call func() (T, error)) (T, error) {
	if err := f.before(op, path); err != nil {
		var zero T
		return zero, err
	}
	return call()
}

func (f *Fault) openFile(op Op, name string, open func(string) (File, error)) (File, error) {
	return checked(f, op, name, func() (File, error) {
		file, err := open(name)
		if err != nil {
			return nil, err
		}
		return &faultFile{File: file, fault: f}, nil
	})
}

// Open implements [FS].
func (f *Fault) Open(name string) (File, error) { return f.openFile(OpOpen, name, f.fsys.Open) }

// Create implements [FS].
func (f *Fault) Create(name string) (File, error) { return f.openFile(OpCreate, name, f.fsys.Create) }

// OpenRW implements [FS].
func (f *Fault) OpenRW(name string) (File, error) { return f.openFile(OpOpenRW, name, f.fsys.OpenRW) }

// Rename implements [FS].
func (f *Fault) Rename(oldName, newName string) error {
	if err := f.before(OpRename, oldName); err != nil {
		return err
	}
	return f.fsys.Rename(oldName, newName)
}

// Remove implements [FS].
func (f *Fault) Remove(name string) error {
	if err := f.before(OpRemove, name); err != nil {
		return err
	}
	return f.fsys.Remove(name)
}

// MkdirAll implements [FS].
func (f *Fault) MkdirAll(dir string) error {
	if err := f.before(OpMkdirAll, dir); err != nil {
		return err
	}
	return f.fsys.MkdirAll(dir)
}

// List implements [FS].
func (f *Fault) List(dir string) ([]string, error) {
	return checked(f, OpList, dir, func() ([]string, error) { return f.fsys.List(dir) })
}

// Stat implements [FS].
func (f *Fault) Stat(name string) (Info, error) {
	return checked(f, OpStat, name, func() (Info, error) { return f.fsys.Stat(name) })
}

// SyncDir implements [FS].
func (f *Fault) SyncDir(dir string) error {
	if err := f.before(OpSyncDir, dir); err != nil {
		return err
	}
	return f.fsys.SyncDir(dir)
}

// Lock implements [FS].
func (f *Fault) Lock(name string) (io.Closer, error) {
	return checked(f, OpLock, name, func() (io.Closer, error) { return f.fsys.Lock(name) })
}

// FreeBytes implements [FS].
func (f *Fault) FreeBytes(dir string) (uint64, error) {
	return checked(f, OpFreeBytes, dir, func() (uint64, error) { return f.fsys.FreeBytes(dir) })
}
