package snap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"

	"quokka/internal/core/session"
	"quokka/internal/core/tree"
	"quokka/internal/disk/vfs"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

// DefaultMaxRecord is the limit of one znode, or one list of ACLs, in bytes.
const DefaultMaxRecord = 1 << 30

// Options are the settings of [Load] and [Read].
type Options struct {
	Tree      tree.Options
	MaxRecord int // bytes; 0 is DefaultMaxRecord
}

// Load reads a snapshot, checks all of its seals, and returns what it holds. A
// damaged file is a [*CorruptError] with its path and the offset; any other
// error means that the file could not be read.
func Load(fsys vfs.FS, path string, o Options) (*tree.Tree, *session.Table, Info, error) {
	zxid, method, ok := ParseFileName(filepath.Base(path))
	if !ok {
		return nil, nil, Info{}, fmt.Errorf("read snapshot %s: the name is not that of a snapshot, snapshot.<zxid in hex>", path)
	}
	return load(fsys, Info{Path: path, Zxid: zxid, Method: method}, o)
}

// LoadAny is [Load] for a file of any name, such as a backup: its first bytes
// tell the compression. A name that is none of a snapshot says no zxid; then
// Info.Zxid is that of the last section the file has, or 0.
func LoadAny(fsys vfs.FS, path string, o Options) (*tree.Tree, *session.Table, Info, error) {
	if _, _, ok := ParseFileName(filepath.Base(path)); ok {
		return Load(fsys, path, o)
	}
	method, err := sniff(fsys, path)
	if err != nil {
		return nil, nil, Info{}, fmt.Errorf("read snapshot: %w", err)
	}
	tr, ss, info, err := load(fsys, Info{Path: path, Method: method}, o)
	if info.Zxid = info.DigestZxid; info.HasLastProcessed {
		info.Zxid = info.LastProcessed
	}
	return tr, ss, info, err
}

// sniff tells the compression of a file from how it begins.
func sniff(fsys vfs.FS, path string) (Method, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return Plain, err
	}
	defer func() { _ = f.Close() }() // only read: nothing to lose
	for method, mark := range map[Method]string{Gzip: gzipMagic, Snappy: snappyMagic} {
		if problem, err := glanceAt(f, 0, mark, "other"); err != nil || problem == "" {
			return method, err
		}
	}
	return Plain, nil
}

// load reads a file of which info has the path and the method.
func load(fsys vfs.FS, info Info, o Options) (*tree.Tree, *session.Table, Info, error) {
	path := info.Path
	f, err := fsys.Open(path)
	if err != nil {
		return nil, nil, info, fmt.Errorf("read snapshot: %w", err)
	}
	defer func() { _ = f.Close() }() // only read: nothing to lose
	st, err := fsys.Stat(path)
	if err != nil {
		return nil, nil, info, fmt.Errorf("read snapshot: %w", err)
	}
	info.Size, info.ModTime = st.Size, st.ModTime
	tr, ss, err := readCompressed(f, &info, o)
	if err != nil {
		return nil, nil, info, loadError(path, err)
	}
	info.Valid = true
	return tr, ss, info, nil
}

// loadError puts the path into a CorruptError or before another error.
func loadError(path string, err error) error {
	var corrupt *CorruptError
	if errors.As(err, &corrupt) {
		corrupt.Path = path
		return err
	}
	return fmt.Errorf("read snapshot %s: %w", path, err)
}

func readCompressed(f io.Reader, info *Info, o Options) (*tree.Tree, *session.Table, error) {
	disk := &diskReader{r: f}
	r, err := info.Method.decompressor(disk)
	if err == nil {
		tr, ss, err := read(newSource(r), info, o)
		if disk.err != nil {
			return nil, nil, disk.err
		}
		return tr, ss, err
	}
	if disk.err != nil {
		return nil, nil, disk.err
	}
	return nil, nil, &CorruptError{Reason: "its compression cannot be read", Err: err}
}

// diskReader remembers a failure of the disk, which is no damage of the file.
type diskReader struct {
	r   io.Reader
	err error
}

func (d *diskReader) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if err != nil && err != io.EOF {
		d.err = err
	}
	return n, err
}

// Read reads an uncompressed snapshot to the end of r. Info has no name and no
// zxid. Every error, of r too, is a [*CorruptError].
func Read(r io.Reader, o Options) (*tree.Tree, *session.Table, Info, error) {
	var info Info
	tr, ss, err := read(newSource(r), &info, o)
	return tr, ss, info, err
}

func read(s *source, info *Info, o Options) (*tree.Tree, *session.Table, error) {
	d := &decoder{src: s, info: info, limit: o.MaxRecord}
	if d.limit <= 0 {
		d.limit = DefaultMaxRecord
	}
	if err := d.header(); err != nil {
		return nil, nil, err
	}
	ss, b, err := d.body(o.Tree)
	if err != nil {
		return nil, nil, err
	}
	if err := d.seal(); err != nil {
		return nil, nil, err
	}
	if err := d.sections(); err != nil {
		return nil, nil, err
	}
	tr, err := b.Finish()
	if err != nil {
		return nil, nil, d.corrupt("the znodes make no tree", err)
	}
	return tr, ss, nil
}

