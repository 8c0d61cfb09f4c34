package vfs

import (
	"io"
	"io/fs"
	"time"
)

// memNode is a file of a [Mem], whatever names lead to it. Guarded by the
// mutex of the file system.
type memNode struct {
	now     *content
	durable *content
	pending []fileChange // since the last sync, oldest first
	modTime time.Time
}

// fileChange is one unsynced write (data not nil) or change of size.
type fileChange struct {
	off  int64 // of the write; the new size otherwise
	data []byte
}

func newMemNode() *memNode {
	return &memNode{now: newContent(), durable: newContent()}
}

func (n *memNode) write(p []byte, off int64) {
	if len(p) == 0 {
		return
	}
	n.now.writeAt(p, off)
	n.pending = append(n.pending, fileChange{off: off, data: append([]byte(nil), p...)})
}

func (n *memNode) truncate(size int64) {
	n.now.truncate(size)
	n.pending = append(n.pending, fileChange{off: size})
}

// sync makes the content durable. Only pages that changed are carried over.
func (n *memNode) sync() {
	for _, c := range n.pending {
		if c.data == nil {
			n.durable.truncate(c.off)
			continue
		}
		last := (c.off + int64(len(c.data)) - 1) / pageSize
		for i := c.off / pageSize; i <= last; i++ {
			if pg := n.now.pages[i]; pg != nil {
				n.durable.pages[i] = pg
			} else {
				delete(n.durable.pages, i) // a later truncate cut it off
			}
		}
	}
	n.durable.truncate(n.now.size)
	n.pending = nil
}

// memFile is an open file of a [Mem].
type memFile struct {
	fsys     *Mem
	node     *memNode
	name     string
	writable bool
	pos      int64
	closed   bool
}

// begin takes the lock and checks that the file may be used.
func (f *memFile) begin(op string, write bool) error {
	f.fsys.mu.Lock()
	var err error
	switch {
	case f.closed:
		err = pathError(op, f.name, fs.ErrClosed)
	case write && !f.writable:
		err = pathError(op, f.name, errReadOnly)
	}
	if err != nil {
		f.fsys.mu.Unlock()
	}
	return err
}

func (f *memFile) Name() string { return f.name }

func (f *memFile) Read(p []byte) (int, error) {
	if err := f.begin("read", false); err != nil {
		return 0, err
	}
	defer f.fsys.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	n := f.node.now.readAt(p, f.pos)
	f.pos += int64(n)
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.begin("read", false); err != nil {
		return 0, err
	}
	defer f.fsys.mu.Unlock()
	if off < 0 {
		return 0, pathError("read", f.name, errNegative)
	}
	n := f.node.now.readAt(p, off)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) Write(p []byte) (int, error) {
	if err := f.begin("write", true); err != nil {
		return 0, err
	}
	defer f.fsys.mu.Unlock()
	f.node.write(p, f.pos)
	f.pos += int64(len(p))
	f.node.modTime = f.fsys.tick()
	return len(p), nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.begin("write", true); err != nil {
		return 0, err
	}
	defer f.fsys.mu.Unlock()
	if off < 0 {
		return 0, pathError("write", f.name, errNegative)
	}
	f.node.write(p, off)
	f.node.modTime = f.fsys.tick()
	return len(p), nil
}

func (f *memFile) Seek(offset int64, whence int) (int64, error) {
	if err := f.begin("seek", false); err != nil {
		return 0, err
	}
	defer f.fsys.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += f.pos
	case io.SeekEnd:
		offset += f.node.now.size
	}
	if offset < 0 {
		return 0, pathError("seek", f.name, errNegative)
	}
	f.pos = offset
	return offset, nil
}

func (f *memFile) Size() (int64, error) {
	if err := f.begin("stat", false); err != nil {
		return 0, err
	}
	defer f.fsys.mu.Unlock()
	return f.node.now.size, nil
}

func (f *memFile) Truncate(size int64) error {
	if err := f.begin("truncate", true); err != nil {
		return err
	}
	defer f.fsys.mu.Unlock()
	if size < 0 {
		return pathError("truncate", f.name, errNegative)
	}
	f.node.truncate(size)
	f.node.modTime = f.fsys.tick()
	return nil
}

func (f *memFile) Sync() error {
	if err := f.begin("sync", false); err != nil {
		return err
	}
	defer f.fsys.mu.Unlock()
	f.node.sync()
	return nil
}

func (f *memFile) Datasync() error {
	return f.Sync()
}

func (f *memFile) Preallocate(off, length int64) error {
	if err := f.begin("preallocate", true); err != nil {
		return err
	}
	defer f.fsys.mu.Unlock()
	if off < 0 || length < 0 {
		return pathError("preallocate", f.name, errNegative)
	}
	if size := off + length; length > 0 && size > f.node.now.size {
		f.node.truncate(size)
	}
	return nil
}

func (f *memFile) Close() error {
	if err := f.begin("close", false); err != nil {
		return err
	}
	defer f.fsys.mu.Unlock()
	f.closed = true
	return nil
}
