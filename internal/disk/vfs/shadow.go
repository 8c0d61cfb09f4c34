package vfs

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
)

// Shadow shows a file system as changes would leave it, and makes none of
// them: it reads what is below it and keeps what is done to it in memory. A
// program that repairs as it reads, such as the recovery of a server, can so be
// run over files that belong to somebody else. It takes no lock that another
// process could notice, and syncs nothing.
//
// Files of the base may be renamed, removed and cut, but not written to; new
// files, which should be small, may. All methods may be called by several
// goroutines.
type Shadow struct {
	base FS
	mu   sync.Mutex
	// changed holds the names that do not mean what the base says.
	changed map[string]shadowEntry
	dirs    map[string]bool // made here
	upper   *Mem            // content of new files, each under a path of its own
	created int
	locked  map[string]bool
}

// shadowEntry is what a name means.
type shadowEntry struct {
	gone  bool
	path  string // in the base, or in upper
	upper bool
	cut   bool // show size bytes only
	size  int64
}

var _ FS = (*Shadow)(nil)

// NewShadow returns a shadow of a file system without any change.
func NewShadow(base FS) *Shadow {
	return &Shadow{
		base: base, changed: map[string]shadowEntry{}, dirs: map[string]bool{}, upper: NewMem(), locked: map[string]bool{},
	}
}

// look tells what a name means. s.mu is held.
func (s *Shadow) look(name string) shadowEntry {
	if e, ok := s.changed[filepath.Clean(name)]; ok {
		return e
	}
	return shadowEntry{path: name}
}

func (s *Shadow) entry(name string) shadowEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.look(name)
}

// Open implements [FS].
func (s *Shadow) Open(name string) (File, error) {
	e := s.entry(name)
	switch {
	case e.gone:
		return nil, pathError("open", name, fs.ErrNotExist)
	case e.upper:
		return s.upper.Open(e.path)
	}
	f, err := s.base.Open(e.path)
	if err != nil {
		return nil, err
	}
	return &shadowFile{File: f, owner: s, name: name, cut: e.cut, size: e.size}, nil
}

// OpenRW implements [FS]. Of a file of the base only the size can be changed.
func (s *Shadow) OpenRW(name string) (File, error) {
	if e := s.entry(name); e.upper && !e.gone {
		return s.upper.OpenRW(e.path)
	}
	return s.Open(name)
}

// Create implements [FS].
func (s *Shadow) Create(name string) (File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.created++
	path := strconv.Itoa(s.created)
	f, err := s.upper.Create(path)
	if err == nil {
		s.changed[filepath.Clean(name)] = shadowEntry{path: path, upper: true}
	}
	return f, err
}

// Rename implements [FS].
func (s *Shadow) Rename(oldName, newName string) error {
	if _, err := s.Stat(oldName); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed[filepath.Clean(newName)] = s.look(oldName)
	s.changed[filepath.Clean(oldName)] = shadowEntry{gone: true}
	return nil
}