// decoder reads the parts of a snapshot in their order.
type decoder struct {
	src   *source
	info  *Info
	limit int
	wire  bool // a body from a leader, not a file
}

// body reads what files and the wire have in common.
func (d *decoder) body(o tree.Options) (*session.Table, *tree.Builder, error) {
	ss := session.NewTable()
	if err := d.sessions(ss); err != nil {
		return nil, nil, err
	}
	b := tree.NewBuilder(o)
	if err := d.acls(b); err != nil {
		return nil, nil, err
	}
	return ss, b, d.nodes(b)
}

// corrupt makes an error at the next byte; the cause may be nil.
func (d *decoder) corrupt(reason string, cause error) error {
	return &CorruptError{Offset: d.src.offset(), Reason: reason, Err: cause, Wire: d.wire}
}

// short is the error when the stream ended or failed in the middle of what.
func (d *decoder) short(what string) error {
	cause := d.src.err
	if cause == nil {
		cause = errUnexpectedEnd
	}
	return d.corrupt("no complete "+what, cause)
}

// badLength is the error for a length that is missing (not ok) or impossible.
func (d *decoder) badLength(what string, v int, ok bool) error {
	if !ok {
		return d.short(what)
	}
	return d.corrupt(fmt.Sprintf("%s has the impossible length %d", what, v), nil)
}

func (d *decoder) header() error {
	b := d.src.peek(16)
	if b == nil {
		return d.short("header")
	}
	if m := binary.BigEndian.Uint32(b); m != magic {
		return d.corrupt(fmt.Sprintf("it begins with 0x%08x, not with the mark of a snapshot", m), nil)
	}
	if v := int32(binary.BigEndian.Uint32(b[4:])); v != version {
		return d.corrupt(fmt.Sprintf("format version %d is not known, only %d is", v, version), ErrVersion)
	}
	d.src.take(16)
	return nil
}

func (d *decoder) sessions(t *session.Table) error {
	count, ok := d.src.int(0)
	if !ok || count < 0 {
		return d.badLength("list of sessions", count, ok)
	}
	d.src.take(4)
	for range count {
		b := d.src.peek(12)
		if b == nil {
			return d.short("session")
		}
		t.Put(proto.SessionID(binary.BigEndian.Uint64(b)), int32(binary.BigEndian.Uint32(b[8:])))
		d.src.take(12)
	}
	d.info.Sessions = t.Len()
	return nil
}

func (d *decoder) acls(b *tree.Builder) error {
	count, ok := d.src.int(0)
	if !ok || count < 0 {
		return d.badLength("list of ACLs", count, ok)
	}
	d.src.take(4)
	for range count {
		size, err := d.aclSize()
		if err != nil {
			return err
		}
		j := jute.NewDecoder(d.src.peek(size))
		id := j.Long()
		acl := proto.DecodeACLs(&j)
		if j.Err() != nil {
			return d.corrupt("an ACL cannot be read", j.Err())
		}
		b.AddACL(id, acl)
		d.src.take(size)
	}
	return nil
}

// aclSize walks over an entry of the ACL map and returns its size in bytes.
func (d *decoder) aclSize() (int, error) {
	size := 8
	count, ok := d.src.int(size)
	if !ok || count < -1 {
		return 0, d.badLength("ACL", count, ok)
	}
	size += 4
	for range max(count, 0) {
		size += 4 // the permissions
		for range 2 {
			n, ok := d.src.int(size)
			if !ok || n < -1 || n > d.limit-size {
				return 0, d.badLength("string in an ACL", n, ok)
			}
			size += 4 + max(n, 0)
		}
	}
	if d.src.peek(size) == nil {
		return 0, d.short("ACL")
	}
	return size, nil
}

// statSize is the size of a StatPersisted record in bytes.
const statSize = 60

func (d *decoder) nodes(b *tree.Builder) error {
	for {
		pathLen, ok := d.src.int(0)
		if !ok || pathLen < 0 || pathLen > d.limit {
			return d.badLength("path of a znode", pathLen, ok)
		}
		if pathLen == 1 {
			if mark := d.src.peek(len(endMark)); mark != nil && string(mark) == endMark {
				d.src.take(len(endMark))
				return nil
			}
		}
		if err := d.node(b, pathLen); err != nil {
			return err
		}
		d.info.Nodes++
	}
}

func (d *decoder) node(b *tree.Builder, pathLen int) error {
	at := 4 + pathLen
	dataLen, ok := d.src.int(at)
	if !ok || dataLen < -1 || dataLen > d.limit {
		return d.badLength("data of a znode", dataLen, ok)
	}
	at += 4
	size := at + max(dataLen, 0) + 8 + statSize
	rec := d.src.peek(size)
	if rec == nil {
		return d.short("znode")
	}
	path := rec[4 : 4+pathLen]
	var data []byte
	if dataLen >= 0 {
		data = rec[at : at+dataLen : at+dataLen]
		at += dataLen
	}
	j := jute.NewDecoder(rec[at:])
	aclID := j.Long()
	if err := b.Add(path, data, aclID, proto.DecodeStatPersisted(&j)); err != nil {
		return d.corrupt("znode "+strconv.Quote(string(path)), err)
	}
	d.src.take(size)
	return nil
}
