package vfs

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

var (
	errNotDir   = errors.New("not a directory")
	errIsDir    = errors.New("is a directory")
	errNotEmpty = errors.New("directory not empty")
	errCrossDir = errors.New("rename from one directory into another")
	errReadOnly = errors.New("file is open for reading only")
	errNegative = errors.New("negative offset or size")
)

// Mem is a file system in memory which knows what would survive a power loss:
// [Mem.CrashImage] makes a disk as it could be found afterwards. It is for
// tests and simulation. All methods may be called by several goroutines.
//
// The root directory always exists; "a/b" and "/a/b" are the same name. Times
// are a count of changes, not a clock, so that runs repeat exactly.
type Mem struct {
	mu    sync.Mutex
	dirs  map[string]*memDir // by clean absolute path
	locks map[string]bool
	ticks int64
	free  uint64
}

var _ FS = (*Mem)(nil)

// memDir is the names of one directory, now and on the disk.
type memDir struct {
	entries map[string]*memNode
	durable map[string]*memNode
	pending []dirChange // since the last SyncDir, oldest first
}

// dirChange is one unsynced create (remove empty), remove (node nil) or
// rename (both) in a directory.
type dirChange struct {
	remove string
	add    string
	node   *memNode
}

func (c dirChange) apply(entries map[string]*memNode) {
	if c.remove != "" {
		delete(entries, c.remove)
	}
	if c.node != nil {
		entries[c.add] = c.node
	}
}

// NewMem returns an empty file system with one TiB of free space.
func NewMem() *Mem {
	return &Mem{
		dirs:  map[string]*memDir{"/": newMemDir()},
		locks: make(map[string]bool),
		free:  1 << 40,
	}
}

func newMemDir() *memDir {
	return &memDir{entries: make(map[string]*memNode), durable: make(map[string]*memNode)}
}

func clean(name string) string {
	return filepath.ToSlash(filepath.Clean("/" + name))
}

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// dirOf returns the directory of a name and its base. m.mu is held.
func (m *Mem) dirOf(name string) (*memDir, string) {
	name = clean(name)
	i := strings.LastIndexByte(name, '/')
	return m.dirs[clean(name[:i])], name[i+1:]
}

// node returns the file of a name. m.mu is held.
func (m *Mem) node(op, name string) (*memNode, error) {
	if m.dirs[clean(name)] != nil {
		return nil, pathError(op, name, errIsDir)
	}
	dir, base := m.dirOf(name)
	if dir == nil || dir.entries[base] == nil {
		return nil, pathError(op, name, fs.ErrNotExist)
	}
	return dir.entries[base], nil
}

// tick returns the next moment. m.mu is held.
func (m *Mem) tick() time.Time {
	m.ticks++
	return time.Unix(m.ticks, 0).UTC()
}

// Open implements [FS].
func (m *Mem) Open(name string) (File, error) {
	return m.open(name, false)
}

// OpenRW implements [FS].
func (m *Mem) OpenRW(name string) (File, error) {
	return m.open(name, true)
}

func (m *Mem) open(name string, writable bool) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, err := m.node("open", name)
	if err != nil {
		return nil, err
	}
	return &memFile{fsys: m, node: node, name: name, writable: writable}, nil
}

// Create implements [FS]. Emptying an existing file is a change of its
// content, durable with the file and not with the directory.
func (m *Mem) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, err := m.create(name)
	if err != nil {
		return nil, err
	}
	if node.now.size > 0 {
		node.truncate(0)
	}
	node.modTime = m.tick()
	return &memFile{fsys: m, node: node, name: name, writable: true}, nil
}

// create returns the file of a name, a new one if it is missing.
func (m *Mem) create(name string) (*memNode, error) {
	node, err := m.node("create", name)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return node, err
	}
	dir, base := m.dirOf(name)
	if dir == nil {
		return nil, err
	}
	node = newMemNode()
	dir.change(dirChange{add: base, node: node})
	return node, nil
}