// Remove implements [FS], for files.
func (s *Shadow) Remove(name string) error {
	if _, err := s.Stat(name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed[filepath.Clean(name)] = shadowEntry{gone: true}
	return nil
}

// MkdirAll implements [FS].
func (s *Shadow) MkdirAll(dir string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirs[filepath.Clean(dir)] = true
	return nil
}

// List implements [FS].
func (s *Shadow) List(dir string) ([]string, error) {
	names, err := s.base.List(dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	dir = filepath.Clean(dir)
	if err != nil && !s.dirs[dir] {
		return nil, err
	}
	set := map[string]bool{}
	for _, n := range names {
		set[n] = true
	}
	for path, e := range s.changed {
		if filepath.Dir(path) == dir {
			set[filepath.Base(path)] = !e.gone
		}
	}
	maps.DeleteFunc(set, func(_ string, there bool) bool { return !there })
	return slices.Sorted(maps.Keys(set)), nil
}

// Stat implements [FS].
func (s *Shadow) Stat(name string) (Info, error) {
	e := s.entry(name)
	switch {
	case e.gone:
		return Info{}, pathError("stat", name, fs.ErrNotExist)
	case e.upper:
		return s.upper.Stat(e.path)
	}
	info, err := s.base.Stat(e.path)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.dirs[filepath.Clean(name)] {
			return Info{IsDir: true}, nil
		}
		return info, err
	}
	if e.cut {
		info.Size = e.size
	}
	return info, nil
}

// SyncDir implements [FS]; there is nothing to make durable.
func (s *Shadow) SyncDir(string) error { return nil }

// Lock implements [FS]. Nobody but the users of this shadow notices.
func (s *Shadow) Lock(name string) (io.Closer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name = filepath.Clean(name)
	if s.locked[name] {
		return nil, ErrLocked
	}
	s.locked[name] = true
	return shadowLock{s, name}, nil
}

type shadowLock struct {
	owner *Shadow
	name  string
}

// Close implements io.Closer.
func (l shadowLock) Close() error {
	l.owner.mu.Lock()
	defer l.owner.mu.Unlock()
	delete(l.owner.locked, l.name)
	return nil
}

// FreeBytes implements [FS].
func (s *Shadow) FreeBytes(dir string) (uint64, error) { return s.base.FreeBytes(dir) }

// shadowFile is a file of the base, which is only read.
type shadowFile struct {
	File
	owner *Shadow
	name  string
	at    int64 // the position of Read
	cut   bool
	size  int64
}

var errShadow = errors.New("a file below a shadow cannot be written to")

// Name is the name it was opened with.
func (f *shadowFile) Name() string { return f.name }

// Size is the length, as far as it was not cut.
func (f *shadowFile) Size() (int64, error) {
	if f.cut {
		return f.size, nil
	}
	return f.File.Size()
}

// ReadAt implements io.ReaderAt.
func (f *shadowFile) ReadAt(p []byte, off int64) (int, error) {
	if !f.cut || off+int64(len(p)) <= f.size {
		return f.File.ReadAt(p, off)
	}
	if off >= f.size {
		return 0, io.EOF
	}
	n, err := f.File.ReadAt(p[:f.size-off], off)
	if err == nil {
		err = io.EOF
	}
	return n, err
}

// Read implements io.Reader.
func (f *shadowFile) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.at)
	f.at += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// Seek implements io.Seeker, from the start and from where it is.
func (f *shadowFile) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.at
	case io.SeekEnd:
		size, err := f.Size()
		if err != nil {
			return 0, err
		}
		offset += size
	}
	if offset < 0 {
		return 0, pathError("seek", f.name, errNegative)
	}
	f.at = offset
	return offset, nil
}

// Truncate makes the file shorter for those who open it from now on.
func (f *shadowFile) Truncate(size int64) error {
	now, err := f.Size()
	if err != nil {
		return err
	}
	if size < 0 || size > now {
		return pathError("truncate", f.name, errShadow)
	}
	f.owner.mu.Lock()
	defer f.owner.mu.Unlock()
	e := f.owner.look(f.name)
	e.cut, e.size = true, size
	f.owner.changed[filepath.Clean(f.name)] = e
	f.cut, f.size = true, size
	return nil
}

// Write is refused.
func (f *shadowFile) Write([]byte) (int, error) { return 0, pathError("write", f.name, errShadow) }

// WriteAt is refused.
func (f *shadowFile) WriteAt([]byte, int64) (int, error) {
	return 0, pathError("write", f.name, errShadow)
}

// Preallocate is refused.
func (f *shadowFile) Preallocate(int64, int64) error {
	return pathError("preallocate", f.name, errShadow)
}

// Sync does nothing.
func (f *shadowFile) Sync() error { return nil }

// Datasync does nothing.
func (f *shadowFile) Datasync() error { return nil }
