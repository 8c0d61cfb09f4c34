package store

import (
	"errors"
	"sync"

	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

// ErrSuperseded is returned by [Store.SaveSnapshot] for a picture of a state
// that was taken back, by a truncation or for a leader's snapshot.
var ErrSuperseded = errors.New("the state of the snapshot is not valid any more")

// Fence is a number that grows whenever the state is read anew from disk. A
// server notes it when it starts and with each state it is given, and puts it
// into the pictures of that state, so that a picture of an older state is not
// saved when its time comes (see ZOOKEEPER-1549).
func (s *Store) Fence() uint64 { return s.fence.number() }

// fence remembers what was truncated or replaced since the start.
type fence struct {
	mu      sync.Mutex
	targets []proto.Zxid // what is above it was taken back
}

func (f *fence) number() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return uint64(len(f.targets))
}

// raise takes back what is above z.
func (f *fence) raise(z proto.Zxid) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.targets = append(f.targets, z)
}

// lower undoes the last raise: nothing was changed.
func (f *fence) lower() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.targets = f.targets[:len(f.targets)-1]
}

// superseded tells whether a state as of z, with the number it was noted with,
// has something that was taken back since.
func (f *fence) superseded(number uint64, z proto.Zxid) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, target := range f.targets[min(number, uint64(len(f.targets))):] {
		if z > target {
			return true
		}
	}
	return false
}

// fencedFS stops the writing of a snapshot that has become useless, so that a
// truncation need not wait for the rest of it.
type fencedFS struct {
	vfs.FS
	superseded func() bool
}

func (f fencedFS) Create(name string) (vfs.File, error) {
	file, err := f.FS.Create(name)
	return fencedFile{file, f.superseded}, err
}

func (f fencedFS) Rename(oldName, newName string) error {
	if f.superseded() {
		return ErrSuperseded
	}
	return f.FS.Rename(oldName, newName)
}

type fencedFile struct {
	vfs.File
	superseded func() bool
}

func (f fencedFile) Write(b []byte) (int, error) {
	if f.superseded() {
		return 0, ErrSuperseded
	}
	return f.File.Write(b)
}
