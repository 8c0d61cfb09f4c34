// Package vfs is the file system as the disk code of a server sees it: a
// small interface, the operating system behind it, an in-memory disk that can
// lose power, and a wrapper that injects faults.
//
// It owns the meaning of durability. Everything above it reasons with these
// rules, and [Mem] takes from a program whatever they do not promise:
//
//   - The content and the size of a file are durable when [File.Sync] or
//     [File.Datasync] has returned nil. Before that a power loss keeps, block
//     by block, any version between the last synced one and the newest: old
//     content, new content, or a page of which only some sectors are new. The
//     size may be any of the sizes the file had meanwhile; a block inside the
//     size whose write was lost reads as what it was before, zeros if it was
//     never written.
//   - A sector of 512 bytes, aligned in the file, is written whole or not at
//     all. Disks and SSDs promise this much and no more.
//   - The name of a file is durable when [FS.SyncDir] of its directory has
//     returned nil. Until then creates, renames and removes of that directory
//     may be lost, but only from the newest backwards: what survives is a
//     prefix in the order they were made, as a journaling file system does
//     it. Syncing a file does not make its name durable, and a durable name
//     says nothing about content.
//   - A rename replaces its target in one step: the name leads to the old
//     file or to the new one, never to none. Both names must be in the same
//     directory.
//   - A directory made by [FS.MkdirAll] is durable when the call returns.
//   - A failed sync leaves the file in an unknown state for good: the kernel
//     may have dropped the dirty pages and report success the next time. The
//     caller must stop using the file and never retry.
//
// The end of a process, unlike the end of power, loses nothing that was
// written; but what it wrote is not durable either, although the next process
// can read it. Recovery has to sync what it read before it relies on it.
//
// The package must never sync behind its caller's back, never retry a sync
// and never import another package of this module.
package vfs

import (
	"errors"
	"io"
	"time"
)

// ErrLocked is returned by [FS.Lock] when the lock is held, by another
// process or by this one.
var ErrLocked = errors.New("locked by another holder")

// File is an open file. Methods that take an offset may be called by several
// goroutines at once; those that use the file's own position may not.
type File interface {
	io.Reader
	io.Writer
	io.ReaderAt
	io.WriterAt
	io.Seeker
	io.Closer

	// Name is the path the file was opened with.
	Name() string
	// Size is the current length in bytes.
	Size() (int64, error)
	// Truncate sets the length in bytes. Bytes that are added read as zeros.
	Truncate(size int64) error
	// Sync makes content, size and metadata durable (fsync).
	Sync() error
	// Datasync makes content and size durable (fdatasync), without metadata
	// such as times that nobody needs to read the content back.
	Datasync() error
	// Preallocate reserves disk space for length bytes from off and grows the
	// size to off+length if it is smaller. Bytes beyond the written ones read
	// as zeros. Where the file system cannot reserve, only the size grows.
	Preallocate(off, length int64) error
}

// Info describes a file or directory.
type Info struct {
	Size    int64 // bytes
	IsDir   bool
	ModTime time.Time
}

// FS is a file system. A missing file is reported by an error for which
// errors.Is(err, fs.ErrNotExist) holds.
type FS interface {
	// Open opens an existing file for reading.
	Open(name string) (File, error)
	// Create opens a file for reading and writing, and makes it if it is
	// missing or empties it if it exists.
	Create(name string) (File, error)
	// OpenRW opens an existing file for reading and writing.
	OpenRW(name string) (File, error)
	// Rename moves a file within its directory, over an existing one if there
	// is one.
	Rename(oldName, newName string) error
	// Remove deletes a file or an empty directory.
	Remove(name string) error
	// MkdirAll makes a directory and its parents, durably.
	MkdirAll(dir string) error
	// List returns the base names in a directory, sorted.
	List(dir string) ([]string, error)
	// Stat describes a file or directory.
	Stat(name string) (Info, error)
	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error
	// Lock takes an exclusive lock on a file, which is made if missing. It
	// does not wait: a held lock is [ErrLocked]. The lock ends when the
	// returned Closer is closed or the process ends.
	Lock(name string) (io.Closer, error)
	// FreeBytes is the space an unprivileged process can still use on the
	// disk that holds dir.
	FreeBytes(dir string) (uint64, error)
}