func (d *memDir) change(c dirChange) {
	c.apply(d.entries)
	d.pending = append(d.pending, c)
}

// Rename implements [FS].
func (m *Mem) Rename(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, err := m.node("rename", oldName)
	if err != nil {
		return err
	}
	if m.dirs[clean(newName)] != nil {
		return pathError("rename", newName, errIsDir)
	}
	dir, oldBase := m.dirOf(oldName)
	newDir, newBase := m.dirOf(newName)
	if dir != newDir {
		return pathError("rename", newName, errCrossDir)
	}
	if oldBase != newBase {
		dir.change(dirChange{remove: oldBase, add: newBase, node: node})
	}
	return nil
}

// Remove implements [FS]. The removal of a directory is durable at once, as
// its making is.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if path := clean(name); m.dirs[path] != nil {
		if len(m.list(path)) > 0 || path == "/" {
			return pathError("remove", name, errNotEmpty)
		}
		delete(m.dirs, path)
		return nil
	}
	if _, err := m.node("remove", name); err != nil {
		return err
	}
	dir, base := m.dirOf(name)
	dir.change(dirChange{remove: base})
	return nil
}

// MkdirAll implements [FS].
func (m *Mem) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	path := ""
	for part := range strings.SplitSeq(strings.TrimPrefix(clean(dir), "/"), "/") {
		parent := m.dirs[clean(path)]
		path += "/" + part
		if parent.entries[part] != nil {
			return pathError("mkdir", dir, errNotDir)
		}
		if path = clean(path); m.dirs[path] == nil {
			m.dirs[path] = newMemDir()
		}
	}
	return nil
}

// List implements [FS].
func (m *Mem) List(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dirs[clean(dir)] == nil {
		return nil, pathError("list", dir, fs.ErrNotExist)
	}
	return m.list(clean(dir)), nil
}

func (m *Mem) list(dir string) []string {
	names := slices.Collect(maps.Keys(m.dirs[dir].entries))
	prefix := strings.TrimSuffix(dir, "/") + "/"
	for path := range m.dirs {
		if base, ok := strings.CutPrefix(path, prefix); ok && base != "" && !strings.Contains(base, "/") {
			names = append(names, base)
		}
	}
	slices.Sort(names)
	return names
}

// Stat implements [FS].
func (m *Mem) Stat(name string) (Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dirs[clean(name)] != nil {
		return Info{IsDir: true}, nil
	}
	node, err := m.node("stat", name)
	if err != nil {
		return Info{}, err
	}
	return Info{Size: node.now.size, ModTime: node.modTime}, nil
}

// SyncDir implements [FS].
func (m *Mem) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.dirs[clean(dir)]
	if d == nil {
		return pathError("syncdir", dir, fs.ErrNotExist)
	}
	d.durable = maps.Clone(d.entries)
	d.pending = nil
	return nil
}

// Lock implements [FS].
func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.create(name); err != nil {
		return nil, err
	}
	path := clean(name)
	if m.locks[path] {
		return nil, pathError("lock", name, ErrLocked)
	}
	m.locks[path] = true
	return &memLock{fsys: m, path: path}, nil
}

// memLock is a held lock; closing it twice does no harm to a later holder.
type memLock struct {
	fsys *Mem
	path string
	once sync.Once
}

func (l *memLock) Close() error {
	l.once.Do(func() {
		l.fsys.mu.Lock()
		defer l.fsys.mu.Unlock()
		delete(l.fsys.locks, l.path)
	})
	return nil
}

// FreeBytes implements [FS]: the number set by [Mem.SetFree].
func (m *Mem) FreeBytes(string) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.free, nil
}

// SetFree sets what FreeBytes reports. It limits nothing; to make writes fail
// use [Fault].
func (m *Mem) SetFree(bytes uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free = min(bytes, math.MaxInt64)
}
